"""EventSource: the server side of ``text/event-stream`` (WHATWG HTML section 9.2).

The stream ends when the connection closes (no chunked coding); lines end with LF. Each ``id:`` holds all positions of
the connection, so ``Last-Event-ID`` resumes all of its subscriptions.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.web.http import datetimeToString

from cackled.events import Position
from cackled.realtime import _direct
from cackled.realtime.access import Gate, Tokens
from cackled.realtime.channel import SINGLE, Subscription
from cackled.realtime.connection import CLOSING, DEAD, OPEN, Connection
from cackled.realtime.messages import Message

# A client sends nothing after its request. Up to this many bytes are dropped anyway; more end the connection.
INPUT_BYTES = 16 * 1024
RETRY = (1.0, 5.0)

_BEAT = b":\n\n"


def head(origin: str | None) -> bytes:
    """The head of the answer. *origin*, which the caller has checked, may read it by CORS."""
    lines = [
        b"HTTP/1.1 200 OK",
        b"Server: cackled",
        b"Date: " + datetimeToString(),
        b"Content-Type: text/event-stream; charset=utf-8",
        b"Cache-Control: no-store",
        b"X-Accel-Buffering: no",
        b"Vary: Origin",
        b"Connection: close",
    ]
    if origin is not None:
        lines.append(b"Access-Control-Allow-Origin: " + origin.encode("ascii"))
    return b"\r\n".join(lines) + b"\r\n\r\n"


class EventSource(Connection):
    """A subscriber on EventSource."""

    __slots__ = ("_gate", "_input", "_waiting")
    kind = "sse"
    form = SINGLE

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate.hub)
        self._gate = gate
        self._input = 0
        self._waiting = 0

    def begin(self, positions: Sequence[Position], origin: str | None, tokens: Tokens = ()) -> None:
        """Send the head and the first message, and subscribe. The caller has checked permission."""
        self.cork()
        self.send(head(origin) + self._retry() + self._gate.hello.block)
        for position in positions:
            self._gate.subscribe(self, position, tokens)
        self.uncork()

    def _retry(self) -> bytes:
        return b"retry: %d\n" % (self.hub.random.uniform(*RETRY) * 1000)

    def _id(self) -> bytes:
        return b"id: " + " ".join(map(str, self.subscriptions)).encode() + b"\n"

    def overhead(self) -> int:
        """The size of an ``id:`` line with all positions."""
        return len(self._id()) + 24

    def deliver(self, subscription: Subscription, message: Message) -> None:
        """Send one block, with an ``id:`` if the message has a number."""
        if not message.seq:
            self.send(message.block)
        elif len(self.subscriptions) == 1:
            self.send(message.single(subscription.channel.sub))
        else:
            parts: list[bytes] = []
            for part in message.parts:
                # If the stream breaks in the middle of a run, the client resumes from there.
                subscription.seq = part.seq
                parts += (self._id(), part.block)
            self.send(b"".join(parts))

    def catch_up(self, subscription: Subscription, missed: Sequence[Message], end: Message, whole: bool) -> None:
        """Send what was missed, each message with its own ``id:``, then *end*."""
        parts: list[bytes] = []
        now = subscription.seq
        for message in missed:
            # If the stream breaks in the middle, the client resumes from there.
            subscription.seq = message.seq
            parts += (self._id(), message.block)
        subscription.seq = now
        parts += (self._id(), end.block)
        self.send(b"".join(parts))

    def control(self, message: Message) -> None:
        """Send one block without an ``id:``."""
        self.send(message.block)

    def beat(self) -> None:
        """Send a comment line. A client that took none of the bytes waiting since the last beat is considered dead."""
        if self.state:
            return
        held = _direct.held(self.transport)
        if held and self._waiting and held >= self._waiting:
            self.hub.condemn(self, "dead")
            return
        self.send(_BEAT)
        self._waiting = held

    def dataReceived(self, data: bytes) -> None:
        """Drop what the client sends; end the connection if that is too much."""
        self._input += len(data)
        if self._input > INPUT_BYTES and self.state != DEAD:
            self.hub.condemn(self, "rude")

    def close(self, reason: str) -> None:
        """End the stream; the browser reconnects after a random time."""
        self.uncork()
        if self.state == OPEN:
            self.send(self._retry() + b"\n")
        if self.state == OPEN:
            self.state = CLOSING
            self.transport.loseConnection()
            self.hub.linger(self)
