"""Three nodes on one machine, as ``cackled dev-cluster`` runs them, over a change of the primary."""

from __future__ import annotations

import time
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.devcluster import Cluster, Ports
from tests.daemon import Answer, Visitor, call, free_ports

FAST = {"fsync": "off", "full_page_writes": "off"}


class ClusterTests(SynchronousTestCase):
    """The whole of it."""

    def setUp(self) -> None:
        self.cluster = Cluster(
            ports=Ports(*free_ports(6)), settings=FAST, synchronous=True,
            extra='[limits]\nexempt = ["127.0.0.0/8"]',
        )  # fmt: skip
        self.addCleanup(self.cluster.stop)
        self.cluster.start()

    def until(self, what: str, check: Any, timeout: float = 30.0) -> None:
        end = time.monotonic() + timeout
        while not check():
            if time.monotonic() > end:
                self.fail(what + "\n" + self.cluster.nodes[2].log()[-3000:])
            time.sleep(0.05)

    def read(self, node: int, query: str = "") -> Answer:
        url = self.cluster.nodes[node].url
        return call(f"{url}/bootstrap?widget=Comment&site=1&channel=k&sort=old{query}")

    def test_cluster(self) -> None:
        """Written on one node it is read on another with its position; a promoted replica takes over on all three."""
        one, two, three = self.cluster.nodes
        self.assertEqual(self.cluster.table().count("(replica)"), 2)
        visitor = Visitor(one.url)
        written = visitor.post("k", "before").json()
        after = written["position"].partition("@")[2]
        for node in (1, 2):
            answer = self.read(node, f"&after={after}")
            self.assertIn(b"before", answer.body)
            self.assertIn(answer.headers["X-Cackled-Server"], ("n1", f"n{node + 1}"))
        # A page nobody was told of comes from the node's own replica.
        own = call(f"{three.url}/api/v1/sites/1/comments?channel=none&readPreference=nearest")
        self.assertEqual(own.headers["X-Cackled-Server"], "n3")

        one.server.kill()
        two.server.execute("alter system set synchronous_standby_names = ''")
        self.assertIn("done", self.cluster.command("promote 2"))
        began = time.monotonic()
        self.until("node 3 writes", lambda: visitor_on(visitor, three.url).post("k", "after").status == 201)
        took = time.monotonic() - began
        self.assertLess(took, 20)
        self.until("node 1 reads it", lambda: b"after" in self.read(0, "&after=2").body)
        self.assertIn(b"before", self.read(0).body)
        self.until("node 3 follows", lambda: "(replica)" in self.cluster.command("rebuild 1") + self.cluster.table())
        self.assertEqual(self.cluster.table().count("(replica)"), 2)
        self.assertIn("promote", self.cluster.command("nonsense"))


def visitor_on(visitor: Visitor, url: str) -> Visitor:
    """The same visitor at another node."""
    moved = Visitor.__new__(Visitor)
    moved.__dict__.update(visitor.__dict__, url=url, api=f"{url}/api/v1/sites/1")
    return moved
