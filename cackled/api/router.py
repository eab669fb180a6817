"""The one way from an address to a handler: a tree of path segments, built from `Route` declarations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from cackled.api.route import Route
from cackled.domain.site import Site
from cackled.transport.http import Request
from cackled.transport.problems import problem
from cackled.transport.response import Response

# Segments of the longest path; a longer one is answered 404.
DEEPEST = 16
# Digits that a site's number may be written with; above 2**31 there is none.
SITE_DIGITS = 20

Answer = Callable[[Request, Route, dict[str, str]], Awaitable[None]]
Options = Callable[[Site], list[tuple[bytes, bytes]]]
Preflight = Callable[[Request, dict[str, str], bytes, Options | None], Awaitable[None]]


class _Node:
    """One place in the tree: the segments that may follow, and the routes that end here, by method."""

    __slots__ = ("allowed", "any", "literal", "names", "options", "routes")

    def __init__(self) -> None:
        self.literal: dict[bytes, _Node] = {}
        self.any: _Node | None = None
        self.routes: dict[bytes, Route] = {}
        # The parameters' names on the way here, and the ``Allow`` of this address.
        self.names: tuple[str, ...] = ()
        self.allowed = b""
        self.options: Options | None = None


class Found:
    """What an address is: its route (None: not with that method), parameters, and the methods there are.

    ``options``: more headers of what OPTIONS is answered.
    """

    __slots__ = ("allowed", "options", "parameters", "route")

    def __init__(
        self, route: Route | None, parameters: dict[str, str], allowed: bytes, options: Options | None = None
    ) -> None:
        self.route = route
        self.parameters = parameters
        self.allowed = allowed
        self.options = options


class Table:
    """All routes.

    Raises:
        ValueError: two routes have the same method and path, the same name, or name one segment differently.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._root = _Node()
        names: set[str] = set()
        for route in self.routes:
            if route.name in names:
                raise ValueError(f"there are two routes named {route.name}")
            names.add(route.name)
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.segments:
            if segment.startswith("{"):
                if node.any is None:
                    node.any = _Node()
                node = node.any
            else:
                node = node.literal.setdefault(segment.encode("ascii"), _Node())
        if node.routes and node.names != route.parameters:
            raise ValueError(f"{route.name}: {route.path} is named differently elsewhere")
        method = route.method.encode("ascii")
        if method in node.routes:
            raise ValueError(f"{route.method} {route.path} is declared twice")
        node.names = route.parameters
        node.routes[method] = route
        node.options = route.options or node.options
        methods = {*node.routes, b"OPTIONS"}
        if b"GET" in methods:
            methods.add(b"HEAD")
        node.allowed = b", ".join(sorted(methods))

    def find(self, method: bytes, path: list[bytes]) -> Found | None:
        """The route of *path* (segments after ``/api/v1``, decoded); None where there is no such address."""
        if len(path) > DEEPEST:
            return None
        node: _Node | None = self._root
        values: list[bytes] = []
        for segment in path:
            assert node is not None
            literal = node.literal.get(segment)
            if literal is not None:
                node = literal
                continue
            node = node.any
            if node is None or not segment:
                return None
            values.append(segment)
        assert node is not None
        if not node.routes:
            return None
        try:
            parameters = {name: value.decode("utf-8") for name, value in zip(node.names, values, strict=True)}
        except UnicodeDecodeError:
            return None
        site = parameters.get("site", "0")
        if not (site.isascii() and site.isdigit() and len(site) <= SITE_DIGITS):
            return None
        return Found(node.routes.get(b"GET" if method == b"HEAD" else method), parameters, node.allowed, node.options)


class Router(Resource):
    """The resource of ``/api/v1``: finds the route of a request and has it answered.

    *answer* runs a route and responds to its request, whatever happens; *preflight* answers OPTIONS; *static* are whole
    answers by path (the OpenAPI text).
    """

    isLeaf = True
    takes_rest = True

    def __init__(
        self, table: Table, answer: Answer, preflight: Preflight, static: Mapping[bytes, Callable[[], Response]]
    ) -> None:
        super().__init__()
        # Gives the description of all this (OpenAPI).
        self.document: Callable[[], Mapping[str, Any]] = dict
        self._table = table
        self._answer = answer
        self._preflight = preflight
        self._static = static

    def render(self, request: Any) -> Any:
        """The answer of the route, a preflight, or 404 or 405."""
        path = request.postpath
        found = self._table.find(request.method, path)
        if found is None:
            make = self._static.get(b"/".join(path))
            if make is None:
                return problem(404)
            if request.method not in (b"GET", b"HEAD"):
                return problem(405, headers=[(b"Allow", b"GET, HEAD")])
            return make()
        answer: Awaitable[None]
        if found.route is not None:
            answer = self._answer(request, found.route, found.parameters)
        elif request.method == b"OPTIONS":
            answer = self._preflight(request, found.parameters, found.allowed, found.options)
        else:
            return problem(405, headers=[(b"Allow", found.allowed)])
        # Not cancelled when the client goes away: that must not cut a write in half, nor cancel a query.
        work: Deferred[None] = Deferred.fromCoroutine(answer)  # type: ignore[arg-type]
        work.addErrback(request.failed)
        return NOT_DONE_YET
