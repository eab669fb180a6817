"""Comments on a real database: what may be written, what it changes, what is told of it, and in which order."""

from __future__ import annotations

import json
from typing import Any

import psycopg2
from msgspec import structs
from twisted.internet.defer import Deferred, DeferredList, gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from cackled.database.testing import server
from cackled.domain import text as texts
from cackled.domain.addresses import stored_address
from cackled.domain.channels import ChannelRef, check_channel, parse_id
from cackled.domain.errors import BadField, NotFound
from cackled.domain.sessions import Session
from cackled.products.comments import pages
from cackled.products.comments.pages import Wanted
from cackled.products.comments.settings import CommentSettings
from tests.domain.common import ANN, BOB, CAT, DomainCase, clock, the_id


def start(work: Any) -> Deferred[Any]:
    return Deferred.fromCoroutine(work)


class ArgumentTests(SynchronousTestCase):
    """`parse_id`, `check_channel`, addresses."""

    def test_ids(self) -> None:
        """A 64-bit number in ASCII digits, and nothing else."""
        self.assertEqual(parse_id("7"), 7)
        self.assertEqual(parse_id(str(2**63 - 1)), 2**63 - 1)
        for text in ("", "-1", "+1", " 1", "1 ", "1.0", "٣", str(2**63), "9" * 30, "1\n", "x", "0x1"):
            with self.assertRaises(NotFound) as caught:
                parse_id(text, "parent")
            self.assertEqual(caught.exception.field, "parent")

    def test_channels(self) -> None:
        """Keys are bounded and named when wrong; addresses and titles are made to fit or left out."""
        made = check_channel(ChannelRef("  k  ", " https://a.example/x ", " A \n title\u2028 " + "x" * 400))
        self.assertEqual((made.key, made.url), ("k", "https://a.example/x"))
        self.assertTrue(made.title.startswith("A title "))
        self.assertEqual(len(made.title), 300)
        self.assertEqual(check_channel(ChannelRef("я" * 500)).key, "я" * 500)
        for key in ("", "   ", "x" * 501, "a\x00b", "a\nb", "a\rb", "a\x1bb", "a\x7fb", "a\x85b", "a\u2028b"):
            with self.assertRaises(BadField) as caught:
                check_channel(ChannelRef(key))
            self.assertEqual(caught.exception.field, "channel.key")
        for url in ("javascript:alert(1)", "/x", "http://", "http://a%b", "x" * 20, "http://" + "a" * 1000):
            self.assertEqual(check_channel(ChannelRef("k", url)).url, "", url)

    def test_addresses(self) -> None:
        """What is no address is none; mapped IPv4 is IPv4, and zones are left out."""
        for given, kept in (
            ("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::1"), ("", None),
            (None, None), ("unix", None), ("1.2.3.4.5", None),
        ):  # fmt: skip
            self.assertEqual(stored_address(given), kept)


