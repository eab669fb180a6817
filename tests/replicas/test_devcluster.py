"""Three nodes on one machine, as ``cackled dev-cluster`` runs them, over a change of the primary."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.devcluster import Cluster, ClusterError, Kept, Ports, ports_of
from tests.support.client import Answer, Visitor, call
from tests.support.daemon import free_ports

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


    def test_cut_and_killed(self) -> None:
        """A wire that is cut stops replication too; a daemon that somebody kills is told of once, and starts again."""
        one, _, three = self.cluster.nodes
        self.cluster.command("cut n1 n3")
        one.server.execute("create table t (n int)")
        self.until("replicated elsewhere", lambda: self.has_table(self.cluster.nodes[1]))
        self.assertFalse(self.has_table(three))
        self.cluster.command("mend n1 n3")
        self.until("replicated after all", lambda: self.has_table(three))

        assert three.process is not None
        three.process.kill()
        three.process.wait()
        (line,) = self.cluster.ended()
        self.assertIn("start n3", line)
        self.assertEqual(self.cluster.ended(), [])
        self.cluster.command("start n3")
        self.cluster.wait(three)
        self.assertIn("done", self.cluster.command("drain n3"))
        self.assertFalse(three.ready())
        self.assertIn("done", self.cluster.command("undrain n3"))
        self.until("n3 is ready again", three.ready)

    @staticmethod
    def has_table(node: Any) -> bool:
        return bool(node.server.execute("select to_regclass('t') is not null")[0][0])


class KeptTests(SynchronousTestCase):
    """Options of a cluster that is kept in a folder."""

    def test_kept(self) -> None:
        """They are the same at the next start; words that are no ports are refused."""
        folder = Path(self.mktemp())
        self.assertEqual(Kept.of(folder), Kept())
        kept = Kept(ports_of(["http=8090", "dns=5301"], Ports()), '[limits]\nexempt = ["127.0.0.0/8"]', True)
        kept.write(folder)
        self.assertEqual(Kept.of(folder), kept)
        self.assertEqual((kept.ports.http, kept.ports.admin), (8090, 8081))
        for words in (["http"], ["http=x"], ["http=0"], ["web=80"], ["http=8081"], ["http=70000"], ["http=\u0663"]):
            self.assertRaises(ClusterError, ports_of, words, Ports())
        (folder / "cluster.json").write_text("[]")
        self.assertRaises(ClusterError, Kept.of, folder)

    def test_no_toml(self) -> None:
        """What is added to the configuration has to be TOML beside what is there: told before anything is started."""
        cluster = Cluster(Path(self.mktemp()), ports=Ports(*free_ports(6)), extra="[dns]\nttl = 5")
        cluster.folder.mkdir()
        node = cluster.nodes[0]
        node.folder.mkdir()
        self.assertIn("is no TOML", str(self.assertRaises(ClusterError, cluster.configure, node)))


def visitor_on(visitor: Visitor, url: str) -> Visitor:
    """The same visitor at another node."""
    moved = Visitor.__new__(Visitor)
    moved.__dict__.update(visitor.__dict__, url=url, api=f"{url}/api/v1/sites/1")
    return moved
