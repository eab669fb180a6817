"""Who may send a body above the usual cap, decided from the head alone, before a byte of it is read.

A stranger must not fill our disk with bodies that are refused once they are whole: a visitor's token is verified here;
that of staff, which takes the database, is at least there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from cackled.api.calls import Call, refusal, unavailable
from cackled.api.context import ApiContext
from cackled.api.dispatch import Dispatcher
from cackled.api.route import Caller, Route
from cackled.api.router import Table
from cackled.domain.errors import Refused, Unauthorized
from cackled.domain.site import Site
from cackled.transport.http import Head, arguments
from cackled.transport.response import Response
from cackled.transport.streamed_body import BodyControl, BodySink

PREFIX = b"/api/v1/"
# The page may know why; nothing of the site is in it.
_READABLE = (b"access-control-allow-origin", b"*")


class Receiving(Struct, frozen=True):
    """A request whose body is kept while it arrives.

    ``admitted`` gives its call, once its rights are checked and its limit is drawn from, and refuses it otherwise; of a
    visitor's session that is known from the head.
    """

    context: ApiContext
    site: Site
    admitted: Callable[[], Awaitable[Call]]
    parameters: dict[str, str]
    head: Head
    control: BodyControl

    def refuse(self, error: Exception) -> None:
        """End the request with *error*'s answer (one that is no `Refused`: not available) before its body has come."""
        answer = refusal(error) if isinstance(error, Refused) else unavailable()
        answer.headers.append(_READABLE)
        self.control.refuse_body(answer, "body")


class LargeBodies:
    """The routes that take more than *usual* bytes."""

    def __init__(self, context: ApiContext, routes: Iterable[Route], usual: int) -> None:
        large = [route for route in routes if route.most > usual]
        self._context = context
        self._dispatcher = Dispatcher(context)
        self._usual = usual
        self._table = Table(large)
        # What ends their addresses, or stands before an id at the end, so that others cost one look.
        self._ends = frozenset(
            route.segments[-2 if route.segments[-1].startswith("{") else -1].encode("ascii") for route in large
        )

    def _find(self, method: bytes, target: bytes) -> tuple[Route, dict[str, str]] | None:
        path = target.partition(b"?")[0]
        if not path.startswith(PREFIX) or self._ends.isdisjoint(path.rsplit(b"/", 2)[1:]):
            return None
        found = self._table.find(method, [unquote_to_bytes(one) for one in path[len(PREFIX) :].split(b"/")])
        return None if found is None or found.route is None else (found.route, found.parameters)

    def limit(self, method: bytes, target: bytes) -> int:
        """How many bytes a body may have."""
        found = self._find(method, target)
        return self._usual if found is None else found[0].most

    def guard(self, head: Head) -> Response | None:
        """The refusal of a large body whose sender shows no right to send it."""
        if head.length == 0:
            return None
        found = self._find(head.method, head.target)
        usual = head.length is not None and head.length <= self._usual
        if found is None or (usual and found[0].receive is None):
            return None
        try:
            self._check(head, *found)
        except Refused as error:
            answer = refusal(error)
            answer.headers.append(_READABLE)
            return answer
        return None

    def sink(self, head: Head, control: BodyControl) -> BodySink | None:
        """What a body is written to while it arrives; None: it is collected. Its head has passed `guard`."""
        found = self._find(head.method, head.target)
        receive = None if found is None else found[0].receive
        if found is None or receive is None:
            return None
        route, parameters = found
        try:
            site = self._context.sites.get(int(parameters["site"]))
            if route.caller is Caller.SESSION:
                self._context.sessions.check(site, _shown(head))
        except Refused:
            return None
        # What is known of a request once its body is whole is known from its head.
        request = control.requests[-1]
        request.method, request.args = head.method, arguments(head.target.partition(b"?")[2])
        admitted = partial(self._dispatcher.admitted, request, route, parameters)
        return receive(Receiving(self._context, site, admitted, parameters, head, control))

    def _check(self, head: Head, route: Route, parameters: dict[str, str]) -> None:
        shown = _shown(head)
        if route.caller is Caller.SESSION:
            if not shown:
                raise Unauthorized("Open a session first.", slug="no-token")
            site = self._context.sites.get(int(parameters["site"]))
            self._context.sessions.check(site, shown)
            if route.admit is not None:
                route.admit(site, head.length)
        elif not shown and b"cookie" not in head.named:
            raise Unauthorized("Sign in first.", slug="signed-out")


def _shown(head: Head) -> str:
    scheme, _, token = head.named.get(b"authorization", b"").decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
