"""Choices of addresses: nearest, live, by weight."""

from __future__ import annotations

from collections import Counter
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from cackled.config import Node
from cackled.dns.nearest import NearestAnswers
from cackled.dns.wire import AAAA, A

TWO_PLACES = (
    Node(name="a1", addresses=("192.0.2.1",), weight=1),
    Node(name="a2", addresses=("192.0.2.2",), weight=3),
    Node(name="b1", addresses=("192.0.2.3", "192.0.2.4", "2001:db8::3")),
)
FIRST_A = (("a1", "a2"), ("b1",))
FIRST_B = (("b1",), ("a1", "a2"))


class NearestAnswersTests(SynchronousTestCase):
    def make(self, count: int = 2) -> NearestAnswers:
        nearest = NearestAnswers(TWO_PLACES, count, Random(3))
        nearest.set_classes([(("a1", "a2", "b1"),), FIRST_A, FIRST_B])
        return nearest

    def firsts(self, nearest: NearestAnswers, number: int, rtype: int = A) -> Counter[int]:
        """How often each address (its last byte) comes first."""
        return Counter(addresses[0][-1] for addresses in nearest.choices[rtype][number])

    def test_weight(self) -> None:
        """Equally near nodes come first by weight: 1 to 3."""
        shares = self.firsts(self.make(), 1)
        self.assertEqual(shares, {1: 8, 2: 24})

    def test_free_capacity(self) -> None:
        """Weights of the moment take the place of the configured ones; a node that is full is had once in a while."""
        nearest = self.make()
        everybody = {"a1", "a2", "b1"}
        self.assertTrue(nearest.set_live(everybody, (), {"a1": 10, "a2": 10}))
        self.assertEqual(self.firsts(nearest, 1), {1: 16, 2: 16})
        self.assertFalse(nearest.set_live(everybody, (), {"a1": 10, "a2": 10}))
        self.assertFalse(nearest.set_live(everybody), "kept where none are given")
        nearest.set_live(everybody, (), {"a1": 10, "a2": 0})
        self.assertEqual(self.firsts(nearest, 1), {1: 29, 2: 3})
        self.assertEqual({each[0][-1] for each in nearest.choices[A][2]}, {3, 4}, "a nearer place is not left for it")

    def test_other_nodes(self) -> None:
        """Nodes come and go; answers are of those that are there, whatever the classes still say."""
        nearest = self.make()
        nearest.set_live({"a1", "b1"})
        nearest.set_nodes([*TWO_PLACES[1:], Node(name="c1", addresses=("192.0.2.9",))])
        self.assertEqual(nearest.usable, {"b1"})
        nearest.set_live({"a2", "b1", "c1"})
        self.assertEqual(self.firsts(nearest, 1), {2: 32})
        nearest.set_classes([(("a2", "b1"), ("c1",)), (("c1",), ("a2", "b1"))])
        self.assertEqual(self.firsts(nearest, 1), {9: 32})

    def test_next(self) -> None:
        """The second address is of another node: of the same place if it has one, else of the next."""
        nearest = self.make()
        self.assertTrue(all({each[-1] for each in pair} == {1, 2} for pair in nearest.choices[A][1]))
        for first, second in ((pair[0][-1], pair[1][-1]) for pair in nearest.choices[A][2]):
            self.assertIn(first, (3, 4))
            self.assertIn(second, (1, 2))

    def test_one_live(self) -> None:
        """A lone node gives all its addresses it may."""
        nearest = self.make()
        self.assertTrue(nearest.set_live({"b1", "stranger"}))
        self.assertTrue(all({each[-1] for each in pair} == {3, 4} for pair in nearest.choices[A][1]))
        self.assertEqual(nearest.choices[AAAA][1][0], (bytes.fromhex("20010db8000000000000000000000003"),))

    def test_newer_than_the_index(self) -> None:
        """Nodes that the index in use does not know yet are last choice: with all others gone they answer."""
        nearest = self.make()
        old = [node for node in TWO_PLACES if node.name == "b1"]
        new = Node(name="new", addresses=("192.0.2.77",))
        nearest.set_nodes([*old, new])
        nearest.set_live({"b1", "new"})
        self.assertTrue({pair[0][-1] for pair in nearest.choices[A][1]} <= {3, 4})
        self.assertEqual({pair[1][-1] for pair in nearest.choices[A][1]}, {77})
        nearest.set_nodes([new])
        self.assertEqual(nearest.choices[A][1], ((bytes((192, 0, 2, 77)),),))

    def test_no_change(self) -> None:
        """The same set again changes nothing, and says so: finished answers stay."""
        nearest = self.make()
        before = nearest.choices
        self.assertFalse(nearest.set_live({"a1", "a2", "b1"}))
        self.assertIs(nearest.choices, before)

    def test_drained(self) -> None:
        """A draining node is left out while another lives, serves while none does; with nobody left all answer."""
        nearest = self.make()
        for live, drained, usable in (
            ({"a1", "a2", "b1"}, {"a1"}, {"a2", "b1"}),
            ({"a1"}, {"a1"}, {"a1"}),
            (set(), {"a1"}, {"a1", "a2", "b1"}),
            ({"a2"}, {"b1"}, {"a2"}),
        ):
            nearest.set_live(live, drained)
            self.assertEqual(nearest.usable, usable)

    def test_equal_choices_are_shared(self) -> None:
        """Classes that differ only in nodes that don't matter now share one choice."""
        nearest = self.make()
        nearest.set_live({"b1"})
        self.assertIs(nearest.choices[A][1], nearest.choices[A][2])

    def test_changes_cost_nothing_by_themselves(self) -> None:
        """However many classes an index has, taking it, or another set of live nodes, chooses nothing: that is done for
        the classes that are asked for, when they are."""
        nearest = self.make()
        chosen: list[object] = []
        self.patch(NearestAnswers, "_choose", lambda nearest, groups, rtype: chosen.append(groups) or ((),))
        nearest.set_classes([FIRST_A, FIRST_B] * 30_000)
        for live in ({"a1"}, {"a2"}, {"a1", "b1"}):
            self.assertTrue(nearest.set_live(live))
        self.assertEqual(chosen, [])
        nearest.choices[A][0], nearest.choices[A][1], nearest.choices[A][2], nearest.choices[A][2]
        self.assertEqual(len(chosen), 2)

    def test_many_nodes(self) -> None:
        """More nodes in one place than variants: every one of them comes first somewhere."""
        nodes = [Node(name=f"n{n}", addresses=(f"192.0.2.{n}",), weight=n) for n in range(1, 60)]
        nearest = NearestAnswers(nodes, 2, Random(1))
        self.assertEqual(len(self.firsts(nearest, 0)), 59)
