"""The check of answers and events against what is declared finds each kind of difference."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType
from twisted.trial.unittest import SynchronousTestCase

from tests.support.shapes import Described, differences


class Leaf(Struct):
    name: str
    green: bool | UnsetType = UNSET


class Tree(Struct):
    leaves: list[Leaf]
    by_day: dict[str, int]
    above: Leaf | None = None


class ShapeTests(SynchronousTestCase):
    def test_differences(self) -> None:
        """Members too many and missing, at any depth, and values that are no such thing."""
        right = {"leaves": [{"name": "a", "green": True}, {"name": "b"}], "by_day": {"1": 2}, "above": None}
        self.assertEqual(differences(Tree, right), [])
        self.assertEqual(differences(Tree, {**right, "more": 1}), ["$.more is not described"])
        self.assertEqual(differences(Tree, {"leaves": [], "by_day": {}}), ["$.above is missing"])
        self.assertEqual(differences(Tree, {**right, "leaves": [{"name": "a", "x": 1}]}),
                         ["$.leaves[0].x is not described"])  # fmt: skip
        self.assertEqual(differences(Tree, {**right, "above": {"name": "a", "y": 1}}), ["$.above.y is not described"])
        self.assertIn("Expected `int`", differences(Tree, {**right, "by_day": {"1": "2"}})[0])

    def test_described(self) -> None:
        """By route, widget and type of event."""
        known = Described()
        vote = "/api/v1/sites/1/comments/5/vote"
        self.assertIn("missing required field `id`", known.answer("PUT", vote, 200, {})[0])
        self.assertEqual(known.answer("GET", "/api/v1/none", 200, {}), ["there is no GET /api/v1/none"])
        self.assertIn("answers 204, not 200", known.answer("PUT", "/api/v1/sites/1/blocks/5", 200, None)[0])
        self.assertEqual(known.event("comment.sung", {}), ["no product declares comment.sung"])
        self.assertEqual(known.event("channel.updated", {"locked": True}), [])
        self.assertEqual(known.event("channel.updated", {"locked": True, "x": 1}),
                         ["channel.updated: $.x is not described"])  # fmt: skip
