"""Which shard is asked, what its walls refuse, and who waits for a site that is on its way."""

from __future__ import annotations

import random
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from cackled import config
from cackled.config import ConfigError, parse
from cackled.database import shards
from cackled.database.dsn import ServerSettings, servers_of, shards_of
from cackled.database.errors import Moved, Unavailable
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.database.shards import ShardedDatabase, ShardMetrics
from cackled.database.testing import fresh_dsn, server
from cackled.metrics import Metrics

clock: Any = reactor
PRIMARY = ReadPreference.PRIMARY
POST = Query(
    "test_post",
    "select seq from post_comment($1, 5, 'k', '', '', 9, 'n', null, $2, null, 's', 'h', 3, true)", ("int", "text"),
)  # fmt: skip
SEQ = Query("test_seq", "select seq from channel where site_id = $1 and id = 5", ("int",))
CLOSE = Query("test_close", "update channel set locked = true where site_id = $1 and id = 77", ("int",))
UNBLOCK = Query("test_unblock", "delete from block where site_id = $1 and visitor_id = 77", ("int",))


class SettingsTests(SynchronousTestCase):
    """``[[database.shard]]``."""

    def test_servers(self) -> None:
        """Each shard has servers of its own, named after it, and a password of its own or the common one."""
        path = self.mktemp()
        with open(path, "w") as file:
            file.write("geheim\n")
        given = parse(
            f"""
            [database]
            dsn = "host=a dbname=x"
            password_file = "{path}"
            [[database.shard]]
            number = 2
            dsn = "host=b dbname=x"
            [[database.shard]]
            number = 1
            [[database.shard.server]]
            name = "n1"
            dsn = "host=c dbname=x"
            [[database.shard.server]]
            dsn = "host=d dbname=x"
            local = true
            """.encode()
        ).database
        self.assertEqual([one.name for one in servers_of(given)], ["primary"])
        made = shards_of(given)
        self.assertEqual([one.name for one in made[2]], ["shard2/primary"])
        self.assertEqual([(one.name, one.local) for one in made[1]], [("shard1/n1", False), ("shard1/server2", True)])
        self.assertIn("password=geheim", made[1][0].dsn)

    def test_refused(self) -> None:
        """Numbers are 1 to 63, each once, and each has a way to be reached."""
        one = "[[database.shard]]\nnumber = 1\n"
        for wrong in (
            one, one + "dsn = 'host=a'\n[[database.shard.server]]\ndsn = 'host=b'\n",
            "[[database.shard]]\nnumber = 0\ndsn = 'host=a'\n",
            "[[database.shard]]\nnumber = 64\ndsn = 'host=a'\n", (one + "dsn = 'host=a'\n") * 2,
        ):  # fmt: skip
            self.assertRaises(ConfigError, parse, wrong.encode())


class MetricsTests(SynchronousTestCase):
    """`ShardMetrics`."""

    def test_names(self) -> None:
        """Sums and labelled figures are those of the process; single gauges do not meet."""
        whole = Metrics()
        first, second = ShardMetrics(whole, 1), ShardMetrics(whole, 2)
        for metrics, value in ((whole, 0.0), (first, 1.0), (second, 2.0)):
            metrics.counter("events", "Sum").inc()
            metrics.watch("lag", "Gauge", lambda value=value: value)
            metrics.gauge("up", "Labelled", ["server"]).labels(str(value)).set(1)
        self.assertEqual(whole.value("events_total"), 3)
        self.assertEqual(whole.value("lag"), 0)
        self.assertEqual(second.value("lag"), 2)
        text = whole.render().decode()
        self.assertIn('cackled_shard_lag{shard="1"} 1.0', text)
        self.assertIn('cackled_up{server="2.0"} 1.0', text)


