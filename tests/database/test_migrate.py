"""Migrations: headers, order, two at once, failures."""

from __future__ import annotations

import socket
from typing import Any

import psycopg2
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import SynchronousTestCase, TestCase

from cackled.database import migrate as migrations_module
from cackled.database.errors import Unavailable
from cackled.database.functions import shipped_functions
from cackled.database.migrate import Migration, MigrationError, migrate, ordered, parse, pending, shipped, split
from cackled.database.testing import fresh_dsn, server

clock: Any = reactor
ONE = parse("0001_one.sql", "create table one (a int); insert into one values (1); -- 100 % fine\n")
TWO = parse("0002_two.sql", "create function two() returns int language sql as $$ select 2; select 3 $$;")


class FileTests(SynchronousTestCase):
    """Names and headers."""

    def test_headers(self) -> None:
        """Headers give the properties; without them a file is a transaction that shuts older code out."""
        self.assertEqual((ONE.version, ONE.name, ONE.compat, ONE.transaction), (1, "one", 1, True))
        made = parse("0007_x.sql", "-- cackled: compat 3\n-- cackled: no-transaction\nselect 1;\n")
        self.assertEqual((made.compat, made.transaction, made.file), (3, False, "0007_x.sql"))

    def test_malformed(self) -> None:
        """Wrong names and headers are named."""
        for file, sql in (("1_x.sql", ""), ("0001_X.sql", ""), ("0001_x.sql", "-- cackled: compta 1")):
            with self.assertRaises(MigrationError) as caught:
                parse(file, sql)
            self.assertIn(file, str(caught.exception))
        self.assertRaises(MigrationError, parse, "0001_x.sql", "-- cackled: compat 2")
        self.assertRaises(MigrationError, ordered, [ONE, parse("0001_other.sql", "")])

    def test_split(self) -> None:
        """A file without transaction falls into its statements; comments alone are none."""
        sql = "-- what for;\ncreate index concurrently a on b (c);\nselect ';';  \n-- the end\n"
        self.assertEqual(split(sql), ["create index concurrently a on b (c)", "select ';'"])

    def test_shipped(self) -> None:
        """The files of this release are well-formed, in order; from the first of them on which functions have files of
        their own none touches a function."""
        versions = [one.version for one in shipped()]
        self.assertEqual(versions[:11], list(range(1, 12)))
        self.assertEqual(versions, sorted(set(versions)))
        for one in shipped()[11:]:
            self.assertNotIn(" function ", one.sql.lower(), one.file)


