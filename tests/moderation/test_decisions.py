"""Decisions on comments: what each does, collisions, undoing, and random ones against a model."""

from __future__ import annotations

import json
import random
from typing import Any

from msgspec.structs import replace

from cackled.domain.errors import Conflict
from cackled.domain.outbox import Work
from cackled.domain.sessions import Session
from cackled.domain.staff import Staff
from cackled.moderation.bulk import BulkDecisions
from cackled.moderation.items import Found
from cackled.moderation.queue import Queue
from cackled.products.comments import moderated
from tests.domain.common import ANN, BOB, CAT, the_id
from tests.products.comments.test_states import StateCase

EVE = Staff(account=7, name="Eve", email="eve@one.example", role="moderator")
MAX = Staff(account=8, name="Max", email="max@one.example", role="moderator")
KINDS = {"comment": moderated.make}
KINDS_OF_STEP = ("post", "reply", "hold", "shadow", "decide", "decide", "decide", "undo", "edit", "delete")
DEEDS = (
    "approve", "reject", "spam", "delete", "restore", "thread", "hold", "pin", "lock", "unlock", "feature", "seen",
)  # fmt: skip


class QueueCase(StateCase):
    """A site with a queue."""

    async def setUp(self) -> None:
        await super().setUp()
        self.queue = Queue(self.site, self.database, KINDS, self.evicted.append)

    async def listed(self, state: Any = "pending", **more: Any) -> list[str]:
        """The texts that the queue shows."""
        found = Found(state=state, **more)
        return [one.revision or one.text for one in (await self.queue.items(found)).items]

    async def do(self, action: str, *ids: int, by: Staff = EVE, **more: Any) -> int:
        """Decide; gives the action's number."""
        return int((await self.queue.decide(by, action, [f"comment:{one}" for one in ids], **more)).id)

    async def bulk(self) -> None:
        """Do the outbox's work, all of it."""
        handler = BulkDecisions(self.sites, self.database, KINDS)
        while rows := self.sql("select id, body from outbox where kind = 'moderation' and done_at is null order by id"):
            for number, body in rows:
                self.sql("update outbox set done_at = now() where id = %s", number)
                await handler.deliver(Work(number, 1, "moderation", body, 1, 0.0))


