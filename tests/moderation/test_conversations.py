"""Conversations closed, slowed, for reading only, moved and merged; what staff write; how comments are deleted."""

from __future__ import annotations

import json
from typing import Any

from cackled.domain.sessions import Session
from cackled.products.comments.conversations import Conversations
from cackled.products.comments.pages import Wanted
from tests.domain.common import ANN, BOB, the_id
from tests.moderation.test_decisions import EVE, QueueCase
from tests.moderation.test_queue_api import BASE, QueueApiCase


class ConversationCase(QueueCase):
    """With a moderator's hands."""

    async def setUp(self) -> None:
        await super().setUp()
        numbers = iter(range(1_000, 2_000))
        self.conversations = Conversations(
            self.site, self.database, self.comments, self.evicted.append, lambda: next(numbers), lambda: 1_000_000.0
        )


class ConversationTests(ConversationCase):
    """As a whole."""

    async def test_closed(self) -> None:
        """No new comments; votes and own deletions go on."""
        made = the_id(await self.post("a", by=ANN))
        now = await self.conversations.change(EVE, "page", closed=True)
        self.assertEqual((now.closed, now.read_only, now.comments), (True, False, 1))
        self.assertEqual((await self.refused(self.post("b"))).slug, "locked")
        await self.comments.vote(Session(1, BOB), made, 1)
        await self.comments.delete(Session(1, ANN), made)
        self.assertTrue((await self.page())["channel"]["locked"])

    async def test_read_only(self) -> None:
        """Nothing at all, for visitors; open pages are told, and a moderator still decides."""
        made = the_id(await self.post("a", by=ANN))
        await self.conversations.change(EVE, "page", read_only=True)
        ann, bob = Session(1, ANN), Session(1, BOB)
        for work in (self.post("b"), self.comments.vote(bob, made, 1), self.comments.edit(ann, made, "x"),
                     self.comments.delete(ann, made), self.comment_moderation.flag(bob, made, "")):  # fmt: skip
            self.assertEqual((await self.refused(work)).slug, "read-only")
        self.assertEqual(self.events()[-1], (2, "channel.updated", {"comments": 1, "locked": False, "readOnly": True}))
        self.assertTrue((await self.page())["channel"]["readOnly"])
        await self.do("reject", made)
        await self.conversations.change(EVE, "page", read_only=False)
        await self.post("b")

    async def test_slow(self) -> None:
        """Everybody may write once in a while."""
        await self.post("a", by=ANN)
        await self.conversations.change(EVE, "page", slow=600)
        self.assertEqual((await self.refused(self.post("b", by=ANN))).slug, "slow")
        await self.post("b", by=BOB)
        self.sql("update comment set created_at = now() - interval '11 minutes'")
        await self.post("c", by=ANN)
        self.assertEqual((await self.refused(self.conversations.change(EVE, "nowhere", closed=True))).status, 404)

    async def test_move_and_merge(self) -> None:
        """A thread with all that hangs on it, seen or not; then all the rest."""
        root = the_id(await self.post("a", by=ANN))
        child = the_id(await self.post("b", by=BOB, parent=root))
        await self.post("hold c", by=BOB, parent=child)
        await self.post("stays", by=BOB)
        await self.post("hold too", by=BOB)
        await self.do("pin", root)
        self.assertEqual(await self.conversations.move(EVE, child, "/there"), 3)
        there = json.loads(b"{" + (await self.comments.page("/there", Wanted("old"))).value + b"}")
        self.assertEqual(there["page"]["comments"][0]["replies"][0]["id"], str(child))
        self.assertEqual(await self.texts(), ["<p>stays</p>"])
        self.assertNotIn("pinned", (await self.page())["channel"])
        counts = "select n_visible, n_root, n_pending from comment_channel order by n_visible"
        self.assertEqual(self.sql(counts), [(1, 1, 1), (2, 1, 1)])
        self.assertEqual(await self.conversations.merge(EVE, "page", "/there"), 2)
        self.assertEqual(self.sql(counts), [(3, 2, 2)])
        self.assertEqual((await self.refused(self.conversations.merge(EVE, "/there", "/there"))).field, "to")
        self.assertEqual((await self.refused(self.conversations.move(EVE, root, "/there"))).field, "to")


