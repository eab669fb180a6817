"""Functions of the database: re-applied when they change, on every released schema, beside releases that run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg2
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import SynchronousTestCase, TestCase

from cackled.database import migrate as migrations_module
from cackled.database.functions import FunctionFile, FunctionFileError, parse, shipped_functions
from cackled.database.migrate import MigrationError, migrate, pending, shipped
from cackled.database.testing import fresh_dsn, server, shipped_packages

clock: Any = reactor
# The statements of the release whose newest migration was 0011, the last before functions had files of their own.
RELEASED = json.loads(Path(__file__).with_name("released_0011.json").read_text("utf-8"))


def function(name: str, body: str, returns: str = "int") -> FunctionFile:
    """A file with one function."""
    made = f"create or replace function {name}() returns {returns} language sql as '{body}';"
    return parse(f"{name}.sql", f"-- cackled: revision 1\n{made}")


ONE = function("one", "select 1")
# What a conversation counts, where this release reads it and where those before do.
COUNTS = """
select h.n_visible, k.n_visible, h.n_root, k.n_root, h.last_comment_id = k.last_comment_id
from channel h join comment_channel k on k.site_id = h.site_id and k.channel_id = h.id
"""
# Everything that a schema consists of, as text.
FINGERPRINT = """
select 'function', p.oid::regprocedure::text, pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '')
from pg_proc p where p.pronamespace::regnamespace::text in ('public', 'catalog', 'shard') and p.prokind = 'f'
union all
select 'column', format('%s.%s', a.attrelid::regclass, a.attname), concat_ws(' ', format_type(a.atttypid, a.atttypmod),
  a.attnotnull, (select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d
                 where d.adrelid = a.attrelid and d.adnum = a.attnum))
