"""Several meshes in one process: what crosses, who may link, and what holds under random faults."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.liveness import Load
from cackled.cluster.membership import HOLD_DOWN
from cackled.cluster.mesh import address
from cackled.config import ConfigError

from .common import Net


class AddressTests(SynchronousTestCase):
    def test_address(self) -> None:
        """Hosts, IPv4 and IPv6, with a port; nothing else, and the key is named."""
        self.assertEqual(address("h.example:1", "k"), ("h.example", 1))
        self.assertEqual(address("[::1]:7946", "k"), ("::1", 7946))
        for wrong in ("", "h", "h:", ":1", "h:x", "h:99999", "h:-1"):
            self.assertIn("some key", str(self.assertRaises(ConfigError, address, wrong, "some key")))


class ChangeTests(SynchronousTestCase):
    """Nodes that are listed later, and no longer."""

    def test_found_and_gone(self) -> None:
        """A node that is found is linked from either end; one that is listed no more is cut off and its word gone."""
        net = Net("abc")
        nodes = net.config
        for name in "abc":
            net[name].mesh.change([one for one in nodes if one.name in ("b", name)])
        for name in "abc":
            net[name].membership.change([one for one in nodes if one.name in ("b", name)])
        net.start()
        self.assertEqual((net["b"].usable(), sorted(net["b"].mesh.states())), ("b", ["b"]))
        net["b"].mesh.change(nodes)
        net["b"].membership.change(nodes)
        net.advance(3)
        self.assertEqual((net["a"].usable(), net["b"].usable(), net["c"].usable()), ("ab", "abc", "bc"))
        self.assertEqual(net["b"].events, ["+a", "+c"])
        net["b"].mesh.change([one for one in nodes if one.name != "c"])
        net["b"].membership.change([one for one in nodes if one.name != "c"])
        net.advance(5)
        self.assertEqual((net["b"].usable(), net["c"].usable()), ("ab", "c"))
        self.assertEqual(net["b"].events[2:], ["-c"])
        net["b"].mesh.announce(1, 5, "typing", {"name": "Ann"})
        net.advance(1)
        self.assertEqual((len(net["a"].signals), net["c"].signals), (1, []))


class SignalTests(SynchronousTestCase):
    """What crosses."""

    def setUp(self) -> None:
        self.net = Net()
        self.net.start()

    def test_signals_cross(self) -> None:
        """Each node but the sender gets them, with the sender's name, in order; of counts the newest."""
        a = self.net["a"].mesh
        a.announce(1, 5, "presence", {"count": 1})
        a.announce(1, 5, "typing", {"name": "Ann"})
        a.announce(1, 5, "typing", {"name": "Bob"})
        a.announce(1, 5, "presence", {"count": 2})
        a.hint(1, 5, 7)
        a.hint(1, 5, 6)
        self.net.advance(0.3)
        expected = [
            ("a", 5, "presence", {"count": 2}), ("a", 5, "typing", {"name": "Ann"}), ("a", 5, "typing", {"name": "Bob"})
        ]  # fmt: skip
        for name in "bc":
            self.assertEqual((self.net[name].signals, self.net[name].hints), (expected, [(1, 5, 7)]))
        self.assertEqual(self.net["a"].signals, [])

    def test_zones(self) -> None:
        """Which DNS zone a node has comes with its heartbeats; of who has none nothing is told."""
        self.net["a"].load = Load(zone=("abc", 7))
        self.net.advance(2)
        for name, heard in (("a", set()), ("b", {("abc", 7)}), ("c", {("abc", 7)})):
            self.assertEqual(self.net[name].zones, heard)

    def test_cut_and_heal(self) -> None:
        """Lost while a link is cut; they cross again within seconds after it healed."""
        self.net.cut("ab")
        self.net.advance(30)
        self.net["a"].mesh.announce(1, 5, "typing", {"name": "Ann"})
        self.net.advance(1)
        self.assertEqual((len(self.net["b"].signals), len(self.net["c"].signals)), (0, 1))
        self.net.heal()
        self.net.advance(6)
        self.net["a"].mesh.announce(1, 5, "typing", {"name": "Bob"})
        self.net.advance(0.3)
        self.assertEqual([signal[3] for signal in self.net["b"].signals], [{"name": "Bob"}])

    def test_many(self) -> None:
        """A flood is thinned out at its source, what is sent all arrives, and heartbeats are not late for it."""
        for number in range(20_000):
            self.net["a"].mesh.announce(1, number, "presence", {"count": 1})
        self.net.advance(5)
        got = len(self.net["b"].signals)
        dropped = self.net["a"].metrics.value("mesh_signals_dropped_total")
        self.assertEqual(got + dropped, 20_000)
        self.assertGreater(got, 3_000)
        self.assertEqual(self.net["b"].usable(), "abc")

    def test_reader_that_does_not_read(self) -> None:
        """What would pile up before a full connection is thrown away."""
        link = self.net["a"].mesh._peers["b"].link
        assert link is not None
        link.pauseProducing()
        self.net["a"].mesh.announce(1, 5, "typing", {"name": "Ann"})
        self.net.advance(0.3)
        self.assertEqual((len(self.net["b"].signals), len(self.net["c"].signals)), (0, 1))
        link.resumeProducing()
        self.net["a"].mesh.announce(1, 5, "typing", {"name": "Ann"})
        self.net.advance(0.3)
        self.assertEqual(len(self.net["b"].signals), 1)


