"""The stream between two shards: what it needs, and how it breaks."""

from __future__ import annotations

import contextlib

from psycopg2.errors import ObjectInUse, UndefinedObject
from twisted.internet.task import deferLater

from cackled.database.dsn import ServerSettings
from cackled.database.moving import Servers
from tests.support.moving import MovingCase, clock


class StreamTests(MovingCase):
    """Between two databases of one server."""

    async def test_unfit_table(self) -> None:
        """A table whose key does not hold the site is named before anything begins."""
        for number in (0, 1):
            self.sql(number, "create table odd (id int primary key, site_id int)")
        await self.refused(self.mover().move([1], 1), "the key of odd has no site_id")
        self.assertEqual(self.sql(0, "select * from catalog.move"), [])

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
        while self.sql(0, "select 1 from pg_replication_slots"):
            # Also a slot that copies a table, whose process begins anew until it has seen that it is disabled.
            self.sql(0, "select pg_terminate_backend(active_pid) from pg_replication_slots where active")
            with contextlib.suppress(ObjectInUse, UndefinedObject):
                self.sql(0, "select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active")
            await deferLater(clock, 0.05)
        await deferLater(clock, 0.1)
        await self.refused(self.mover().resume(), "has lost the slot")
        await self.mover().abort()
        await self.mover().move([1], 1)
        self.assertEqual(self.sql(1, "select count(*) from comment"), [(5,)])


class RightsTests(MovingCase):
    """Two servers."""

    one_server = False

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