from pg_attribute a join pg_class c on c.oid = a.attrelid
where c.relnamespace::regnamespace::text in ('public', 'catalog', 'shard') and a.attnum > 0 and not a.attisdropped
union all
select 'index', indexname, indexdef from pg_indexes where schemaname in ('public', 'catalog', 'shard')
union all
select 'policy', tablename || '.' || policyname, concat(roles, cmd, qual, with_check) from pg_policies
union all
select 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
union all
select 'grant', c.oid::regclass::text, c.relacl::text from pg_class c
where c.relnamespace::regnamespace::text in ('public', 'catalog', 'shard')
"""


class FileTests(SynchronousTestCase):
    """The files."""

    def test_malformed(self) -> None:
        """A wrong name, and a header that is missing, doubled or unknown, are named."""
        for file, sql in (("One.sql", ONE.sql), ("one.sql", "select 1"), ("one.sql", "-- cackled: compat 1\n"),
                          ("one.sql", "-- cackled: revision 0\n"), ("one.sql", ONE.sql + "\n-- cackled: revision 2\n")):
            with self.assertRaises(FunctionFileError) as caught:
                parse(file, sql)
            self.assertIn(file, str(caught.exception))

    def test_shipped(self) -> None:
        """Each function of this release has one text: "create or replace", once."""
        found: list[str] = []
        for one in shipped_functions(shipped_packages()):
            self.assertNotIn("create function", one.sql, one.name)
            for part in one.sql.split("\ncreate or replace function ")[1:]:
                found.append(" ".join(part.partition("returns")[0].split()))
        self.assertGreater(len(found), 20)
        self.assertEqual(len(found), len(set(found)))


class Base(TestCase):
    """An empty database."""

    async def setUp(self) -> None:
        self.dsn = await fresh_dsn(self, migrated=False)
        self.lines: list[str] = []

    async def run_with(self, *files: Any) -> list[str]:
        return await migrate(self.dsn, clock=clock, progress=self.lines.append, migrations=[], functions=files)

    def ask(self, sql: str, *args: Any, dsn: str = "") -> list[tuple[Any, ...]]:
        return server().execute(sql, *args, database=(dsn or self.dsn).split("dbname=")[1].split()[0])


class ApplyTests(Base):
    """When a file is applied."""

    async def test_by_hash(self) -> None:
        """A file is applied once, again when its text changes, and told of; nothing else is touched."""
        other = function("other", "select 0")
        self.assertEqual(await pending(self.dsn, clock=clock, migrations=[], functions=[ONE]), ["functions/one.sql"])
        self.assertEqual(await self.run_with(ONE, other), ["functions/one.sql", "functions/other.sql"])
        self.assertEqual(await self.run_with(ONE, other), [])
        changed = parse("one.sql", ONE.sql.replace("select 1'", "select 7'"))
        lacking = await pending(self.dsn, clock=clock, migrations=[], functions=[changed])
        self.assertEqual(lacking, ["functions/one.sql"])
        self.assertEqual(await self.run_with(changed, other), ["functions/one.sql"])
        self.assertEqual(self.ask("select one()"), [(7,)])
        self.assertEqual(self.lines[-1], "applying functions/one.sql")

    async def test_older_release(self) -> None:
        """A release that starts with an older revision leaves the newer text."""
        newer = parse("one.sql", ONE.sql.replace("revision 1", "revision 2").replace("select 1'", "select 2'"))
        await self.run_with(newer)
        self.assertEqual(await pending(self.dsn, clock=clock, migrations=[], functions=[ONE]), [])
        self.assertEqual(await self.run_with(ONE), [])
        self.assertEqual(self.ask("select one()"), [(2,)])

    async def test_any_order(self) -> None:
        """Files may call each other's functions, whichever comes first; what calls nothing that exists is refused."""
        caller = function("a", "select one()")
        with self.assertRaises(MigrationError) as caught:
            await self.run_with(caller)
        self.assertIn("functions/a.sql", str(caught.exception))
        self.assertIn("one()", str(caught.exception))
        await self.run_with(caller, ONE)
        self.assertEqual(self.ask("select a()"), [(1,)])

    async def test_all_or_none(self) -> None:
        """One file that fails takes the others with it; the next start tries all of them."""
        bad = function("two", "", "nosuch")
        with self.assertRaises(MigrationError) as caught:
            await self.run_with(ONE, bad)
        self.assertIn('functions/two.sql: type "nosuch" does not exist', str(caught.exception))
        self.assertEqual(self.ask("select to_regproc('one'), count(*) from catalog.function_file"), [(None, 0)])

    async def test_two_at_once(self) -> None:
        """Daemons that start together apply a file once between them."""
        done = await gatherResults([Deferred.fromCoroutine(self.run_with(ONE)) for _ in range(3)])
        self.assertEqual(sorted(map(len, done)), [0, 0, 1])

    async def test_table_in_use(self) -> None:
        """A trigger's table that is in use is not waited for."""
        for name, value in (("LOCK_TIMEOUT", "50ms"), ("LOCK_PAUSE", 0.01), ("LOCK_TRIES", 3)):
            self.patch(migrations_module, name, value)
        self.ask("create table t (a int)")
        trigger = parse("t.sql", "-- cackled: revision 1\ncreate or replace trigger x before insert on t for each row "
                                 "execute function suppress_redundant_updates_trigger()")  # fmt: skip
        holder = psycopg2.connect(self.dsn)
        self.addCleanup(holder.close)
        holder.cursor().execute("lock table t in row exclusive mode")
        with self.assertRaises(MigrationError) as caught:
            await self.run_with(trigger)
        self.assertIn("lock timeout", str(caught.exception))
        self.assertEqual(self.lines.count("functions: a table is in use, trying again"), 2)


