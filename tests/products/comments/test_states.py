"""Comments that wait, and what nobody but their author sees."""

from __future__ import annotations

import json
from typing import Any

from cackled.domain.sessions import Session
from cackled.domain.site import Site
from cackled.moderation.verdict import Draft, Verdict
from cackled.products.comments.pages import Wanted
from cackled.products.comments.service import Comments
from tests.domain.common import ANN, BOB, CAT, DomainCase, the_id


class StateCase(DomainCase):
    """Whose word "hold" is held, "buy" is spam, and "never" is refused."""

    def of(self, site: Site) -> Comments:
        """Comments with a judge."""
        return Comments(site, self.database, self.cache, self.evicted.append, judge=self.judge)

    async def judge(self, site: Site, draft: Draft) -> Verdict:
        """By single words."""
        if "hold" in draft.text:
            return Verdict("pending", ("word", "link"), None, ("hold",))
        if "buy" in draft.text:
            return Verdict("spam", ("spam",), 0.99, ("buy",))
        return Verdict("approved")

    async def page(self) -> Any:
        """The page as everybody reads it."""
        self.cache.clear()
        return json.loads(b"{" + (await self.comments.page("page", Wanted("old"))).value + b"}")

    async def texts(self) -> list[str]:
        """The roots that everybody sees."""
        return [one["html"].strip() for one in (await self.page())["page"]["comments"]]

    async def own(self, by: int) -> Any:
        """What a visitor sees beside that."""
        return json.loads(await self.comments.mine("page", Session(1, by))).get("own", [])

    def counts(self) -> Any:
        """Visible, roots, pending."""
        return self.sql("select n_visible, n_root, n_pending from comment_channel")[0]


class HeldTests(StateCase):
    """What the rules hold back."""

    async def test_pending(self) -> None:
        """It is its author's alone, who is told that it waits; no number, no event, no word of it."""
        await self.post("first", by=BOB)
        written = await self.post("please hold this", by=ANN)
        made = json.loads(written.comment)
        self.assertEqual((made["state"], made["author"]["name"], made["deleted"]), ("pending", "Ann", False))
        self.assertEqual((made["source"], written.position.seq), ("please hold this", 1))
        self.assertEqual(len(self.events()), 1)
        self.assertEqual(self.counts(), (1, 1, 1))
        page = await self.page()
        self.assertNotIn("hold", json.dumps(page))
        self.assertEqual((page["channel"]["seq"], page["channel"]["comments"]), (1, 1))
        own, = await self.own(ANN)  # fmt: skip
        self.assertEqual((own["id"], own["state"]), (made["id"], "pending"))
        self.assertIn("please hold this", own["html"])
        self.assertEqual(await self.own(BOB), [])
        one = await self.comments.one(int(made["id"]), Session(1, ANN))
        self.assertEqual(json.loads(one.json)["state"], "pending")
        for session in (None, Session(1, BOB)):
            self.assertEqual((await self.refused(self.comments.one(int(made["id"]), session))).slug, "not-found")
        self.assertEqual((await self.refused(self.post("re", parent=int(made["id"])))).slug, "parent")
        self.assertEqual((await self.refused(self.comments.vote(Session(1, CAT), int(made["id"]), 1))).slug, "comment")
        marks = self.sql("select mark, words from comment_mark order by mark")
        self.assertEqual(marks, [("link", []), ("word", ["hold"])])

    async def test_same_key_again(self) -> None:
        """A client that asks again learns that it waits."""
        first = await self.post("hold", idempotency_key="k")
        again = await self.post("hold", idempotency_key="k")
        self.assertTrue(again.replayed)
        self.assertEqual(json.loads(again.comment), json.loads(first.comment))

    async def test_own_changes(self) -> None:
        """Its author may change it and take it back while it waits; others can't tell that it is there."""
        held = the_id(await self.post("hold it"))
        self.assertEqual((await self.refused(self.comments.edit(Session(1, BOB), held, "x"))).slug, "comment")
        changed = json.loads((await self.comments.edit(Session(1, ANN), held, "hold that")).comment)
        self.assertEqual((changed["state"], changed["source"]), ("pending", "hold that"))
        self.assertEqual((await self.refused(self.comments.delete(Session(1, BOB), held))).slug, "comment")
        await self.comments.delete(Session(1, ANN), held)
        self.assertEqual((self.counts(), self.events(), await self.own(ANN)), ((0, 0, 0), [], []))
        self.assertEqual(self.sql("select src, html, status from comment"), [("", "", 4)])

    async def test_revision(self) -> None:
        """A published comment stays as it was approved until its new text is."""
        made = the_id(await self.post("fine"))
        changed = json.loads((await self.comments.edit(Session(1, ANN), made, "hold now")).comment)
        self.assertEqual((changed["state"], changed["source"]), ("pending", "hold now"))
        self.assertEqual(await self.texts(), ["<p>fine</p>"])
        self.assertEqual(len(self.events()), 1)
        own, = await self.own(ANN)  # fmt: skip
        self.assertIn("hold now", own["html"])
        self.assertEqual(await self.own(BOB), [])
        # One that needs no look takes the place of what waits.
        await self.comments.edit(Session(1, ANN), made, "fine again")
        self.assertEqual((await self.texts(), await self.own(ANN)), (["<p>fine again</p>"], []))


