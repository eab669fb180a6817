"""How a connection of `HttpFactory` ends: refused, closed when all is sent, dropped at once, or at a deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.web.http import HTTPChannel

from cackled.transport._client_watchdog import Watched
from cackled.transport._head import Refused, refusal
from cackled.transport._request import render_head

if TYPE_CHECKING:
    from cackled.transport.http import HttpFactory

# States. IDLE: no byte of the next request yet.
IDLE, HEAD, BODY, BUSY, CLOSING, GONE = range(6)
# After a refusal further input is read and dropped, for this many seconds and up to this many bytes.
LINGER_SECONDS = 2.0
LINGER_BYTES = 1 << 20
# The same if the client is in the middle of a body: it would take a reset for a broken network.
LINGER_BODY_SECONDS = 10.0


class Ending(Watched, HTTPChannel):
    """The part of an `HttpConnection` that ends it."""

    transport: Any
    _networkProducer: Any
    factory: HttpFactory
    # Our own kind of transport, with `push` and `held`; None for any other.
    own: Any
    tcp: Any
    state: int
    deadline: float
    _buffer: bytes
    _body_seen: int

    def refuse(self, error: Refused) -> None:
        """Answer with an error, read no further request, and close."""
        if self.state in (CLOSING, GONE):
            return
        self.factory.refused(error.why, error.response.status)
        linger = LINGER_BODY_SECONDS if self.state == BODY else LINGER_SECONDS
        response = error.response
        for request in self.requests:
            if request.content is not None:
                request.content.close()
        self.requests.clear()
        self._transferDecoder = None
        self._handlingRequest = False
        head = render_head(response.status, response.headers, len(response.body), close=True)
        self.write(head if error.head_only else head + response.body)
        self.close(linger)

    def close(self, linger: float = 0.0) -> None:
        """Close when all is written.

        With *linger*, wait so many seconds for the client to read the answer before a reset.
        """
        self.state = CLOSING
        self._buffer = b""
        self._body_seen = 0
        self.deadline = self.factory.clock.seconds() + (linger or self.abortTimeout)
        self._networkProducer.resumeProducing()
        if linger and (self.own is not None or (self.tcp is not None and self.tcp is self.transport)):
            self._networkProducer.unregisterProducer()
            self.transport.loseWriteConnection()
        else:
            self.loseConnection()

    def abort(self, why: str) -> None:
        """Drop the connection at once; *why* is counted."""
        if self.state == GONE:
            return
        self.factory.cut(why)
        if self.state != BUSY:
            self.state = CLOSING
        self.transport.abortConnection()

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(refusal(400, "request"))

    def check(self, now: float) -> None:
        """Called about once a second: enforce the deadlines."""
        if self.watching and self._stalled(now):
            self.abort("stall")
            return
        state = self.state
        if state == IDLE and self.own is not None and self._crawls(now):
            self.abort("stall")
            return
        if state == BUSY or now < self.deadline:
            return
        if state == IDLE:
            if self.watching:
                return
            self.factory.cut("idle")
            self.close()
        elif state == CLOSING:
            if not self.watching or (self.tcp is None and self.own is None):
                self.abort("close")
        elif state in (HEAD, BODY):
            self.refuse(refusal(408, "head" if state == HEAD else "body", "The request took too long."))