class UpgradeTests(Base):
    """From every schema that a release had."""

    async def test_every_state(self) -> None:
        """Whatever a database began with, it ends as a new one does, and its rows are kept."""
        fresh = await fresh_dsn(self)
        wanted = self.fingerprint(fresh)
        self.assertGreater(len(wanted), 200)
        packages = shipped_packages()
        known = shipped(packages)
        # One database goes through all of them, file by file.
        for count in range(1, len(known)):
            self.assertEqual(await migrate(self.dsn, clock=clock, migrations=known[:count]), [known[count - 1].file])
        await self.upgrade(self.dsn, known[-2].file, wanted)
        # Functions are files of their own since: only those before could have rows here. They go on in one step.
        for count in range(1, 13):
            dsn = await fresh_dsn(self, migrated=False)
            await migrate(dsn, clock=clock, migrations=known[:count])
            posts = 2 <= count <= 11
            if posts:
                made = "post_comment(1, 5, 'k', '', '', 9, 'n', null, null, null, 's', 'h', 3, false)"
                self.ask(f"select * from {made}", dsn=dsn)
            await self.upgrade(dsn, known[count - 1].file, wanted)
            if posts:
                self.assertEqual(self.ask("select comment_json(c)::json ->> 'html' from comment c", dsn=dsn), [("h",)])
                self.assertEqual(self.ask(COUNTS, dsn=dsn), [(1, 1, 1, 1, True)])

    # Some 1,500 migrations; each release adds a dozen.
    test_every_state.timeout = 1800  # type: ignore[attr-defined]

    async def upgrade(self, dsn: str, state: str, wanted: set[tuple[Any, ...]]) -> None:
        """Apply the rest of this release, and see that the schema is as *wanted*."""
        packages = shipped_packages()
        await migrate(dsn, clock=clock, packages=packages)
        self.assertEqual(self.fingerprint(dsn) ^ wanted, set(), f"after {state}")
        self.assertEqual(await pending(dsn, clock=clock, packages=packages), [])

    async def test_files_that_moved(self) -> None:
        """A release from before a file moved to its product leaves what is there, also where it never ran."""
        await migrate(self.dsn, clock=clock, packages=shipped_packages())
        old = function("comment_writing", "select 1").sql.replace("revision 1", "revision 9")
        files = [parse("comment_writing.sql", old)]
        self.assertEqual(await migrate(self.dsn, clock=clock, functions=files, packages=shipped_packages()), [])
        self.assertEqual(self.ask("select to_regproc('comment_writing')"), [(None,)])

    async def test_counts_while_it_lasts(self) -> None:
        """What old functions count while tables change already, and one that still was under way, is not lost."""
        packages = shipped_packages()
        old, made = 7, "post_comment(1, 5, 'k', '', '', 9, 'n', null, null, null, 's', 'h', 3, false)"
        posted = f"select seq from {made}"
        await migrate(self.dsn, clock=clock, migrations=[one for one in shipped(packages) if one.version <= old])
        self.ask(posted)
        between = [one for one in shipped(packages) if one.version in (40, 50)]
        await migrate(self.dsn, clock=clock, migrations=between)
        self.assertEqual(self.ask(posted), [(2,)])
        self.assertEqual(self.ask(COUNTS), [(2, 2, 2, 2, True)])
        await migrate(self.dsn, clock=clock, packages=packages)
        self.assertEqual(self.ask(COUNTS), [(2, 2, 2, 2, True)])
        # What a function of before does that began before there were others.
        self.ask("update channel set n_visible = n_visible + 1, n_root = n_root + 1, seq = seq + 1")
        self.assertEqual(self.ask(posted), [(4,)])
        self.assertEqual(self.ask(COUNTS), [(4, 4, 4, 4, True)])

    async def test_bans_of_before(self) -> None:
        """Networks of mapped addresses become those of IPv4; where there is such a ban already, that one stays."""
        await migrate(self.dsn, clock=clock, migrations=shipped()[:11])
        for value in ("::ffff:10.0.0.0/104", "::ffff:192.0.2.7/128", "192.0.2.7/32", "2001:db8::/32", "0.0.0.0/0"):
            self.ask("insert into ban (site_id, kind, value, network) values (1, 'ip', %s, %s)", value, value)
        await migrate(self.dsn, clock=clock)
        rows = self.ask("select value, network::text from ban order by network")
        self.assertEqual(rows, [(value, value) for value in ("0.0.0.0/0", "10.0.0.0/8", "192.0.2.7/32",
                                                             "2001:db8::/32")])  # fmt: skip

    def fingerprint(self, dsn: str) -> set[tuple[Any, ...]]:
        # Partitions of the event log depend on the day, and on whether there were rows before them.
        return {row for row in self.ask(FINGERPRINT, dsn=dsn) if not row[1].startswith("event_2")}


