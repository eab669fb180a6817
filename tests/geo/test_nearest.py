"""Orders of nodes by distance."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from cackled.config import Node
from cackled.geo.nearest import DEPTH, Places, distance_km, locate, vector
from tests.support.geo import NODES


class PlacesTests(SynchronousTestCase):
    def order(self, nodes: tuple[Node, ...], latitude: float, longitude: float) -> tuple[tuple[str, ...], ...]:
        places = Places(nodes)
        return places.order(places.ranking(vector(latitude, longitude)))

    def test_distance(self) -> None:
        """Berlin to Boston is about 6,080 km; the date line is no wall."""
        self.assertLess(abs(distance_km(vector(52.5, 13.4), vector(42.4, -71.1)) - 6080), 40)
        self.assertLess(distance_km(vector(0, 179.9), vector(0, -179.9)), 30)
        self.assertEqual(distance_km(vector(5, 5), vector(5, 5)), 0)

    def test_order(self) -> None:
        """Nearest first, over the shorter way around."""
        self.assertEqual(self.order(NODES, 52.5, 13.4), (("eu",), ("us",), ("sg",)))
        self.assertEqual(self.order(NODES, -33, 151), (("sg",), ("us",), ("eu",)))
        self.assertEqual(self.order(NODES, 64, -150)[0], ("us",))

    def test_same_place(self) -> None:
        """Nodes of one city are one group, in the order of configuration."""
        nodes = (*NODES, Node(name="eu2", latitude=50.1, longitude=8.2))
        self.assertEqual(self.order(nodes, 52.5, 13.4)[0], ("eu", "eu2"))

    def test_without_coordinates(self) -> None:
        """A node that says nothing of its place is the last choice of those whose place is known."""
        nodes = (Node(name="lost"), *NODES)
        self.assertEqual(self.order(nodes, 52.5, 13.4)[-1], ("lost",))
        self.assertEqual(Places(nodes).unknown, (("lost", "eu", "us", "sg"),))

    def test_single(self) -> None:
        """Without coordinates, or with all nodes in one place, there is nothing to choose."""
        self.assertTrue(Places(()).single)
        self.assertTrue(Places((Node(name="a"), Node(name="b"))).single)
        self.assertTrue(Places(NODES[:1]).single)
        self.assertFalse(Places((*NODES[:1], Node(name="b"))).single)
        self.assertFalse(Places(NODES).single)

    def test_many_places(self) -> None:
        """Beyond the first few, the others follow by their distance from the nearest; all are there, once."""
        nodes = tuple(Node(name=f"n{n}", latitude=0, longitude=n * 10) for n in range(12))
        order = self.order(nodes, 0, -1)
        self.assertEqual([group[0] for group in order], [f"n{n}" for n in range(12)])
        self.assertEqual(len(Places(nodes).ranking(vector(0, 0))), DEPTH)


class LocateTests(SynchronousTestCase):
    def test_fallbacks(self) -> None:
        """Coordinates, else the country, else the continent, else nothing; nonsense counts as nothing."""
        self.assertEqual(locate(52.5, 13.4, "US"), vector(52.5, 13.4))
        for latitude, longitude in ((None, None), (0, 0), (91, 0), (1, 181), ("x", 1), (None, 5.0)):
            found = locate(latitude, longitude, "de", "AS")
            assert found is not None
            self.assertLess(distance_km(found, vector(51, 10)), 500)
        found = locate(None, None, "??", "OC")
        assert found is not None
        self.assertLess(distance_km(found, vector(-28, 145)), 1000)
        for country, continent in ((None, None), ("??", "??"), (7, [])):
            self.assertIsNone(locate(None, None, country, continent))
