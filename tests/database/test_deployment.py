"""Databases belong to one deployment."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from cackled.database.deployment import ForeignDatabase, check_belongs, claim
from cackled.database.testing import fresh_dsn, server

clock: Any = reactor


class BelongingTests(TestCase):
    """On a migrated database."""

    async def setUp(self) -> None:
        self.dsn = await fresh_dsn(self)
        self.name = self.dsn.split("dbname=")[1].split()[0]

    def sql(self, sql: str) -> list[tuple[Any, ...]]:
        return server().execute(sql, database=self.name)

    async def test_first_one_has_it(self) -> None:
        """Who comes first has it, sites there are marked, again is harmless, and another one is turned away."""
        self.sql("insert into catalog.site (id, name) values (1, 'old')")
        await check_belongs([self.dsn], "eu", clock=clock)
        self.assertEqual(self.sql("select * from catalog.deployment"), [])
        await claim([self.dsn], "eu", clock=clock)
        await claim([self.dsn], "eu", clock=clock)
        self.assertEqual(self.sql("select name from catalog.deployment"), [("eu",)])
        self.assertEqual(self.sql("select deployment from catalog.site"), [("eu",)])
        for work in (check_belongs, claim):
            try:
                await work([self.dsn], "global", clock=clock)
            except ForeignDatabase as error:
                self.assertIn("'eu'", str(error))
                self.assertIn("'global'", str(error))
            else:
                self.fail(work.__name__)

    async def test_before_migrations(self) -> None:
        """An empty database, and one that can't be reached, are nobody's."""
        name = server().create("template0")
        self.addCleanup(server().drop, name)
        gone = "host=127.0.0.1 port=1 dbname=none user=none"
        await check_belongs([gone, server().dsn(name)], "global", clock=clock)
        await claim([gone], "global", clock=clock)
