"""Options that visitors propose, in the moderators' queue and before the site's rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cackled.products.polls
from tests.products.polls.common import PollCase
from tests.support.staff import sign_in

QUEUE = "/api/v1/sites/1/moderation"


class ProposalCase(PollCase):
    """A poll that takes options."""

    async def setUp(self) -> None:
        await super().setUp()
        self.number = await self.make(write_in=True, kind="multiple", min=1, max=3)

    async def propose(self, text: str, auth: str | None = None, poll: str | None = None) -> Any:
        """Propose an option."""
        path = f"/api/v1/sites/1/polls/{poll or self.number}/options"
        return await self.ask("POST", path, {"text": text}, authorization=auth or await self.visitor())

    async def items(self, query: str = "state=all&product=polls") -> list[Any]:
        """What the queue has."""
        answer = await self.owner.ask("GET", f"{QUEUE}/items?{query}")
        self.assertEqual(answer.status, 200, answer)
        return answer.json()["items"]

    async def act(self, action: str, *items: str, **more: Any) -> Any:
        """Decide on proposals."""
        return await self.owner.ask("POST", f"{QUEUE}/actions", {"items": items, "action": action, **more})

    async def undo(self, done: Any) -> Any:
        """Undo an action."""
        return await self.owner.ask("POST", f"{QUEUE}/actions/{done.json()['id']}/undo")

    async def options(self) -> list[str]:
        """What everybody sees."""
        return [one["text"] for one in (await self.poll(self.number))["poll"]["options"]]

    async def rules(self, **rules: Any) -> None:
        """The site's rules."""
        path = "/api/v1/sites/1/rules"
        tag = (await self.owner.ask("GET", path)).headers["etag"]
        answer = await self.owner.ask("PUT", path, rules, if_match=tag)
        self.assertEqual(answer.status, 200, answer)


