"""Moves without a daemon: two databases of one server, and a late replica. Under load: tests/faults/test_shards.py."""

from __future__ import annotations

import random
from typing import Any

import psycopg2
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from cackled.admin.shards import show
from cackled.database import moving
from cackled.database.dsn import ServerSettings
from cackled.database.query import Query, ReadPreference
from cackled.database.shards import ShardedDatabase
from cackled.database.testing import TestServer
from cackled.metrics import Metrics
from tests.support.moving import MovingCase, clock

COUNT = Query("test_count", "select count(*) from comment where site_id = $1", ("int",))


class MoverTests(MovingCase):
    """Between two databases of one server."""

    async def test_whole(self) -> None:
        """Every row of a site is in the target as it was, none of another site's; usage stays; nothing is left."""
        before, other = self.content(0, 1), self.content(0, 2)
        self.assertEqual([table for table, rows in before.items() if not rows], [])
        steps: list[str] = []
        mover = self.mover(steps.append)
        await mover.move([1], 1)
        self.assertEqual(self.content(1, 1), before)
        self.assertEqual(self.content(0, 2), other)
        self.assertNotIn("site 1", "\n".join(await show(self.known, clock)))
        left = {table: rows for table, rows in self.content(0, 1).items() if rows}
        self.assertEqual(list(left), ["event"])
        self.assertEqual(sum(len(rows) for rows in self.content(1, 2).values()), 0)
        self.assertEqual(self.sql(0, "select count(*) from usage_month where site_id = 1"), [(1,)])
        self.assertEqual(self.sql(0, "select id, shard from catalog.site order by 1"), [(1, 1), (2, 0)])
        for what in ("pg_replication_slots", "pg_publication", "pg_subscription", "shard.mark"):
            self.assertEqual(self.sql(0, f"select * from {what}") + self.sql(1, f"select * from {what}"), [], what)
        self.assertEqual(
            steps,
            ["begun", "streaming", "leaving", "fenced", "handed", "flip 1", "flip 0", "flipped", "cleaned", "ended"],
        )
        self.sql(0, "update catalog.site set shard = 0 where id = 1")
        self.assertIn("site 1: the catalog says shard 0, shard 1 says 'here'", "\n".join(await show(self.known, clock)))
        self.sql(0, "update catalog.site set shard = 1 where id = 1")
        await self.mover().move([1], 0)
        self.assertEqual(self.content(0, 1), before)
        self.assertEqual(sum(len(rows) for table, rows in self.content(1, 1).items() if table != "event"), 0)

    async def test_sequence_of_numbers_goes_on(self) -> None:
        """After a move the next comment has the next seq and a higher id."""
        await self.mover().move([1], 1)
        last = self.sql(1, "select seq, last_comment_id from channel where site_id = 1 and id = 0")[0]
        self.sql(1, "select post_comment(1, 0, 'k', '', '', 9, 'n', null, 'new', null, 's', 'h', 3, false)")
        now = self.sql(1, "select seq, last_comment_id from channel where site_id = 1 and id = 0")[0]
        self.assertEqual(now[0], last[0] + 1)
        self.assertGreater(now[1], last[1])
        again = self.sql(
            1, "select seq, replayed from post_comment(1, 0, 'k', '', '', 9, 'n', null, 'i0', null, 's', 'h', 3, false)"
        )
        self.assertEqual(again, [(1, True)])

    async def test_let_through(self) -> None:
        """Who was let through before the fence was up is waited for, however long the commit takes; meanwhile the fence
        does not stand longer than it may, and what was written is in the target.
        """
        self.patch(moving, "MOST_FENCED", 0.4)
        late = psycopg2.connect(self.dsn(0))
        self.addCleanup(late.close)
        fences: list[str] = []

        def at(step: str) -> None:
            if step == "leaving":
                with late.cursor() as cursor:
                    cursor.execute(
                        "set role cackled_app; select set_config('app.site', '1', true); "
                        "select post_comment(1, 0, 'k', '', '', 9, 'n', null, 'late', null, 'late', 'h', 3, true)"
                    )
            elif step in ("fenced", "handed"):
                fences.append(step)

        mover = self.mover(at)

        async def at_rest(*_: Any) -> None:
            """The outbox would wait for it too."""

        self.patch(mover, "_rest_outbox", at_rest)
        moved = Deferred.fromCoroutine(mover.move([1], 1))
        while len(fences) < 2 and not moved.called:
            await deferLater(clock, 0.01)
        self.assertEqual(fences, ["fenced", "fenced"])
        self.assertIn("stood too long", "\n".join(self.said))
        late.commit()
        await moved
        self.assertEqual(fences[-1], "handed")
        self.assertEqual(self.sql(1, "select count(*) from comment where src = 'late'"), [(1,)])
        self.assertEqual(self.sql(1, "select count(*) from comment"), [(6,)])

    async def test_one_at_a_time(self) -> None:
        """While one mover lives another is refused; what is open is named."""
        def at(step: str) -> None:
            if step == "streaming":
                raise KeyboardInterrupt

        first = self.mover(at)
        with self.assertRaises(KeyboardInterrupt):
            await first.move([1], 1)
        await self.refused(self.mover(others=True).resume(), "another cackled shard")
        await self.refused(self.mover().move([2], 1), "site 1 from shard 0 to 1")
        seen = await show(self.known, clock)
        self.assertIn("cackled shard resume", "\n".join(seen))
        self.assertIn("keeps", "\n".join(seen))
        await self.mover().abort()
        self.assertEqual(sum(len(rows) for rows in self.content(1, 1).values()), 0)
        self.assertNotIn("resume", "\n".join(await show(self.known, clock)))


class ReplicaTests(MovingCase):
    """Two servers, the second with a replica."""

    one_server = False

    async def test_late_replica(self) -> None:
        """A replica of the target that has not replayed the move is not believed: it would show an empty site."""
        replica = TestServer(self.servers[1], slot="r")
        self.addCleanup(replica.stop)
        self.servers[1].execute("select 1")
        database = ShardedDatabase(
            [ServerSettings("zero", self.dsn(0))],
            {1: [ServerSettings("one", self.dsn(1)), ServerSettings("copy", replica.dsn("one"), local=True)]},
            clock=clock, random=random.Random(1), metrics=Metrics(), hang=15.0,
        )  # fmt: skip
        self.addCleanup(database.stop)
        await database.start()
        replica.execute("select pg_wal_replay_pause()")
        before = self.content(0, 1)
        await self.mover().move([1], 1)
        await database.learn()
        rows = await database.site(1).read(COUNT, 1, preference=ReadPreference.NEAREST)
        self.assertEqual((rows.rows, rows.server), ([(5,)], "one"))
        waits = Deferred.fromCoroutine(database.site(1).read(COUNT, 1, preference=ReadPreference.SECONDARY))
        await deferLater(clock, 0.3)
        self.assertFalse(waits.called)
        replica.execute("select pg_wal_replay_resume()")
        self.assertEqual((await waits).rows, [(5,)])
        self.assertEqual(self.content(1, 1), before)
