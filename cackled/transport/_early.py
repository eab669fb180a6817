"""A connection of a listener before it needs a `HttpConnection`: what can be answered at once is, without one.

A browser that polls a cached page, a client that asks once and goes, and one that becomes a WebSocket with its first
words never need more than this: a few slots instead of twisted.web's HTTPChannel. Whatever else comes is the
channel's, which is made then, with everything as if it had been there from the beginning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from cackled.transport import _head, _private
from cackled.transport._connection import CLOSING, GONE, IDLE, HttpConnection
from cackled.transport._head import Head, Refused
from cackled.transport._socket import Transport
from cackled.transport._watched import CRAWL_SECONDS

if TYPE_CHECKING:
    from cackled.transport.http import HttpFactory


@implementer(IProtocol)
class EarlyConnection:
    """A connection of `HttpFactory` on a transport of our own, between requests that are answered at once."""

    __slots__ = ("_looked_for", "deadline", "factory", "idle_timeout", "lane", "own", "state")
    # Counted by its listener.
    network = None

    def __init__(self, factory: HttpFactory, lane: int) -> None:
        self.factory = factory
        self.lane = lane
        self.idle_timeout = factory.settings.idle_timeout
        self.state = IDLE
        self.own: Any = None
        self.deadline = 0.0
        # The idle time in which the kernel's buffer was looked at.
        self._looked_for = 0.0

    @property
    def transport(self) -> Any:
        """The transport, under the name that protocols give it."""
        return self.own

    # IProtocol

    def makeConnection(self, transport: Any) -> None:
        """Wait for a first byte."""
        self.own = transport
        self.deadline = self.factory.clock.seconds() + self.idle_timeout
        self.factory.opened(self)

    def connectionMade(self) -> None:
        """Nothing to be done."""

    def dataReceived(self, data: bytes) -> None:
        """Answer at once, or let a channel do it."""
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
        """Be forgotten."""
        self.state = GONE
        self.factory.closed(self)

    # What the fast path calls, as on a channel.

    def write(self, data: bytes) -> None:
        """Bytes of an answer; what the kernel does not take is watched."""
        kept = self.own.push(data)
        if kept > 0:
            self.watch(kept)

    def watch(self, size: int) -> None:
        """So many bytes wait for the client: that is for a channel to mind."""
        self.become().watch(size)

    def close(self) -> None:
        """Close when everything is written."""
        now = self.own.protocol
        if now is not self:
            now.close()
            return
        self.state = CLOSING
        self.deadline = self.factory.clock.seconds() + HttpConnection.abortTimeout
        self.own.loseConnection()

    # What the factory calls.

    def check(self, now: float) -> None:
        """Enforce the deadlines, about once a second."""
        if self.state == CLOSING:
            if now >= self.deadline:
                self.abort("close")
        elif now >= self.deadline:
            self.factory.cut("idle")
            self.close()
        elif now - (self.deadline - self.idle_timeout) >= CRAWL_SECONDS and self._looked_for != self.deadline:
            self._looked_for = self.deadline
            if _private.unacknowledged(self.own.socket):
                # Perhaps it crawls: a channel looks twice.
                self.become().check(now)

    def abort(self, why: str) -> None:
        """Drop the connection at once; *why* is counted."""
        if self.state != GONE:
            self.factory.cut(why)
            self.own.abortConnection()

    # Ways out

    def become(self) -> HttpConnection:
        """Let a channel go on in our place, and give it."""
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
        """Let go of the connection, as `cackled.transport.http.takeover` does; gives its transport."""
        self.state = GONE
        self.factory.taken(self)
        return self.own