class StaffTests(ConversationCase):
    """What moderators write."""

    async def test_answer(self) -> None:
        """With a badge, under their name without its mail, and past the rules."""
        made = the_id(await self.post("a question", by=ANN))
        written = await self.conversations.answer(EVE, made, "An answer.")
        comment = json.loads(written.comment)
        self.assertEqual((comment["parent"], comment["author"]["name"]), (str(made), "Eve"))
        self.assertIn("staff", comment["author"]["badges"])
        again = json.loads((await self.conversations.answer(EVE, made, "More.")).comment)
        self.assertEqual(again["author"]["id"], comment["author"]["id"])
        self.assertEqual((await self.refused(self.conversations.answer(EVE, 5, "x"))).status, 404)

    async def test_edit(self) -> None:
        """Anybody's comment; what it said before is in its history and nowhere else."""
        made = the_id(await self.post("rude words", by=ANN))
        version, action = await self.conversations.edit(EVE, made, "kind ones", 0, "tone")
        self.assertEqual(version, 1)
        self.assertEqual(await self.texts(), ["<p>kind ones</p>"])
        self.assertNotIn("rude", json.dumps(self.events()))
        change, = (await self.queue.detail(f"comment:{made}")).history  # fmt: skip
        self.assertEqual((change.deed, change.why, change.before["text"]), ("edit", "tone", "rude words"))
        self.assertEqual((await self.refused(self.conversations.edit(EVE, made, "x", 0, ""))).slug, "changed")
        self.assertEqual((await self.queue.undo(EVE, action)).done, (f"comment:{made}",))
        self.assertEqual(await self.texts(), ["<p>rude words</p>"])
        self.assertNotIn("kind", json.dumps(self.events()))
        self.assertEqual((await self.queue.detail(f"comment:{made}")).item.edited, None)
        self.assertEqual((await self.refused(self.queue.undo(EVE, action))).slug, "state")
        # Twice, undone in order; one that was followed by another can't be undone before that.
        _, first = await self.conversations.edit(EVE, made, "one", None, "")
        _, second = await self.conversations.edit(EVE, made, "two", None, "")
        self.assertEqual((await self.queue.undo(EVE, first)).failed[0].reason, "conflict")
        self.assertEqual((await self.queue.undo(EVE, second)).done, (f"comment:{made}",))
        self.assertEqual(await self.texts(), ["<p>one</p>"])
        # A text that waited comes back, too.
        self.sql("insert into comment_revision (site_id, comment_id, src, html) values (1, %s, 'wait', 'w')", made)
        _, third = await self.conversations.edit(EVE, made, "three", None, "")
        self.assertEqual(self.sql("select 1 from comment_revision"), [])
        await self.queue.undo(EVE, third)
        self.assertEqual(self.sql("select src from comment_revision"), [("wait",)])
        _, last = await self.conversations.edit(EVE, made, "four", None, "")
        await self.comments.delete(Session(1, ANN), made)
        self.assertEqual([one.reason for one in (await self.queue.undo(EVE, last)).failed], ["conflict"])
        self.assertNotIn("rude", json.dumps([str(row) for row in self.sql("select * from comment_change")]))

    async def test_locked(self) -> None:
        """Locked is locked for colleagues too: neither answered nor changed until it is unlocked."""
        made = the_id(await self.post("words", by=ANN))
        await self.do("lock", made)
        late = await self.refused(self.conversations.edit(EVE, made, "others", None, ""))
        self.assertEqual((late.status, late.slug), (403, "comment-locked"))
        self.assertEqual((await self.refused(self.conversations.answer(EVE, made, "x"))).slug, "comment-locked")
        self.assertEqual(await self.texts(), ["<p>words</p>"])
        await self.do("unlock", made)
        await self.conversations.edit(EVE, made, "others", None, "")
        self.assertEqual(await self.texts(), ["<p>others</p>"])


