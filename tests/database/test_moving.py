"""Moves without a daemon: two databases of one server, and what is refused. Under load: tests/faults/test_shards.py."""

from __future__ import annotations

import random
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from cackled.admin.shards import add, parse_sites, show
from cackled.database.dsn import ServerSettings
from cackled.database.migrate import migrate
from cackled.database.moving import Mover, Servers
from cackled.database.query import Query, ReadPreference
from cackled.database.shards import ShardedDatabase
from cackled.database.stream import MoveError
from cackled.database.testing import TestServer
from cackled.metrics import Metrics

clock: Any = reactor
COUNT = Query("test_count", "select count(*) from comment where site_id = $1", ("int",))


class MovingCase(TestCase):
    """Shards 0 and 1 on servers of their own, or on one."""

    one_server = True

    async def setUp(self) -> None:
        self.servers = [TestServer(settings={"wal_level": "logical"}) for _ in range(1 if self.one_server else 2)]
        for one in self.servers:
            self.addCleanup(one.stop)
        self.names = ["zero", "one"]
        for number in (0, 1):
            self.server(number).execute(f"create database {self.names[number]}")
        self.said: list[str] = []
        self.movers: list[Mover] = []
        self.known = {n: Servers([ServerSettings(f"s{n}", self.dsn(n))]) for n in (0, 1)}
        await migrate(self.dsn(0), clock=clock)
        await add(self.known, 1, clock, self.said.append)
        self.sql(0, "insert into catalog.site (id, name) values (1, ''), (2, '')")
        for site in (1, 2):
            self.fill(site)

    def server(self, number: int) -> TestServer:
        return self.servers[number if len(self.servers) > 1 else 0]

    def dsn(self, number: int) -> str:
        return self.server(number).dsn(self.names[number])

    def sql(self, number: int, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return self.server(number).execute(sql, *args, database=self.names[number])

    def fill(self, site: int) -> None:
        """A row in every table that moves."""
        for n in range(5):
            self.sql(
                0, "select post_comment(%s, %s, 'k', '', '', 9, 'n', '192.0.2.1', %s, null, 's', 'h', 3, true)",
                site, n % 2, f"i{n}",
            )  # fmt: skip
        for sql in (
            "insert into vote select site_id, channel_id, 9, id, 1 from comment where site_id = %s",
            "insert into flag select site_id, id, 9 from comment where site_id = %s",
            "insert into block values (%s, 9, 10)",
            "insert into ban (site_id, kind, value) values (%s, 'word', 'casino')",
            "insert into erasure values (%s, 77)",
            "insert into usage_month values (%s, '2026-11-01', 'nearest', 1, 1)",
        ):
            self.sql(0, sql, site)

    def mover(self, at: Any = lambda step: None, *, others: bool = False) -> Mover:
        """A mover; those before it are gone, unless *others* may live."""
        if not others:
            for one in self.movers:
                one.close()
        made = Mover(self.known, clock=clock, say=self.said.append, at=at)
        self.addCleanup(made.close)
        self.movers.append(made)
        return made

    def content(self, number: int, site: int) -> dict[str, list[Any]]:
        """All rows of a site, by table."""
        return {
            table: self.sql(number, f"select to_jsonb(t) - 'xid' x from {table} t where site_id = %s order by 1", site)
            for (table,) in self.sql(number, "select shard.tables()::text")
        }

    async def refused(self, work: Any, why: str) -> None:
        with self.assertRaises(MoveError) as caught:
            await work
        self.assertIn(why, str(caught.exception))


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

    async def test_target_refuses_a_row(self) -> None:
        """A row that the target can't take stops the move with a word, and it goes on when that is mended."""
        self.sql(1, "alter table comment add constraint odd check (src <> 's')")
        await self.refused(self.mover().move([1], 1), "could not take a row")
        self.sql(1, "alter table comment drop constraint odd")
        await self.mover().resume()
        self.assertEqual(self.sql(1, "select count(*) from comment"), [(5,)])

    async def test_lost_slot(self) -> None:
        """A slot that is gone (the source failed over) is told, and the move can be given up and made again."""

        def at(step: str) -> None:
            if step == "streaming":
                raise KeyboardInterrupt

        mover = self.mover(at)
        with self.assertRaises(KeyboardInterrupt):
            await mover.move([1], 1)
        name = self.sql(1, "select subname from pg_subscription")[0][0]
        self.sql(1, f"alter subscription {name} disable")
        for _ in range(200):
            if not self.sql(0, "select 1 from pg_replication_slots where active"):
                break
            await deferLater(clock, 0.05)
        self.sql(0, "select pg_drop_replication_slot(slot_name) from pg_replication_slots")
        await deferLater(clock, 0.1)
        await self.refused(self.mover().resume(), "has lost the slot")
        await self.mover().abort()
        await self.mover().move([1], 1)
        self.assertEqual(self.sql(1, "select count(*) from comment"), [(5,)])

    async def test_add(self) -> None:
        """A database is made a shard once, whole or not at all, and only one that can be."""
        await add(self.known, 1, clock, self.said.append)
        await self.refused(add(self.known, 2, clock, self.said.append), "names no")
        self.server(0).execute("create database two")
        known = {**self.known, 2: Servers([ServerSettings("s2", self.server(0).dsn("two"))])}
        await migrate(self.server(0).dsn("two"), clock=clock)
        self.server(0).execute("insert into catalog.site (id, name) values (5, '')", database="two")
        await self.refused(add(known, 2, clock, self.said.append), "sites of its own")
        await self.refused(add({**known, 2: self.known[1]}, 2, clock, self.said.append), "is shard 1")
        await self.refused(add({**known, 1: self.known[0]}, 1, clock, self.said.append), "that shard 0 is")

    async def test_unfit_table(self) -> None:
        """A table whose key does not hold the site is named before anything begins."""
        for number in (0, 1):
            self.sql(number, "create table odd (id int primary key, site_id int)")
        await self.refused(self.mover().move([1], 1), "the key of odd has no site_id")
        self.assertEqual(self.sql(0, "select * from catalog.move"), [])

    async def test_sites(self) -> None:
        """How sites are written."""
        self.assertEqual(parse_sites("3, 7,10-12"), [3, 7, 10, 11, 12])
        for wrong in ("", "x", "0", "5-3", "-4", "1-99999999", "1,,2"):
            self.assertRaises(MoveError, parse_sites, wrong)


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

    async def test_rights(self) -> None:
        """The rights that the manual names are enough, on either side, without a superuser."""
        for number in (0, 1):
            one, name = self.server(number), self.names[number]
            one.execute("create role mover login password 'geheim' replication bypassrls")
            one.execute("grant pg_create_subscription, cackled_app, cackled_system to mover")
            one.execute(f"alter database {name} owner to mover")
            for schema in ("public", "catalog", "shard"):
                self.sql(number, f"alter schema {schema} owner to mover")
                kinds = self.sql(
                    number, "select format('%%I.%%I', n.nspname, c.relname) from pg_class c join pg_namespace n "
                    "on n.oid = c.relnamespace where n.nspname = %s and c.relkind in ('r', 'p')", schema,
                )  # fmt: skip
                for (table,) in kinds:
                    self.sql(number, f"alter table {table} owner to mover")
            rules = one.data / "pg_hba.conf"
            lines = "local all mover scram-sha-256\nlocal replication mover scram-sha-256\n"
            rules.write_text(lines + rules.read_text())
            one.execute("select pg_reload_conf()")
        await deferLater(clock, 0.2)
        before = self.content(0, 1)
        self.known = {
            n: Servers([ServerSettings(f"s{n}", self.dsn(n).replace("user=cackled", "user=mover password=geheim"))])
            for n in (0, 1)
        }
        for target in (1, 0):
            mover = self.mover()
            await mover.move([1], target)
            mover.close()
            self.assertEqual(self.content(target, 1), before)
