"""Bans: what each kind is about, what they take along, what they are told of before, and shadow bans over the API."""

from __future__ import annotations

import json
from typing import Any

from cackled.domain.bans import banned
from cackled.domain.channels import ChannelRef
from cackled.domain.errors import BadField
from cackled.domain.sessions import Session
from cackled.moderation import queue_feature
from cackled.moderation.authors import Authors
from cackled.moderation.banning import Banning
from cackled.products import PRODUCTS
from cackled.products.registry import Registry
from tests.api.common import ORIGIN
from tests.domain.common import ANN, BOB, CAT, the_id
from tests.moderation.test_decisions import EVE, QueueCase
from tests.moderation.test_queue_api import QueueApiCase


class KindTests(QueueCase):
    """What may not write."""

    async def test_understood(self) -> None:
        """Each kind as it is compared; what can't be one is refused."""
        for kind, value, wanted in (
            ("visitor", "007", ("visitor", "7")), ("account", "7", ("account", "7")),
            ("ip", "192.0.2.7", ("ip", "192.0.2.7/32")), ("network", "192.0.2.7/24", ("ip", "192.0.2.0/24")),
            ("address", "2001:db8:1:2:3::4", ("ip", "2001:db8:1:2::/64")),
            ("address", "192.0.2.7", ("ip", "192.0.2.7/32")), ("network", "::ffff:10.0.0.0/104", ("ip", "10.0.0.0/8")),
            ("mail", "Ann+x@One.Example", ("mail", "ann@one.example")),
            ("domain", "@Spam.Example", ("domain", "spam.example")),
            ("domain", "spam.example", ("domain", "spam.example")),
            ("name", "The  Boss", ("name", "The  Boss")), ("word", "Casino", ("word", "Casino")),
        ):  # fmt: skip
            made = banned(kind, value)
            self.assertEqual((made.kind, made.value), wanted, (kind, value))
        for kind, value in (("x", "y"), ("visitor", "ann"), ("visitor", str(2**63)), ("ip", "1.2.3"), ("mail", "ann"),
                            ("mail", "@x"), ("domain", "a@b"), ("domain", ""), ("word", "a"), ("name", ""),
                            ("word", "x" * 101), ("network", "10.0.0.0/99")):  # fmt: skip
            with self.assertRaises(BadField, msg=(kind, value)):
                banned(kind, value)

    async def test_each(self) -> None:
        """A ban of each kind holds for writing, and of those that name somebody for votes, edits and reports too."""
        self.sql("insert into person (site_id, visitor_id, name, skeleton, email) "
                 "values (1, 22, 'Bob', 'bob', 'Bob+news@Spam.example')")  # fmt: skip
        bob = Session(1, BOB, 1)

        async def post(text: str, **at: Any) -> Any:
            return await self.comments.post(bob, ChannelRef("page"), text, "", **at)

        theirs = the_id(await post("mine", address="2001:db8:1:2::9"))
        other = the_id(await self.post("other", by=CAT, name="Cat"))
        for kind, value in (("visitor", "22"), ("account", "22"), ("address", "2001:db8:1:2::1"),
                            ("network", "2001:db8::/32"), ("mail", "bob@spam.example"), ("domain", "spam.example"),
                            ("name", "BOB"), ("word", "blah")):  # fmt: skip
            await self.bans.ban(kind, value)
            at: dict[str, Any] = {"address": "2001:db8:1:2::7"}
            refused = await self.refused(post("some Blah here", **at))
            self.assertEqual(refused.slug, "banned", kind)
            if kind not in ("name", "word"):
                for work in (self.comments.vote(bob, other, 1, **at), self.comments.edit(bob, theirs, "x", **at),
                             self.comment_moderation.flag(bob, other, "", **at)):  # fmt: skip
                    self.assertEqual((await self.refused(work)).slug, "banned", kind)
            await self.post("fine", by=CAT, name="Cat", address="192.0.2.1")
            self.assertTrue(await self.bans.unban(kind, value))
        await post("some Blah here")

    async def test_until(self) -> None:
        """A ban that is over holds no more."""
        await self.bans.ban("visitor", "22", 1.0)
        await self.post("fine", by=BOB)