class DecisionTests(QueueCase):
    """One at a time."""

    async def test_approve(self) -> None:
        """What waited comes out with its event at the end of the log, and counts."""
        held = the_id(await self.post("hold me", by=ANN))
        await self.post("later", by=BOB)
        self.assertEqual(await self.listed(), ["hold me"])
        await self.do("approve", held)
        self.assertEqual(await self.texts(), ["<p>hold me</p>", "<p>later</p>"])
        self.assertEqual(self.counts(), (2, 2, 0))
        seq, kind, data = self.events()[-1]
        self.assertEqual((seq, kind, data["comment"]["id"], data["comments"]), (2, "comment.created", str(held), 2))
        self.assertNotIn("state", data["comment"])
        self.assertEqual((await self.listed(), await self.own(ANN)), ([], []))
        self.assertEqual(self.evicted[-1].seq, 2)

    async def test_reject_published(self) -> None:
        """It goes from pages and from the log; with answers a stone without words stays."""
        root = the_id(await self.post("bad words", by=ANN))
        await self.post("answer", by=BOB, parent=root)
        number = await self.do("reject", root)
        self.assertEqual(self.events()[-1][1:], ("comment.deleted", {
            "id": str(root), "tombstone": True, "removed": [], "root": str(root), "comments": 1}))  # fmt: skip
        self.assertNotIn("bad words", json.dumps([self.events(), await self.page()]))
        self.assertEqual(await self.listed("rejected"), ["bad words"])
        await self.queue.undo(EVE, number)
        self.assertEqual((await self.texts(), self.counts()), (["<p>bad words</p>"], (2, 1, 0)))
        self.assertEqual(self.events()[-1][1], "comment.updated")

    async def test_delete_and_restore(self) -> None:
        """The text is gone from the comment at once, and comes back; not once its author took it away."""
        made = the_id(await self.post("words", by=ANN))
        number = await self.do("delete", made)
        self.assertEqual(self.sql("select src, html from comment"), [("", "")])
        self.assertEqual(await self.listed("deleted"), ["words"])
        await self.do("restore", made)
        self.assertEqual(await self.texts(), ["<p>words</p>"])
        await self.comments.delete(Session(1, ANN), made)
        self.assertEqual((await self.refused(self.do("restore", made))).slug, "gone")
        undone = await self.queue.undo(EVE, number)
        self.assertEqual([one.reason for one in undone.failed], ["conflict"])

    async def test_thread(self) -> None:
        """With all that hangs on it, and back."""
        root = the_id(await self.post("a", by=ANN))
        child = the_id(await self.post("b", by=BOB, parent=root))
        await self.post("c", by=CAT, parent=child)
        self.assertEqual((await self.refused(self.do("childless", root))).slug, "replies")
        number = await self.do("thread", root)
        self.assertEqual((self.counts(), (await self.page())["page"]["comments"]), ((0, 0, 0), []))
        await self.queue.undo(EVE, number)
        self.assertEqual(self.counts(), (3, 1, 0))
        self.assertEqual(self.sql("select n_replies, n_thread from comment order by id"), [(1, 2), (1, 0), (0, 0)])

    async def test_collision(self) -> None:
        """Who decides on what was changed since is told by whom, and how; an edit is such a change."""
        self.sql(
            "insert into catalog.account (id, email, email_key, name) overriding system value "
            "values (8, 'm@x.example', 'm@x.example', 'Max')"
        )
        held = the_id(await self.post("hold", by=ANN))
        item, = (await self.queue.items(Found(state="pending"))).items  # fmt: skip
        await self.do("approve", held, by=MAX, versions={item.id: item.version})
        late = await self.refused(self.do("spam", held, versions={item.id: item.version}))
        assert isinstance(late, Conflict)
        self.assertEqual((late.slug, late.extra["by"], late.extra["deed"]), ("changed", "account:8", "approve"))
        self.assertEqual(late.extra["name"], "Max")
        told, = late.extra["failed"]  # fmt: skip
        self.assertEqual((told["item"], told["state"], told["name"]), (item.id, "approved", "Max"))
        self.assertEqual([(one.who, one.name) for one in (await self.queue.detail(item.id)).history],
                         [("account:8", "Max")])  # fmt: skip
        seen = (await self.queue.detail(item.id)).item.version
        await self.comments.edit(Session(1, ANN), held, "something else")
        self.assertEqual((await self.refused(self.do("approve", held, versions={item.id: seen}))).extra["deed"], "edit")

    async def test_flags(self) -> None:
        """Reports bring an approved comment into the queue, with their reporters' record; approving settles them."""
        made = the_id(await self.post("hm", by=ANN))
        for by in (BOB, CAT):
            await self.comment_moderation.flag(Session(1, by), made, f"rude {by}")
        item, = (await self.queue.items(Found(state="flagged"))).items  # fmt: skip
        self.assertEqual((item.flags, [one.reason for one in item.reports]), (2, ["rude 33", "rude 22"]))
        number = await self.do("approve", made)
        self.assertEqual(await self.listed("flagged"), [])
        await self.queue.undo(EVE, number)
        self.assertEqual(await self.listed("flagged"), ["hm"])

    async def test_revision(self) -> None:
        """A new text that waits is decided on by itself."""
        made = the_id(await self.post("fine", by=ANN))
        await self.comments.edit(Session(1, ANN), made, "hold this instead")
        self.assertEqual(await self.listed(), ["hold this instead"])
        # Found by its page, its author, the old words and the new ones, as counted.
        for found in (
            {"pages": ("page",)}, {"words": "fine"}, {"words": "instead hold"}, {"phrases": ("this instead",)},
            {"words": "this instead", "phrases": ("this instead",)}, {"visitor": ANN},
        ):  # fmt: skip
            self.assertEqual(await self.listed(**found), ["hold this instead"], found)
            self.assertEqual(await self.queue.count(Found(state="pending", **found)), 1, found)
        self.assertEqual(await self.listed(pages=("other",)) + await self.listed(words="absent"), [])
        first = await self.do("reject", made)
        self.assertEqual((await self.texts(), await self.listed()), (["<p>fine</p>"], []))
        await self.queue.undo(EVE, first)
        second = await self.do("approve", made)
        self.assertEqual(await self.texts(), ["<p>hold this instead</p>"])
        self.assertEqual(self.events()[-1][1], "comment.updated")
        self.assertNotIn("fine", json.dumps(self.events()))
        await self.queue.undo(EVE, second)
        self.assertEqual((await self.texts(), await self.listed()), (["<p>fine</p>"], ["hold this instead"]))
        self.assertNotIn("instead", json.dumps(self.events()))

    async def test_pin_feature_lock_close(self) -> None:
        """What pages show of it, and that it is undone."""
        made = the_id(await self.post("look", by=ANN))
        item = f"comment:{made}"
        pinned = await self.do("pin", made)
        self.assertEqual((await self.page())["channel"]["pinned"], [str(made)])
        self.assertEqual(self.events()[-1][2]["pinned"], [str(made)])
        await self.queue.undo(EVE, pinned)
        self.assertNotIn("pinned", (await self.page())["channel"])
        featured = await self.do("feature", made)
        self.assertTrue((await self.page())["page"]["comments"][0]["featured"])
        locked = await self.do("lock", made)
        self.assertEqual((await self.refused(self.post("re", parent=made))).slug, "comment-locked")
        self.assertEqual((await self.refused(self.comments.edit(Session(1, ANN), made, "x"))).slug, "comment-locked")
        await self.queue.undo(EVE, locked)
        self.assertEqual([one.reason for one in (await self.queue.undo(EVE, featured)).failed], ["conflict"])
        closed = await self.do("close", made)
        self.assertEqual((await self.refused(self.post("more"))).slug, "locked")
        await self.queue.undo(EVE, closed)
        await self.post("more")
        history = [one.deed for one in (await self.queue.detail(item)).history]
        self.assertEqual(history, ["undo", "close", "undo", "lock", "feature", "undo", "pin"])

    async def test_seen(self) -> None:
        """Seen is not approved."""
        made = the_id(await self.post("plain", by=ANN))
        self.assertEqual(await self.listed("unseen"), ["plain"])
        number = await self.do("seen", made)
        self.assertEqual(await self.listed("unseen"), [])
        await self.queue.undo(EVE, number)
        self.assertEqual(await self.listed("unseen"), ["plain"])

    async def test_bad_input(self) -> None:
        """What can't be meant is refused with a reason."""
        made = the_id(await self.post("x"))
        for action, items in (("dance", [f"comment:{made}"]), ("approve", ["comment:x"]), ("approve", []),
                              ("approve", ["nothing"]), ("approve", [f"comment:{2**63}"])):  # fmt: skip
            self.assertEqual((await self.refused(self.queue.decide(EVE, action, items))).status, 400)
        self.assertEqual((await self.refused(self.queue.decide(EVE, "approve", ["poll:1"]))).status, 404)
        self.assertEqual((await self.refused(self.queue.decide(EVE, "approve", ["comment:1"]))).slug, "gone")
        self.assertEqual((await self.refused(self.queue.items(Found(), cursor="x"))).field, "cursor")
        self.assertEqual((await self.refused(self.queue.undo(EVE, 99))).status, 404)

    async def test_other_site(self) -> None:
        """Nothing of another site is listed or decided on."""
        made = the_id(await self.post("hold", by=ANN))
        other = await self.sites.add("Two", [], site_id=2)
        assert other is not None
        queue = Queue(other, self.database, KINDS)
        for state in ("pending", "all", "unseen"):
            self.assertEqual((await queue.items(Found(state=state))).items, ())  # type: ignore[arg-type]
        self.assertEqual(await queue.count(Found()), 0)
        self.assertEqual((await self.refused(queue.decide(EVE, "approve", [f"comment:{made}"]))).slug, "gone")
        self.assertEqual((await self.refused(queue.detail(f"comment:{made}"))).status, 404)


