"""From an address to a route, and from a query to a Struct."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct
from twisted.trial.unittest import SynchronousTestCase

from cackled.api.query import QueryReader
from cackled.api.route import Reach, Route
from cackled.api.router import Table
from cackled.domain.errors import BadField


async def nothing(call: Any) -> None:
    """A handler."""


def route(method: str, path: str, name: str = "", **more: Any) -> Route:
    """A route that does nothing."""
    return Route(
        method=method, path=path, name=name or method + path, summary="x", handler=nothing, limit="reads", **more
    )


class TableTests(SynchronousTestCase):
    """`Table`."""

    def setUp(self) -> None:
        self.table = Table((
            route("GET", "/sites/{site}/things", "list"),
            route("POST", "/sites/{site}/things", "make"),
            route("GET", "/sites/{site}/things/{thing}", "one"),
            route("GET", "/sites/{site}/things/summary", "summary"),
            route("PUT", "/sites/{site}/things/{thing}/marks/{mark:text}", "mark"),
        ))  # fmt: skip

    def find(self, method: str, path: str) -> tuple[str | None, dict[str, str]] | None:
        """The name of what is found."""
        found = self.table.find(method.encode(), [one.encode("latin-1") for one in path.split("/")])
        if found is None:
            return None
        return None if found.route is None else found.route.name, found.parameters

    def test_found(self) -> None:
        """By method and path; a literal segment goes before one that may be anything; HEAD is GET."""
        self.assertEqual(self.find("GET", "sites/7/things"), ("list", {"site": "7"}))
        self.assertEqual(self.find("HEAD", "sites/7/things"), ("list", {"site": "7"}))
        self.assertEqual(self.find("POST", "sites/7/things"), ("make", {"site": "7"}))
        self.assertEqual(self.find("GET", "sites/7/things/5"), ("one", {"site": "7", "thing": "5"}))
        self.assertEqual(self.find("GET", "sites/7/things/summary"), ("summary", {"site": "7"}))
        self.assertEqual(self.find("PUT", "sites/7/things/5/marks/x y")[1]["mark"], "x y")  # type: ignore[index]

    def test_not_found(self) -> None:
        """Other paths are nothing; another method is None with what there is."""
        for path in ("", "sites", "sites/7", "sites/7/things/", "sites//things", "sites/x/things", "sites/-7/things",
                     "sites/\xb2/things", "sites/7/things/5/marks", "sites/7/things/\xff", "x/" * 100,
                     "sites/" + "9" * 21 + "/things"):  # fmt: skip
            self.assertIsNone(self.find("GET", path), path)
        self.assertEqual(self.find("DELETE", "sites/7/things"), (None, {"site": "7"}))
        found = self.table.find(b"DELETE", [b"sites", b"7", b"things"])
        assert found is not None
        self.assertEqual(found.allowed, b"GET, HEAD, OPTIONS, POST")

    def test_contradictions(self) -> None:
        """Routes that are in each other's way are found when the table is made."""
        for routes in (
            (route("GET", "/a", "one"), route("GET", "/a", "two")),
            (route("GET", "/a", "one"), route("POST", "/a", "one")),
            (route("GET", "/a/{x}", "one"), route("POST", "/a/{y}", "two")),
        ):
            self.assertRaises(ValueError, Table, routes)
        for method, path, more in (
            ("FETCH", "/a", {}), ("GET", "a", {}), ("GET", "/a/", {}), ("GET", "/a", {"reach": Reach.CHANNEL}),
            ("GET", "/a", {"channel": lambda call: "k"}), ("DELETE", "/a", {"body": Struct}),
        ):  # fmt: skip
            self.assertRaises(ValueError, route, method, path, **more)


class Asked(Struct, frozen=True):
    """A query."""

    key: str = ""
    size: Annotated[int, Meta(ge=1, le=100)] = 25
    sort: Literal["new", "old"] = "new"
    parent: str | None = None
    many: Annotated[list[str], Meta(max_length=2)] = []
    seqs: list[Annotated[int, Meta(ge=0)]] = []


class Needed(Struct, frozen=True):
    """A query with an argument that has to be there."""

    key: str


class QueryTests(SynchronousTestCase):
    """`QueryReader`."""

    reader = QueryReader(Asked)

    def test_read(self) -> None:
        """Texts, numbers, choices, lists; the last of several counts; what is empty is left out."""
        asked = self.reader.read({
            b"key": [b"a", "\u043f".encode()], b"size": [b"7"], b"sort": [b""], b"parent": [b"5"],
            b"many": [b"", b"b"], b"seqs": [b"0", b"12"], b"other": [b"\xff"],
        })  # fmt: skip
        self.assertEqual(asked, Asked("\u043f", 7, "new", "5", ["", "b"], [0, 12]))
        self.assertEqual(self.reader.read({}), Asked())

    def test_refused(self) -> None:
        """The argument at fault is named."""
        for name, values in (
            ("size", [b"0"]), ("size", [b"101"]), ("size", [b"x"]), ("size", [b"1e1"]), ("size", [b"-1"]),
            ("size", [b" 1"]), ("size", ["\u0663".encode()]), ("size", [b"9" * 30]), ("sort", [b"best"]),
            ("key", [b"\xff"]), ("many", [b"a", b"b", b"c"]), ("seqs", [b"1", b"x"]), ("seqs", [b"-1"]),
        ):  # fmt: skip
            error = self.assertRaises(BadField, self.reader.read, {name.encode(): values})
            self.assertEqual(error.field, name, values)
        self.assertEqual(self.assertRaises(BadField, QueryReader(Needed).read, {}).field, "key")

    @given(st.dictionaries(st.sampled_from([b"key", b"size", b"sort", b"parent", b"many", b"seqs"]),
                           st.lists(st.binary(max_size=20), max_size=4)))  # fmt: skip
    def test_anything(self, args: dict[bytes, list[bytes]]) -> None:
        """Whatever comes, it is a query or a `BadField` that names an argument."""
        try:
            self.assertIsInstance(self.reader.read(args), Asked)
        except BadField as error:
            self.assertIn((error.field or "").encode(), args)