class DeletionTests(ConversationCase):
    """By authors."""

    async def other(self, how: str) -> Any:
        """The comments of the site with another setting."""
        settings = json.dumps({"products": {"comments": {"deletion": how}}})
        made = await self.sites.add(how, [], site_id=5, settings=settings)
        assert made is not None
        self.site = made
        self.comments = self.of(made)

    async def thread(self) -> tuple[int, int]:
        """A comment of Ann's with Bob's answer below."""
        async def post(text: str, by: int, parent: int | None = None) -> int:
            from cackled.domain.channels import ChannelRef

            return the_id(await self.comments.post(Session(5, by), ChannelRef("page"), text, "N", parent=parent))

        root = await post("a", ANN)
        return root, await post("b", BOB, root)

    async def test_thread(self) -> None:
        """All answers go too."""
        await self.other("thread")
        root, _ = await self.thread()
        await self.comments.delete(Session(5, ANN), root)
        self.assertEqual(self.sql("select status from comment"), [(4,), (4,)])
        self.assertEqual(self.sql("select n_visible, n_root from comment_channel"), [(0, 0)])
        self.assertEqual(self.sql("select src from comment_kept"), [("b",)])

    async def test_childless(self) -> None:
        """Not where somebody answered."""
        await self.other("childless")
        root, child = await self.thread()
        self.assertEqual((await self.refused(self.comments.delete(Session(5, ANN), root))).slug, "replies")
        await self.comments.delete(Session(5, BOB), child)
        await self.comments.delete(Session(5, ANN), root)

    async def test_staff(self) -> None:
        """Not at all."""
        await self.other("staff")
        root, _ = await self.thread()
        self.assertEqual((await self.refused(self.comments.delete(Session(5, ANN), root))).slug, "staff-only")

    async def test_nudge(self) -> None:
        """An author is asked once whether they want to change it; then it waits."""
        settings = json.dumps({"products": {"comments": {"nudge": True}}})
        made = await self.sites.add("N", [], site_id=6, settings=settings)
        assert made is not None
        self.comments = self.of(made)
        from cackled.domain.channels import ChannelRef

        def post(**more: Any) -> Any:
            return self.comments.post(Session(6, ANN), ChannelRef("page"), "hold", "Ann", **more)

        self.assertEqual((await self.refused(post())).slug, "nudge")
        self.assertEqual(json.loads((await post(anyway=True)).comment)["state"], "pending")


class ApiTests(QueueApiCase):
    """Over HTTP."""

    async def test_life(self) -> None:
        """Each route once, and its bad input."""
        made = (await self.comment("seen", "other")).partition(":")[2]
        answer = await self.eve.ask("POST", f"{BASE}/comments", {"comment": made, "text": "Hello."})
        self.assertEqual((answer.status, answer.json()["comment"]["author"]["name"]), (201, "Eve"))
        edited = await self.eve.ask("PATCH", f"{BASE}/comments/{made}", {"text": "other", "why": "tone"})
        self.assertEqual(edited.json()["version"], 1)
        undone = await self.eve.ask("POST", f"{BASE}/actions/{edited.json()['action']}/undo")
        self.assertEqual(undone.json()["done"], [f"comment:{made}"])
        closed = await self.eve.ask("PATCH", f"{BASE}/conversations", {"channel": "other", "closed": True})
        self.assertTrue(closed.json()["closed"])
        now = (await self.eve.ask("GET", f"{BASE}/conversations?channel=other")).json()
        self.assertEqual((now["key"], now["comments"], now["closed"]), ("other", 2, True))
        moved = await self.eve.ask("POST", f"{BASE}/conversations/move", {"comment": made, "to": "/new"})
        self.assertEqual(moved.json(), {"moved": 2})
        for sent in ({"to": "/x"}, {"to": "/x", "comment": made, "channel": "other"}, {"comment": made}):
            self.assertEqual((await self.eve.ask("POST", f"{BASE}/conversations/move", sent)).status, 400, sent)
        for sent in ({"channel": "other", "slow": -1}, {"channel": ""}, {"closed": True}):
            self.assertEqual((await self.eve.ask("PATCH", f"{BASE}/conversations", sent)).status, 400, sent)
        self.assertEqual((await self.eve.ask("PATCH", f"{BASE}/comments/5", {"text": "x"})).status, 404)