class LiveTests(QueueCase):
    """What colleagues see while they look."""

    async def test_told(self) -> None:
        """What is queued and decided is told in the staff's channel, without a word of the visitor's."""
        from cackled.moderation.live import Live

        live = Live(self.site, self.database, lambda: 77)
        place = await live.place()
        self.assertEqual((place.channel, place.seq), (77, 0))
        held = the_id(await self.post("please hold this secret", by=ANN))
        await self.queue.claim(MAX, f"comment:{held}")
        busy = await self.refused(self.queue.claim(EVE, f"comment:{held}"))
        self.assertEqual((busy.slug, busy.extra["by"]), ("claimed", "Max"))
        number = await self.do("approve", held)
        await self.queue.undo(MAX, number)
        told = self.events(77)
        self.assertEqual([kind for _, kind, _ in told], ["item.queued", "item.claimed", "item.decided", "item.decided"])
        self.assertEqual([seq for seq, _, _ in told], [1, 2, 3, 4])
        self.assertEqual(told[2][2] | {"version": 0}, {
            "item": f"comment:{held}", "action": "approve", "by": "Eve", "state": "approved", "version": 0,
            "decision": str(number)})  # fmt: skip
        self.assertNotIn("secret", json.dumps(told))
        self.assertEqual((await live.place()).seq, 4)

    async def test_claims_run_out(self) -> None:
        """A claim that is not prolonged is anybody's; letting go of it is told."""
        held = the_id(await self.post("hold", by=ANN))
        item = f"comment:{held}"
        claim = await self.queue.claim(MAX, item)
        assert claim is not None
        self.assertEqual(claim.name, "Max")
        self.assertEqual((await self.queue.detail(item)).item.claim, claim)
        self.sql("update moderation_claim set until = now() - interval '1 second'")
        self.assertIsNotNone(await self.queue.claim(EVE, item))
        self.assertIsNone(await self.queue.claim(EVE, item, 0))
        self.assertIsNotNone(await self.queue.claim(MAX, item))