class AccessTests(SynchronousTestCase):
    """Who may link."""

    def test_no_longer_listed(self) -> None:
        """Its link ends at once, it is not let in again, and nobody dials it; until it is listed again."""
        net = Net()
        net.start()
        net["b"].mesh.allow(["b", "c"])
        net.advance(0.2)
        self.assertFalse(net["b"].mesh.states()["a"].linked)
        net.advance(10)
        self.assertFalse(net["b"].mesh.states()["a"].linked)
        self.assertTrue(net["b"].mesh.states()["c"].linked)
        net["a"].mesh.allow(["a", "c"])
        net.advance(5)
        dials = net.dials.count(("a", "b"))
        net.advance(20)
        self.assertEqual(net.dials.count(("a", "b")), dials)
        net["a"].mesh.allow("abc")
        net["b"].mesh.allow("abc")
        net.advance(4)
        self.assertTrue(net["b"].mesh.states()["a"].linked)

    def test_other_deployment(self) -> None:
        """Nodes of two deployments refuse each other, and say why."""
        net = Net("a")
        net.config = Net("ab").config
        net.add("a", deployment="eu")
        net.add("b")
        net.start(5)
        self.assertEqual(net["a"].metrics.value("mesh_links"), 0)
        self.assertIn("deployment", net["a"].mesh.states()["b"].trouble)
        self.assertGreater(net["a"].metrics.value("mesh_refused_total"), 0)

    def test_strangers(self) -> None:
        """So many unknown connections at once; for the next the oldest is closed, and nodes come in past them."""
        net = Net()
        mesh = net["b"].mesh
        self.assertIsNone(mesh.build(None), "not before it runs")
        net.start()
        silent = []
        for _ in range(40):
            link = mesh.build(None)
            assert link is not None
            link.makeConnection(StringTransport())
            silent.append(link)
        self.assertEqual([link.over for link in silent], [True] * 8 + [False] * 32)
        self.assertEqual(net["b"].metrics.value("mesh_links"), 2)
        assert net["a"].mesh._peers["b"].link is not None
        net["a"].mesh._peers["b"].link.drop("to come again")
        net.advance(1.5)
        self.assertEqual(net["b"].metrics.value("mesh_links"), 2)
        self.assertFalse(silent[-1].over)

    def test_renewed(self) -> None:
        """New certificates: each link is replaced by a new one, and none is missing or counted lost meanwhile."""
        net = Net()
        net.start()
        old = net["b"].mesh._peers["a"].link
        net["a"].mesh.renew()
        for _ in range(60):
            net.advance(0.05)
            self.assertEqual(net["b"].metrics.value("mesh_links"), 2)
        self.assertIsNot(net["b"].mesh._peers["a"].link, old)
        self.assertEqual(len(net.ends), 6)
        self.assertEqual(net["b"].metrics.value("mesh_links_lost_total"), 0)

    def test_daily(self) -> None:
        """A link is made anew within a day."""
        net = Net("ab")
        net.start()
        old = net["a"].mesh._peers["b"].link
        renewal = net["a"].mesh._peers["b"]._renewal
        assert renewal is not None
        self.assertLess(renewal.getTime() - net["a"].clock.seconds(), 24 * 3600.0)
        renewal.reset(0)
        net.advance(2)
        self.assertIsNot(net["a"].mesh._peers["b"].link, old)
        self.assertEqual(net["a"].metrics.value("mesh_links"), 1)


class ChaosTests(SynchronousTestCase):
    """Random faults in random order, and what must hold whatever they are."""

    def run_one(self, seed: int) -> None:
        rng = Random(seed)
        net = Net("abcde"[: rng.choice([2, 3, 3, 4, 5])])
        everybody = "".join(net.nodes)
        net.start()
        gone_since: dict[str, float] = {}
        woken_at: dict[str, float] = {}
        now = 0.0
        for _ in range(rng.randrange(3, 8)):
            name = rng.choice(everybody)
            match rng.choice(["kill", "hang", "wake", "cut", "heal", "start", "drain"]):
                case "kill" if name in net.nodes and name not in net.hung:
                    net.kill(name)
                    gone_since[name] = now
                case "hang" if name in net.nodes and name not in net.hung:
                    net.hang(name)
                    gone_since[name] = now
                case "wake" if name in net.hung:
                    net.wake(name)
                    del gone_since[name]
                    woken_at[name] = now
                case "start" if name not in net.nodes:
                    net.add(name).start()
                    del gone_since[name]
                case "cut":
                    net.cut(name + rng.choice(everybody))
                case "heal":
                    net.heal()
                case "drain" if name in net.nodes and name not in net.hung:
                    node = net[name]
                    node.load = replace(node.load, draining=not node.load.draining)
                    node.mesh.beat()
            for _ in range(rng.randrange(1, 60)):
                net.advance(0.2)
                now += 0.2
                for one in (node for node in net.nodes.values() if node.name not in net.hung):
                    self.assertTrue(one.usable(), "never an empty answer")
                    # Who stood still gives the others time to find it again before it thinks ill of them.
                    watching = woken_at.get(one.name, -9.0) + 5.0
                    for name, since in gone_since.items():
                        if now - max(since, watching) > 4.5:
                            self.assertNotIn(name, one.live(), f"seed {seed}: {name} is gone, says {one.name}")
        net.heal()
        for name in list(net.hung):
            net.wake(name)
        for name in everybody:
            if name not in net.nodes:
                net.add(name).start()
            net[name].load = replace(net[name].load, draining=False)
        net.advance(HOLD_DOWN + 15)
        self.assertEqual([node.usable() for node in net.nodes.values()], [everybody] * len(everybody), f"seed {seed}")
        self.assertEqual([node.mesh.trouble() for node in net.nodes.values()], [""] * len(everybody), f"seed {seed}")
        self.assertEqual(len(net.ends), len(everybody) * (len(everybody) - 1), f"seed {seed}: a connection per pair")

    def test_chaos(self) -> None:
        """Who is gone is out in time, nobody ever answers with nobody, and afterwards all agree again."""
        for seed in range(40):
            self.run_one(seed)
