"""Every query of the package against the migrated schema, and the walls between tenants in the schema itself."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import psycopg2
from twisted.trial.unittest import SynchronousTestCase, TestCase

import cackled
from cackled.database.query import Query
from cackled.database.testing import fresh_dsn
from tests.support.rows import fill_features

# Run on connections of their own, as the owner.
OWNERS: frozenset[str] = frozenset({"heartbeat"})
# The app role adds rows to these, and changes none.
APPEND_ONLY: frozenset[str] = frozenset({"audit"})


def modules() -> list[str]:
    """Every module of the package."""
    found = pkgutil.walk_packages(cackled.__path__, "cackled.")
    return [one.name for one in found if not one.name.endswith("__main__")]


def queries() -> dict[str, Query]:
    """Every `Query` that stands as a constant of a module, by ``module.NAME``."""
    made: dict[str, Query] = {}
    for name in modules():
        module = importlib.import_module(name)
        for constant, value in vars(module).items():
            if isinstance(value, Query) and value not in made.values():
                made[f"{name}.{constant}"] = value
    return made


class QueryTests(SynchronousTestCase):
    """The constants."""

    def test_names(self) -> None:
        """There are many, and no two share a name."""
        names = [one.name for one in queries().values()]
        self.assertGreater(len(names), 25)
        self.assertEqual(len(set(names)), len(names))


class Schema(TestCase):
    """A migrated database and a connection as the superuser."""

    async def setUp(self) -> None:
        self.dsn = await fresh_dsn(self)
        self.connection = psycopg2.connect(self.dsn)
        self.addCleanup(self.connection.close)
        self.connection.autocommit = True

    def run_sql(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        """Run SQL; gives the rows."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, args or None)
            return list(cursor.fetchall()) if cursor.description else []

    def role(self, name: str) -> None:
        """Be *name* from here on ("" for the owner)."""
        self.run_sql(f"set role {name}" if name else "reset role")


class PrepareTests(Schema):
    """Each query is one that the server takes."""

    async def test_all(self) -> None:
        """Each can be prepared and planned by the roles that run it, with the types it declares."""
        wrong = []
        for where, query in queries().items():
            # What leads with a site is run for the site; the rest by jobs and catalog.
            for_site = "cackled.domain" in where and query.types[:1] == ("int",) and "catalog." not in query.sql
            role = "" if query.name in OWNERS else "cackled_app" if for_site else "cackled_system"
            if query.name in ("make_partitions", "expire_events"):
                role = "cackled_system"
            self.role(role)
            try:
                self.run_sql(query.prepare)
                places = ",".join(["null"] * len(query.types))
                self.run_sql(f"explain execute {query.label}" + (f"({places})" if places else ""))
            except psycopg2.Error as error:
                wrong.append(f"{where} as {role or 'owner'}: {str(error).splitlines()[0]}")
            finally:
                self.role("")
        self.assertEqual(wrong, [])