class SearchTests(QueueCase):
    """What is looked for."""

    async def setUp(self) -> None:
        await super().setUp()
        await self.post("The quick brown fox", by=ANN, name="Ann O'Neil", address="192.0.2.7")
        await self.post("quick and dirty 🦊 -->", by=BOB, name="Bob", address="192.0.2.99", key="/other")
        await self.post("hold the brown quick thing", by=CAT, name="Cat", address="2001:db8::1")

    async def found(self, text: str, state: Any = "all") -> list[str]:
        """The first words of what is found."""
        from cackled.moderation.search import understand

        return [one.split()[0] for one in await self.listed_found(understand(text, Found(state=state)))]

    async def listed_found(self, found: Found) -> list[str]:
        """The texts of what is found, and that counting agrees."""
        items = (await self.queue.items(found)).items
        self.assertEqual(await self.queue.count(found), len(items))
        return [one.text for one in items]

    async def look(self) -> None:
        """Each kind of condition, alone and together."""
        for text, wanted in (
            ("quick", ["hold", "quick", "The"]), ("QUICK brown", ["hold", "The"]), ('"quick brown"', ["The"]),
            ("author:o'neil", ["The"]), ('author:"Ann O\'Neil"', ["The"]), (f"author:#{BOB}", ["quick"]),
            ("page:/other", ["quick"]), ("page:page quick", ["hold", "The"]), ("ip:192.0.2.7", ["The"]),
            ("ip:192.0.2.0/24", ["quick", "The"]), ("ip:2001:db8::/32", ["hold"]), ("mark:link", ["hold"]),
            ("since:2026-01", ["hold", "quick", "The"]), ("until:2025", []), ("on:2020-02", []),
            ("nothing:else", []), ("!!!", []), ("", ["hold", "quick", "The"]),
            ("🦊", ["quick"]), ("quick 🦊", ["quick"]), ("🦊 brown", []), ('"🦊 --"', ["quick"]), ("½", []),
            ("\u202e", ["hold", "quick", "The"]),
            ("quick'; drop table comment --", []), ("a\\b ' \" :* & | !", []), ("author:\\' quick", []),
        ):  # fmt: skip
            self.assertEqual(await self.found(text), wanted, text)
        self.assertEqual(await self.found("quick", "pending"), ["hold"])
        self.assertEqual(await self.found("quick", "approved"), ["quick", "The"])

    async def test_before_it_is_indexed(self) -> None:
        """The newest are found before the index has them."""
        await self.look()

    async def test_found_once(self) -> None:
        """What was changed before the index has come so far is found once."""
        made = the_id(await self.post("rare words", by=ANN))
        self.sql("select search_again(1, %s)", made)
        self.assertEqual(await self.listed("approved", words="rare"), ["rare words"])
        self.assertEqual(await self.queue.count(Found(state="approved", words="rare")), 1)

    async def test_indexed(self) -> None:
        """And from the index, also once a text is another."""
        # Ten minutes ago.
        self.sql("update comment set id = id - 600 * 1000000::bigint * 4096")
        self.sql("update comment set root_id = id")
        self.sql("update comment_mark set comment_id = comment_id - 600 * 1000000::bigint * 4096")
        self.assertEqual(self.sql("select index_comments(100)"), [(3,)])
        self.assertEqual(self.sql("select count(*) from comment_search"), [(3,)])
        await self.look()
        first = self.sql("select min(id) from comment")[0][0]
        await self.comments.edit(Session(1, ANN), first, "slow now")
        self.assertEqual((await self.found("fox"), await self.found("slow")), ([], ["slow"]))
        await self.do("delete", first)
        self.assertEqual(self.sql("select count(*) from comment_search"), [(2,)])
        await self.do("restore", first)
        self.assertEqual(await self.found("slow"), ["slow"])

    async def test_refused(self) -> None:
        """What can't be a value of its kind is said."""
        from cackled.domain.errors import BadField
        from cackled.moderation.search import understand

        for text in ("ip:999.1.1.1", "since:yesterday", "on:2026-13", "until:2026-02-30", "x" * 401, "a " * 30):
            with self.assertRaises(BadField, msg=text):
                understand(text)

    async def test_pages(self) -> None:
        """A cursor leads on, and nothing is shown twice."""
        first = await self.queue.items(Found(), size=2)
        second = await self.queue.items(Found(), cursor=first.cursor or "", size=2)
        self.assertEqual((len(first.items), len(second.items), second.cursor), (2, 1, None))
        self.assertEqual(len({one.id for one in (*first.items, *second.items)}), 3)
        newer = replace(Found(), after=int(second.items[0].id.split(":")[1]))
        self.assertEqual(await self.queue.count(newer), 2)


