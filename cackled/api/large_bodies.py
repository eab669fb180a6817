"""Who may send a body above the usual cap, decided from the head alone, before a byte of it is read.

A stranger must not fill our disk with bodies that are refused once they are whole: a visitor's token is verified here;
that of staff, which takes the database, is at least there.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from cackled.api.calls import refusal
from cackled.api.context import ApiContext
from cackled.api.route import Caller, Route
from cackled.api.router import Table
from cackled.domain.errors import Refused, Unauthorized
from cackled.transport.http import Head
from cackled.transport.response import Response

PREFIX = b"/api/v1/"


class LargeBodies:
    """The routes that take more than *usual* bytes."""

    def __init__(self, context: ApiContext, routes: Iterable[Route], usual: int) -> None:
        large = [route for route in routes if route.most > usual]
        self._context = context
        self._usual = usual
        self._table = Table(large)
        # What ends their addresses, so that others cost one look.
        self._ends = frozenset(route.segments[-1].encode("ascii") for route in large)
        self._any = any(end.startswith(b"{") for end in self._ends)

    def _find(self, method: bytes, target: bytes) -> tuple[Route, dict[str, str]] | None:
        path = target.partition(b"?")[0]
        if not path.startswith(PREFIX) or not (self._any or path.rpartition(b"/")[2] in self._ends):
            return None
        found = self._table.find(method, [unquote_to_bytes(one) for one in path[len(PREFIX) :].split(b"/")])
        return None if found is None or found.route is None else (found.route, found.parameters)

    def limit(self, method: bytes, target: bytes) -> int:
        """How many bytes a body may have."""
        found = self._find(method, target)
        return self._usual if found is None else found[0].most

    def guard(self, head: Head) -> Response | None:
        """The refusal of a large body whose sender shows no right to send it."""
        if head.length is not None and head.length <= self._usual:
            return None
        found = self._find(head.method, head.target)
        if found is None:
            return None
        try:
            self._check(head, *found)
        except Refused as error:
            answer = refusal(error)
            # The page may know why; nothing of the site is in it.
            answer.headers.append((b"access-control-allow-origin", b"*"))
            return answer
        return None

    def _check(self, head: Head, route: Route, parameters: dict[str, str]) -> None:
        scheme, _, token = head.named.get(b"authorization", b"").decode("latin-1").partition(" ")
        shown = token.strip() if scheme.lower() == "bearer" else ""
        if route.caller is Caller.SESSION:
            if not shown:
                raise Unauthorized("Open a session first.", slug="no-token")
            site = self._context.sites.get(int(parameters["site"]))
            self._context.sessions.check(site, shown)
            if route.admit is not None:
                route.admit(site, head.length)
        elif not shown and b"cookie" not in head.named:
            raise Unauthorized("Sign in first.", slug="signed-out")
