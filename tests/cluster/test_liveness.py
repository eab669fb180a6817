"""Three meshes in one process: who is in use after a kill, a hang, a cut, a drain, and how it heals."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.membership import HOLD_DOWN

from .common import LATENCY, Net


class LivenessTests(SynchronousTestCase):
    """What the nodes make of each other."""

    def setUp(self) -> None:
        self.net = Net()

    def usable(self, names: str = "abc") -> list[str]:
        return [self.net[name].usable() for name in names]

    def test_begin(self) -> None:
        """One connection a pair, dialled by the first in order; all in use as soon as they are heard."""
        a = self.net["a"]
        a.start()
        self.net.advance(0.5)
        self.assertEqual((a.live(), a.usable()), ("", "abc"), "nobody is heard: everybody is offered")
        self.assertIn("1 of 3", a.mesh.trouble())
        self.net["b"].start()
        self.net["c"].start()
        self.net.advance(3)
        self.assertEqual([self.net[name].live() for name in "abc"], ["abc"] * 3)
        self.assertEqual(len(self.net.ends), 6)
        self.assertTrue(all(own < name for own, name in self.net.dials))
        self.assertEqual([self.net[name].metrics.value("mesh_links") for name in "abc"], [2, 2, 2])
        self.assertEqual(a.mesh.trouble(), "")

    def reach(self, **shards: tuple[int, ...] | None) -> None:
        for name, reached in shards.items():
            self.net[name].load = replace(self.net[name].load, primaries=reached)

    def test_astray(self) -> None:
        """A node that alone can't reach the primary says so and is left out; healed, it is used again."""
        self.net.start()
        self.reach(a=(0,), b=(0,), c=(0,))
        self.net.advance(5)
        a = self.net["a"]
        before = a.turns
        self.reach(a=())
        self.net.until(lambda: self.usable() == ["bc"] * 3, 12.0)
        self.assertEqual(a.mesh.astray(), "can't reach the primary, and b, c can")
        self.assertEqual(a.turns, before + 1, "told once")
        self.assertEqual([self.net["b"].mesh.states()[name].writes for name in "abc"], [False, True, True])
        self.reach(a=(0,))
        self.net.until(lambda: self.usable() == ["abc"] * 3, HOLD_DOWN + 10.0)
        self.assertEqual(a.mesh.astray(), "")

    def test_all_astray(self) -> None:
        """Where nobody reaches the primary, or nobody who is fit, or for a moment only, all stay in use."""
        self.net.start()
        self.reach(a=(), b=(), c=())
        self.net.advance(30)
        self.assertEqual(self.usable(), ["abc"] * 3)
        # One after the other they find the one that was promoted.
        for name in "abc":
            self.reach(**{name: (0,)})
            self.net.advance(1)
        self.net.advance(10)
        self.assertEqual(self.usable(), ["abc"] * 3)
        # Older nodes do not say, and one that drains is no help.
        self.reach(b=None, c=(0,))
        self.net["c"].load = replace(self.net["c"].load, draining=True)
        self.net.advance(3)
        self.reach(a=())
        self.net.advance(20)
        self.assertEqual(self.net["a"].mesh.astray(), "")

    def test_astray_of_a_shard(self) -> None:
        """With several databases each of them counts."""
        self.net.start()
        self.reach(a=(0, 1), b=(0, 1, 2), c=(0, 1, 2))
        self.net.until(lambda: self.usable() == ["bc"] * 3, 12.0)
        self.assertEqual(self.net["a"].mesh.astray(), "can't reach the primaries of shards 2, and b, c can")

    def test_handshake_is_not_life(self) -> None:
        """A node whose handshake succeeds and that then says nothing is not in use."""
        self.net["a"].start()
        b = self.net["b"]
        b.mesh._liveness.beat = lambda **_: None  # type: ignore[method-assign]
        b.mesh.beat = lambda **_: None
        b.mesh._running = True
        b.mesh.bind()
        self.net.advance(3)
        self.assertTrue(self.net["a"].mesh.states()["b"].linked)
        self.assertNotIn("b", self.net["a"].live())

    def test_killed(self) -> None:
        """Out on every other node between 2.5 and 4 s after the end, with its share of signals."""
        self.net.start()
        self.net.kill("b")
        took = self.net.until(lambda: self.usable("ac") == ["ac", "ac"], 4.0)
        self.assertGreater(took, 2.4)
        self.assertIn("-b", self.net["a"].events)

    def test_killed_and_back(self) -> None:
        """A new process under the old name is linked within seconds and used after the hold-down; others stay."""
        self.net.start()
        self.net.kill("b")
        self.net.advance(10)
        b = self.net.add("b")
        b.start()
        self.net.advance(5)
        self.assertEqual((b.live(), self.usable("ac")), ("abc", ["ac", "ac"]))
        self.assertTrue(self.net["a"].mesh.states()["b"].linked)
        took = self.net.until(lambda: self.usable("ac") == ["abc", "abc"], HOLD_DOWN)
        self.assertGreater(took, HOLD_DOWN - 8)
        self.assertEqual(self.net["a"].events[-2:], ["-b", "+b"])

    def test_restarted_at_once(self) -> None:
        """A node that is back before it was missed stays in use; that it began anew is noticed."""
        self.net.start()
        self.net.kill("a")
        self.net.advance(0.5)
        self.net.add("a").start()
        for _ in range(100):
            self.net.advance(0.1)
            self.assertEqual(self.usable("bc"), ["abc", "abc"])
        self.assertEqual(self.net["b"].events[-2:], ["-a", "+a"])

    def test_hung(self) -> None:
        """A process that stands still with its sockets open is out as fast as a dead one, and heals."""
        self.net.start()
        self.net.hang("c")
        took = self.net.until(lambda: self.usable("ab") == ["ab", "ab"], 4.0)
        self.assertGreater(took, 2.4)
        self.net.advance(20)
        self.net.wake("c")
        self.assertEqual(self.net["c"].usable(), "abc", "it stood still, not they")
        self.net.advance(6)
        self.assertEqual(self.net["c"].live(), "abc")
        self.assertEqual(self.usable("ab"), ["ab", "ab"])
        self.net.advance(HOLD_DOWN)
        self.assertEqual(self.usable(), ["abc"] * 3)

    def test_short_pause(self) -> None:
        """Two seconds of standing still change nothing."""
        self.net.start()
        self.net.hang("c")
        for _ in range(20):
            self.net.advance(0.1)
            self.assertEqual(self.usable("ab"), ["abc", "abc"])
        self.net.wake("c")
        self.net.advance(5)
        self.assertEqual(self.usable(), ["abc"] * 3)
        self.assertEqual(self.net["a"].metrics.value("cluster_changes_total", direction="down"), 0)

    def test_cut_off(self) -> None:
        """A node that hears nobody calls itself unfit and offers everybody; the others go on; it heals by itself."""
        self.net.start()
        self.net.cut("ac", "bc")
        self.net.advance(4)
        self.assertIn("1 of 3", self.net["c"].mesh.trouble())
        self.assertEqual(self.net["c"].metrics.value("mesh_isolated"), 1)
        self.assertEqual(self.usable("ab"), ["ab", "ab"])
        self.assertEqual([self.net[name].mesh.trouble() for name in "ab"], ["", ""])
        self.net.advance(26)
        self.assertEqual(self.net["c"].usable(), "abc", "nobody is left: everybody is offered")
        turns = self.net["c"].turns
        self.net.heal()
        self.net.advance(8)
        self.assertEqual((self.net["c"].mesh.trouble(), self.net["c"].turns), ("", turns + 1))
        self.assertEqual(self.usable("ab"), ["ab", "ab"], "on hold")
        self.net.advance(HOLD_DOWN)
        self.assertEqual(self.usable(), ["abc"] * 3)

    def test_one_link_cut(self) -> None:
        """Two nodes that can't hear each other while the third hears both: nobody is unfit."""
        self.net.start()
        self.net.cut("ab")
        self.net.advance(6)
        self.assertEqual(self.usable(), ["ac", "bc", "abc"])
        self.assertEqual([self.net[name].mesh.trouble() for name in "abc"], [""] * 3)

    def test_two_nodes(self) -> None:
        """Of two, the one that is left goes on."""
        self.net = Net("ab")
        self.net.start()
        self.net.kill("a")
        self.net.advance(5)
        self.assertEqual((self.net["b"].mesh.trouble(), self.net["b"].usable()), ("", "b"))

    def test_everybody_dead(self) -> None:
        """The last of three is cut off for all it knows, and offers everybody."""
        self.net.start()
        self.net.kill("a")
        self.net.kill("b")
        self.net.advance(8)
        self.assertEqual(self.net["c"].usable(), "abc")

    def test_drain(self) -> None:
        """Out everywhere as soon as the word gets there, not with the next heartbeat; and back as fast."""
        self.net.start()
        b = self.net["b"]
        for draining, expected in ((True, "ac"), (False, "abc")):
            b.load = replace(b.load, draining=draining)
            b.mesh.beat()
            self.assertLess(self.net.until(lambda expected=expected: self.usable("ac") == [expected] * 2, 1.0), 0.11)
            self.assertEqual(b.usable(), expected)

    def test_stop(self) -> None:
        """A node that stops says so, and is out at once."""
        self.net.start()
        Deferred.fromCoroutine(self.net["b"].mesh.stop())
        self.net.advance(0.2)
        self.assertEqual(self.usable("ac"), ["ac", "ac"])
        self.assertEqual(self.net["b"].clock.getDelayedCalls(), [])

    def test_unfit(self) -> None:
        """A node whose database is gone is out after three heartbeats, on itself as well, and not cut off."""
        self.net.start()
        b = self.net["b"]
        b.load = replace(b.load, ready=False)
        took = self.net.until(lambda: self.usable() == ["ac"] * 3, 4.0)
        self.assertGreater(took, 1.5)
        self.assertEqual([self.net[name].mesh.trouble() for name in "abc"], [""] * 3)
        for _ in range(10):
            b.mesh.beat()
        b.load = replace(b.load, ready=True)
        self.net.advance(HOLD_DOWN + 2)
        self.assertEqual(self.usable(), ["abc"] * 3)

    def test_words_out_of_turn(self) -> None:
        """Many heartbeats at once that say "unfit" are one miss."""
        self.net.start()
        b = self.net["b"]
        b.load = replace(b.load, ready=False)
        for _ in range(10):
            b.mesh.beat()
        self.net.advance(LATENCY * 5)
        b.load = replace(b.load, ready=True)
        b.mesh.beat()
        self.net.advance(5)
        self.assertEqual(self.usable(), ["abc"] * 3)
        self.assertEqual(self.net["a"].metrics.value("cluster_changes_total", direction="down"), 0)

    def test_load(self) -> None:
        """Free capacity in tenths; told when it changes, not with every connection; lag and round trip shown."""
        self.net.start()
        a, b = self.net["a"], self.net["b"]
        told = a.weighed
        b.load = replace(b.load, connections=9, lag=0.25)
        self.net.advance(2)
        self.assertEqual((a.mesh.free("b"), a.weighed), (1.0, told))
        b.load = replace(b.load, connections=75)
        self.net.advance(2)
        self.assertEqual((a.mesh.free("b"), b.mesh.free("b"), a.weighed), (0.3, 0.3, told + 1))
        b.load = replace(b.load, connections=200)
        self.net.advance(2)
        self.assertEqual((a.mesh.free("b"), a.mesh.free("stranger")), (0.0, 1.0))
        state = a.mesh.states()["b"]
        self.assertEqual((state.connections, state.lag, state.version), (200, 0.25, "1"))
        assert state.round_trip is not None
        self.assertLess(state.round_trip, 0.2)