class BulkTests(QueueCase):
    """All that matches."""

    async def test_all(self) -> None:
        """In the background, with progress; undone as a whole, but for what a colleague decided since."""
        ids = [the_id(await self.post(f"hold {n}", by=ANN + n)) for n in range(60)]
        row = await self.queue.begin(EVE, "approve", Found(state="pending"))
        self.assertEqual((row.state, row.total, row.done), ("running", 60, 0))
        await self.bulk()
        row = await self.queue.action(int(row.id))
        self.assertEqual((row.state, row.done, row.failed), ("done", 60, 0))
        self.assertEqual((self.counts(), await self.listed()), ((60, 60, 0), []))
        await self.do("reject", ids[3], by=MAX)
        undone = await self.queue.undo(MAX, int(row.id))
        self.assertEqual((len(undone.done), [one.item for one in undone.failed]), (59, [f"comment:{ids[3]}"]))
        self.assertEqual((undone.failed[0].by, undone.failed[0].deed), (MAX.actor, "reject"))
        self.assertEqual(self.counts(), (0, 0, 59))
        self.assertEqual((await self.refused(self.queue.undo(MAX, int(row.id)))).slug, "state")
        self.assertEqual(len(self.sql("select from audit where action = 'moderation.approve'")), 1)

    async def test_steered(self) -> None:
        """Paused it rests, stopped it ends; what was not begun can't be."""
        for n in range(3):
            await self.post(f"hold {n}", by=ANN)
        number = int((await self.queue.begin(EVE, "spam", Found(state="pending"))).id)
        self.assertEqual((await self.queue.steer(number, "paused")).state, "paused")
        await self.bulk()
        self.assertEqual(len(await self.listed()), 3)
        await self.queue.steer(number, "running")
        await self.bulk()
        self.assertEqual((await self.listed(), (await self.queue.action(number)).state), ([], "done"))
        self.assertEqual((await self.refused(self.queue.steer(number, "stopped"))).slug, "state")
        self.assertEqual((await self.refused(self.queue.begin(EVE, "spam", Found(state="pending")))).field, "filter")


