"""Conversations of former releases, whose keys are whole addresses, become those of their pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from cackled.domain.commands import CommandError, OperatorParts
from cackled.domain.page_keys import page_key
from cackled.domain.sessions import Session
from cackled.products.comments.carrying import Carrying
from cackled.products.comments.channels import comment_channel
from cackled.products.comments.key_commands import KeyCommands
from cackled.products.comments.pages import Wanted
from cackled.products.comments.service import ChannelRef
from tests.domain.common import ANN, BOB, CAT, DomainCase, the_id

# Addresses of one page, as former releases told them apart.
VARIANTS = (
    "https://one.example/%d0%bf", "https://one.example/%D0%BF", "http://one.example/%D0%BF/", "https://one.example/%D0%BF?",
    "https://www.one.example/%D0%BF", "https://one.example/%D0%BF?utm_source=mail", "https://one.example/%D0%BF?fbclid=1",
)  # fmt: skip
_COUNTS = """
    select key, k.n_visible, k.n_root, k.n_pending,
      (select count(*) from comment c where c.site_id = 1 and c.channel_id = h.id and c.status = 1),
      (select count(*) from comment c where c.site_id = 1 and c.channel_id = h.id and c.parent_id is null and c.shown),
      (select count(*) from comment c where c.site_id = 1 and c.channel_id = h.id and c.status = 0)
    from channel h join comment_channel k using (site_id) where site_id = 1 and k.channel_id = h.id order by key
"""
# Everything of a comment but its channel.
_COMMENTS = """
    select id, parent_id, root_id, depth, status, shown, up, down, n_replies, n_thread, rank, visitor_id, src, html
    from comment where site_id = 1 order by id
