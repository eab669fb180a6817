"""The usual realtime request, started from its parsed head: no request object, no resource, one write.

Handles only what the endpoints of `cackled.realtime.resource` would grant at once, with the same outcome. Everything
else (tokens, several protocols, refusals, checks that take time, malformed requests) is left to them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from twisted.internet.defer import Deferred

from cackled.events import Position
from cackled.realtime.access import Gate
from cackled.realtime.eventsource import EventSource
from cackled.realtime.websocket import SUBPROTOCOL, WebSocket, accepted
from cackled.transport.http import LANE_PROXY, EarlyConnection, Head, attach

# A position as browsers send it: with slash and at sign percent-encoded.
_SUB = re.compile(rb"sub=([1-9][0-9]{0,9})(?:/|%2[Ff])([0-9]{1,19})(?:(?:@|%40)([0-9]{1,18}))?")
_BIGGEST = 2**63 - 1
_LONGEST = 64
# 16 bytes in base64.
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
# Values of Connection as browsers send them.
_UPGRADE = frozenset((b"Upgrade", b"upgrade", b"keep-alive, Upgrade", b"keep-alive, upgrade"))
_WEBSOCKET = frozenset((b"websocket", b"WebSocket"))


@lru_cache(maxsize=8192)
def _place(part: bytes) -> Position | None:
    """The position in a ``sub=`` argument; None for anything else.

    Cached, because many clients ask for few positions.
    """
    match = _SUB.fullmatch(part)
    if match is None:
        return None
    site, channel, seq = match.groups()
    number = int(channel)
    return None if number > _BIGGEST else Position(int(site), number, -1 if seq is None else int(seq))


@lru_cache(maxsize=1024)
def _origin(raw: bytes) -> str | None:
    """*raw* as a well-formed Origin."""
    text = raw.decode("latin-1")
    return text if text and text.isascii() and text.isprintable() else None


class Shortcuts:
    """`cackled.transport.http.Shortcut` of each transport that has one."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def places(self, head: Head, least: int) -> tuple[Position, ...] | None:
        """The positions that *head* subscribes to.

        None if the request is not of the simple form or may not be granted.
        """
        gate = self._gate
        if gate.hub.draining or head.repeats:
            return None
        query = head.target.partition(b"?")[2]
        places: list[Position] = []
        if query:
            parts = query.split(b"&")
            if len(parts) > gate.hub.config.max_subscriptions:
                return None
            for part in parts:
                place = _place(part) if len(part) <= _LONGEST else None
                if place is None:
                    return None
                places.append(place)
            if len(parts) > 1 and len({(place.site, place.channel) for place in places}) < len(parts):
                return None
        return tuple(places) if len(places) >= least else None

    def granted(
        self, head: Head, early: EarlyConnection, least: int
    ) -> tuple[tuple[Position, ...], str | None, str] | None:
        """The positions, the origin that may listen to them, and the client's address.

        None if permission is not granted at once, or if the request came through a proxy.
        """
        places = self.places(head, least)
        if places is None or early.lane & LANE_PROXY:
            return None
        origin: str | None = None
        raw = head.named.get(b"origin")
        if raw is not None:
            origin = _origin(raw) if len(raw) <= 300 else None
            if origin is None:
                return None
        try:
            answer = self._gate.ask_all(places, origin, ())
        except Exception:
            # The usual path asks again, and can answer with the error.
            return None
        if isinstance(answer, Deferred):
            answer.addErrback(lambda _: None)
            return None
        address: str = early.own.peer[0]
        if answer is not None or self._gate.charge(address, places) is not None:
            return None
        return places, origin, address

    def websocket(self, head: Head, early: EarlyConnection) -> bool:
        """``/rt/ws``."""
        named = head.named
        key = named.get(b"sec-websocket-key")
        protocol = named.get(b"sec-websocket-protocol")
        if (
            key is None
            or named.get(b"upgrade") not in _WEBSOCKET
            or named.get(b"connection") not in _UPGRADE
            or named.get(b"sec-websocket-version") != b"13"
            or (protocol is not None and protocol != SUBPROTOCOL)
            or head.version != b"HTTP/1.1"
            or b"last-event-id" in named
            or _KEY.fullmatch(key) is None
        ):
            return False
        granted = self.granted(head, early, 0)
        if granted is None:
            return False
        places, origin, address = granted
        connection: Any = WebSocket(self._gate, origin, address=address)
        attach(early.leave(), connection)
        connection.begin(accepted(key, protocol is not None), places)
        return True

    def eventsource(self, head: Head, early: EarlyConnection) -> bool:
        """``/rt/sse``."""
        named = head.named
        if b"last-event-id" in named or b"upgrade" in named:
            return False
        granted = self.granted(head, early, 1)
        if granted is None:
            return False
        places, origin, _ = granted
        connection: Any = EventSource(self._gate)
        attach(early.leave(), connection)
        connection.begin(places, origin)
        return True