class ModelTests(QueueCase):
    """Random decisions against what they should lead to."""

    async def check(self) -> None:
        """Counters equal rows; numbers have no gaps; no event and no page shows a hidden comment's words."""
        rows = self.sql("select id, parent_id, root_id, status, shown, n_replies, n_thread, src, shadow from comment")
        shown: set[int] = set()
        by_parent: dict[Any, list[int]] = {}
        for one in rows:
            by_parent.setdefault(one[1], []).append(one[0])
        status = {one[0]: one[3] for one in rows}

        def visible(one: int) -> bool:
            below = [visible(child) for child in by_parent.get(one, [])]
            if status[one] == 1 or any(below):
                shown.add(one)
            return one in shown

        for root in by_parent.get(None, []):
            visible(root)
        for id_, _, root, _, is_shown, replies, thread, _, _ in rows:
            self.assertEqual(is_shown, id_ in shown)
            if id_ in shown:
                self.assertEqual(replies, sum(child in shown for child in by_parent.get(id_, [])))
            if root == id_ and id_ in shown:
                self.assertEqual(thread, sum(x[2] == id_ and x[0] != id_ and x[0] in shown for x in rows))
        if rows:
            self.assertEqual(self.counts(), (
                sum(one[3] == 1 for one in rows), sum(one[1] is None and one[0] in shown for one in rows),
                sum(one[3] == 0 for one in rows)))  # fmt: skip
            kept = self.sql("select n_visible, n_root, n_pending from channel where product = 'comments'")
            self.assertEqual(kept, [self.counts()])
        events = self.events()
        self.assertEqual([seq for seq, _, _ in events], list(range(1, len(events) + 1)))
        page = json.dumps(await self.page())
        log = json.dumps(events)
        for one in rows:
            words = one[7].split()[-1] if one[7] else ""
            if words and one[3] != 1:
                self.assertNotIn(f"{words}<", log)
                self.assertNotIn(f"{words}<", page)

    async def run_seed(self, seed: int, steps: int) -> None:
        rng = random.Random(seed)
        actions: list[int] = []
        for step in range(steps):
            ids = [row[0] for row in self.sql("select id from comment order by id")]
            kind = rng.choice(KINDS_OF_STEP)
            by = rng.choice([ANN, BOB, CAT])
            one = rng.choice(ids) if ids else 0
            said = f"w{seed}x{step}z"
            try:
                if kind in ("post", "hold") or not ids:
                    await self.post(("hold " if kind == "hold" else "") + said, by=by)
                elif kind == "reply":
                    await self.post(said, by=by, parent=one)
                elif kind == "shadow":
                    self.sql("insert into ban (site_id, kind, value, shadow) values (1, 'visitor', '33', true) "
                             "on conflict do nothing")  # fmt: skip
                    made = json.loads((await self.post(said, by=CAT)).comment)
                    self.assertNotIn("state", made)
                    self.assertIn(made["id"], [own["id"] for own in await self.own(CAT)])
                    self.sql("delete from ban")
                elif kind == "decide":
                    actions.append(await self.do(rng.choice(DEEDS), one))
                elif kind == "undo" and actions:
                    await self.queue.undo(EVE, rng.choice(actions))
                elif kind == "edit":
                    await self.comments.edit(Session(1, by), one, rng.choice(["", "hold "]) + said)
                elif kind == "delete":
                    await self.comments.delete(Session(1, by), one)
            except Exception as error:
                if not hasattr(error, "slug"):
                    raise
            if step % 4 == 0:
                await self.check()
        await self.check()

    async def test_random(self) -> None:
        """Some seeds, each in a page of its own site."""
        for seed in range(3):
            await self.run_seed(seed, 60)
            for table in ("comment", "comment_channel", "channel", "event", "moderation_action", "comment_mark",
                          "comment_revision", "comment_kept", "vote", "post_key"):  # fmt: skip
                self.sql(f"delete from {table}")