"""


def answers(comment: Any) -> Iterator[Any]:
    """All answers in a page below a comment."""
    for one in comment.get("replies", ()):
        yield one
        yield from answers(one)


class CarryingCase(DomainCase):
    settings = {"channel_rule": "address"}

    async def setUp(self) -> None:
        await super().setUp()
        parts = OperatorParts(sites=self.sites, database=self.database, evict=self.evicted.append)
        self.area = KeyCommands(parts)

    def carrying(self, rule: str = "path") -> Carrying:
        settings = msgspec.structs.replace(self.site.settings, channel_rule=rule)
        return Carrying(msgspec.structs.replace(self.site, settings=settings), self.database, self.evicted.append)

    def check_counts(self) -> list[str]:
        """Counts are what there is; gives the keys."""
        rows = self.sql(_COUNTS)
        for key, visible, root, pending, *real in rows:
            self.assertEqual([visible, root, pending], real, key)
        return [row[0] for row in rows]

    async def shown(self, key: str) -> list[Any]:
        loaded = await self.comments.page(key, Wanted("old", 100))
        return json.loads(b"{" + loaded.value + b"}")["page"]["comments"]  # type: ignore[no-any-return]

    async def refusal(self, work: Any) -> str:
        try:
            await work
        except CommandError as error:
            return str(error)
        self.fail("not refused")


class MergeTests(CarryingCase):
    async def fill(self) -> dict[str, list[int]]:
        """Threads with answers, votes, a deletion with and one without answers, at each address."""
        made: dict[str, list[int]] = {}
        for number, key in enumerate(VARIANTS):
            root = await self.post(f"root {number}", key=key, by=ANN, idempotency_key="k")
            reply = await self.post("answer", key=key, by=BOB, parent=the_id(root))
            deep = await self.post("deeper", key=key, by=CAT, parent=the_id(reply))
            gone = await self.post("gone", key=key, by=CAT)
            await self.comments.vote(Session(1, BOB), the_id(root), 1)
            await self.comments.vote(Session(1, CAT), the_id(root), -1)
            await self.comments.vote(Session(1, ANN), the_id(deep), 1)
            await self.comments.delete(Session(1, BOB), the_id(reply))
            await self.comments.delete(Session(1, CAT), the_id(gone))
            made[key] = [the_id(one) for one in (root, reply, deep, gone)]
        return made

    async def test_one_page(self) -> None:
        """All addresses of a page become one conversation: comments, answers and votes are there, in order, counted;
        what is no address stays; a second run finds nothing.
        """
        made = await self.fill()
        for key in ("demo", "/explicit", "urn:x", "file:///p"):
            await self.post("stays", key=key)
        await self.post("elsewhere", key="https://one.example/other?a=1")
        before, votes = self.sql(_COMMENTS), self.sql("select comment_id, visitor_id, value from vote order by 1, 2")
        plan = await self.carrying().plan()
        self.assertEqual((plan.channels, plan.comments, plan.merged, plan.clashes), (8, 15, 1, []))
        self.assertEqual(plan.hosts, {"one.example"})
        self.assertEqual(self.sql(_COMMENTS), before)
        self.assertEqual(await self.carrying().run(plan), 29)
        self.assertEqual(
            self.check_counts(), sorted(["/%D0%BF", "/other?a=1", "demo", "/explicit", "urn:x", "file:///p"])
        )
        self.assertEqual(self.sql(_COMMENTS), before)
        self.assertEqual(self.sql("select comment_id, visitor_id, value from vote order by 1, 2"), votes)
        page = await self.shown("/%D0%BF")
        self.assertEqual([int(one["id"]) for one in page], sorted(ids[0] for ids in made.values()))
        self.assertEqual([sum(1 for _ in answers(one)) for one in page], [2] * 7)
        mine = json.loads(await self.comments.mine("/%D0%BF", Session(1, BOB)))
        self.assertEqual(mine["votes"], {str(ids[0]): 1 for ids in made.values()})
        # Votes and deletions find what they did before.
        first = made[VARIANTS[0]]
        self.assertEqual((await self.comments.vote(Session(1, BOB), first[0], 1)).up, 1)
        self.assertEqual((await self.comments.vote(Session(1, BOB), first[0], 0)).up, 0)
        await self.comments.delete(Session(1, CAT), first[2])
        self.check_counts()
        again = await self.carrying().plan()
        self.assertEqual((again.channels, await self.carrying().run(again)), (0, 0))

    async def test_told(self) -> None:
        """Both channels are told, in order, without a gap; caches are; words leave the log of the channel that goes."""
        await self.post("kept", key="/p")
        await self.post("secret words", key="https://one.example/p")
        old, new = comment_channel(self.site, "https://one.example/p"), comment_channel(self.site, "/p")
        await self.comments.page("/p", Wanted())
        self.evicted.clear()
        carrying = self.carrying()
        await carrying.run(await carrying.plan())
        self.assertEqual([kind for _, kind, _ in self.events(new)], ["comment.created"] + ["channel.updated"] * 2)
        self.assertEqual([seq for seq, _, _ in self.events(new)], [1, 2, 3])
        self.assertEqual(self.events(new)[-1][2], {"comments": 2, "locked": False, "moved": "/p"})
        self.assertEqual(self.events(old)[-1][2], {"comments": 0, "locked": False, "moved": "/p"})
        self.assertNotIn("secret words", json.dumps(self.events(old)))
        self.assertIn(self.site.position(new, 3), self.evicted)
        self.assertEqual(len(await self.shown("/p")), 1 if self.cache.peek(self.site.group(new), 0) else 2)

    async def test_broken_off(self) -> None:
        """What stopped in the middle goes on; nothing is twice; what came meanwhile to an old address moves too."""
        await self.fill()
        before = self.sql(_COMMENTS)
        plan = await self.carrying().plan()
        half = msgspec.structs.replace(plan)
        half.pages = {page: each[:3] for page, each in plan.pages.items()}
        await self.carrying().run(half)
        self.check_counts()
        late = await self.post("late", key=VARIANTS[0])
        carrying = self.carrying()
        await carrying.run(await carrying.plan())
        self.assertEqual(self.check_counts(), ["/%D0%BF"])
        self.assertEqual([row for row in self.sql(_COMMENTS) if row[0] != the_id(late)], before)
        self.assertEqual(len(await self.shown("/%D0%BF")), 8)

    async def test_closed_and_long(self) -> None:
        """A page that was closed stays closed, also without comments. An address that was cut is carried over by that
        of the page, where it is known.
        """
        await self.post("x", key="https://one.example/p")
        await self.post("y", key="http://one.example/p")
        await self.moderation_lock("http://one.example/p")
        whole = "https://one.example/" + "a" * 600
        await self.comments.post(Session(1, ANN), ChannelRef(whole[:500], whole), "long", "Ann")
        await self.post("lost its end", key=("https://two.example/" + "b" * 600)[:500])
        carrying = self.carrying()
        plan = await carrying.plan()
        self.assertEqual(plan.cut, 1)
        await carrying.run(plan)
        self.assertEqual(self.sql("select locked from channel where key = '/p'"), [(True,)])
        self.assertIn(page_key(whole), self.check_counts())

    async def moderation_lock(self, key: str) -> None:
        self.sql("update channel set locked = true where site_id = 1 and key = %s", key)


class CommandTests(CarryingCase):
    async def test_hosts(self) -> None:
        """Pages of two hosts are one only where somebody says so."""
        for host in ("one.example", "two.example", "www.two.example"):
            await self.post(f"at {host}", key=f"https://{host}/p")
        shown: Any = await self.area.normalise(1, None, False)
        self.assertEqual(shown["preview"]["keys_that_hosts_share"], 1)
        self.assertIn("several hosts", await self.refusal(self.area.normalise(1, None, True)))
        self.assertEqual(len(self.check_counts()), 3)
        done: Any = await self.area.normalise(1, "host", True)
        self.assertEqual(done["done"]["comments_moved"], 3)
        self.assertEqual(self.check_counts(), ["//one.example/p", "//two.example/p"])
        site = self.sites.get(1)
        self.assertEqual(site.settings.channel_rule, "host")
        # What pages of former releases send finds it.
        self.assertEqual(site.key("https://www.two.example/p/?utm_source=x"), "//two.example/p")
        self.assertIn("no conversations", str(await self.area.normalise(1, None, False)))

    async def test_path(self) -> None:
        """The same with path: one page."""
        for host in ("one.example", "two.example"):
            await self.post(f"at {host}", key=f"https://{host}/p")
        await self.area.normalise(1, "path", True)
        self.assertEqual(self.check_counts(), ["/p"])
        self.assertEqual(self.sites.get(1).settings.channel_rule, "path")
        self.assertIn("no site 9", await self.refusal(self.area.normalise(9, None, False)))
