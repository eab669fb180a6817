"""Which nodes there may be: the configuration's word counts, what is found is looked at before anybody hears of it."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.node_list import Roster
from cackled.config import Node


def node(name: str, **more: Any) -> Node:
    given = {"url": f"http://{name}.example", "mesh": f"{name}.example:7946", **more}
    return Node(name=name, **given)


class RosterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.told: list[list[str]] = []

    def roster(self, *configured: Node, meshed: bool = True, refused: Any = ()) -> Roster:
        return Roster(
            configured or (node("b"),), "b", meshed=meshed, refused=refused,
            changed=lambda nodes: self.told.append([one.name for one in nodes]),
        )  # fmt: skip

    def test_found(self) -> None:
        """Who is found comes after the configured ones, by name; changes are told, and only those."""
        roster = self.roster()
        roster.take([node("d"), node("a"), node("b", url="http://elsewhere.example")])
        roster.take([node("a"), node("d")])
        self.assertEqual(self.told, [["b", "a", "d"]])
        self.assertEqual(roster.nodes[0].url, "http://b.example")
        roster.take([node("a"), node("d", weight=3)])
        roster.take([node("a")])
        self.assertEqual(self.told[1:], [["b", "a", "d"], ["b", "a"]])

    def test_configuration_wins(self) -> None:
        """Of a node that is configured the database has nothing to say."""
        roster = self.roster(node("b"), node("c"))
        roster.take([node("c", url="http://stranger.example", weight=9)])
        self.assertEqual((self.told, roster.found), ([], ()))

    def test_unfit(self) -> None:
        """What can't be a node is passed over: name, addresses, url, mesh address."""
        roster = self.roster()
        roster.take([
            node("BAD NAME"), node("ca"), node("x", url=""), node("y", url="javascript:alert(1)"),
            node("z", addresses=("not an address",)), node("m", mesh=""), node("p", mesh="p.example"), node("good"),
        ])  # fmt: skip
        self.assertEqual(self.told, [["b", "good"]])

    def test_without_mesh(self) -> None:
        """Without a mesh no address for it is needed, and names are free."""
        roster = self.roster(meshed=False)
        roster.take([node("Node 2", mesh="")])
        self.assertEqual(self.told, [["b", "Node 2"]])

    def test_refused(self) -> None:
        """A refused name is gone at once, and back when it is no longer refused."""
        roster = self.roster(refused=["c"])
        roster.take([node("c"), node("d")])
        roster.configure([node("b")], ["d"])
        roster.configure([node("b")], [])
        self.assertEqual(self.told, [["b", "d"], ["b", "c"], ["b", "c", "d"]])

    def test_read_again(self) -> None:
        """Nodes come into the configuration and leave it; one that leaves it may still be found."""
        roster = self.roster(node("b"), node("c"))
        roster.configure([node("b"), node("c")], [])
        self.assertEqual(self.told, [])
        roster.configure([node("b"), node("c", weight=2), node("d")], [])
        roster.configure([node("b")], [])
        self.assertEqual(self.told, [["b", "c", "d"], ["b"]])
        roster.take([node("c")])
        roster.configure([node("b"), node("c")], [])
        roster.configure([node("b")], [])
        self.assertEqual(self.told[2:], [["b", "c"]] * 3)