class PostTests(DomainCase):
    """Posting."""

    settings = {"level": 2, "max_length": 50}

    async def test_post(self) -> None:
        """The answer, the row, the page and the event tell the same; the position is what the event has."""
        written = await self.post("Hi *you*", key="page", address="192.0.2.9")
        comment = json.loads(written.comment)
        self.assertEqual(comment.pop("source"), "Hi *you*")
        self.assertEqual(comment["html"], "<p>Hi <em>you</em></p>")
        self.assertEqual(comment["author"], {"id": str(ANN), "name": "Ann", "avatar": None})
        self.assertEqual((comment["parent"], comment["root"], comment["depth"]), (None, comment["id"], 0))
        self.assertRegex(comment["created"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
        self.assertEqual(str(written.position), f"1/{self.site.channel('comments', 'page')}@1")
        self.assertEqual(self.evicted, [written.position])
        self.assertEqual(self.events(), [(1, "comment.created", {"comment": comment, "comments": 1})])
        page = await self.comments.page("page", Wanted(), after=1)
        self.assertEqual(page.seq, 1)
        shown = json.loads(b"{" + page.value + b"}")
        self.assertEqual(shown["position"], str(written.position))
        self.assertEqual(shown["page"]["comments"], [{**comment, "replies": [], "more": 0}])
        self.assertEqual(shown["channel"]["comments"], 1)
        self.assertEqual(self.sql("select host(ip), src from comment"), [("192.0.2.9", "Hi *you*")])

    async def test_replies(self) -> None:
        """Replies nest to the site's level and no deeper; each root counts all below it."""
        root = the_id(await self.post("root"))
        child = the_id(await self.post("child", parent=root))
        grand = the_id(await self.post("grand", parent=child, by=BOB))
        error = await self.refused(self.post("deeper", parent=grand))
        self.assertEqual((error.status, error.slug, error.field), (422, "depth", "parent"))
        shown = json.loads(b"{" + (await self.comments.page("page", Wanted())).value + b"}")["page"]["comments"]
        self.assertEqual([one["id"] for one in shown], [str(root)])
        self.assertEqual(shown[0]["replies"][0]["replies"][0]["id"], str(grand))
        self.assertEqual(shown[0]["more"], 0)
        self.assertEqual(self.sql("select n_replies, n_thread from comment where id = %s", root), [(1, 2)])
        self.assertEqual(self.channel(), (3, 3, 1))

    async def test_wrong_parents(self) -> None:
        """A parent of another channel or site, deleted or never there, is refused and nothing is written."""
        other = await self.sites.add("Two", ["two.example"], site_id=2)
        assert other is not None
        theirs = the_id(await self.of(other).post(Session(2, ANN), ChannelRef("page"), "x", "Ann"))
        elsewhere = the_id(await self.post("elsewhere", key="other"))
        gone = await self.post("gone")
        await self.comments.delete(Session(1, ANN), the_id(gone))
        before = self.channel()
        for parent in (theirs, elsewhere, the_id(gone), 12345):
            error = await self.refused(self.post("x", parent=parent))
            self.assertEqual((error.status, error.slug, error.field), (422, "parent", "parent"))
        self.assertEqual(self.channel(), before)
        self.assertEqual(self.sql("select count(*) from comment where site_id = 1 and parent_id is not null"), [(0,)])

    async def test_text(self) -> None:
        """Empty and long text is refused before the database is asked."""
        self.assertEqual((await self.refused(self.post(" \u200b "))).slug, "text-empty")
        self.assertEqual((await self.refused(self.post("x" * 51))).slug, "text-too-long")
        self.assertEqual((await self.refused(self.post("x", name=" "))).field, "name")
        self.assertEqual(self.sql("select count(*) from channel"), [(0,)])

    async def test_idempotency(self) -> None:
        """The same key again answers with the first comment; other words are refused; another channel or visitor is
        apart."""
        first = await self.post("one", idempotency_key="k")
        again = await self.post("one", idempotency_key="k")
        self.assertEqual((await self.refused(self.post("two", idempotency_key="k"))).slug, "key-reused")
        self.assertTrue(again.replayed)
        self.assertFalse(first.replayed)
        self.assertEqual(again.comment, first.comment)
        self.assertEqual(again.position, first.position)
        other = await self.post("two", idempotency_key="k", key="other")
        self.assertFalse(other.replayed)
        self.assertEqual(other.position, self.site.position(self.site.channel("comments", "other"), 1))
        self.assertFalse((await self.post("three", idempotency_key="k", by=BOB)).replayed)
        self.assertEqual(self.sql("select count(*) from comment"), [(3,)])
        await self.comments.delete(Session(1, ANN), the_id(first))
        gone = json.loads((await self.post("one", idempotency_key="k")).comment)
        self.assertEqual((gone["id"], gone["deleted"], gone["source"]), (str(the_id(first)), True, ""))

    async def test_idempotency_at_once(self) -> None:
        """Many with one key at the same moment, in one channel and in several, write one comment a channel."""
        for n in range(1, 9):  # on new channels first, then on channels that are there
            work = [start(self.post("x", idempotency_key=f"k{n}", key=key)) for key in ("a", "b", "c") * 6]
            written = await gatherResults(work, consumeErrors=True)
            self.assertEqual(len({the_id(one) for one in written}), 3)
            self.assertEqual(sum(not one.replayed for one in written), 3)
            counts = self.sql(
                "select key, k.n_visible from channel h join comment_channel k on k.channel_id = h.id order by key"
            )
            self.assertEqual(counts, [("a", n), ("b", n), ("c", n)])

    async def test_bans(self) -> None:
        """A banned visitor, address, network or word is refused, here alone and while the ban lasts."""
        mine = the_id(await self.post("before"))
        ban = self.bans.ban
        await ban("visitor", str(ANN))
        self.assertEqual((await self.refused(self.post())).slug, "banned")
        self.assertEqual((await self.refused(self.comments.edit(Session(1, ANN), mine, "x"))).slug, "banned")
        self.assertEqual((await self.refused(self.comments.vote(Session(1, ANN), mine, 1))).slug, "banned")
        await self.comments.vote(Session(1, BOB), mine, 1)
        await ban("ip", "192.0.2.0/24")
        for address in ("192.0.2.77", "::ffff:192.0.2.77"):
            self.assertEqual((await self.refused(self.post(by=BOB, address=address))).slug, "banned")
        bobs = the_id(await self.post(by=BOB, address="198.51.100.1"))
        await ban("word", "Casino")
        self.assertEqual((await self.refused(self.post("my CASINO!", by=CAT))).slug, "banned")
        self.assertEqual((await self.refused(self.comments.edit(Session(1, BOB), bobs, "casino"))).slug, "banned")
        other = await self.sites.add("Two", ["two.example"], site_id=2)
        assert other is not None
        await self.of(other).post(Session(2, ANN), ChannelRef("page"), "casino", "Ann", address="192.0.2.77")
        self.sql("update ban set until = now() - interval '1 second'")
        await self.post("casino", address="192.0.2.77")

    async def test_locked(self) -> None:
        """A locked channel takes no comment; others do."""
        await self.post()
        self.sql("update channel set locked = true")
        self.assertEqual((await self.refused(self.post())).slug, "locked")
        await self.post(key="other")
        page = json.loads(b"{" + (await self.comments.page("page", Wanted())).value + b"}")
        self.assertIs(page["channel"]["locked"], True)

    async def test_key_collision(self) -> None:
        """Two keys that meet in one id: the second can't be written to and reads as empty, the first is untouched."""
        await self.post("first")
        self.sql("update channel set key = 'other key'")
        error = await self.refused(self.post("second"))
        self.assertEqual((error.status, error.slug), (409, "key"))
        page = json.loads(b"{" + (await self.comments.page("page", Wanted())).value + b"}")
        self.assertEqual((page["channel"]["seq"], page["channel"]["comments"], page["page"]["comments"]), (0, 0, []))
        self.assertEqual(self.channel()[:2], (1, 1))

    async def test_channel_facts(self) -> None:
        """A channel keeps the newest url and title that were given, and an empty one changes nothing."""
        for url, title in (("http://a.example/1", "One"), ("", ""), ("http://a.example/2", "")):
            await self.comments.post(Session(1, ANN), ChannelRef("page", url, title), "x", "Ann")
        self.assertEqual(self.sql("select url, title from channel"), [("http://a.example/2", "One")])

    async def test_notification(self) -> None:
        """Each change sends one notification with the event in it; a large one leaves the data to be fetched."""
        connection = psycopg2.connect(server().dsn(self.name))
        self.addCleanup(connection.close)
        connection.autocommit = True
        connection.cursor().execute("listen cackled_event")
        longer = CommentSettings(max_length=10_000)
        self.sites._sites[1] = self.site = structs.replace(self.site, products=(longer,))
        self.comments = self.of(self.site)
        small = await self.post("small")
        await self.post("ж" * 4000)
        await self.comments.vote(Session(1, BOB), the_id(small), 1)
        for _ in range(500):
            connection.poll()
            if len(connection.notifies) >= 3:
                break
            await deferLater(clock, 0.01)
        told = [json.loads(one.payload) for one in connection.notifies]
        self.assertTrue(all(len(one.payload.encode()) < 8000 for one in connection.notifies))
        channel = str(self.site.channel("comments", "page"))
        self.assertEqual([(one["s"], one["c"], one["q"]) for one in told], [(1, channel, n) for n in (1, 2, 3)])
        self.assertEqual([one["t"] for one in told], ["comment.created", "comment.created", "comment.voted"])
        events = self.events()
        self.assertEqual(told[0]["d"], events[0][2])
        self.assertNotIn("d", told[1])
        self.assertEqual(told[2]["d"], {"id": str(the_id(small)), "up": 1, "down": 0, "score": 1})
        xids = self.sql("select xid::text from event order by seq")
        self.assertEqual([one["x"] for one in told], [row[0] for row in xids])

    async def test_nothing_announced_when_refused(self) -> None:
        """What was refused left no event and raised no number."""
        root = await self.post()
        before = self.channel(), self.events()
        await self.refused(self.post(parent=999))
        await self.refused(self.comments.edit(Session(1, BOB), the_id(root), "x"))
        await self.refused(self.comments.delete(Session(1, BOB), the_id(root)))
        await self.refused(self.comments.vote(Session(1, BOB), 999, 1))
        self.assertEqual((self.channel(), self.events()), before)

    async def test_webhooks(self) -> None:
        """A site with a webhook gets work in the outbox with each post, others none."""
        await self.post()
        self.assertEqual(self.sql("select count(*) from outbox"), [(0,)])
        self.site = await self.sites.change(1, "webhook_url", "https://one.example/hook")
        self.comments = self.of(self.site)
        written = await self.post("y")
        rows = self.sql("select site_id, kind, body, done_at from outbox")
        self.assertEqual([row[:2] + row[3:] for row in rows], [(1, "webhook", None)])
        self.assertEqual(json.loads(rows[0][2])["data"]["comment"]["id"], str(the_id(written)))


class ChangeTests(DomainCase):
    """Editing, deleting and voting."""

    settings = {"edit_seconds": 60}

    async def test_edit(self) -> None:
        """The author may, within the window; everybody is told the new text."""
        one = the_id(await self.post("old"))
        self.assertEqual(self.sql("select html_ver from comment"), [(texts.HTML_VERSION,)])
        self.sql("update comment set html_ver = 1")
        edited = await self.comments.edit(Session(1, ANN), one, "*new*")
        comment = json.loads(edited.comment)
        self.assertEqual((comment["html"], comment["source"]), ("<p><em>new</em></p>", "*new*"))
        self.assertIsNotNone(comment["edited"])
        self.assertEqual(self.sql("select html_ver from comment"), [(texts.HTML_VERSION,)])
        self.assertEqual(edited.position.seq, 2)
        self.assertEqual(self.events()[1][1], "comment.updated")
        self.assertEqual(self.events()[1][2]["comment"]["html"], comment["html"])
        self.assertNotIn("source", self.events()[1][2]["comment"])
        self.assertEqual((await self.refused(self.comments.edit(Session(1, ANN), one, " "))).slug, "text-empty")
        error = await self.refused(self.comments.edit(Session(1, BOB), one, "mine"))
        self.assertEqual((error.status, error.slug), (403, "author"))
        self.sql("update comment set created_at = now() - interval '61 seconds'")
        error = await self.refused(self.comments.edit(Session(1, ANN), one, "late"))
        self.assertEqual((error.status, error.slug), (409, "window"))
        self.assertEqual((await self.refused(self.comments.edit(Session(1, ANN), 5, "x"))).status, 404)

    async def test_rights_before_work(self) -> None:
        """What can't be changed costs no look at the new text; neither does one that is too long."""
        one = the_id(await self.post("old"))
        gone = the_id(await self.post("gone"))
        await self.comments.delete(Session(1, ANN), gone)
        calls: list[str] = []
        self.patch(texts, "normalised", calls.append)
        self.patch(texts, "render", calls.append)
        heavy = "\u0315\u0300" * 15_000
        for session, which, slug in (
            (Session(1, BOB), one, "author"),
            (Session(1, ANN), gone, "comment"),
            (Session(1, ANN), 2**62, "comment"),
            (Session(1, ANN), one, "text-too-long"),
        ):
            error = await self.refused(self.comments.edit(session, which, heavy * (1 + (slug == "text-too-long"))))
            self.assertEqual(error.slug, slug)
        self.sql("update comment set created_at = now() - interval '61 seconds'")
        self.assertEqual((await self.refused(self.comments.edit(Session(1, ANN), one, heavy))).slug, "window")
        self.assertEqual(calls, [])

    async def test_source(self) -> None:
        """The source is for its author's eyes; a deleted comment has none for anybody."""
        one = the_id(await self.post("*x*"))
        self.assertIn("source", json.loads((await self.comments.one(one, Session(1, ANN))).json))
        for session in (None, Session(1, BOB)):
            self.assertNotIn("source", json.loads((await self.comments.one(one, session)).json))
        await self.post("reply", parent=one)
        await self.comments.delete(Session(1, ANN), one)
        seen = json.loads((await self.comments.one(one, Session(1, ANN))).json)
        self.assertEqual((seen["deleted"], seen["author"], seen["html"], seen["source"]), (True, None, "", ""))

    async def test_delete_leaf(self) -> None:
        """Without replies it goes whole, and can't be deleted, edited, voted on or answered again."""
        one = the_id(await self.post())
        self.assertEqual((await self.refused(self.comments.delete(Session(1, BOB), one))).slug, "author")
        deleted = await self.comments.delete(Session(1, ANN), one)
        self.assertEqual(deleted.position.seq, 2)
        gone = {"id": str(one), "tombstone": False, "removed": [], "root": str(one), "comments": 0}
        (_, kind, created), deleted = self.events()
        self.assertEqual((kind, deleted), ("comment.created", (2, "comment.deleted", gone)))
        self.assertEqual((created["comments"], created["comment"]["author"], created["comment"]["html"],
                          created["comment"]["deleted"]), (1, None, "", True))  # fmt: skip
        self.assertEqual(self.channel(), (2, 0, 0))
        self.assertEqual(self.sql("select src, html, shown from comment"), [("", "", False)])
        session = Session(1, ANN)
        for work in (self.comments.delete(session, one), self.comments.edit(session, one, "x"),
                     self.comments.vote(session, one, 1), self.comments.one(one, session),
                     self.comment_moderation.flag(session, one, "")):  # fmt: skip
            self.assertEqual((await self.refused(work)).status, 404)

    async def test_tombstones(self) -> None:
        """With replies a tombstone stays until the last reply is gone; then all that it kept alive goes at once."""
        root = the_id(await self.post("root"))
        child = the_id(await self.post("child", parent=root))
        leaf = the_id(await self.post("leaf", parent=child))
        other = the_id(await self.post("other root"))
        session = Session(1, ANN)
        for one, left in ((root, 3), (child, 2)):
            await self.comments.delete(session, one)
            gone = {"id": str(one), "tombstone": True, "removed": [], "root": str(root), "comments": left}
            self.assertEqual(self.events()[-1][2], gone)
        self.assertEqual(self.channel(), (6, 2, 2))
        shown = json.loads(b"{" + (await self.comments.page("page", Wanted("old"))).value + b"}")["page"]["comments"]
        self.assertEqual([(one["id"], one["deleted"]) for one in shown], [(str(root), True), (str(other), False)])
        await self.comments.delete(session, leaf)
        gone = {
            "id": str(leaf),
            "tombstone": False,
            "removed": [str(child), str(root)],
            "root": str(root),
            "comments": 1,
        }
        self.assertEqual(self.events()[-1][2], gone)
        self.assertEqual(self.channel(), (7, 1, 1))
        self.assertEqual(self.sql("select id from comment where shown"), [(other,)])

    async def test_moderator_deletes(self) -> None:
        """The function takes no visitor for a moderator's deletion."""
        one = the_id(await self.post())
        self.sql("select * from delete_comment(1, %s, null)", one)
        self.assertEqual((await self.refused(self.comments.one(one, None))).status, 404)

    async def test_votes(self) -> None:
        """One vote a visitor, however often; changed and taken back; saying the same again is no event."""
        one = the_id(await self.post())
        for by, value, up, down, seq in (
            (BOB, 1, 1, 0, 2), (BOB, 1, 1, 0, 2), (CAT, -1, 1, 1, 3), (BOB, -1, 0, 2, 4), (BOB, 0, 0, 1, 5),
            (BOB, 0, 0, 1, 5), (CAT, 1, 1, 0, 6),
        ):  # fmt: skip
            voted = await self.comments.vote(Session(1, by), one, value)
            self.assertEqual((voted.up, voted.down, voted.position.seq), (up, down, seq))
        self.assertEqual(self.sql("select visitor_id, value from vote"), [(CAT, 1)])
        mine = json.loads(await self.comments.mine("page", Session(1, CAT)))
        self.assertEqual(mine, {"votes": {str(one): 1}, "blocked": []})
        self.assertEqual(await self.comments.mine("page", Session(1, ANN)), pages.NOBODY)
        self.assertEqual([kind for _, kind, _ in self.events()], ["comment.created", *["comment.voted"] * 5])

    async def test_votes_at_once(self) -> None:
        """A hundred at the same moment: same visitor counts once, different ones each; they share a number."""
        one = the_id(await self.post())
        await gatherResults([start(self.comments.vote(Session(1, BOB), one, 1)) for _ in range(50)])
        await gatherResults([start(self.comments.vote(Session(1, 100 + n), one, 1)) for n in range(50)])
        self.assertEqual(self.sql("select up, down from comment"), [(51, 0)])
        self.assertLess(self.channel()[0], 10)

    async def test_posts_at_once(self) -> None:
        """Posts at the same moment on one new channel are numbered without gaps, in the order of their ids."""
        work = [start(self.post(f"number {n}", by=n + 1)) for n in range(60)]
        results = await DeferredList(work, consumeErrors=True)
        self.assertTrue(all(good for good, _ in results), results)
        written = [one for _, one in results]
        self.assertEqual(sorted(one.position.seq for one in written), list(range(1, 61)))
        by_seq = [the_id(one) for one in sorted(written, key=lambda one: one.position.seq)]
        self.assertEqual(by_seq, sorted(by_seq))
        events = self.events()
        self.assertEqual([int(data["comment"]["id"]) for _, _, data in events], by_seq)
        self.assertEqual([seq for seq, _, _ in events], list(range(1, 61)))
        self.assertEqual(self.channel(), (60, 60, 60))