class QueueTests(ProposalCase):
    async def test_listed(self) -> None:
        """They are listed as pending, with their poll; words, polls and authors are found; nothing else is."""
        ann = await self.visitor()
        await self.propose("dark <violet>", ann)
        other = await self.make(write_in=True, question="Which animal?")
        await self.propose("zebra", ann, other)
        zebra, violet = await self.items("state=pending")
        self.assertEqual((violet["text"], violet["html"]), ("dark <violet>", "dark &lt;violet&gt;"))
        self.assertEqual((violet["state"], violet["product"], violet["version"]), ("pending", "polls", 1))
        self.assertEqual((violet["page"]["title"], violet["page"]["key"]), ("Which colour?", self.number))
        self.assertEqual(zebra["page"]["title"], "Which animal?")
        for query, count in (
            ("state=pending&product=polls", 2), ("state=approved&product=polls", 0), ("state=unseen", 2),
            ("state=flagged&product=polls", 0), ("q=violet", 1), ("q=violet+zebra", 0), (f"channel={other}", 1),
            ("state=pending&product=comments", 0), ("q=%22dark+%3Cviolet%3E%22", 1), ("author=nobody&product=polls", 0),
            (f"q=&state=all&cursor={zebra['id'].split(':')[1]}&product=polls", 1), ("state=spam&product=polls", 0),
        ):  # fmt: skip
            self.assertEqual(len(await self.items(query)), count, query)
        detail = await self.owner.ask("GET", f"{QUEUE}/items/{violet['id']}")
        self.assertEqual((detail.status, detail.json()["item"]["text"]), (200, "dark <violet>"))
        self.assertEqual((await self.owner.ask("GET", f"{QUEUE}/items/proposal:5")).status, 404)
        author = await self.owner.ask("GET", f"{QUEUE}/authors/{violet['author']['id']}")
        self.assertEqual(author.status, 200, author)

    async def test_decided(self) -> None:
        """Approved it is an option; undone it waits again; rejected it is none; each is in its history."""
        await self.propose("violet")
        (item,) = await self.items()
        done = await self.act("approve", item["id"], versions={item["id"]: 1})
        self.assertEqual(done.status, 200, done)
        self.assertEqual(await self.options(), ["red", "green", "blue", "violet"])
        self.assertEqual((await self.poll(self.number))["poll"]["max"], 4)
        self.assertEqual((await self.act("reject", item["id"], versions={item["id"]: 1})).status, 409)
        history = (await self.owner.ask("GET", f"{QUEUE}/items/{item['id']}")).json()["history"]
        self.assertEqual([(one["deed"], one["before"], one["after"]) for one in history],
                         [("approve", {"state": "pending"}, {"state": "approved"})])  # fmt: skip
        undone = await self.undo(done)
        self.assertEqual(undone.status, 200, undone)
        self.assertEqual(await self.options(), ["red", "green", "blue"])
        self.assertEqual((await self.poll(self.number))["poll"]["max"], 3)
        self.assertEqual([one["state"] for one in await self.items()], ["pending"])
        for action, state in (("spam", "spam"), ("reject", "rejected"), ("delete", "deleted"), ("hold", "pending")):
            self.assertEqual((await self.act(action, item["id"])).status, 200, action)
            self.assertEqual([one["state"] for one in await self.items()], [state])
            self.assertEqual(await self.options(), ["red", "green", "blue"])
        self.assertNotIn("violet", json.dumps(self.events(self.number)))

    async def test_voted(self) -> None:
        """What was voted for is taken away neither by an action nor by undoing one; counts are as they were."""
        await self.propose("violet")
        (item,) = await self.items()
        done = await self.act("approve", item["id"])
        await self.vote(await self.visitor(), self.number, "4", "1")
        for action in ("reject", "hold", "spam", "delete"):
            self.assertEqual((await self.act(action, item["id"])).status, 409, action)
        self.assertNotEqual((await self.undo(done)).json().get("done"), [item["id"]])
        self.assertEqual(await self.options(), ["red", "green", "blue", "violet"])
        self.assertEqual(self.counts((await self.poll(self.number))["poll"]), [1, 0, 0, 1])

    async def test_editor(self) -> None:
        """What is decided in the poll's editor is decided in the queue, too; a full poll takes no more in either."""
        await self.propose("violet")
        (item,) = await self.items()
        path = f"/api/v1/sites/1/polls/{self.number}/options/4"
        self.assertEqual((await self.owner.ask("PUT", path, {"shown": True})).status, 200)
        self.assertEqual([one["state"] for one in await self.items()], ["approved"])
        self.assertEqual((await self.act("approve", item["id"], versions={item["id"]: 1})).status, 409)
        full = await self.make(write_in=True, options=[{"text": f"option {n}"} for n in range(49)])
        await self.propose("the fiftieth", poll=full)
        whole = {"version": 1, "options": [{"text": f"option {n}"} for n in range(50)]}
        await self.owner.ask("PATCH", f"/api/v1/sites/1/polls/{full}", whole)
        (item, _) = await self.items()
        self.assertEqual((await self.act("approve", item["id"])).status, 409)
        self.assertEqual([one["state"] for one in await self.items(f"channel={full}")], ["pending"])

    async def test_other_site(self) -> None:
        """Site 2 neither finds nor decides on what was proposed on site 1."""
        await self.propose("canary")
        (item,) = await self.items()
        other = await sign_in(self, "owner", site=2)
        for path in ("items?state=all", f"items/{item['id']}", f"items?state=all&channel={self.number}"):
            answer = await other.ask("GET", f"/api/v1/sites/2/moderation/{path}")
            self.assertNotIn("canary", answer.body.decode(), path)
        body = {"items": [item["id"]], "action": "approve"}
        self.assertEqual((await other.ask("POST", "/api/v1/sites/2/moderation/actions", body)).slug, "gone")
        self.assertEqual(await self.options(), ["red", "green", "blue"])

    async def test_forgotten(self) -> None:
        """Whoever is forgotten leaves no proposal in the queue, and no words in an option that was shown."""
        ann = await self.visitor()
        await self.propose("canary one", ann)
        (item,) = await self.items()
        await self.act("approve", item["id"])
        await self.propose("canary two", ann)
        self.assertEqual(len(await self.items()), 2)
        await self.application.erasures.erase(1, int(self.visitor_of(ann)))
        self.assertEqual(await self.items(), [])
        self.assertEqual(await self.options(), ["red", "green", "blue", ""])


    async def test_before(self) -> None:
        """What was proposed before proposals were items is in the queue after the migration, each with its number."""
        for poll in (self.number, await self.make(write_in=True)):
            for text in ("one", "two", "three"):
                await self.propose(f"{text} {poll}", poll=poll)
        await self.owner.ask("PUT", f"/api/v1/sites/1/polls/{self.number}/options/4", {"shown": True})
        await self.owner.ask("PUT", f"/api/v1/sites/1/polls/{self.number}/options/5", {"shown": False})
        self.sql("update poll_option set item = null, status = 1, seen = true, created_at = '2026-11-01'")
        text = (Path(cackled.products.polls.__file__).parent / "sql" / "0077_poll_proposals.sql").read_text()
        self.sql(text.partition("set role cackled_system;")[2].partition("reset role;")[0])
        self.assertEqual([one["state"] for one in await self.items()].count("pending"), 4)
        self.assertEqual(len(await self.items("state=approved&product=polls")), 1)
        self.assertEqual(len(await self.items("state=rejected&product=polls")), 1)
        self.assertEqual(len({one["id"] for one in await self.items()}), 6)
        self.assertTrue(all(one["created"].startswith("2026-11-01") for one in await self.items()))


class RuleTests(ProposalCase):
    async def test_words(self) -> None:
        """A refused word is refused; one that waits, and links, wait with their mark; all else waits without one."""
        await self.rules(words=[{"text": "rude", "action": "refuse"}, {"text": "odd", "action": "hold"},
                                {"text": "pills", "action": "spam"}])  # fmt: skip
        self.assertEqual((await self.propose("so rude")).slug, "rule")
        self.assertEqual(await self.items(), [])
        await self.propose("fine")
        await self.propose("odd one")
        ann = await self.visitor()
        self.assertEqual((await self.propose("cheap pills", ann)).status, 201)
        # Its author is told nothing: it is as if it waited.
        self.assertEqual((await self.propose("more of it", ann)).slug, "proposals")
        items = await self.items()
        found = [(one["text"], one["state"], [mark["mark"] for mark in one.get("marks", [])]) for one in items]
        self.assertEqual(found, [("cheap pills", "spam", ["word"]), ("odd one", "pending", ["word"]),
                                 ("fine", "pending", [])])  # fmt: skip
        self.assertEqual([one["text"] for one in await self.items("state=spam&mark=word")], ["cheap pills"])
        self.assertEqual(await self.options(), ["red", "green", "blue"])
