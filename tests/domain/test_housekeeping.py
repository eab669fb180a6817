"""Housekeeping: partitions made ahead and dropped behind, old keys and done work gone; one job fails alone."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.database.errors import QueryFailed, Unavailable
from cackled.domain.housekeeping import BATCH, INTERVAL, Housekeeping
from cackled.metrics import Metrics
from cackled.products.comments.housekeeping import EXPIRE_POST_KEYS, JOBS
from tests.domain.common import DomainCase

# Those of the core, and those of comments.
ALL = 4 + len(JOBS)

DAY = 86_400.0


class JobsTests(DomainCase):
    """Against a real database."""

    def job(self) -> Housekeeping:
        self.metrics = Metrics()
        return Housekeeping(self.database, Clock(), self.metrics, 2 * DAY, JOBS)

    def partitions(self) -> set[str]:
        rows = self.sql("select inhrelid::regclass::text from pg_inherits where inhparent = 'event'::regclass")
        return {row[0] for row in rows}

    async def test_partitions(self) -> None:
        """Days ahead are made, once; days over are dropped; events go where they belong and are read as one."""
        await self.post()
        old = "event_20200101"
        self.sql(f"create table {old} partition of event for values from ('2020-01-01') to ('2020-01-02')")
        self.sql(
            "insert into event (site_id, channel_id, seq, type, data, created_at) values "
            "(1, 1, 1, 'x', '{}', '2020-01-01'), (1, 1, 2, 'x', '{}', '2020-02-01'), "
            "(1, 1, 3, 'x', '{}', now() + '9 days')"
        )
        tomorrow = self.sql("select 'event_' || to_char(current_date + 2, 'YYYYMMDD')")[0][0]
        self.sql(f"drop table if exists {tomorrow}")
        await self.job().run()
        self.assertNotIn(old, self.partitions())
        self.assertIn(tomorrow, self.partitions())
        self.assertEqual(self.sql("select seq from event where channel_id = 1"), [(3,)])
        self.assertEqual(len(self.events()), 1)
        before = self.partitions()
        await self.job().run()
        self.assertEqual(self.partitions(), before)

    async def test_weeks(self) -> None:
        """A month of days: every event finds a partition made ahead, and no more than the days kept are there."""
        first = self.sql("select (current_date + time '12:00')::text")[0][0]
        for day in range(30):
            now = f"('{first}'::timestamptz + interval '{day} days')"
            self.sql(f"select event_partitions(2, {now})")
            self.sql("insert into event (site_id, channel_id, seq, type, data, created_at) "
                     f"values (1, 1, {day + 1}, 'x', '{{}}', {now})")  # fmt: skip
            self.sql(f"select event_expire(interval '48 hours', {now})")
            self.assertLessEqual(len(self.partitions() - {"event_rest"}), 6)
            # Two days whole, and what is left of the day before them.
            kept = [row[0] for row in self.sql("select seq from event where channel_id = 1 order by seq")]
            self.assertEqual(kept, list(range(max(1, day - 1), day + 2)))
        self.assertEqual(self.sql("select count(*) from event_rest"), [(0,)])

    async def test_day_taken_by_the_rest(self) -> None:
        """A day whose events already lie in the rest can't become a partition, and that is no fault."""
        self.sql("insert into event (site_id, channel_id, seq, type, data, created_at) values "
                 "(1, 1, 1, 'x', '{}', current_date + 3 + interval '1 hour')")  # fmt: skip
        self.sql("select event_partitions(5)")
        name = self.sql("select 'event_' || to_char(current_date + 3, 'YYYYMMDD')")[0][0]
        self.assertNotIn(name, self.partitions())

    async def test_keys_and_outbox(self) -> None:
        """Keys and done work older than two days go, the rest stays."""
        await self.post(idempotency_key="old")
        await self.post(idempotency_key="new")
        self.sql("update post_key set created_at = now() - interval '49 hours' where key = 'old'")
        self.sql("insert into post_key (site_id, visitor_id, channel_id, key, comment_id, seq, created_at) "
                 "select 1, n, 1, 'k', 1, 1, now() - interval '3 days' from generate_series(1, 11000) n")  # fmt: skip
        self.sql(
            "insert into outbox (site_id, kind, body, done_at) values "
            "(1, 'webhook', 'a', now() - interval '49 hours'), (1, 'webhook', 'b', now()), "
            "(1, 'webhook', 'c', null)"
        )
        self.sql("insert into outbox (site_id, kind, body, dead_at) "
                 "values (1, 'webhook', 'd', now() - interval '31 days')")  # fmt: skip
        await self.job().run()
        self.assertEqual(self.sql("select key from post_key"), [("new",)])
        self.assertEqual(self.sql("select body from outbox order by body"), [("b",), ("c",)])


class FakeSystem:
    """Fails as it is told, by the query's name."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.errors: dict[str, Exception] = {}
        self.counts: list[int] = []

    @property
    def system(self) -> FakeSystem:
        return self

    @property
    def parts(self) -> list[FakeSystem]:
        return [self]

    def write(self, query: Any, *args: Any) -> Any:
        self.ran.append(query.name)
        if query.name in self.errors:
            raise self.errors[query.name]
        return succeed([(self.counts.pop(0) if self.counts and query is EXPIRE_POST_KEYS else 0,)])


class RunTests(SynchronousTestCase):
    """When it runs, and what a fault does."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.fake = FakeSystem()
        self.metrics = Metrics()
        fake: Any = self.fake
        self.job = Housekeeping(fake, self.clock, self.metrics, DAY, JOBS)

    def test_times(self) -> None:
        """At the start and every ten minutes, until it is stopped."""
        self.job.start()
        self.assertEqual(len(self.fake.ran), ALL)
        self.clock.advance(INTERVAL)
        self.assertEqual(len(self.fake.ran), 2 * ALL)
        self.job.stop()
        self.clock.advance(10 * INTERVAL)
        self.assertEqual(len(self.fake.ran), 2 * ALL)

    def test_many(self) -> None:
        """What is more than a batch goes in the same run, however much came since the last one."""
        self.fake.counts = [BATCH, BATCH, BATCH - 1]
        self.job.start()
        self.assertEqual(self.fake.ran.count("expire_post_keys"), 3)
        self.assertEqual(len(self.fake.ran), ALL + 2)
        self.job.stop()

    def test_one_fails(self) -> None:
        """The others run; without a database the rest waits for the next turn; the turn after that is whole."""
        self.fake.errors["expire_events"] = QueryFailed("42P01", "no table")
        self.job.start()
        self.assertEqual(len(self.fake.ran), ALL)
        self.fake.errors = {"expire_events": Unavailable(1.0)}
        self.clock.advance(INTERVAL)
        self.assertEqual(len(self.fake.ran), ALL + 2)
        self.fake.errors = {}
        self.clock.advance(INTERVAL)
        self.assertEqual(len(self.fake.ran), 2 * ALL + 2)
        self.job.stop()