class ShardsCase(TestCase):
    """Two databases that are shards 0 and 1, and sites 1 to 3 in the catalog of the first."""

    async def setUp(self) -> None:
        self.dsns = [await fresh_dsn(self), await fresh_dsn(self)]
        self.names = [dsn.split("dbname=")[1].split()[0] for dsn in self.dsns]
        for number in (0, 1):
            self.sql(number, "select shard.guard(%s)", number)
        self.sql(0, "insert into catalog.site (id, name) values (1, ''), (2, ''), (3, '')")
        self.moves: list[tuple[int, int, int]] = []
        self.db = await self.sharded()

    async def sharded(self) -> ShardedDatabase:
        """One more process."""
        made = ShardedDatabase(
            [ServerSettings("zero", self.dsns[0])], {1: [ServerSettings("one", self.dsns[1])]}, clock=clock,
            random=random.Random(1), metrics=Metrics(), hang=15.0,
            settings=config.Database(connections=2, wait_timeout=15.0, statement_timeout=30.0),
            on_moved=lambda *what: self.moves.append(what),
        )  # fmt: skip
        self.addCleanup(made.stop)
        await made.start()
        await made.learn()
        return made

    def sql(self, number: int, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        """Ask a shard as the superuser."""
        return server().execute(sql, *args, database=self.names[number])

    def place(self, number: int, site: int, state: str, target: int | None = None, lease: float | None = None) -> None:
        """Say where a site stands."""
        self.sql(
            number,
            "insert into shard.place values (%s, %s, %s, now() + make_interval(secs => %s)) on conflict (site_id) do "
            "update set state = excluded.state, target = excluded.target, until = excluded.until",
            site, state, target, lease,
        )  # fmt: skip

    def moved(self, site: int, shard: int) -> None:
        """Move a site that has nothing, behind everybody's back."""
        self.place(1 - shard, site, "gone")
        self.place(shard, site, "here")
        self.sql(0, "update catalog.site set shard = %s where id = %s", shard, site)

    async def soon(self, d: Deferred[Any], seconds: float = 0.3) -> bool:
        """Whether it fires in a moment."""
        await deferLater(clock, seconds)
        return bool(d.called)


class WallTests(ShardsCase):
    """What the databases themselves refuse."""

    async def alone(self, number: int) -> Database:
        """A process that knows of no shards."""
        made = Database(
            [ServerSettings("alone", self.dsns[number])], clock=clock, random=random.Random(1), metrics=Metrics(),
            hang=15.0,
        )  # fmt: skip
        self.addCleanup(made.stop)
        await made.start()
        return made

    async def test_not_here(self) -> None:
        """A site that is not in a shard is refused there, for reading and writing, also where it has no row at all."""
        for number, site in ((0, 2), (1, 2)):
            if number == 0:
                self.place(0, 2, "gone")
            face = (await self.alone(number)).site(site)
            for query in (SEQ, CLOSE, UNBLOCK):
                with self.assertRaises(Moved, msg=query.name):
                    await face.read(query, site, preference=PRIMARY)
            with self.assertRaises(Moved):
                await face.write(POST, site, None)
        self.assertEqual(self.sql(0, "select 1 from comment") + self.sql(1, "select 1 from comment"), [])

    async def test_states(self) -> None:
        """Who may look and who may write, in each state."""
        face = (await self.alone(0)).site(2)
        for state, looks, writes in (
            ("here", True, True), ("leaving", True, True), ("fenced", True, False), ("handed", True, False),
            ("gone", False, False), ("arriving", False, False),
        ):  # fmt: skip
            self.place(0, 2, state)
            for query, args, wanted in ((SEQ, (2,), looks), (POST, (2, None), writes), (UNBLOCK, (2,), writes)):
                try:
                    await face.write(query, *args)
                    found = True
                except Moved:
                    found = False
                self.assertEqual(found, wanted, (state, query.name))
        other = (await self.alone(0)).site(3)
        self.assertEqual(len(await other.write(POST, 3, None)), 1)

    async def test_numbers(self) -> None:
        """No shard gives a number that another gives: comments, work and bans."""
        self.place(1, 2, "here")
        for number in (0, 1):
            face = (await self.alone(number)).site(2)
            for n in range(70):
                await face.write(POST, 2, str(n))
        low = [{row[0] for row in self.sql(n, "select (id & 4095) / 64 from comment")} for n in (0, 1)]
        self.assertEqual(low, [{0}, {1}])
        self.assertLess(self.sql(0, "select max(id) from outbox")[0][0], 2**48)
        self.assertGreater(self.sql(1, "select min(id) from outbox")[0][0], 2**48)

    async def test_guard(self) -> None:
        """It may be repeated, covers tables that are new, and does not let a shard become another."""
        self.sql(1, "create table novelty (site_id int primary key)")
        self.sql(1, "select shard.guard(1)")
        walls = "select tablename from pg_policies where policyname = %s order by 1"
        tables = self.sql(1, "select shard.tables()::text")
        self.assertIn(("novelty",), tables)
        self.assertNotIn(("usage_month",), tables)
        for name in ("shard_read", "shard_insert", "shard_update", "shard_delete"):
            self.assertEqual(self.sql(1, walls, name), tables)
        with self.assertRaises(Exception):  # noqa: B017 - whatever the driver makes of it
            self.sql(1, "select shard.guard(2)")
        self.assertEqual(self.sql(1, "select number from shard.self"), [(1,)])

    async def test_none_by_default(self) -> None:
        """A database that is no shard has none of it."""
        name = (await fresh_dsn(self)).split("dbname=")[1].split()[0]
        found = server().execute(
            "select (select count(*) from pg_policies where policyname like 'shard%%') + "
            "(select count(*) from pg_trigger where tgname = 'copied') + (select count(*) from shard.self)",
            database=name,
        )
        self.assertEqual(found, [(0,)])

    async def test_copied_events_are_passed_by(self) -> None:
        """An event that came by replication is not taken by a sweep for one that was written here."""
        for role in ("origin", "replica"):
            self.sql(
                1, f"set session_replication_role = {role}; "
                f"insert into event (site_id, channel_id, seq, type, data) values (2, 5, 1, '{role}', '')",
            )  # fmt: skip
        found = dict(self.sql(1, "select type, xid::text::int8 from event"))
        self.assertEqual(found["replica"], 3)
        self.assertGreater(found["origin"], 3)


class RoutingTests(ShardsCase):
    """Where queries go."""

    async def test_each_in_its_place(self) -> None:
        """A site's queries go to the shard it is in, others' to theirs."""
        self.moved(2, 1)
        await self.db.learn()
        self.assertEqual(self.moves, [(2, 0, 1)])
        await gatherResults([Deferred.fromCoroutine(self.db.site(site).write(POST, site, None)) for site in (1, 2, 2)])
        found = [self.sql(n, "select site_id, count(*) from comment group by 1") for n in (0, 1)]
        self.assertEqual(found, [[(1, 1)], [(2, 2)]])
        rows = await self.db.site(2).read(SEQ, 2, preference=PRIMARY)
        self.assertEqual((rows.rows, rows.server), ([(2,)], "one"))
        self.assertEqual((self.db.place(2), self.db.place(1), self.db.sites_in(1)), (1, 0, 1))
        self.assertTrue(self.db.site(2).writable)
        self.assertEqual([part is self.db for part in self.db.parts], [True, False])

    async def test_old_catalog(self) -> None:
        """A process that did not hear of a move is sent on by the databases, for reads and writes, and learns it."""
        self.moved(2, 1)
        self.assertEqual(await self.db.site(2).write(POST, 2, None), [(1,)])
        self.assertEqual(self.moves, [(2, 0, 1)])
        late = await self.sharded()
        self.moved(2, 0)
        self.assertEqual((await late.site(2).read(SEQ, 2, preference=ReadPreference.NEAREST)).rows, [])
        self.assertEqual(late.place(2), 0)

    async def test_fence(self) -> None:
        """Writers wait behind a fence, readers don't, other sites don't; then all go on, there or in the new place."""
        for target in (0, 1):
            self.place(0, 2, "fenced", 1, 60)
            waiting = [Deferred.fromCoroutine(self.db.site(2).write(POST, 2, None)) for _ in range(20)]
            await self.db.site(2).read(SEQ, 2, preference=PRIMARY)
            await self.db.site(1).write(POST, 1, None)
            self.assertFalse(await self.soon(gatherResults(waiting)))
            if target:
                self.place(1, 2, "here")
                self.sql(0, "update catalog.site set shard = 1 where id = 2")
                self.place(0, 2, "gone")
            else:
                self.place(0, 2, "leaving")
            seqs = [rows[0][0] for rows in await gatherResults(waiting)]
            self.assertEqual(sorted(seqs), list(range(1, 21)))
            self.assertEqual(self.sql(target, "select count(*) from comment where site_id = 2"), [(20,)])
        self.assertEqual(self.db._waits, {})

    async def test_fence_left_standing(self) -> None:
        """Whoever waits takes a fence down whose time is over."""
        self.place(0, 2, "fenced", 1, 0.5)
        self.assertEqual(await self.db.site(2).write(POST, 2, None), [(1,)])
        self.assertEqual(self.sql(0, "select state from shard.place where site_id = 2"), [("leaving",)])

    async def test_left_at_handed(self) -> None:
        """Whoever waits puts a site in its place that was handed over by a mover that died."""
        self.place(1, 2, "arriving")
        self.place(0, 2, "handed", 1)
        self.assertEqual(await self.db.site(2).write(POST, 2, None), [(1,)])
        self.assertEqual(self.sql(1, "select count(*) from comment where site_id = 2"), [(1,)])
        self.assertEqual(self.sql(0, "select shard from catalog.site where id = 2"), [(1,)])
        states = [self.sql(n, "select state from shard.place where site_id = 2") for n in (0, 1)]
        self.assertEqual(states, [[("gone",)], [("here",)]])

    async def test_patience(self) -> None:
        """Nobody waits for ever: it is unavailable then, and nothing was done."""
        self.patch(shards, "PATIENCE", 0.3)
        self.place(0, 2, "fenced", 1, 60)
        with self.assertRaises(Unavailable):
            await self.db.site(2).write(POST, 2, None)
        self.assertEqual(self.sql(0, "select 1 from comment"), [])

    async def test_stop(self) -> None:
        """Who waits when the process stops is told."""
        self.place(0, 2, "fenced", 1, 60)
        waiting = Deferred.fromCoroutine(self.db.site(2).write(POST, 2, None))
        self.assertFalse(await self.soon(waiting, 0.1))
        await self.db.stop()
        with self.assertRaises(Unavailable):
            await waiting

    async def test_unknown_shard(self) -> None:
        """A site in a shard that the configuration does not name is unavailable; the log says why."""
        self.sql(0, "update catalog.site set shard = 7 where id = 2")
        await self.db.learn()
        with self.assertRaises(Unavailable) as caught:
            await self.db.site(2).write(POST, 2, None)
        self.assertIn("shard 7", str(caught.exception))
        self.assertEqual(len(await self.db.site(1).write(POST, 1, None)), 1)
