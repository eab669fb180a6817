"""Two databases that are shards, with something in every table, and movers between them."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from cackled.admin.shards import add
from cackled.database.dsn import ServerSettings
from cackled.database.migrate import migrate
from cackled.database.moving import Mover, Servers
from cackled.database.stream import MoveError
from cackled.database.testing import TestServer, shared_servers
from cackled.features import FEATURES
from cackled.products import PRODUCTS
from cackled.products.product import Product
from cackled.products.registry import Registry
from tests.support.rows import fill_features

clock: Any = reactor


class MovingCase(TestCase):
    """Shards 0 and 1 on servers of their own, or on one."""

    one_server = True
    names = ["zero", "one"]
    products: tuple[Product, ...] = PRODUCTS

    async def setUp(self) -> None:
        self.servers = shared_servers(self, 1 if self.one_server else 2, {"wal_level": "logical"})
        templates = [f"template_{name}" for name in self.names]
        made = all(self.server(number).has(templates[number]) for number in (0, 1))
        for number in (0, 1):
            template = f" template {templates[number]} strategy file_copy" if made else ""
            self.server(number).execute(f"create database {self.names[number]}{template}")
        self.said: list[str] = []
        self.movers: list[Mover] = []
        self.known = {n: Servers([ServerSettings(f"s{n}", self.dsn(n))]) for n in (0, 1)}
        if not made:
            packages = Registry((*self.products, *FEATURES)).sql
            await migrate(self.dsn(0), clock=clock, packages=packages)
            await add(self.known, 1, clock, self.said.append, packages)
            for number in (0, 1):
                self.server(number).drop(templates[number])
                self.server(number).wait_alone(self.names[number])
                self.server(number).execute(
                    f"create database {templates[number]} template {self.names[number]} strategy file_copy"
                )
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
            "insert into used_link values (%s, 5, now())",
            "insert into removal (site_id, criterion) values (%s, 'visitor 9')",
            "insert into removed_comment select r.site_id, r.id, min(c.id), 's', 'h' from removal r "
            "join comment c on c.site_id = r.site_id where r.site_id = %s group by r.site_id, r.id",
            "insert into usage_month values (%s, '2026-11-01', 'nearest', 1, 1)",
        ):
            self.sql(0, sql, site)
        fill_features(partial(self.sql, 0), site)

    def mover(self, at: Any = lambda step: None, *, others: bool = False) -> Mover:
        """A mover; those before it are gone, unless *others* may live."""
        if not others:
            for one in self.movers:
                one.close()
        counted = Registry((*self.products, *FEATURES)).counted
        made = Mover(self.known, clock=clock, say=self.said.append, at=at, counted=counted)
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
