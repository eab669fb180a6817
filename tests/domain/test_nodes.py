"""Nodes in the catalog: announced, found, forgotten; a sign of life alone wakes nobody."""

from __future__ import annotations

from typing import Any

from cackled.config import Node
from cackled.domain.nodes import NodeRegistry
from tests.domain.common import DomainCase


class NodesTests(DomainCase):
    def registry(self, name: str, deployment: str = "global", **more: Any) -> NodeRegistry:
        given = {"url": f"http://{name}.example", "addresses": ("192.0.2.1",), **more}
        return NodeRegistry(self.database, Node(name=name, **given), deployment, 100.0)

    async def test_found(self) -> None:
        """Each finds the others of its deployment with all that they said, itself not; later words replace earlier."""
        one = self.registry("n1")
        two = self.registry("n2", mesh="n2.example:7946", weight=3, latitude=1.5)
        self.assertEqual(await one.announce(), [])
        await self.registry("x1", "eu").announce()
        self.assertEqual([node.name for node in await two.announce()], ["n1"])
        (found,) = await one.others()
        self.assertEqual((found.name, found.mesh, found.weight, found.latitude), ("n2", "n2.example:7946", 3, 1.5))
        await self.registry("n2", weight=7).announce()
        self.assertEqual([node.weight for node in await one.announce()], [7])

    async def test_forgotten(self) -> None:
        """Who was silent for long is not found, and the row goes with the next announcement; or at a word."""
        one, two = self.registry("n1"), self.registry("n2")
        await two.announce()
        self.sql("update catalog.node set seen_at = now() - interval '101 seconds'")
        self.assertEqual(await one.others(), [])
        self.assertEqual(await one.announce(), [])
        self.assertEqual(self.sql("select name from catalog.node"), [("n1",)])
        await two.announce()
        self.assertTrue(await one.remove("n2"))
        self.assertFalse(await one.remove("n2"))
        self.assertEqual(await one.others(), [])

    async def test_broken_rows(self) -> None:
        """What can't be read is passed over, what a newer release says beside it is no harm."""
        for name, facts in (("a", "[1]"), ("b", '{"weight": "heavy"}'), ("c", '{"url": "http://c", "new": 1}')):
            self.sql("insert into catalog.node (name, deployment, facts) values (%s, 'global', %s)", name, facts)
        self.assertEqual([node.name for node in await self.registry("n1").others()], ["c"])

    async def test_wakes(self) -> None:
        """Coming, changing and going notify; a repeated announcement does not."""
        import psycopg2

        listener = psycopg2.connect(self.dsns[0])
        self.addCleanup(listener.close)
        listener.autocommit = True
        listener.cursor().execute("listen cackled_catalog")

        def heard() -> int:
            listener.poll()
            listener.cursor().execute("select 1")
            count = len(listener.notifies)
            listener.notifies.clear()
            return count

        one = self.registry("n1")
        counts = []
        for work in (one.announce, one.announce, self.registry("n1", weight=5).announce, lambda: one.remove("n1")):
            await work()  # type: ignore[operator]
            counts.append(heard() > 0)
        self.assertEqual(counts, [True, False, True, True])
