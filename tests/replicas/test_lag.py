"""The cache before a replica that lags: nobody misses their own write, and nothing stale stays."""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from cackled.database.testing import TestServer, fresh_dsn, server
from tests.replicas.lag import Figures, delay, measure, servers

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