class ShadowTests(StateCase):
    """Who is banned and must not notice."""

    async def setUp(self) -> None:
        await super().setUp()
        self.base = the_id(await self.post("base", by=BOB))
        self.sql("insert into ban (site_id, kind, value, shadow) values (1, 'visitor', '11', true)")

    async def test_post(self) -> None:
        """They are answered as everybody is, see what they wrote, and nobody else does."""
        usual = json.loads((await self.post("by bob", by=BOB)).comment)
        written = await self.post("by ann", by=ANN)
        made = json.loads(written.comment)
        self.assertEqual(set(made), set(usual))
        self.assertEqual((written.position.seq, made["deleted"]), (3, False))
        self.assertEqual(await self.texts(), ["<p>base</p>", "<p>by bob</p>"])
        self.assertEqual((await self.page())["channel"]["comments"], 2)
        own, = await self.own(ANN)  # fmt: skip
        self.assertEqual(own, {key: value for key, value in made.items() if key != "source"})
        self.assertEqual([kind for _, kind, _ in self.events()], ["comment.created"] * 2 + ["channel.updated"])
        self.assertNotIn("by ann", json.dumps(self.events()))
        reply = json.loads((await self.post("re", by=ANN, parent=int(made["id"]))).comment)
        self.assertEqual((reply["parent"], reply["depth"]), (made["id"], 1))
        self.assertEqual((await self.refused(self.post("re", by=BOB, parent=int(made["id"])))).slug, "parent")
        changed = await self.comments.edit(Session(1, ANN), int(made["id"]), "other")
        self.assertEqual(changed.position.seq, 5)
        self.assertIn("other", json.loads(changed.comment)["html"])
        self.assertEqual((await self.comments.delete(Session(1, ANN), int(made["id"]))).position.seq, 6)
        self.assertEqual([one["id"] for one in await self.own(ANN)], [reply["id"]])

    async def test_vote_and_flag(self) -> None:
        """A vote and a report look done, and change nothing for anybody else."""
        voted = await self.comments.vote(Session(1, ANN), self.base, 1)
        self.assertEqual((voted.up, voted.value), (1, 1))
        self.assertEqual((await self.page())["page"]["comments"][0]["up"], 0)
        self.assertEqual([one["up"] for one in await self.own(ANN)], [1])
        self.assertEqual(json.loads(await self.comments.mine("page", Session(1, ANN)))["votes"], {str(self.base): 1})
        other = await self.comments.vote(Session(1, CAT), self.base, -1)
        self.assertEqual((other.up, other.down), (0, 1))
        back = await self.comments.vote(Session(1, ANN), self.base, 0)
        self.assertEqual((back.up, back.down), (0, 1))
        self.assertEqual(await self.own(ANN), [])
        self.assertEqual(await self.comment_moderation.flag(Session(1, ANN), self.base, "rude"), 1)
        self.assertEqual(self.sql("select n_flags from comment"), [(0,)])

    async def test_edit_of_before(self) -> None:
        """What was published stays as others know it, and looks changed to its author."""
        self.sql("update comment set visitor_id = 11")
        changed = await self.comments.edit(Session(1, ANN), self.base, "now ads")
        made = json.loads(changed.comment)
        self.assertNotIn("state", made)
        self.assertEqual((await self.texts(), changed.position.seq), (["<p>base</p>"], 2))
        self.assertEqual([one["html"] for one in await self.own(ANN)], [made["html"]])
        self.assertNotIn("state", (await self.own(ANN))[0])