class TakeTests(QueueCase):
    """What a ban takes along."""

    async def setUp(self) -> None:
        await super().setUp()
        self.banning = Banning(self.site, self.database, self.queue)
        for by, name, address in ((ANN, "Ann", "192.0.2.7"), (BOB, "Bob", "192.0.2.8"), (CAT, "Cat", "198.51.100.1")):
            await self.post(f"by {name}", by=by, name=name, address=address)

    async def test_preview(self) -> None:
        """How much it is about, and who that is: an office's network shows itself."""
        for kind, value, count, names in (
            ("visitor", "11", 1, ["Ann"]), ("network", "192.0.2.0/24", 2, ["Bob", "Ann"]), ("name", "cat", 1, ["Cat"]),
            ("word", "BY", 3, ["Cat", "Bob", "Ann"]), ("mail", "x@y", 0, []), ("domain", "y", 0, []),
        ):  # fmt: skip
            found = await self.banning.preview(kind, value, 30)
            self.assertEqual((found.count, found.names), (count, names), kind)

    async def test_along_and_back(self) -> None:
        """What they wrote goes with the ban, and comes back when it is lifted."""
        made = await self.banning.ban(EVE, "network", "192.0.2.0/24", take="reject", days=30)
        self.assertEqual(made.total, 2)
        await self.bulk()
        self.assertEqual(await self.texts(), ["<p>by Cat</p>"])
        self.assertEqual((await self.refused(self.post("x", address="192.0.2.99"))).slug, "banned")
        done, more = await self.banning.lift(EVE, made.ban, restore=True)
        self.assertEqual((len(done), more, len(await self.texts())), (2, False, 3))
        self.assertEqual((await self.refused(self.banning.lift(EVE, made.ban))).status, 404)
        log = self.sql("select action, detail::text from audit where action like 'ban.%%' order by id")
        self.assertEqual([one[0] for one in log], ["ban.added", "ban.lifted"])
        self.assertNotIn("192.0.2", log[0][1])

    async def test_under_way(self) -> None:
        """It can't be brought back while it is still being taken."""
        made = await self.banning.ban(EVE, "visitor", "11", take="delete")
        self.assertEqual((await self.refused(self.banning.lift(EVE, made.ban, restore=True))).slug, "state")
        self.assertEqual((await self.refused(self.post("x", by=ANN))).slug, "banned")


class WarningTests(QueueCase):
    """What an author has to read."""

    async def test_read_before_writing(self) -> None:
        """They can't write until they have read it; others can, also in the same moment."""
        authors = Authors(self.site, self.database)
        number = int(await authors.warn(EVE, ANN, "Mind your words."))
        self.assertEqual((await self.refused(self.post("x", by=ANN))).slug, "warned")
        await self.post("y", by=BOB)
        told, = await authors.warnings(ANN, unread=True)  # fmt: skip
        self.assertEqual(told.body, "Mind your words.")
        self.assertEqual((await self.refused(authors.read(BOB, number))).status, 404)
        await authors.read(ANN, number)
        await self.post("x", by=ANN)
        self.assertEqual(await authors.warnings(ANN, unread=True), [])
        self.assertIsNotNone((await authors.warnings(ANN))[0].read)

    async def test_forgotten(self) -> None:
        """Who asks to be forgotten is not kept in notes, in histories or in what was deleted."""
        authors = Authors(self.site, self.database)
        made = the_id(await self.post("secret words", by=ANN))
        await self.comments.edit(Session(1, ANN), made, "other secret")
        await self.do("delete", made)
        await authors.note(EVE, ANN, "secret note")
        await authors.warn(EVE, ANN, "secret warning")
        erasables = Registry((*PRODUCTS, queue_feature.FEATURE)).erasables
        for one in erasables:
            for step in one.steps:
                await self.database.site(1).write(step, 1, ANN, 100)
        for table in ("comment", "comment_kept", "comment_change", "author_note", "author_warning", "comment_search",
                      "moderation_step", "event"):  # fmt: skip
            self.assertNotIn("secret", str(self.sql(f"select * from {table}")), table)
        self.assertEqual(self.counts(), (0, 0, 0))

    async def test_notes(self) -> None:
        """Colleagues' notes, and what else is known."""
        authors = Authors(self.site, self.database)
        await self.post("x", by=ANN, address="192.0.2.7")
        await self.post("x", by=BOB, name="Other", address="192.0.2.7")
        number = int(await authors.note(EVE, ANN, "Knows a lot."))
        self.assertEqual([(one.by, one.body) for one in await authors.notes(ANN)], [("Eve", "Knows a lot.")])
        await authors.forget_note(ANN, number)
        self.assertEqual(await authors.notes(ANN), [])
        known = await self.queue.author(ANN)
        self.assertEqual((known["counts"], known["other_names"]), ({"approved": 1}, ["Other"]))
        self.assertEqual((await self.refused(self.queue.author(99))).status, 404)


