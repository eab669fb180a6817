"""The other ends of connections: what browsers make of the bytes that a server sends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport

from cackled.realtime.framing import unmask

MASK = b"\x37\xfa\x21\x3d"
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
_clock: Any = reactor


class Peer(Protocol):
    """A connection that keeps every byte."""

    def __init__(self) -> None:
        self.data = b""
        self.closed = False
        self._waiting: list[tuple[Callable[[], object], Deferred[None]]] = []

    def dataReceived(self, data: bytes) -> None:
        """More came."""
        self.data += data
        self._look()

    def connectionLost(self, reason: Any = None) -> None:
        """It ended."""
        self.closed = True
        self._look()

    def _look(self) -> None:
        for entry in [one for one in self._waiting if one[0]()]:
            self._waiting.remove(entry)
            entry[1].callback(None)

    async def until(self, wish: Callable[[], object]) -> bytes:
        """Wait until something holds, which is asked whenever bytes come; all that came."""
        if not wish():
            waiting: Deferred[None] = Deferred()
            self._waiting.append((wish, waiting))
            await waiting.addTimeout(120, _clock)
        return self.data

    async def has(self, text: bytes) -> bytes:
        """Wait until *text* came; all that came."""
        return await self.until(lambda: text in self.data)


class Listener(Peer):
    """A WebSocket client of some channels: *subs* as they stand in the query."""

    def __init__(self, subs: str) -> None:
        super().__init__()
        self._subs = subs

    def connectionMade(self) -> None:
        """Ask to listen."""
        assert self.transport is not None
        head = f"GET /rt/ws?{self._subs} HTTP/1.1\r\nHost: x\r\n{UPGRADE}Sec-WebSocket-Protocol: cackle.v1\r\n\r\n"
        self.transport.write(head.encode())


def masked(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes = MASK) -> bytes:
    """A client's frame."""
    size = len(payload)
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += b"\xfe" + size.to_bytes(2, "big")
    else:
        head += b"\xff" + size.to_bytes(8, "big")
    return head + mask + unmask(payload, mask)


def say(**message: Any) -> bytes:
    """A client's JSON message as a frame."""
    return masked(1, json.dumps(message).encode())


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """The whole frames at the beginning of what a server sent: (opcode, payload). They must be unmasked and final."""
    found = []
    while len(data) >= 2:
        assert data[0] & 0xF0 == 0x80, "FIN alone"
        size, place = data[1], 2
        assert not size & 0x80, "masked"
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(data) < 2 + width:
                break
            size, place = int.from_bytes(data[2 : 2 + width], "big"), 2 + width
        if len(data) < place + size:
            break
        found.append((data[0] & 15, data[place : place + size]))
        data = data[place + size :]
    return found


def texts(data: bytes) -> list[dict[str, Any]]:
    """The JSON messages among `frames`."""
    return [json.loads(payload) for opcode, payload in frames(data) if opcode == 1]


def blocks(data: bytes) -> tuple[list[dict[str, Any]], str]:
    """An event stream's messages and the last event id (WHATWG HTML 9.2.6), head left out, as far as it is whole."""
    if data.startswith(b"HTTP/"):
        if b"\r\n\r\n" not in data:
            return [], ""
        data = data.split(b"\r\n\r\n", 1)[1]
    messages, last, buffered, value = [], "", "", ""
    *lines, _rest = data.decode("utf-8", "ignore").split("\n")
    for line in lines:
        if not line:
            last = buffered
            if value:
                messages.append(json.loads(value.removesuffix("\n")))
            value = ""
        elif not line.startswith(":"):
            field, _, content = line.partition(":")
            content = content.removeprefix(" ")
            if field == "data":
                value += content + "\n"
            elif field == "id":
                buffered = content
    return messages, last


class Wire(StringTransport):
    """A transport that can be full, and remembers how it was closed."""

    producer = None

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False
        self.half_closed = False

    def abortConnection(self) -> None:
        self.aborted = True
        super().abortConnection()

    def loseWriteConnection(self) -> None:
        self.half_closed = True
