"""``cackled tail``: follow a channel from the command line, over a WebSocket like any page.

Resumes from its position after a lost connection: within the server's history nothing is missed or seen twice.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
import txaio
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from cackled.config import ConfigError
from cackled.events import Position

SUBPROTOCOL = "cackle.v1"
FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
LONGEST_MESSAGE = 1024 * 1024
_STATUS = re.compile(r"upgrade failed \[(4[0-9]{2})\]")


class Refused(Exception):
    """The server refuses for good, so that retrying is useless. One line."""


class Follower:
    """What has been received of the channel, and when to reconnect.

    Args:
        show: called with each line to print: durable events as their JSON text.
        note: called with remarks for standard error.
    """

    def __init__(
        self,
        position: Position,
        *,
        show: Callable[[str], None],
        note: Callable[[str], None],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.position = position
        self._show = show
        self._note = note
        self._draw = draw
        self._failures = 0

    def message(self, text: bytes) -> None:
        """Handle a message of the server."""
        self._failures = 0
        try:
            told = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._note("a message that is no JSON")
            return
        if not isinstance(told, dict):
            self._note("a message that is no object")
            return
        kind, seq = told.get("type"), told.get("seq")
        if kind == "recovered":
            if told.get("recovered") is False and self.position.seq >= 0:
                self._note("events were missed: the history does not reach back that far")
            self._at(seq)
        elif kind == "error":
            self._note(f"error: {told.get('code')}")
        elif kind == "move":
            self._note(f"the server asks to move to {told.get('host')}")
        elif kind not in ("hello", "pong"):
            self._show(text.decode("utf-8", "replace"))
            self._at(seq)

    def delay(self) -> float:
        """Seconds until the next attempt: random, from a range that doubles with each failure."""
        most = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(self._failures, 10))
        self._failures += 1
        return most * self._draw()

    def _at(self, seq: object) -> None:
        if isinstance(seq, int) and seq >= self.position.seq:
            self.position = Position(self.position.site, self.position.channel, seq)


class _Client(WebSocketClientProtocol):
    factory: Any

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if not isBinary:
            self.factory.follower.message(payload)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.factory.closed(code, reason or "")


class TailFactory(WebSocketClientFactory):
    """One connection attempt; `done` fires when it is over, or fails with `Refused`."""

    protocol = _Client
    noisy = False

    def __init__(self, follower: Follower, base: str, token: str | None, origin: str | None, reactor: Any) -> None:
        # Autobahn's timers use txaio with the global reactor unless told otherwise.
        txaio.use_twisted()
        txaio.config.loop = reactor  # type: ignore[attr-defined]
        query = [("sub", str(follower.position))]
        if token:
            query.append(("token", token))
        super().__init__(
            f"{base}?{urlencode(query, safe='/@')}", origin=origin, protocols=[SUBPROTOCOL], useragent="cackled tail",
            reactor=reactor,
        )
        self.setProtocolOptions(
            maxFramePayloadSize=LONGEST_MESSAGE, maxMessagePayloadSize=LONGEST_MESSAGE, openHandshakeTimeout=10,
            autoPingInterval=30, autoPingTimeout=10, closeHandshakeTimeout=2,
        )
        self.follower = follower
        self.done: Deferred[str] = Deferred()

    def closed(self, code: int | None, reason: str) -> None:
        """The connection is closed."""
        if self.done.called:
            return
        # Autobahn gives the handshake's status only as text. 4xx: the request is refused, and would be again.
        status = _STATUS.search(reason)
        if status is not None and status[1] not in ("408", "429"):
            self.done.errback(Refused(reason))
        else:
            self.done.callback(reason or f"closed with {code}")

    def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
        """The server can't be reached."""
        if not self.done.called:
            self.done.callback(reason.getErrorMessage())


async def follow(
    reactor: Any,
    follower: Follower,
    base: str,
    *,
    token: str | None = None,
    origin: str | None = None,
    note: Callable[[str], None],
) -> None:
    """Follow the channel and reconnect after losses, until cancelled.

    Raises:
        ConfigError: *base* is not a ws:// or wss:// URL.
        Refused: the server refuses for good.
    """
    from twisted.internet.ssl import optionsForClientTLS
    from twisted.internet.task import deferLater

    parts = urlsplit(base)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ConfigError(f"{base!r} is no ws:// or wss:// URL")
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    if parts.path in ("", "/"):
        base = base.rstrip("/") + "/rt/ws"
    clock: IReactorTime = reactor
    while True:
        factory = TailFactory(follower, base, token, origin, reactor)
        if parts.scheme == "wss":
            reactor.connectSSL(parts.hostname, port, factory, optionsForClientTLS(parts.hostname), timeout=10)
        else:
            reactor.connectTCP(parts.hostname, port, factory, timeout=10)
        reason = await factory.done
        delay = follower.delay()
        note(f"{reason}; again in {delay:.1f} s")
        await deferLater(clock, delay)
