"""Three real daemons that list themselves alone and find each other in the database."""

from __future__ import annotations

import json
import signal

from cackled.database.testing import server
from tests.cluster.test_three_nodes import OUT_WITHIN, SOON, NodesCase
from tests.support.client import Visitor

EVERYBODY = {"n1", "n2", "n3"}


class DiscoveryTests(NodesCase):
    discovery = True

    def sql(self, sql: str, *args: object) -> list[tuple[object, ...]]:
        dsn = str(self.nodes[0].settings["database"]["dsn"])
        return server().execute(sql, *args, database=dsn.split("dbname=")[1].split()[0])

    def test_found(self) -> None:
        """All find all; a row alone makes nobody a node; who is refused is out, who is gone is forgotten at a word."""
        first, second, third = self.nodes
        self.until(lambda: self.offered(*self.nodes) == [EVERYBODY] * 6, 3 * SOON, "three nodes offered")
        pages = [self.page(node) for node in self.nodes]
        self.until(lambda: [page.count() for page in pages] == [3, 3, 3], SOON, "presence summed")
        self.assertEqual(Visitor(first.url).post("three", "hello").status, 201)
        self.until(lambda: [len(page.comments()) for page in pages] == [1, 1, 1], SOON, "comments everywhere")

        # Whoever can write into the table, but has no certificate, is never offered; nor can a row move a node.
        facts = json.dumps({"url": "http://127.0.0.9:1", "addresses": ["127.0.0.9"], "mesh": "127.0.0.9:1"})
        self.sql("insert into catalog.node (name, deployment, facts) values ('n9', 'global', %s)", facts)
        self.until(lambda: [row["node"] for row in first.admin("nodes")][-1] == "n9", SOON, "n9 is known")
        self.assertEqual(self.offered(first), [EVERYBODY] * 2)
        self.assertIn("forgotten", first.admin("nodes forget n9"))
        self.until(lambda: len(third.admin("nodes")) == 3, SOON, "n9 is forgotten everywhere")

        # Not believed any more, by the one that was told so.
        first.settings["discovery"]["refuse"] = ["n3"]
        first.write_config()
        first.signal(signal.SIGHUP)
        self.until(lambda: self.offered(first) == [{"n1", "n2"}] * 2, OUT_WITHIN, "refused node out")
        self.assertEqual(self.in_loader(second), EVERYBODY)

        third.kill()
        self.until(lambda: self.offered(second) == [{"n1", "n2"}] * 2, OUT_WITHIN, "killed node out")
        self.assertEqual(len(second.admin("nodes")), 3, "it is still expected back")
        second.admin("nodes forget n3")
        self.until(lambda: len(second.admin("nodes")) == 2, SOON, "gone for good")
        for node in (first, second):
            self.assertNotIn("Traceback", node.log())
