"""Reading comments, and random operations against a model."""

from __future__ import annotations

import json
import random
from typing import Any

from cackled.database.routing import ReadPreference
from cackled.domain.sessions import Session
from cackled.products.comments.pages import Wanted
from tests.domain.common import DomainCase, the_id


class ReadTests(DomainCase):
    """Reading: cache, positions and counts."""

    async def test_cached_until_newer(self) -> None:
        """A page is read once, until a seq is asked for that it has not."""
        await self.post("one")
        self.cache.clear()
        first = await self.comments.page("page", Wanted())
        self.sql("update comment set html = 'behind our back'")
        self.assertIs(await self.comments.page("page", Wanted()), first)
        self.assertIs(await self.comments.page("page", Wanted(), after=1), first)
        self.sql("update channel set seq = 2")
        newer = await self.comments.page("page", Wanted(), after=2)
        self.assertEqual(newer.seq, 2)
        self.assertIn(b"behind our back", newer.value)

    async def test_primary_is_never_cached(self) -> None:
        """Who asks for the primary is answered by it."""
        await self.post("one")
        await self.comments.page("page", Wanted())
        self.sql("update comment set html = 'behind our back'")
        page = await self.comments.page("page", Wanted(), preference=ReadPreference.PRIMARY)
        self.assertIn(b"behind our back", page.value)

    async def test_keys_apart_in_the_cache(self) -> None:
        """Two keys with one id share no entry."""
        await self.post("one")
        await self.comments.page("page", Wanted())
        self.patch(type(self.site), "channel", lambda site, product, key: self.site_channel)
        self.site_channel = int(self.sql("select id from channel")[0][0])
        page = json.loads(b"{" + (await self.comments.page("another", Wanted())).value + b"}")
        self.assertEqual((page["channel"]["key"], page["page"]["comments"]), ("another", []))

    async def test_counts(self) -> None:
        """Counts by key, 0 for unknown ones, nothing of other sites."""
        await self.post("one", key="a")
        await self.post("two", key="a")
        await self.post("three", key="b")
        self.assertEqual(await self.comments.counts(["a", "b", "c"]), {"a": 2, "b": 1, "c": 0})
        other = await self.sites.add("Two", [], site_id=2)
        assert other is not None
        self.assertEqual(await self.of(other).counts(["a"]), {"a": 0})


class ModelTests(DomainCase):
    """A seeded sequence of operations against a model that fits on a page."""

    settings = {"level": 3}

    async def check(self, model: dict[int, dict[str, Any]], seq: int) -> None:
        """Counters, log and page are what the model says."""
        shown = {one for one in model if self.shown(model, one)}
        visible = [one for one in model if not model[one]["deleted"]]
        roots = [one for one in shown if model[one]["parent"] is None]
        self.assertEqual(self.channel(), (seq, len(visible), len(roots)))
        rows = self.sql("select id, shown, n_replies, n_thread, up, down from comment where site_id = 1")
        for one, is_shown, replies, thread, up, down in rows:
            self.assertEqual(is_shown, one in shown, one)
            if one in shown:
                self.assertEqual(replies, sum(model[x]["parent"] == one for x in shown), one)
                if model[one]["parent"] is None:
                    below = sum(self.root(model, x) == one and x != one for x in shown)
                    self.assertEqual(thread, below, one)
            votes = model[one]["votes"].values()
            self.assertEqual((up, down), (sum(v == 1 for v in votes), sum(v == -1 for v in votes)), one)
        sort = "old" if seq % 2 else "new"
        page = json.loads(
            b"{" + (await self.comments.page("page", Wanted(sort, 100), after=seq)).value + b"}"  # type: ignore[arg-type]
        )
        self.assertEqual(page["channel"]["seq"], seq)
        found: dict[int, Any] = {}

        def walk(comments: list[Any]) -> None:
            for comment in comments:
                found[int(comment["id"])] = comment
                walk(comment["replies"])

        walk(page["page"]["comments"])
        self.assertEqual(set(found), shown)
        for one, comment in found.items():
            self.assertEqual(comment["deleted"], model[one]["deleted"])
            if not model[one]["deleted"]:
                self.assertIn(model[one]["text"], comment["html"])

    @staticmethod
    def shown(model: dict[int, dict[str, Any]], one: int) -> bool:
        return not model[one]["deleted"] or any(model[x]["parent"] == one and ModelTests.shown(model, x) for x in model)

    @staticmethod
    def root(model: dict[int, dict[str, Any]], one: int) -> int:
        while model[one]["parent"] is not None:
            one = model[one]["parent"]
        return one

    async def run_seed(self, seed: int, steps: int) -> None:
        rng = random.Random(seed)
        model: dict[int, dict[str, Any]] = {}
        seq = 0
        for step in range(steps):
            alive = [one for one in model if not model[one]["deleted"]]
            action = rng.choice(["post", "reply", "reply", "edit", "delete", "delete", "vote", "vote"])
            by = rng.randint(1, 4)
            one = rng.choice(alive) if alive else 0
            said = f"word{seed}x{step}y"
            if action == "post" or not alive:
                made = the_id(await self.post(said, by=by))
                model[made] = {"parent": None, "by": by, "deleted": False, "text": said, "votes": {}, "depth": 0}
            elif action == "reply":
                if model[one]["depth"] >= 3:
                    self.assertEqual((await self.refused(self.post(said, by=by, parent=one))).slug, "depth")
                    continue
                made = the_id(await self.post(said, by=by, parent=one))
                model[made] = {
                    "parent": one, "by": by, "deleted": False, "text": said, "votes": {},
                    "depth": model[one]["depth"] + 1,
                }  # fmt: skip
            elif action == "edit":
                await self.comments.edit(Session(1, model[one]["by"]), one, said)
                model[one]["text"] = said
            elif action == "delete":
                await self.comments.delete(Session(1, model[one]["by"]), one)
                model[one]["deleted"] = True
            else:
                value = rng.choice([1, -1, 0])
                counts = by != model[one]["by"]
                changed = counts and model[one]["votes"].get(by, 0) != value
                voted = await self.comments.vote(Session(1, by), one, value)
                self.assertEqual(voted.value, value if counts else 0)
                if counts:
                    model[one]["votes"][by] = value
                if not changed:
                    continue
            seq += 1
            if step % 5 == 0:
                await self.check(model, seq)
        await self.check(model, seq)
        events = self.events()
        self.assertEqual([number for number, _, _ in events], list(range(1, seq + 1)))
        self.replay(events, {one for one in model if self.shown(model, one)})

    def replay(self, events: list[tuple[int, str, Any]], shown: set[int]) -> None:
        """Who only followed the events has the same comments as who reads the page; of what is gone nothing is told."""
        seen: set[int] = set()
        for _, kind, data in events:
            if kind == "comment.created":
                seen.add(int(data["comment"]["id"]))
            elif kind == "comment.deleted":
                seen -= {int(one) for one in data["removed"]}
                if not data["tombstone"]:
                    seen.discard(int(data["id"]))
        self.assertEqual(seen, shown)

    async def test_sequences(self) -> None:
        """Counters, log and pages agree with the model after any sequence."""
        for seed in range(3):
            await self.run_seed(seed, 90)
            self.sql("truncate channel, comment, vote, event, post_key, visitor")
            self.cache.clear()
            self.cache._floors = type(self.cache._floors)(self.cache._seconds)