class BanApiTests(QueueApiCase):
    """Over HTTP."""

    async def test_life(self) -> None:
        """Made, listed, in effect, lifted."""
        base = "/api/v1/sites/1/bans"
        item = (await self.eve.ask("GET", "/api/v1/sites/1/moderation/items")).json()["items"][0]
        who = item["author"]["id"]
        seen = (await self.eve.ask("GET", f"{base}/preview?kind=visitor&value={who}")).json()
        self.assertEqual(seen, {"count": 1, "days": 30, "names": ["Ann"]})
        made = await self.eve.ask("POST", base, {"kind": "visitor", "value": who, "days": 3, "note": "rude"})
        self.assertEqual(made.status, 201, made)
        row, = (await self.eve.ask("GET", f"{base}?q=rude")).json()["bans"]  # fmt: skip
        self.assertEqual((row["kind"], row["value"], row["by"], row["shadow"]), ("visitor", who, "Eve", False))
        # As every browser reads them.
        for time in (row["created"], row["until"]):
            self.assertRegex(time, r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ$")
        body = {"channel": {"key": "page"}, "text": "x", "name": "Ann"}
        self.assertEqual((await self.ask("POST", "/api/v1/sites/1/comments", body, **self.visitor)).slug, "banned")
        lifted = await self.eve.ask("DELETE", f"{base}/{made.json()['id']}")
        self.assertEqual(lifted.json(), {"restored": [], "state": "done"})
        word = {"kind": "word", "value": "ab"}
        for sent in ({"kind": "x", "value": "y"}, {"kind": "ip", "value": "x"}, {**word, "until": "x"},
                     {**word, "until": "2020-01-01"}, {**word, "days": -1}):  # fmt: skip
            self.assertEqual((await self.eve.ask("POST", base, sent)).status, 400, sent)

    async def test_shadow(self) -> None:
        """Who is banned that way finds the same answers as everybody; others see nothing of them."""
        def shape(answer: Any) -> Any:
            return {key: type(value).__name__ for key, value in answer.json()["comment"].items()}

        body = {"channel": {"key": "other"}, "text": "x", "name": "Ann"}
        usual = await self.ask("POST", "/api/v1/sites/1/comments", body, **self.visitor)
        who = usual.json()["comment"]["author"]["id"]
        await self.eve.ask("POST", "/api/v1/sites/1/bans", {"kind": "visitor", "value": who, "shadow": True})
        now = await self.ask("POST", "/api/v1/sites/1/comments", body, **self.visitor)
        self.assertEqual((now.status, shape(now)), (201, shape(usual)))
        self.assertEqual(list(now.headers), list(usual.headers))
        self.assertEqual(now.json()["position"].rpartition("@")[2], "2")
        page = (await self.ask("GET", "/api/v1/sites/1/comments?channel=other")).json()
        self.assertEqual(len(page["page"]["comments"]), 1)
        number = now.json()["comment"]["id"]
        one = await self.ask("GET", f"/api/v1/sites/1/comments/{number}", **self.visitor)
        self.assertEqual((one.status, shape(one)), (200, shape(usual)))
        self.assertEqual((await self.ask("GET", f"/api/v1/sites/1/comments/{number}")).status, 404)

    async def test_shadow_votes_and_reports(self) -> None:
        """A vote for their own, and a report, are answered as everybody's; nobody else's find anything."""
        body = {"channel": {"key": "other"}, "text": "x", "name": "Ann"}
        seen = (await self.ask("POST", "/api/v1/sites/1/comments", body, **self.visitor)).json()["comment"]
        ban = {"kind": "visitor", "value": seen["author"]["id"], "shadow": True}
        await self.eve.ask("POST", "/api/v1/sites/1/bans", ban)
        unseen = (await self.ask("POST", "/api/v1/sites/1/comments", body, **self.visitor)).json()["comment"]
        session = (await self.ask("POST", "/api/v1/sites/1/sessions", {}, origin=ORIGIN)).json()
        other = {"origin": ORIGIN, "authorization": f"Bearer {session['token']}"}
        for path, method, sent in (("vote", "PUT", {"value": 1}), ("flags", "POST", {"reason": "spam"})):
            told = []
            for one in (seen, unseen):
                answer = await self.ask(method, f"/api/v1/sites/1/comments/{one['id']}/{path}", sent, **self.visitor)
                again = await self.ask(method, f"/api/v1/sites/1/comments/{one['id']}/{path}", sent, **self.visitor)
                self.assertEqual((answer.status, answer.body), (again.status, again.body), path)
                told.append((answer.status, answer.body.replace(one["id"].encode(), b"")))
            self.assertEqual(told[0], told[1], path)
            gone = await self.ask(method, f"/api/v1/sites/1/comments/{unseen['id']}/{path}", sent, **other)
            self.assertEqual((gone.status, gone.slug), (404, "comment"))
        self.assertEqual(self.sql("select n_flags, up from comment where id = %s", int(unseen["id"])), [(0, 0)])

    async def test_shadow_profile(self) -> None:
        """A profile tells others of no comment that they don't see, nor of the name above it."""
        body = {"channel": {"key": "other"}, "text": "x", "name": "Ann"}
        made = (await self.ask("POST", "/api/v1/sites/1/comments", body, **self.visitor)).json()["comment"]
        ban = {"kind": "visitor", "value": made["author"]["id"], "shadow": True}
        await self.eve.ask("POST", "/api/v1/sites/1/bans", ban)
        await self.ask("POST", "/api/v1/sites/1/comments", {**body, "name": "Hidden"}, **self.visitor)
        path = f"/api/v1/sites/1/visitors/{made['author']['id']}"
        others, own = (await self.ask("GET", path)).json(), (await self.ask("GET", path, **self.visitor)).json()
        self.assertEqual((others["name"], others["comments"]), ("Ann", 1))
        # What waited from the beginning is the visitor's own, too.
        self.assertEqual((own["name"], own["comments"]), ("Hidden", 3))

    async def test_author(self) -> None:
        """The author's card, and a message that they have to read."""
        item = (await self.eve.ask("GET", "/api/v1/sites/1/moderation/items")).json()["items"][0]
        base = f"/api/v1/sites/1/moderation/authors/{item['author']['id']}"
        self.assertEqual((await self.eve.ask("POST", base + "/notes", {"text": "hm"})).status, 201)
        self.assertEqual((await self.eve.ask("POST", base + "/warnings", {"text": "Please."})).status, 201)
        self.assertEqual((await self.eve.ask("POST", base + "/warnings", {"text": " "})).status, 422)
        card = (await self.eve.ask("GET", base)).json()
        self.assertEqual((card["name"], card["counts"]), ("Ann", {"pending": 1}))
        self.assertEqual((len(card["notes"]), len(card["warnings"])), (1, 1))
        body = {"channel": {"key": "page"}, "text": "x", "name": "Ann"}
        self.assertEqual((await self.ask("POST", "/api/v1/sites/1/comments", body, **self.visitor)).slug, "warned")
        told = (await self.ask("GET", "/api/v1/sites/1/warnings", **self.visitor)).json()["warnings"]
        self.assertEqual([one["body"] for one in told], ["Please."])
        read = await self.ask("POST", f"/api/v1/sites/1/warnings/{told[0]['id']}/read", **self.visitor)
        self.assertEqual(read.status, 204)
        self.assertEqual((await self.ask("POST", "/api/v1/sites/1/comments", body, **self.visitor)).status, 201)
        self.assertNotIn("hm", json.dumps((await self.ask("GET", "/api/v1/sites/1/warnings", **self.visitor)).json()))
        self.assertIn(ORIGIN, self.visitor["origin"])
