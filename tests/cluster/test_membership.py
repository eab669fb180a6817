"""Membership: down after three misses, back after thirty quiet seconds, drains at once, never an empty answer."""

from __future__ import annotations

import random

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.membership import HOLD_DOWN, MISSES, Membership
from cackled.config import Node
from cackled.metrics import Metrics


class MembershipTests(SynchronousTestCase):
    """`Membership`."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.changes = 0
        self.metrics = Metrics()
        self.nodes = self.made("a", "b", "c")

    def made(self, *names: str) -> Membership:
        return Membership([Node(name=one) for one in names], "a", self.clock, self.metrics, self.changed)

    def changed(self) -> None:
        self.changes += 1

    def usable(self) -> list[str]:
        return [node.name for node in self.nodes.usable()]

    def miss(self, name: str, times: int) -> None:
        for _ in range(times):
            self.nodes.missed(name)

    def test_begin(self) -> None:
        """All count as live before anything is heard."""
        self.assertEqual(self.usable(), ["a", "b", "c"])
        self.assertEqual([node.name for node in self.nodes.others()], ["b", "c"])
        self.assertEqual(self.metrics.value("cluster_nodes_live"), 3)

    def test_found(self) -> None:
        """A node that is found later is nobody's choice until it was heard, not even when all others are down."""
        self.nodes.change([Node(name=one) for one in "abcd"])
        self.assertEqual(self.usable(), ["a", "b", "c"])
        for name in "abc":
            self.miss(name, MISSES)
        self.assertEqual(self.usable(), ["a", "b", "c"])
        self.nodes.heard("d")
        self.assertEqual(self.usable(), ["d"])
        self.miss("d", MISSES)
        self.assertEqual(self.usable(), ["a", "b", "c", "d"])

    def test_strict(self) -> None:
        """Where a listed node may be another deployment's, only who was heard is offered, and this node itself."""
        nodes = [Node(name=one) for one in "abc"]
        self.nodes = Membership(
            nodes, "a", self.clock, Metrics(), self.changed, trusting=False, strict=True
        )
        self.assertEqual(self.usable(), ["a"])
        self.nodes.heard("b")
        self.assertEqual(self.usable(), ["b"])
        self.miss("b", MISSES)
        self.assertEqual(self.usable(), ["a", "b"])
        self.nodes = Membership(nodes, "a", self.clock, Metrics(), self.changed, strict=True)
        self.assertEqual(self.usable(), ["a"], "where nobody says anything of this node, it is there")
        self.nodes.heard("b")
        self.assertEqual(self.usable(), ["a", "b"])

    def test_listed_no_more(self) -> None:
        """Who is no longer listed is gone; of the others all that was known is."""
        self.miss("b", MISSES)
        self.changes = 0
        self.nodes.change([Node(name="a"), Node(name="b", url="http://b.example")])
        self.assertEqual((self.usable(), self.changes), (["a"], 1))
        self.assertEqual([node.url for node in self.nodes.others()], ["http://b.example"])
        self.nodes.heard("c")
        self.assertEqual(self.nodes.live(), {"a"})

    def test_down(self) -> None:
        """Three misses in a row take a node out, told once; misses with an answer between them do not."""
        for _ in range(5):
            self.miss("b", MISSES - 1)
            self.nodes.heard("b")
        self.assertEqual((self.usable(), self.changes), (["a", "b", "c"], 0))
        self.miss("b", MISSES)
        self.assertEqual((self.usable(), self.changes), (["a", "c"], 1))
        self.miss("b", 10)
        self.assertEqual(self.changes, 1)

    def test_back(self) -> None:
        """It is used again when it was heard for the whole hold-down without a miss."""
        self.miss("b", MISSES)
        for second in range(int(HOLD_DOWN)):
            self.nodes.heard("b")
            self.assertEqual(self.usable(), ["a", "c"], second)
            self.clock.advance(1)
        self.nodes.heard("b")
        self.assertEqual((self.usable(), self.changes), (["a", "b", "c"], 2))

    def test_flapping(self) -> None:
        """A miss begins the hold-down anew."""
        self.miss("b", MISSES)
        for _ in range(3):
            self.nodes.heard("b")
            self.clock.advance(HOLD_DOWN - 1)
            self.nodes.heard("b")
            self.nodes.missed("b")
            self.clock.advance(2)
            self.nodes.heard("b")
            self.assertEqual((self.usable(), self.changes), (["a", "c"], 1))

    def test_drain(self) -> None:
        """A node that drains is out at once and in at once, told each time; misses of it tell nothing more."""
        self.nodes.heard("c", draining=True)
        self.assertEqual((self.usable(), self.changes), (["a", "b"], 1))
        self.nodes.heard("c", draining=True)
        self.assertEqual(self.changes, 1)
        self.miss("c", MISSES)
        self.assertEqual((self.usable(), self.changes), (["a", "b"], 1))
        self.clock.advance(1)
        self.nodes.heard("c")
        self.clock.advance(HOLD_DOWN)
        self.nodes.heard("c")
        self.assertEqual((self.usable(), self.changes), (["a", "b", "c"], 2))

    def test_own(self) -> None:
        """This node leaves and comes back by draining, told once each."""
        self.nodes.drain()
        self.nodes.drain()
        self.assertEqual((self.usable(), self.changes), (["b", "c"], 1))
        self.nodes.drain(False)
        self.assertEqual((self.usable(), self.changes), (["a", "b", "c"], 2))

    def test_nobody_left(self) -> None:
        """With nobody usable those that live and drain are offered, and with none at all everybody."""
        self.nodes.drain()
        self.miss("b", MISSES)
        self.assertEqual(self.usable(), ["c"])
        self.miss("c", MISSES)
        self.assertEqual(self.usable(), ["a"])
        self.miss("a", MISSES)
        self.assertEqual(self.usable(), ["a", "b", "c"])

    def test_strangers(self) -> None:
        """Nodes that are not configured are nobody."""
        self.nodes.heard("x")
        self.miss("x", 10)
        self.assertEqual((self.usable(), self.changes), (["a", "b", "c"], 0))

    def test_states(self) -> None:
        """Operators see each node with its misses and since when it is as it is."""
        self.clock.advance(5)
        self.miss("b", MISSES)
        self.clock.advance(2)
        state = {one.name: one for one in self.nodes.states()}
        self.assertEqual((state["b"].live, state["b"].missed, state["b"].since), (False, 3, 2.0))
        self.assertEqual((state["a"].live, state["a"].since), (True, 7.0))

    def test_told_exactly(self) -> None:
        """Over any sequence, whoever acts on what is told knows who is usable, while anybody is."""
        rng = random.Random(7)
        self.nodes = self.made("a", "b", "c", "d")
        self.look()
        self.nodes._changed = self.look
        for _ in range(4000):
            name = rng.choice(["b", "c", "d"])
            action = rng.random()
            if action < 0.4:
                self.nodes.missed(name)
            elif action < 0.45:
                self.nodes.heard(name, draining=rng.random() < 0.5)
            elif action < 0.47:
                self.nodes.drain(rng.random() < 0.5)
            else:
                self.nodes.heard(name)
            self.clock.advance(rng.choice([0.1, 1, 40]))
            if any(one.live and not one.draining for one in self.nodes.states()):
                self.assertEqual(self.told, self.usable())

    def look(self) -> None:
        self.told = self.usable()