class MigrateTests(TestCase):
    """Against a real server."""

    dsn = ""

    async def setUp(self) -> None:
        self.dsn = await fresh_dsn(self, migrated=False)
        self.name = self.dsn.split("dbname=")[1].split()[0]
        self.lines: list[str] = []

    async def run_with(self, *migrations: Migration) -> list[str]:
        return await migrate(self.dsn, clock=clock, progress=self.lines.append, migrations=migrations)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return server().execute(sql, database=self.name)

    async def test_in_order_and_once(self) -> None:
        """Files are applied by number, told of, and not again."""
        self.assertEqual(await pending(self.dsn, clock=clock, migrations=[ONE, TWO]), ["0001_one.sql", "0002_two.sql"])
        self.assertEqual(await self.run_with(TWO, ONE), ["0001_one.sql", "0002_two.sql"])
        self.assertEqual(self.lines, ["applying 0001_one.sql", "applying 0002_two.sql"])
        self.assertEqual(await self.run_with(ONE, TWO), [])
        self.assertEqual(await pending(self.dsn, clock=clock, migrations=[ONE, TWO]), [])
        self.assertEqual(self.ask("select two()"), [(3,)])

    async def test_two_at_once(self) -> None:
        """Daemons that start together apply each file once between them."""
        slow = parse("0001_slow.sql", "create table slow (a int); select pg_sleep(0.3);")
        runs = [Deferred.fromCoroutine(self.run_with(slow, TWO)) for _ in range(4)]
        done = await gatherResults(runs)
        self.assertEqual(sorted(map(len, done)), [0, 0, 0, 2])
        self.assertIn("waiting for another daemon that migrates", self.lines)

    async def test_failing(self) -> None:
        """A failing file leaves nothing, names itself and the error; those before it stay."""
        bad = parse("0002_bad.sql", "create table half (a int);\nselect 1 / 0;\n")
        with self.assertRaises(MigrationError) as caught:
            await self.run_with(ONE, bad)
        self.assertEqual(str(caught.exception), "0002_bad.sql: division by zero")
        self.assertEqual(self.ask("select to_regclass('half')"), [(None,)])
        self.assertEqual(self.ask("select version from catalog.schema_version"), [(1,)])
        self.assertEqual(await self.run_with(ONE, TWO), ["0002_two.sql"])

    async def test_without_transaction(self) -> None:
        """What can't run in a transaction runs without."""
        index = parse(
            "0002_index.sql",
            "-- cackled: no-transaction\ncreate index concurrently one_a on one (a);\n"
            "create index concurrently one_b on one (a);\n",
        )
        await self.run_with(ONE, index)
        self.assertEqual(self.ask("select count(*) from pg_indexes where tablename = 'one'"), [(2,)])

    async def test_batches(self) -> None:
        """Rows are changed a batch at a time, each kept; what was cut off goes on where it was, and says so."""
        table = parse("0001_many.sql", "create table many (id int primary key, a int not null default 0); "
                                       "insert into many select generate_series(1, 25);")  # fmt: skip
        step = (
            "with chunk as (select id from many where id > coalesce(:cursor, '0')::int order by id limit 10), "
            "done as (update many m set a = a + 1 from chunk where m.id = chunk.id returning 1) "
            "select case when count(*) = 10 then max(id)::text end, count(*)::int from chunk;"
        )
        fill = parse("0002_fill.sql", f"-- cackled: batches\n-- cackled: compat 1\n"
                                      f"create table if not exists beside (n int);\n{step}\n")  # fmt: skip
        await self.run_with(table)
        self.ask(
            "create function stop() returns trigger language plpgsql as $$ begin "
            "if new.id = 15 then raise 'unplugged'; end if; return new; end $$; "
            "create trigger stop before update on many for each row execute function stop()"
        )
        with self.assertRaises(MigrationError) as caught:
            await self.run_with(table, fill)
        self.assertEqual(str(caught.exception), "0002_fill.sql: unplugged")
        self.assertEqual(self.ask("select count(*) from many where a = 1"), [(10,)])
        self.assertEqual(await pending(self.dsn, clock=clock, migrations=[table, fill]), ["0002_fill.sql"])
        self.ask("drop trigger stop on many")
        self.assertEqual(await self.run_with(table, fill), ["0002_fill.sql"])
        self.assertEqual(self.ask("select count(*) from many where a = 1"), [(25,)])
        self.assertEqual(self.lines[-2:], ["0002_fill.sql: going on after 10 rows", "0002_fill.sql: 25 rows, done"])
        self.assertEqual(await self.run_with(table), [])
        self.assertRaises(MigrationError, parse, "0003_x.sql", "-- cackled: batches\nselect 1;\n")

    async def test_table_in_use(self) -> None:
        """A lock that is not to be had is not waited for: the file is tried again, and nothing is left of a try."""
        await self.run_with(ONE)
        for name, value in (("LOCK_TIMEOUT", "50ms"), ("LOCK_PAUSE", 0.01), ("LOCK_TRIES", 3)):
            self.patch(migrations_module, name, value)
        holder = psycopg2.connect(self.dsn)
        self.addCleanup(holder.close)
        holder.cursor().execute("lock table one in access share mode")
        more = parse("0002_more.sql", "create table more (a int); alter table one add column b int;")
        with self.assertRaises(MigrationError) as caught:
            await self.run_with(ONE, more)
        self.assertIn("lock timeout", str(caught.exception))
        self.assertEqual(self.lines.count("0002_more.sql: a table is in use, trying again"), 2)
        self.assertEqual(self.ask("select to_regclass('more')"), [(None,)])
        holder.rollback()
        self.assertEqual(await self.run_with(ONE, more), ["0002_more.sql"])

    async def test_too_new(self) -> None:
        """Older code refuses a schema that it can't work on, and takes one that says it can."""
        await self.run_with(ONE, TWO)
        with self.assertRaises(MigrationError) as caught:
            await self.run_with(ONE)
        self.assertIn("0002_two", str(caught.exception))
        with self.assertRaises(MigrationError):
            await pending(self.dsn, clock=clock, migrations=[ONE])
        compatible = parse("0003_more.sql", "-- cackled: compat 2\nselect 1;")
        await self.run_with(ONE, TWO, compatible)
        self.assertEqual(await self.run_with(ONE, TWO), [])

    async def test_no_server(self) -> None:
        """A server that isn't there is `Unavailable`."""
        with self.assertRaises(Unavailable):
            await migrate("host=/nonexistent dbname=x", clock=clock)

    async def test_silent(self) -> None:
        """Something that takes connections and never speaks is given up, and named without the password."""
        self.patch(migrations_module, "CONNECT", 0.1)
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            place = f"host=127.0.0.1 port={silent.getsockname()[1]}"
            with self.assertRaises(Unavailable) as caught:
                await pending(f"{place} dbname=x user=x password=geheim", clock=clock)
        said = f"PostgreSQL at {place.replace('host=', '').replace(' port=', ', port ')}: no answer for 0.1 s"
        self.assertEqual(str(caught.exception), said)

    async def test_shipped(self) -> None:
        """The files of this release apply to an empty database."""
        applied = await migrate(self.dsn, clock=clock)
        self.assertEqual(applied, [*(one.file for one in shipped()), *(one.name for one in shipped_functions())])