class WallTests(Schema):
    """Row-level security."""

    def tables(self) -> list[tuple[int, str, str, bool, bool, bool]]:
        """Every table with a site: (oid, schema, name, is a partition, enabled, forced)."""
        return self.run_sql(
            """
            select c.oid, n.nspname, c.relname, c.relispartition, c.relrowsecurity, c.relforcerowsecurity
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            join pg_attribute a on a.attrelid = c.oid and a.attname = 'site_id' and not a.attisdropped
            where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema')
            """
        )  # type: ignore[return-value]

    async def test_every_table(self) -> None:
        """A table with a site has forced row-level security and the two policies, or is out of the app role's reach."""
        found = self.tables()
        self.assertGreater(len(found), 8)
        for oid, schema, name, is_partition, enabled, forced in found:
            reach = self.run_sql(
                "select has_schema_privilege('cackled_app', %s, 'usage') and "
                "has_table_privilege('cackled_app', %s, 'select, insert, update, delete')",
                schema, oid,
            )[0][0]  # fmt: skip
            if is_partition or schema == "catalog":
                self.assertFalse(reach, f"{schema}.{name}")
                continue
            self.assertTrue(enabled and forced, f"{schema}.{name}")
            policies = dict(
                self.run_sql(
                    "select policyname, array[roles::text, cmd, permissive, qual, with_check] from pg_policies "
                    "where schemaname = %s and tablename = %s", schema, name,
                )
            )  # fmt: skip
            self.assertEqual(sorted(policies), ["all_sites", "own_site"], name)
            own = policies["own_site"]
            self.assertEqual(own[:3], ["{cackled_app}", "ALL", "PERMISSIVE"], name)
            for side in own[3:]:
                self.assertIn("site_id = ", side, name)
                self.assertIn("app_site()", side, name)
            self.assertEqual(policies["all_sites"][0], "{cackled_system}", name)

    async def test_no_table_without(self) -> None:
        """A table the app role can reach has a site."""
        reached = self.run_sql(
            "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where c.relkind in ('r', 'p', 'v', 'm') and n.nspname not in ('pg_catalog', 'information_schema') "
            "and has_schema_privilege('cackled_app', n.oid, 'usage') "
            "and has_table_privilege('cackled_app', c.oid, 'select, insert, update, delete')"
        )
        self.assertLessEqual({row[0] for row in reached}, {row[2] for row in self.tables()})
        self.assertGreater(len(reached), 5)

    async def test_roles(self) -> None:
        """Neither role can log in, own a table, or pass by the policies; the app role can't make tables."""
        self.assertEqual(
            self.run_sql(
                "select rolname from pg_roles where rolname like 'cackled\\_%' and (rolsuper or rolbypassrls or "
                "rolcanlogin or rolcreaterole or rolcreatedb or rolreplication)"
            ),
            [],
        )
        owned = self.run_sql(
            "select relname from pg_class where relowner in (select oid from pg_roles where rolname like 'cackled\\_%')"
        )
        self.assertEqual(owned, [])
        memberships = self.run_sql(
            "select roleid::regrole::text from pg_auth_members where member in ('cackled_app'::regrole, "
            "'cackled_system'::regrole)"
        )
        self.assertEqual(memberships, [])
        self.role("cackled_app")
        for sql in ("create table x (a int)", "create schema x", "select * from catalog.secret",
                    "select * from event_rest", "select * from catalog.site", "select event_partitions(1)",
                    "select event_expire('1 day')", "drop table comment", "truncate comment",
                    "alter table comment disable row level security"):  # fmt: skip
            with self.assertRaises(psycopg2.errors.InsufficientPrivilege, msg=sql):
                self.run_sql(sql)

    def fill(self) -> None:
        """A row of each of two sites in every table that one statement can fill."""
        for site in (1, 2):
            self.run_sql(
                f"select * from post_comment({site}, 5, 'k', '', '', 9, 'n', '192.0.2.1', 'i', null, 's', 'h', 3, true)"
            )
            self.run_sql(f"insert into vote select {site}, 5, 9, id, 1 from comment where site_id = {site}")
            self.run_sql(f"insert into flag select {site}, id, 9 from comment where site_id = {site}")
            self.run_sql(f"insert into block values ({site}, 9, 10)")
            self.run_sql(f"insert into ban (site_id, kind, value) values ({site}, 'word', 'casino')")
            self.run_sql(f"insert into usage_month values ({site}, '2026-11-01', 'nearest', 1, 1)")
            self.run_sql(f"insert into erasure values ({site}, 77)")
            self.run_sql(f"insert into removal (site_id, criterion) values ({site}, 'x')")
            self.run_sql(
                f"insert into removed_comment select site_id, id, 5, 's', 'h' from removal where site_id = {site}"
            )
            self.run_sql(f"insert into used_link values ({site}, 5, now())")
            fill_features(self.run_sql, site)

    async def test_reach(self) -> None:
        """The app role sees and changes its own site alone, and with no site named nothing at all."""
        self.fill()
        names = [name for _, schema, name, partition, _, _ in self.tables() if schema == "public" and not partition]
        self.assertGreater(len(names), 8)
        for setting, seen in (("1", {1}), ("2", {2}), ("", set()), ("3", set())):
            self.role("cackled_app")
            self.run_sql("select set_config('app.site', %s, false)", setting)
            for name in names:
                found = {row[0] for row in self.run_sql(f"select site_id from {name}")}
                self.assertEqual(found, seen, (setting, name))
        self.role("")
        self.run_sql("reset app.site")
        self.role("cackled_app")
        for name in names:
            self.assertEqual(self.run_sql(f"select 1 from {name}"), [], name)
        self.run_sql("select set_config('app.site', '1', false)")
        for name in sorted(APPEND_ONLY):
            for sql in (f"update {name} set site_id = site_id", f"delete from {name}", f"truncate {name}"):
                with self.assertRaises(psycopg2.errors.InsufficientPrivilege, msg=sql):
                    self.run_sql(sql)
        for name in set(names) - APPEND_ONLY:
            self.run_sql(f"update {name} set site_id = site_id")
            with self.assertRaises(psycopg2.Error, msg=name) as caught:
                self.run_sql(f"update {name} set site_id = 2")
            self.assertIn("row-level security", str(caught.exception), name)
            self.run_sql(f"delete from {name} where site_id = 2")
        for sql in ("select * from post_comment(2, 5, 'k', '', '', 9, 'n', null, null, null, 's', 'h', 3, false)",
                    "insert into comment (id, site_id, channel_id, root_id, visitor_id, depth, author_name, src, html) "
                    "values (1, 2, 5, 1, 9, 0, '', '', '')", "select announce(2, 5, 9, 'x', '{}', false)"):  # fmt: skip
            with self.assertRaises(psycopg2.Error, msg=sql):
                self.run_sql(sql)
        with self.assertRaises(psycopg2.Error):
            self.run_sql("select * from delete_comment(2, (select id from comment), 9, false)")
        self.role("cackled_system")
        for name in names:
            self.assertEqual({row[0] for row in self.run_sql(f"select site_id from {name}")}, {1, 2}, name)

    async def test_definers(self) -> None:
        """Functions that run as their owner are few, pin their search path, and are not for the app role."""
        found = self.run_sql(
            "select proname, proconfig::text, has_function_privilege('cackled_app', oid, 'execute') from pg_proc "
            "where prosecdef and pronamespace not in (select oid from pg_namespace where nspname in ('pg_catalog'))"
        )
        self.assertEqual(sorted(row[0] for row in found), ["event_expire", "event_partitions"])
        for name, settings, reach in found:
            self.assertIn("search_path=", settings, name)
            self.assertFalse(reach, name)
