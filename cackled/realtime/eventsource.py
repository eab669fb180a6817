"""EventSource: the server's side of ``text/event-stream`` (WHATWG HTML section 9.2).

The stream ends with the connection (no chunks), lines end with LF. ``id:`` holds all positions of the connection, so
``Last-Event-ID`` resumes all of them.
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

# A client says nothing after its request; what it sends all the same is dropped up to here.
INPUT_BYTES = 16 * 1024
RETRY = (1.0, 5.0)

_BEAT = b":\n\n"


def head(origin: str | None) -> bytes:
    """The answer's head. *origin*, where given, may read it (the caller has checked that)."""
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
        """Send the head and a greeting, and subscribe (authorised before)."""
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
        """An id with all positions."""
        return len(self._id()) + 24

    def deliver(self, subscription: Subscription, message: Message) -> None:
        """One block; with an id where the message has a number."""
        if not message.seq:
            self.send(message.block)
        elif len(self.subscriptions) == 1:
            self.send(message.single(subscription.channel.sub))
        else:
            parts: list[bytes] = []
            for part in message.parts:
                # A stream that breaks off in the middle resumes from the middle.
                subscription.seq = part.seq
                parts += (self._id(), part.block)
            self.send(b"".join(parts))

    def catch_up(self, subscription: Subscription, missed: Sequence[Message], end: Message, whole: bool) -> None:
        """What was missed, each with the id that fits it, then the end."""
        parts: list[bytes] = []
        now = subscription.seq
        for message in missed:
            # A stream that breaks off in the middle resumes from the middle.
            subscription.seq = message.seq
            parts += (self._id(), message.block)
        subscription.seq = now
        parts += (self._id(), end.block)
        self.send(b"".join(parts))

    def control(self, message: Message) -> None:
        """One block without an id."""
        self.send(message.block)

    def beat(self) -> None:
        """A comment; a client that has taken nothing of what waited at the last beat is dead."""
        if self.state:
            return
        held = _direct.held(self.transport)
        if held and self._waiting and held >= self._waiting:
            self.hub.condemn(self, "dead")
            return
        self.send(_BEAT)
        self._waiting = held

    def dataReceived(self, data: bytes) -> None:
        """Drop what the client sends, within reason."""
        self._input += len(data)
        if self._input > INPUT_BYTES and self.state != DEAD:
            self.hub.condemn(self, "rude")

    def close(self, reason: str) -> None:
        """End the stream; the browser comes back after a random while."""
        self.uncork()
        if self.state == OPEN:
            self.send(self._retry() + b"\n")
        if self.state == OPEN:
            self.state = CLOSING
            self.transport.loseConnection()
            self.hub.linger(self)
