"""Reads that say where they may go, and answers that say where they come from."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from cackled.cache.soft import SoftCache
from cackled.cache.types import Loaded
from cackled.database.errors import Busy, Unavailable
from cackled.database.query import Query, ReadPreference, Rows
from cackled.domain.errors import NotFound
from cackled.domain.read_options import Reading, ReadOptions, ReadOutcome
from cackled.domain.sessions import Session
from cackled.domain.settings import SiteSettings
from cackled.domain.site import Site
from cackled.metrics import Metrics
from cackled.products.comments import pages
from cackled.products.comments.pages import Wanted
from cackled.products.comments.service import Comments

clock: Any = reactor
SITE = Site(1, "One", SiteSettings())
WANTED = Wanted("new", 25)


class FakeDatabase:
    """A primary at one seq and a replica at another; either may be down. Keeps the preferences it was asked with."""

    def __init__(self) -> None:
        self.primary: int | None = 8
        self.replica: int | None = 8
        self.lag = 0.5
        self.moment = 100.0
        self.followed = (0.0, 99.0)
        self.asked: list[str] = []
        self.error: Exception = Unavailable(1.0)

    @property
    def writable(self) -> bool:
        return self.primary is not None

    def site(self, site: int) -> FakeDatabase:
        return self

    def now(self) -> float:
        return self.moment

    def log(self) -> tuple[float, float]:
        return self.followed

    async def read(
        self, query: Query, *args: Any, preference: ReadPreference, max_staleness: float | None = None
    ) -> Rows:
        self.asked.append(preference.value)
        second = self.primary if preference is not ReadPreference.SECONDARY else None
        order = [("one", self.primary), ("two", self.replica)]
        if preference is ReadPreference.PRIMARY:
            order = order[:1]
        elif preference is not ReadPreference.PRIMARY_PREFERRED:
            late = max_staleness is not None and self.lag > max_staleness
            order = [("one", second), ("two", self.replica)] if late else [("two", self.replica), ("one", second)]
        for name, seq in order:
            if seq is not None:
                return self.rows(query, name, seq)
        raise self.error

    def rows(self, query: Query, name: str, seq: int) -> Rows:
        if query.name == "select_comment":
            rows: list[Any] = [('{"id":"5"}', "src", 9, seq, 1, "")] if seq >= 8 else []
        elif query.name == "select_counts":
            rows = [("k", seq, seq)]
        else:
            rows = [(seq,)]
        return Rows(rows, name, 0.0 if name == "one" else self.lag, name == "one", name == "two" and not self.writable)


class ReadingTests(TestCase):
    """`Comments` over `FakeDatabase`."""

    def setUp(self) -> None:
        # Only the seq matters here.
        self.patch(pages, "build", lambda site, channel, key, wanted, rows: Loaded(b"", rows[0][0]))
        self.db = FakeDatabase()
        self.cache = SoftCache(clock=clock, max_bytes=1 << 20, ttl=300, metrics=Metrics())
        self.comments = Comments(SITE, self.db, self.cache, lambda position: None)  # type: ignore[arg-type]

    async def page(
        self, preference: str = "nearest", after: int = 0, bound: float | None = None
    ) -> tuple[int, ReadOutcome]:
        reading = Reading(ReadOptions(ReadPreference(preference), bound, after))
        return (await self.comments.page("k", WANTED, preference=reading)).seq, reading.outcome

    async def test_source(self) -> None:
        """The answer says which server was read and how far it may be behind; the primary is not behind."""
        _, outcome = await self.page("secondary")
        self.assertEqual((outcome.server, outcome.staleness, outcome.stale), ("two", 0.5, False))
        _, outcome = await self.page("primary")
        self.assertEqual((outcome.server, outcome.staleness, outcome.stale), ("one", 0.0, False))

    async def test_cached(self) -> None:
        """A kept answer is as old as the log was last read; before the log was followed, as old as it is."""
        await self.page()
        self.db.moment, self.db.followed = 130.0, (0.0, 128.0)
        _, outcome = await self.page()
        self.assertEqual((outcome.server, outcome.staleness), ("two", 2.0))
        self.db.followed = (125.0, 128.0)
        _, outcome = await self.page()
        self.assertEqual(outcome.staleness, 30.5)
        self.assertEqual(self.db.asked, ["nearest"])

    async def test_after(self) -> None:
        """A replica that has not come so far is passed over by all but who insists on replicas."""
        self.db.replica = 7
        for preference in ("nearest", "secondaryPreferred", "primaryPreferred", "primary"):
            seq, outcome = await self.page(preference, after=8)
            self.assertEqual((seq, outcome.server, outcome.stale), (8, "one", False), preference)
        with self.assertRaises(Unavailable):
            await self.page("secondary", after=8)
        self.db.replica = 8
        self.assertEqual((await self.page("secondary", after=8))[0], 8)

    async def test_replica_ahead(self) -> None:
        """A replica may show a commit before the primary does: the primary's older answer is marked."""
        self.db.primary = 7
        for preference in ("primaryPreferred", "primary"):
            seq, outcome = await self.page(preference, after=8)
            self.assertEqual((seq, outcome.server, outcome.stale), (7, "one", True), preference)
            self.assertFalse((await self.page(preference, after=7))[1].stale)
        for preference in ("nearest", "secondaryPreferred", "secondary"):
            seq, outcome = await self.page(preference, after=8)
            self.assertEqual((seq, outcome.server, outcome.stale), (8, "two", False), preference)
        self.cache.clear()
        self.db.replica = 7
        for preference in ("nearest", "secondaryPreferred"):
            for _ in range(2):
                seq, outcome = await self.page(preference, after=8)
                self.assertEqual((seq, outcome.server, outcome.stale), (7, "one", True), preference)
            self.assertFalse((await self.page(preference, after=7))[1].stale)
        self.db.primary = 8
        seq, outcome = await self.page("nearest", after=8)
        self.assertEqual((seq, outcome.server, outcome.stale), (8, "one", False))

    async def test_primary_down(self) -> None:
        """Without a primary the yielding ones are answered from the replica, marked; the answer is not kept."""
        self.db.replica, self.db.primary = 7, None
        self.cache.evict(SITE.group(SITE.channel("comments", "k")), 8)
        for preference in ("nearest", "secondaryPreferred", "primaryPreferred"):
            seq, outcome = await self.page(preference, after=8)
            self.assertEqual((seq, outcome.server, outcome.stale), (7, "two", True), preference)
        for preference in ("primary", "secondary"):
            with self.assertRaises(Unavailable):
                await self.page(preference, after=8)
        self.db.primary = 8
        seq, outcome = await self.page("nearest")
        self.assertEqual((seq, outcome.server, outcome.stale), (8, "one", False))

    async def test_busy(self) -> None:
        """A primary that is only busy is no reason for an old answer."""
        self.db.replica, self.db.primary, self.db.error = 7, None, Busy()
        with self.assertRaises(Busy):
            await self.page("nearest", after=8)

    async def test_bound(self) -> None:
        """maxStaleness keeps out a replica and a kept answer that may be older."""
        _, outcome = await self.page("nearest", bound=0.1)
        self.assertEqual((outcome.server, outcome.stale), ("one", False))
        self.db.moment, self.db.followed = 130.0, (125.0, 125.0)
        _, outcome = await self.page("nearest", bound=1.0)
        self.assertEqual((outcome.server, outcome.staleness), ("two", 0.5))
        self.db.replica, self.db.primary, self.db.lag = 8, None, 7.0
        _, outcome = await self.page("nearest", bound=1.0)
        self.assertTrue(outcome.stale)

    async def test_counts(self) -> None:
        """Counts are never older than was asked of any of the channels, if that can be had."""
        self.db.replica = 7

        async def counts(preference: str, **after: int) -> tuple[dict[str, int], str, bool]:
            reading = Reading(ReadOptions(ReadPreference(preference)))
            found = await self.comments.counts(["k", "x"], reading, after)
            return found, reading.outcome.server, reading.outcome.stale

        self.assertEqual(await counts("nearest", k=7), ({"k": 7, "x": 0}, "two", False))
        for preference in ("nearest", "secondaryPreferred"):
            self.assertEqual(await counts(preference, k=8), ({"k": 8, "x": 0}, "one", False))
        self.assertEqual(await counts("nearest", k=0, x=3), ({"k": 8, "x": 0}, "one", True))
        with self.assertRaises(Unavailable):
            await counts("secondary", k=8)
        self.assertEqual(await counts("nearest", k=9), ({"k": 8, "x": 0}, "one", True))
        self.assertEqual(await counts("primary", k=8), ({"k": 8, "x": 0}, "one", False))
        self.assertEqual(await counts("primary", k=8, x=1), ({"k": 8, "x": 0}, "one", True))
        self.db.primary = None
        self.assertEqual(await counts("nearest", k=8), ({"k": 7, "x": 0}, "two", True))

    async def test_one(self) -> None:
        """A single comment that a replica has not got yet is asked of the primary."""
        self.db.replica = 7
        for preference in ("nearest", "primaryPreferred"):
            reading = Reading(ReadOptions(ReadPreference(preference), None, 8))
            self.assertEqual((await self.comments.one(5, Session(1, 1), reading)).json, b'{"id":"5"}')
            self.assertEqual((reading.outcome.server, reading.outcome.stale), ("one", False))
        reading = Reading(ReadOptions(ReadPreference.PRIMARY, None, 9))
        await self.comments.one(5, None, reading)
        self.assertTrue(reading.outcome.stale)
        self.db.primary = None
        reading = Reading(ReadOptions(ReadPreference.NEAREST, None, 8))
        with self.assertRaises(NotFound):
            await self.comments.one(5, None, reading)
        self.assertTrue(reading.outcome.stale)

    async def test_oldest_counts(self) -> None:
        """Of two reads behind one answer the older one is told."""
        reading = Reading(ReadOptions(ReadPreference.NEAREST))
        reading.outcome.note("two", 3.0, False)
        reading.outcome.note("one", 0.0, True)
        self.assertEqual((reading.outcome.server, reading.outcome.staleness, reading.outcome.stale), ("two", 3.0, True))
