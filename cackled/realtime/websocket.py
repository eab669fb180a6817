"""WebSocket: the handshake, and the connection after it (RFC 6455), subprotocol ``cackle.v1``.

No extension is offered: compression per client would mean encoding each message once per client.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha1
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled.events import Position
from cackled.marks import bounded
from cackled.realtime import framing, messages
from cackled.realtime.access import MOST_TOKENS, Gate, Refusal, Tokens
from cackled.realtime.channel import FRAME, Subscription
from cackled.realtime.connection import CLOSING, DEAD, OPEN, Connection
from cackled.realtime.framing import FrameReader, Limits
from cackled.realtime.hub import Hub
from cackled.realtime.messages import Message

SUBPROTOCOL = b"cackle.v1"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# Frames and bytes that a client may send per second; above that the connection is closed with 1008.
FRAMES_PER_SECOND = 100
BYTES_PER_SECOND = 128 * 1024
TYPING_SECONDS = 2
# A client may subscribe to its maximum number of channels at once, and to as many again after this many seconds.
SUBSCRIBE_SECONDS = 10

# Idle readers, for the next client that sends something. Most clients only answer pings: a reader for each of them
# would be most of their memory, and thousands more objects for the garbage collector to walk.
_SPARE: list[FrameReader] = []
SPARE = 8

_PING = framing.frame(framing.PING)
# An empty masked pong; four bytes of mask follow.
_PONG = bytes((0x80 | framing.PONG, 0x80))
_SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
)
_WITH_SUBPROTOCOL = b"\r\nSec-WebSocket-Protocol: " + SUBPROTOCOL + b"\r\n\r\n"

log = Logger()


class HandshakeError(Exception):
    """The request is not an acceptable WebSocket handshake: answer *status* with *headers*."""

    def __init__(self, status: int, detail: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = list(headers)


def handshake(request: Any) -> bytes:
    """Check a twisted.web request and return the complete 101 answer (RFC 6455 section 4.2).

    Raises:
        HandshakeError: with 426 for another protocol or version, 400 for a malformed request.
    """
    upgrade = [(b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13")]
    if b"websocket" not in _tokens(request, b"upgrade") or b"upgrade" not in _tokens(request, b"connection"):
        raise HandshakeError(426, "This is a WebSocket endpoint.", [*upgrade, (b"Connection", b"Upgrade")])
    if request.clientproto != b"HTTP/1.1":
        raise HandshakeError(400, "A WebSocket handshake is HTTP/1.1.")
    versions = _fields(request, b"sec-websocket-version")
    if versions != [b"13"]:
        raise HandshakeError(426, "Sec-WebSocket-Version is 13.", upgrade)
    keys = _fields(request, b"sec-websocket-key")
    try:
        valid = len(keys) == 1 and len(b64decode(keys[0], validate=True)) == 16
    except (binascii.Error, ValueError):
        valid = False
    if not valid:
        raise HandshakeError(400, "Sec-WebSocket-Key is 16 bytes in base64, once.")
    return accepted(keys[0], SUBPROTOCOL in _tokens(request, b"sec-websocket-protocol", lower=False))


def accepted(key: bytes, subprotocol: bool) -> bytes:
    """The complete 101 answer to *key*; *subprotocol* says whether ours was agreed on."""
    accept = b64encode(sha1(key + GUID, usedforsecurity=False).digest())
    return b"%b%b%b" % (_SWITCHING, accept, _WITH_SUBPROTOCOL if subprotocol else b"\r\n\r\n")


def _fields(request: Any, name: bytes) -> list[bytes]:
    return [value.strip() for value in request.requestHeaders.getRawHeaders(name) or ()]


def _tokens(request: Any, name: bytes, *, lower: bool = True) -> list[bytes]:
    joined = b",".join(_fields(request, name))
    return [token.strip() for token in (joined.lower() if lower else joined).split(b",")]


class WebSocketConnection(Connection):
    """A connection with the rules of RFC 6455 and limits. A subclass interprets messages (`said`)."""

    __slots__ = ("_bytes", "_frames", "_limits", "_quiet", "_reader", "_window")
    kind = "ws"
    frames_per_second = FRAMES_PER_SECOND
    bytes_per_second = BYTES_PER_SECOND

    def __init__(self, hub: Hub, limits: Limits) -> None:
        super().__init__(hub)
        self._limits = limits
        # Only while it holds an incomplete message of this client.
        self._reader: FrameReader | None = None
        self._quiet = False
        self._window = 0
        self._bytes = 0
        self._frames = 0

    def said(self, opcode: int, payload: bytes) -> None:
        """A complete message arrived."""
        raise NotImplementedError

    def dataReceived(self, data: bytes) -> None:
        """Read frames; answer pings and closes; close the connection if rules or limits are broken."""
        if self.state == DEAD:
            return
        self._quiet = False
        tick = self.hub.tick
        if tick != self._window:
            self._window = tick
            if len(data) == 6 and self._reader is None and data.startswith(_PONG):
                # The usual input: a pong.
                self._bytes, self._frames = 6, 1
                return
            self._bytes = self._frames = 0
        reader = self._reader or self._read()
        self._bytes += len(data)
        before = reader.frames
        found = reader.feed(data)
        self._frames += reader.frames - before
        if self._bytes > self.bytes_per_second or self._frames > self.frames_per_second:
            self.fail(framing.POLICY, "too much at once")
            return
        if reader.idle:
            self._reader = None
            if len(_SPARE) < SPARE:
                _SPARE.append(reader)
        for opcode, payload in found:
            if self.state == CLOSING:
                # After our close frame only the peer's close frame matters.
                if opcode == framing.CLOSE:
                    self.transport.loseConnection()
                continue
            if self.state != OPEN:
                return
            if opcode == framing.TEXT or opcode == framing.BINARY:
                self.said(opcode, payload)
            elif opcode == framing.PING:
                self.send(framing.frame(framing.PONG, payload))
            elif opcode == framing.CLOSE:
                self._goodbye(payload[:2] if payload else b"")
                self.transport.loseConnection()
            elif opcode == framing.FAILED:
                self._fail(payload)

    def _read(self) -> FrameReader:
        if _SPARE:
            self._reader = reader = _SPARE.pop()
            reader.serve(self._limits)
        else:
            self._reader = reader = FrameReader(self._limits)
        return reader

    def fail(self, code: int, reason: str) -> None:
        """Close with *code* because of what the client did; nothing more is read."""
        if self.state == OPEN:
            self._fail(framing.close_payload(code, reason))

    def _fail(self, payload: bytes) -> None:
        (self._reader or self._read()).ended = True
        self._goodbye(payload)
        # Only the write side is closed: a reset, caused by unread input, could destroy our close frame.
        lose = getattr(self.transport, "loseWriteConnection", None)
        if self._direct and lose is not None:
            lose()
        else:
            self.transport.loseConnection()

    def close(self, reason: str) -> None:
        """Start the closing handshake: 1012 if clients should reconnect elsewhere, else 1001."""
        self.uncork()
        if self.state == OPEN:
            self._goodbye(framing.close_payload(framing.RESTART if reason == "moved" else framing.GOING_AWAY, reason))

    def _goodbye(self, payload: bytes) -> None:
        self.send(framing.frame(framing.CLOSE, payload))
        if self.state == OPEN:
            self.state = CLOSING
        self.hub.linger(self)

    def beat(self) -> None:
        """Send a ping. A client that has sent nothing since the last ping is considered dead."""
        if self.state:
            return
        if self._quiet:
            self.hub.condemn(self, "dead")
            return
        self._quiet = True
        self.send(_PING)


class WebSocket(WebSocketConnection):
    """A subscriber on WebSocket."""

    form = FRAME
    __slots__ = ("_address", "_asking", "_gate", "_origin", "_since", "_subscribes", "_tokens", "_typed")

    def __init__(self, gate: Gate, origin: str | None, tokens: Tokens = (), *, address: str = "") -> None:
        super().__init__(gate.hub, gate.limits)
        # The client's address, which subscriptions are charged to.
        self._address = address
        self._gate = gate
        self._origin = origin
        self._tokens = tokens
        self._typed = -TYPING_SECONDS
        self._asking = 0
        self._since = 0
        self._subscribes = 0

    def begin(self, answer: bytes, positions: Sequence[Position]) -> None:
        """Send the handshake's *answer* and the first message, and subscribe as the query asks.

        The caller checked permission.
        """
        self.cork()
        self.send(answer + self._gate.hello.frame)
        for position in positions:
            self._gate.subscribe(self, position, self._tokens, self._held)
        self.uncork()

    def deliver(self, subscription: Subscription, message: Message) -> None:
        """Send one frame, the same bytes for every client."""
        self.send(message.frame)

    def catch_up(self, subscription: Subscription, missed: Sequence[Message], end: Message, whole: bool) -> None:
        """Send what was missed and *end* in one write."""
        self.send(b"".join([*(message.frame for message in missed), end.frame]) if missed else end.frame)

    def control(self, message: Message) -> None:
        """Send one frame."""
        self.send(message.frame)

    def expire(self, subscription: Subscription) -> None:
        """Continue if a newer token grants it; otherwise tell the client that it needs one.

        The connection stays open.
        """
        key = subscription.channel.key
        left = self._gate.left(Position(*key), self._tokens)
        if left is None:
            return
        if left > 0:
            self.hub.limit(subscription, left)
            return
        self.refuse(subscription)

    def refuse(self, subscription: Subscription) -> None:
        """Tell the client that it needs a token for a channel. The connection stays open."""
        self.hub.unsubscribe(self, *subscription.channel.key)
        self.control(messages.error("token", subscription.channel.sub))

    def _held(self) -> Tokens:
        return self._tokens

    def said(self, opcode: int, payload: bytes) -> None:
        """Handle a client's message. What can't be understood or granted is answered with an ``error`` message."""
        if opcode != framing.TEXT:
            self.fail(framing.UNSUPPORTED, "messages are text")
            return
        try:
            message = messages.parse_client(payload)
            if isinstance(message, messages.Ping):
                self.control(messages.PONG)
                return
            position = Position.parse(message.sub)
        except ValueError:
            self.control(messages.error("message"))
            return
        if isinstance(message, messages.Subscribe):
            if message.token and message.token not in self._tokens:
                # The newest tokens count: an expired token is followed by another.
                self._tokens = (message.token, *self._tokens)[:MOST_TOKENS]
            self._subscribe(position)
        elif isinstance(message, messages.Unsubscribe):
            if not self.hub.unsubscribe(self, position.site, position.channel):
                self.control(messages.error("sub", position.sub))
        else:
            self._typing(position, bounded(message.name))

    def _subscribe(self, position: Position) -> None:
        limit, tick = self.hub.config.max_subscriptions, self.hub.tick
        if tick - self._since >= SUBSCRIBE_SECONDS:
            self._since, self._subscribes = tick, 0
        self._subscribes += 1
        if self._subscribes > limit:
            # Charged, because each may cost a load of the event log.
            self.control(messages.error("limit", position.sub))
            return
        known = any(held.channel.key == (position.site, position.channel) for held in self.subscriptions)
        if not known and len(self.subscriptions) + self._asking >= limit:
            self.control(messages.error("limit", position.sub))
            return
        answer = self._gate.ask(position, self._origin, self._tokens)
        if not isinstance(answer, Deferred):
            self._asked(answer, position)
            return
        self._asking += 1
        answer.addBoth(self._answered, position)

    def _answered(self, answer: Refusal | Failure | None, position: Position) -> None:
        self._asking -= 1
        if isinstance(answer, Failure):
            log.failure("a subscription could not be authorised", answer)
            answer = Refusal(503, "sub")
        self._asked(answer, position)

    def _asked(self, answer: Refusal | None, position: Position) -> None:
        if self.state != OPEN:
            return
        if answer is None:
            answer = self._gate.charge(self._address, (position,))
        if answer is None:
            self._gate.subscribe(self, position, self._tokens, self._held)
        elif answer.status == 429:
            self.control(messages.error("limit", position.sub))
        elif answer.type == "origin":
            self.control(messages.error("origin", position.sub))
        else:
            self.control(messages.error("token" if answer.status in (401, 403) else "sub", position.sub))

    def _typing(self, position: Position, name: str) -> None:
        if not any(held.channel.key == (position.site, position.channel) for held in self.subscriptions):
            self.control(messages.error("sub", position.sub))
            return
        if self.hub.tick - self._typed >= TYPING_SECONDS:
            self._typed = self.hub.tick
            self.hub.presence.typing(self, position.site, position.channel, name)
