"""The cache before a replica that lags: nobody misses their own write, and nothing stale stays."""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from cackled.clock import sleep
from cackled.database.query import ReadPreference
from cackled.database.testing import TestServer, fresh_dsn, server
from cackled.domain.channels import ChannelRef
from cackled.domain.read_options import Reading, ReadOptions
from cackled.domain.sessions import Session
from cackled.products.comments.pages import Wanted
from tests.replicas.lag import SITE, Figures, Node, delay, measure, servers

clock: Any = reactor


class LagTests(TestCase):
    """`tests.replicas.lag` on a primary and a replica."""

    async def setUp(self) -> None:
        dsn = await fresh_dsn(self)
        self.name = dsn.split("dbname=")[1].split()[0]
        self.replica = TestServer(replica_of=server())
        self.addCleanup(self.replica.stop)

    async def check(self, milliseconds: int) -> Figures:
        delay(self.replica, milliseconds)
        figures = await measure(clock, servers(server(), self.replica, self.name), writes=60, readers=3)
        if os.environ.get("CACKLED_FIGURES"):
            print(f"{milliseconds} ms: {figures}, primary {figures.primary_share:.0%}", file=sys.__stderr__, flush=True)
        self.assertEqual((figures.stale_own, figures.backwards, figures.stale_entries), (0, 0, 0))
        # Not vacuous: there were entries to look at, and both servers answered.
        self.assertGreater(figures.entries, 10)
        self.assertEqual(figures.own, 180)
        self.assertGreater(figures.from_replica, 0)
        return figures

    async def test_at_once(self) -> None:
        """Replay as fast as it goes."""
        await self.check(0)

    async def test_delayed(self) -> None:
        """Replay 200 ms late: the primary is asked where the replica is behind."""
        figures = await self.check(200)
        self.assertGreater(figures.from_primary, 20)

    async def test_replica_shows_it_first(self) -> None:
        """A commit that waits for its standby is seen on another replica before the primary shows it.

        Who has seen it there and then asks the primary is told that the answer is older than asked for.
        """
        primary = server()
        node = Node(clock, servers(primary, self.replica, self.name))
        self.addCleanup(node.stop)
        await node.start()
        while not all(one.alive and one.app.healthy for one in node.database.servers):
            await sleep(clock, 0.01)
        await node.comments.post(Session(SITE.id, 1), ChannelRef("k"), "One", "Ann")

        async def page(preference: ReadPreference, after: int) -> tuple[int, str, bool]:
            reading = Reading(ReadOptions(preference, None, after))
            found = await node.comments.page("k", Wanted("new", 25), preference=reading)
            return found.seq, reading.outcome.server, reading.outcome.stale

        def standbys(names: str) -> None:
            primary.execute(f"alter system set synchronous_standby_names = '{names}'")
            primary.execute("select pg_reload_conf()")

        self.addCleanup(standbys, "")
        standbys("absent")
        while primary.execute("show synchronous_standby_names") != [("absent",)]:
            await sleep(clock, 0.01)
        writing = Deferred.fromCoroutine(node.comments.post(Session(SITE.id, 1), ChannelRef("k"), "Two", "Ann"))
        while (await page(ReadPreference.SECONDARY, 0))[0] < 2:
            await sleep(clock, 0.01)
        self.assertFalse(writing.called)
        for preference in (ReadPreference.PRIMARY, ReadPreference.PRIMARY_PREFERRED):
            self.assertEqual(await page(preference, 2), (1, "primary", True))
            self.assertEqual(await page(preference, 1), (1, "primary", False))
        # Whichever answers faster: the primary says that it has not come so far.
        self.assertIn(await page(ReadPreference.NEAREST, 2), [(2, "replica", False), (1, "primary", True)])
        standbys("")
        self.assertEqual((await writing).position.seq, 2)
        self.assertEqual(await page(ReadPreference.PRIMARY, 2), (2, "primary", False))
