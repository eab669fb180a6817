"""The realtime endpoints of the public HTTP tree: ``ws``, ``sse`` and ``poll``."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from cackled.realtime.access import (
    Admits,
    Authorize,
    Charge,
    Gate,
    LeftOf,
    NameOf,
    Query,
    QueryError,
    Refusal,
    origin_of,
    read_query,
)
from cackled.realtime.eventsource import EventSource
from cackled.realtime.hub import Hub
from cackled.realtime.longpoll import LongPoll
from cackled.realtime.shortcut import Shortcuts
from cackled.realtime.websocket import HandshakeError, WebSocket, handshake
from cackled.transport.http import attach, client_address, takeover
from cackled.transport.problems import problem
from cackled.transport.response import Response

log = Logger()


class RealtimeResource(Resource):
    """The resource ``/rt``.

    *authorize* decides per channel whether an origin with tokens may listen (see `access.Authorize`). *name_of* gives
    the name shown for them, *seconds_left* the time limit, *charge* whether the address may spend the cost, *admits*
    who may listen where a channel is guarded.
    """

    def __init__(
        self, hub: Hub, authorize: Authorize, name_of: NameOf | None = None, seconds_left: LeftOf | None = None,
        charge: Charge | None = None, admits: Admits | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        gate = Gate(hub, authorize, name_of, seconds_left, charge, admits)
        self.putChild(b"ws", WebSocketResource(gate))
        self.putChild(b"sse", EventSourceResource(gate))
        self.putChild(b"poll", LongPollResource(gate))
        shortcuts = Shortcuts(gate)
        # Shortcuts for `HttpFactory`, by path below ours.
        self.shortcuts = {b"/ws": shortcuts.websocket, b"/sse": shortcuts.eventsource}


class _Endpoint(Resource):
    """Parses the query, checks permission, and starts the connection; errors are answered as problem documents."""

    isLeaf = True
    takes_rest = True
    # A WebSocket may begin without a subscription; the other transports can't add one later.
    least = 1

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.gate = gate

    def render_GET(self, request: Any) -> int:
        """Start the connection, or refuse."""
        try:
            if request.postpath:
                refuse(request, problem(404))
                return NOT_DONE_YET
            if self.gate.hub.draining:
                refuse(request, problem(503, "draining", headers=[(b"Retry-After", b"1")]))
                return NOT_DONE_YET
            last = request.requestHeaders.getRawHeaders(b"last-event-id") or [None]
            query = read_query(request.args, self.gate.hub.config.max_subscriptions, last_event_id=last[0])
            origin = origin_of(request)
            if len(query.positions) < self.least:
                raise QueryError("sub", "At least one subscription.")
            prepared = self.prepare(request)
        except QueryError as error:
            refuse(request, problem(400, "bad-query", detail=error.detail, field=error.field))
            return NOT_DONE_YET
        except HandshakeError as error:
            refuse(request, problem(error.status, "handshake", detail=error.detail, headers=error.headers))
            return NOT_DONE_YET
        answer = self.gate.ask_all(query.positions, origin, query.tokens)
        if isinstance(answer, Deferred):
            Deferred.fromCoroutine(self._when_decided(answer, request, query, origin, prepared))
        else:
            self._decided(answer, request, query, origin, prepared)
        return NOT_DONE_YET

    def render_HEAD(self, request: Any) -> int:
        """Refuse: the headers of a stream can't be sent without streaming it."""
        refuse(request, problem(405, headers=[(b"Allow", b"GET")]))
        return NOT_DONE_YET

    async def _when_decided(
        self, answer: Deferred[Refusal | None], request: Any, query: Query, origin: str | None, prepared: bytes
    ) -> None:
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)
        try:
            refusal = await answer
            if not gone:
                self._decided(refusal, request, query, origin, prepared)
        except Exception:
            log.failure("a realtime request could not be authorised")
            if not gone:
                refuse(request, problem(503, "realtime-unavailable", headers=[(b"Retry-After", b"2")]))

    def _decided(
        self, refusal: Refusal | None, request: Any, query: Query, origin: str | None, prepared: bytes
    ) -> None:
        if refusal is None:
            # Permission is checked first, so that a refused request is not charged.
            refusal = self.gate.charge(client_address(request), query.positions)
        if refusal is not None:
            answer = problem(refusal.status, refusal.type, detail=refusal.detail)
            if refusal.wait is not None:
                answer.headers.append((b"Retry-After", b"%d" % max(1, round(refusal.wait + 0.5))))
            refuse(request, answer)
        else:
            self.begin(request, query, origin, prepared)

    def prepare(self, request: Any) -> bytes:
        """Check what is specific to the transport.

        Raises:
            HandshakeError: the request can't become such a connection.
        """
        return b""

    def begin(self, request: Any, query: Query, origin: str | None, prepared: bytes) -> None:
        """Start the connection; everything was checked."""
        raise NotImplementedError


class WebSocketResource(_Endpoint):
    """``/rt/ws``."""

    least = 0

    def prepare(self, request: Any) -> bytes:
        """Check the handshake; returns the 101 answer."""
        return handshake(request)

    def begin(self, request: Any, query: Query, origin: str | None, prepared: bytes) -> None:
        """Send the 101 answer, and continue as a WebSocket."""
        hub = self.gate.hub
        connection: Any = WebSocket(
            self.gate, hub.intern(origin) if origin else None, query.tokens, address=client_address(request)
        )
        transport, rest = takeover(request)
        attach(transport, connection)
        connection.begin(prepared, query.positions)
        if rest:
            connection.dataReceived(rest)


class EventSourceResource(_Endpoint):
    """``/rt/sse``."""

    def begin(self, request: Any, query: Query, origin: str | None, prepared: bytes) -> None:
        """Send the head, and continue as a stream."""
        connection: Any = EventSource(self.gate)
        transport, rest = takeover(request)
        attach(transport, connection)
        connection.begin(query.positions, origin, query.tokens)
        if rest:
            connection.dataReceived(rest)


class LongPollResource(_Endpoint):
    """``/rt/poll``."""

    def begin(self, request: Any, query: Query, origin: str | None, prepared: bytes) -> None:
        """Wait for messages; if the client leaves, the poll ends."""
        allow(request, origin)
        # The waiting time of a poll must not count as a slow request.
        request.timed = False
        poll = LongPoll(self.gate, request.respond)
        request.notifyFinish().addErrback(lambda _: poll.abort())
        poll.begin(query.positions, query.wait, query.tokens)


def allow(request: Any, origin: str | None) -> None:
    """Add the CORS headers that let pages of *origin*, which was checked, read the answer."""
    request.responseHeaders.setRawHeaders(b"Vary", [b"Origin"])
    if origin is not None:
        request.responseHeaders.setRawHeaders(b"Access-Control-Allow-Origin", [origin.encode("ascii")])


def refuse(request: Any, response: Response) -> None:
    """Answer with an error, which pages of any origin may read."""
    response.headers.append((b"Access-Control-Allow-Origin", b"*"))
    request.respond(response)
