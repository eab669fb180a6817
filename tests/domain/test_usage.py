"""Usage: counted by site, month and preference, and added up in the database."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from cackled.database.errors import Busy, ConnectionLost
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.database.testing import database_for_test
from cackled.domain.usage import CREDITS, Usage
from cackled.metrics import Metrics

clock: Any = reactor
NOVEMBER = 1_795_305_600.0  # 2026-11-22
DECEMBER = NOVEMBER + 30 * 86_400


class UsageTests(TestCase):
    """`Usage` on a real database."""

    async def setUp(self) -> None:
        self.db = await database_for_test(self)
        self.now = NOVEMBER
        self.metrics = Metrics()
        self.usage = Usage(self.db, clock, self.metrics, lambda: self.now)

    async def test_sums(self) -> None:
        """Reads of two batches add up, nearest costs less than the primary, and sites and months are apart."""
        for _ in range(3):
            self.usage.count(1, ReadPreference.NEAREST)
        self.usage.count(2, ReadPreference.NEAREST)
        await self.usage.flush()
        self.usage.count(1, ReadPreference.NEAREST)
        self.usage.count(1, ReadPreference.PRIMARY)
        # What is not flushed yet is counted in.
        expected = [
            (ReadPreference.PRIMARY, 1, CREDITS[ReadPreference.PRIMARY]),
            (ReadPreference.NEAREST, 4, 4 * CREDITS[ReadPreference.NEAREST]),
        ]
        self.assertEqual(await self.usage.month(1), expected)
        await self.usage.flush()
        self.assertEqual(await self.usage.month(1, "2026-11"), expected)
        self.now = DECEMBER
        self.assertEqual(await self.usage.month(1), [])
        self.assertEqual(len(await self.usage.month(2, "2026-11")), 1)
        self.assertLess(CREDITS[ReadPreference.NEAREST], CREDITS[ReadPreference.PRIMARY])

    async def test_bad_month(self) -> None:
        """What is no month is refused before the database is asked."""
        for bad in ("2026", "2026-13", "x", "2026-11-01"):
            with self.assertRaises(ValueError):
                await self.usage.month(1, bad)

    async def test_faults(self) -> None:
        """What was surely not added is added later, what may have been is not sent again."""
        error: Exception = Busy()

        async def fail(face: Any, query: Query, *args: Any) -> Any:
            raise error

        self.usage.count(1, ReadPreference.NEAREST)
        patched = self.patch(type(self.db.system), "write", fail)
        await self.usage.flush()
        error = ConnectionLost()
        self.assertEqual((await self.usage.month(1))[0][1], 1)
        await self.usage.flush()
        patched.restore()
        self.assertEqual(await self.usage.month(1), [])
        self.assertEqual(self.metrics.value("usage_lost_reads_total"), 1)

    async def test_no_primary(self) -> None:
        """Without a primary nothing is sent, and nothing forgotten."""
        self.usage.count(1, ReadPreference.NEAREST)
        self.assertTrue(self.db.writable)
        patched = self.patch(Database, "writable", False)
        await self.usage.flush()
        patched.restore()
        await self.usage.stop()
        self.assertEqual(await self.usage.month(1), [(ReadPreference.NEAREST, 1, 1)])
