"""Who can be sent where."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.view import Server, View, servers_of_nodes
from cackled.config import Node


class ViewTests(SynchronousTestCase):
    def test_weights(self) -> None:
        """A node's weight, by what is free of it where that is known; a full one is not quite left out."""
        nodes = [Node(name="a", url="http://a", weight=2), Node(name="b", url="http://b")]
        self.assertEqual([server.weight for server in servers_of_nodes(nodes, None)], [2, 1])
        free = {"a": 0.5, "b": 0.0}
        self.assertEqual([server.weight for server in servers_of_nodes(nodes, free.__getitem__)], [10, 1])

    def test_elsewhere(self) -> None:
        """Never to the own node, never to one without a URL; nowhere where there is none."""
        view = View((Server("a", "http://a", 1), Server("b", "http://b", 1), Server("c", "", 9)))
        self.assertEqual({view.elsewhere("a", Random(n)) for n in range(20)}, {"http://b"})
        self.assertEqual({view.elsewhere("c", Random(n)) for n in range(20)}, {"http://a", "http://b"})
        self.assertIsNone(View(view.servers[:1]).elsewhere("a", Random(1)))