class OldReleaseTests(TestCase):
    """A release from before works on the schema of this one."""

    async def setUp(self) -> None:
        self.connection = psycopg2.connect(await fresh_dsn(self))
        self.addCleanup(self.connection.close)
        self.connection.autocommit = True

    def run_sql(self, sql: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []

    def old(self, name: str, *args: str) -> list[tuple[Any, ...]]:
        """Run a statement of the old release as requests do; *args* are SQL."""
        if not self.run_sql(f"select 1 from pg_prepared_statements where name = 'old_{name}'"):
            types = f"({', '.join(RELEASED[name]['types'])})" if RELEASED[name]["types"] else ""
            self.run_sql(f"prepare old_{name}{types} as {RELEASED[name]['sql']}")
        return self.run_sql(f"execute old_{name}" + (f"({', '.join(args)})" if args else ""))

    async def test_prepared(self) -> None:
        """Every statement is taken, and means what it meant: the same columns of the same types."""
        for name, old in RELEASED.items():
            types = f"({', '.join(old['types'])})" if old["types"] else ""
            self.run_sql(f"prepare old_{name}{types} as {old['sql']}")
            places = ",".join(["null"] * len(old["types"]))
            self.run_sql(f"explain execute old_{name}" + (f"({places})" if places else ""))
            columns = self.run_sql(f"select result_types::text[] from pg_prepared_statements where name = 'old_{name}'")
            self.assertEqual(columns[0][0], old["columns"], name)

    async def test_life_of_a_comment(self) -> None:
        """Posted, answered, voted on, edited, reported, closed, deleted, erased by the old release."""
        self.run_sql("set role cackled_app; select set_config('app.site', '1', false)")
        post = ("1", "5", "'k'", "'https://a.example/'", "'t'", "{}", "'Ann'", "'10.0.0.1'", "null", "{}", "'words'",
                "'<p>words'", "3", "true")  # fmt: skip
        mine = [one.format("9") if n == 5 else one.format("null") for n, one in enumerate(post)]
        (json_text, seq, replayed, source), = self.old("post_comment", *mine)  # fmt: skip
        comment = json.loads(json_text)["id"]
        self.assertEqual((seq, replayed, source), (1, False, "words"))
        answer = [one.format("8") if n == 5 else one.format(comment) for n, one in enumerate(post)]
        self.assertEqual(self.old("post_comment_mailed", *answer)[0][1], 2)
        votes = self.old("vote_comments", "1", comment, "'{8,7}'", "'{1,-1}'")
        self.assertEqual(votes, [(1, 1, 3, 5, None)] * 2)
        edited = self.old("edit_comment", "1", comment, "9", "'other'", "'<p>other'", "300", "true")
        self.assertEqual((json.loads(edited[0][0])["html"], edited[0][1:]), ("<p>other", (4, 5)))
        self.assertEqual(self.old("flag_and_mail", "1", comment, "8", "'rude'"), [(1,)])
        self.assertEqual(self.old("lock_channel", "1", "5", "true"), [(5,)])
        self.assertEqual(self.old("lock_channel", "1", "5", "false"), [(6,)])
        self.assertEqual(self.old("delete_comment", "1", comment, "9", "true"), [(7, 5)])
        self.run_sql("reset role")
        # The release before that one had overloads without webhooks.
        newest = self.run_sql("select max(id) from comment")[0][0]
        self.assertEqual(self.run_sql(f"select seq from edit_comment(1, {newest}, 8, 'a', 'b', 300)"), [(8,)])
        self.assertEqual(self.run_sql(f"select seq from delete_comment(1, {newest}, 8)"), [(9,)])
        self.assertEqual(
            self.run_sql("select seq, type from event order by seq"),
            [(1, "comment.created"), (2, "comment.created"), (3, "comment.voted"), (4, "comment.updated"),
             (5, "channel.updated"), (6, "channel.updated"), (7, "comment.deleted"), (8, "comment.updated"),
             (9, "comment.deleted")],
        )  # fmt: skip
        bodies = self.run_sql("select body from outbox where kind = 'webhook' order by id")
        hooked = [json.loads(row[0]) for row in bodies]
        self.assertEqual([(one["type"], one["position"]) for one in hooked],
                         [("comment.created", "1/5@1"), ("comment.created", "1/5@2"), ("comment.updated", "1/5@4"),
                          ("comment.deleted", "1/5@7")])  # fmt: skip
        self.assertEqual(self.old("erase_visitor", "1", "9", "100"), [])
