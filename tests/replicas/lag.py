"""Caches before a replica that lags, under writers and readers at once: what is stale, and what the floor costs.

Two nodes in one process, each with its own pool, cache and tail of the log, and a replica beside them that they prefer.
A writer writes on one node and reads its own comment on the other; readers read on both and never want to see a
conversation younger than they have seen it. Used by the tests and by ``scripts/bench/lag.py``.
"""

from __future__ import annotations

import random
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred, gatherResults

from cackled import config
from cackled.cache.soft import SoftCache
from cackled.clock import sleep
from cackled.database.dsn import ServerSettings
from cackled.database.query import Query, ReadPreference, Rows
from cackled.database.routing import Database
from cackled.database.tail import Tail
from cackled.database.testing import TestServer
from cackled.domain.channels import ChannelRef
from cackled.domain.read_options import Reading, ReadOptions
from cackled.domain.sessions import Session
from cackled.domain.settings import SiteSettings
from cackled.domain.site import Site
from cackled.events import Event, Position
from cackled.metrics import Metrics
from cackled.products.comments.pages import Wanted
from cackled.products.comments.service import Comments
from cackled.products.comments.settings import CommentSettings

SITE = Site(1, "One", SiteSettings(), products=(CommentSettings(level=3),))
SEQS = Query("lag_seqs", "select key, seq from channel where site_id = $1", ("int",))


class Figures(Struct):
    """What was seen; ``own`` are reads of the writer after its own write, ``stale_*`` those that were too old."""

    writes: int = 0
    own: int = 0
    stale_own: int = 0
    reads: int = 0
    backwards: int = 0
    entries: int = 0
    stale_entries: int = 0
    from_primary: int = 0
    from_replica: int = 0

    @property
    def primary_share(self) -> float:
        """Of the reads that came to a database, the part that went to the primary."""
        total = self.from_primary + self.from_replica
        return self.from_primary / total if total else 0.0


class Counting(Database):
    """Counts who answered."""

    primary_reads = 0
    replica_reads = 0

    async def read(self, query: Query, *args: Any) -> Rows:
        rows = await super().read(query, *args)
        if query.name.startswith("page_"):
            self.primary_reads += rows.primary
            self.replica_reads += not rows.primary
        return rows


class Node:
    """One node: pool, cache, tail."""

    def __init__(self, clock: Any, servers: list[ServerSettings]) -> None:
        metrics = Metrics()
        settings = config.Database(connections=4, wait_timeout=15.0, statement_timeout=30.0)
        self.database = Counting(
            servers, clock=clock, random=random.Random(1), metrics=metrics, settings=settings, hang=15.0
        )
        self.cache = SoftCache(clock=clock, max_bytes=32 << 20, ttl=300.0, metrics=metrics)
        self.tail = Tail(
            clock=clock, random=random.Random(1), dsn=self.database.primary_dsn, on_event=self.arrived,
            on_gap=lambda channels: self.cache.clear(), metrics=metrics,
        )
        self.database.connect_log(self.tail.followed)
        self.comments = Comments(SITE, self.database, self.cache, self.wrote)

    def wrote(self, position: Position) -> None:
        self.cache.evict((position.site, position.channel), position.seq)

    def arrived(self, event: Event) -> None:
        self.wrote(event.position)

    async def start(self) -> None:
        await self.database.start()
        await self.tail.start()

    async def stop(self) -> None:
        await self.tail.stop()
        await self.database.stop()


def servers(primary: TestServer, replica: TestServer, name: str) -> list[ServerSettings]:
    """Both, the replica being the nodes' own."""
    return [ServerSettings("primary", primary.dsn(name)), ServerSettings("replica", replica.dsn(name), local=True)]


async def measure(
    clock: Any, places: list[ServerSettings], *, writes: int, readers: int = 6, hot: int = 10, pause: float = 0.0
) -> Figures:
    """Run *writes* comments on *hot* channels against *readers* on each of two nodes, and count."""
    nodes = [Node(clock, places), Node(clock, places)]
    figures = Figures()
    wanted = Wanted("new", 25)
    keys = [f"hot-{n}" for n in range(hot)]
    over = False

    async def write() -> None:
        for n in range(writes):
            key = keys[n % hot]
            written = await nodes[0].comments.post(Session(SITE.id, n + 1), ChannelRef(key), f"Comment {n}", "Ann")
            figures.writes += 1
            for node in (nodes[1], nodes[0]):
                found = await node.comments.page(key, wanted, after=written.position.seq)
                figures.own += 1
                figures.stale_own += found.seq < written.position.seq
            # Without a position, the node that wrote is never behind its own write either.
            found = await nodes[0].comments.page(key, wanted)
            figures.own += 1
            figures.stale_own += found.seq < written.position.seq
            if pause:
                await sleep(clock, pause)

    async def look(node: Node, chance: random.Random) -> None:
        seen = dict.fromkeys(keys, 0)
        while not over:
            key = chance.choice(keys)
            reading = Reading(ReadOptions(ReadPreference.NEAREST, None, seen[key]))
            found = await node.comments.page(key, wanted, preference=reading)
            figures.reads += 1
            figures.backwards += found.seq < seen[key] and not reading.outcome.stale
            seen[key] = max(seen[key], found.seq)
            await sleep(clock, 0.002)

    try:
        for node in nodes:
            await node.start()
        while not all(one.alive and one.app.healthy for node in nodes for one in node.database.servers):
            await sleep(clock, 0.01)
        looking = [
            Deferred.fromCoroutine(look(node, random.Random(n))) for n in range(readers) for node in nodes
        ]
        await write()
        await sleep(clock, 1.0)
        over = True
        await gatherResults(looking)
        rows = await nodes[0].database.site(SITE.id).read(SEQS, SITE.id, preference=ReadPreference.PRIMARY)
        truth = dict(rows.rows)
        for node in nodes:
            for key in keys:
                entry = node.cache.peek(SITE.group(SITE.channel("comments", key)), (key, wanted, True))
                if entry is not None:
                    figures.entries += 1
                    figures.stale_entries += entry.seq < truth[key]
            figures.from_primary += node.database.primary_reads
            figures.from_replica += node.database.replica_reads
    finally:
        over = True
        for node in nodes:
            await node.stop()
    return figures


def delay(replica: TestServer, milliseconds: int) -> None:
    """Let *replica* show what it is sent so much later."""
    replica.execute(f"alter system set recovery_min_apply_delay = '{milliseconds}ms'")
    replica.execute("select pg_reload_conf()")
