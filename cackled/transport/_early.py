"""A new connection before it needs an `HttpConnection`. Requests that can be answered at once are answered without one.

A browser that polls a cached page, a client that asks once and leaves, and one that starts a WebSocket with its first
request need only this object: a few slots instead of twisted.web's HTTPChannel. For anything else an `HttpConnection`
is made then and takes over, as if it had been there from the beginning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from cackled.transport import _head, _private
from cackled.transport._client_watchdog import CRAWL_SECONDS
from cackled.transport._connection import HttpConnection
from cackled.transport._ending import CLOSING, GONE, IDLE
from cackled.transport._head import Head, Refused
from cackled.transport._socket import Transport

if TYPE_CHECKING:
    from cackled.transport.http import HttpFactory
    from cackled.transport.streaming import Body


@implementer(IProtocol)
class EarlyConnection:
    """A connection of `HttpFactory` on a transport of our own, between requests that are answered at once."""

    __slots__ = ("_looked_for", "deadline", "factory", "idle_timeout", "lane", "own", "state")
    # Its listener counts it.
    network = None

    def __init__(self, factory: HttpFactory, lane: int) -> None:
        self.factory = factory
        self.lane = lane
        self.idle_timeout = factory.settings.idle_timeout
        self.state = IDLE
        self.own: Any = None
        self.deadline = 0.0
        # The idle period in which the kernel's buffer was last checked.
        self._looked_for = 0.0

    @property
    def transport(self) -> Any:
        """The transport, under the name that protocols give it."""
        return self.own

    # IProtocol

    def makeConnection(self, transport: Any) -> None:
        """Wait for the first byte."""
        self.own = transport
        self.deadline = self.factory.clock.seconds() + self.idle_timeout
        self.factory.opened(self)

    def connectionMade(self) -> None:
        """Nothing to do."""

    def dataReceived(self, data: bytes) -> None:
        """Answer at once, or hand over to an `HttpConnection`."""
        if self.state != IDLE:
            return
        factory = self.factory
        fast = factory.fast
        if self.own.held or data[:4] != b"GET ":
            self.become().dataReceived(data)
            return
        if fast is not None and fast.answer(self, data):
            return
        settings = factory.settings
        if data.find(b"\r\n\r\n") != len(data) - 4 or len(data) > settings.head_bytes:
            self.become().dataReceived(data)
            return
        try:
            head = _head.parse(data, settings.head_fields, factory.hosts)
        except Refused as error:
            self.become().refuse(error)
            return
        if factory.shortcuts and self._short(head):
            return
        if fast is not None and fast.answer_new(self, data, head):
            return
        self.become().ask(head)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Unregister the connection."""
        self.state = GONE
        self.factory.closed(self)

    # Called by the fast path, as on an `HttpConnection`.

    def write(self, data: bytes) -> None:
        """Write bytes of an answer. If the kernel does not take all of them, an `HttpConnection` watches the rest."""
        kept = self.own.push(data)
        if kept > 0:
            self.watch(kept)

    def watch(self, size: int) -> None:
        """*size* bytes wait for the client: hand over to an `HttpConnection`, which watches them."""
        self.become().watch(size)

    def send_rest(self, head: Head, body: Body) -> None:
        """The rest of an answer takes longer: an `HttpConnection` sends it."""
        self.become().send_rest(head, body)

    def close(self) -> None:
        """Close when everything is written."""
        now = self.own.protocol
        if now is not self:
            now.close()
            return
        self.state = CLOSING
        self.deadline = self.factory.clock.seconds() + HttpConnection.abortTimeout
        self.own.loseConnection()

    # Called by the factory.

    def check(self, now: float) -> None:
        """Enforce the deadlines; called about once a second."""
        if self.state == CLOSING:
            if now >= self.deadline:
                self.abort("close")
        elif now >= self.deadline:
            self.factory.cut("idle")
            self.close()
        elif now - (self.deadline - self.idle_timeout) >= CRAWL_SECONDS and self._looked_for != self.deadline:
            self._looked_for = self.deadline
            if _private.unacknowledged(self.own.socket):
                # The client may be slow: an `HttpConnection` checks twice.
                self.become().check(now)

    def abort(self, why: str) -> None:
        """Drop the connection at once; *why* is counted."""
        if self.state != GONE:
            self.factory.cut(why)
            self.own.abortConnection()

    # Handing over

    def become(self) -> HttpConnection:
        """Make an `HttpConnection` take over, and return it."""
        factory, transport = self.factory, self.own
        channel = HttpConnection(factory, None, None, self.lane)
        transport.protocol = channel
        channel.makeConnection(transport)
        channel.deadline = self.deadline
        self.state = GONE
        factory.channels.discard(self)
        return channel

    def _short(self, head: Head) -> bool:
        take = self.factory.shortcuts.get(head.target.partition(b"?")[0])
        return take is not None and take(head, self)

    def leave(self) -> Transport:
        """Detach from the connection, as `cackled.transport.http.takeover` does; returns its transport."""
        self.state = GONE
        self.factory.taken(self)
        return self.own
