"""One other node as this one sees it: the link to it, dialled again and again, and what was last heard.

There is one connection between two nodes, used both ways. The node whose name sorts first dials; so no two connections
race each other, and a new one from a node that is known to be it replaces the old.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled.cluster.link import Link
from cackled.cluster.messages import Beat
from cackled.config import Node

log = Logger()

# Full jitter: a wait is anything up to BASE * 2**attempt, at most CAP. A peer that is back is found within CAP.
BASE = 0.2
CAP = 1.0
# Certificate chains are checked in handshakes only, so a link older than this is replaced; the new one comes first.
LINK_AGE = 24 * 3600.0
# Seconds until another attempt if a new link was refused while the old one still works.
RENEW_AGAIN = 600.0


class Peer:
    """Dials (where it is ours to dial) until stopped; holds the newest link that said hello.

    Args:
        dial: begins a connection; fires with its `Link` before the handshake.
    """

    def __init__(
        self, node: Node, dials: bool, clock: IReactorTime, random: Random, dial: Callable[[Node], Deferred[Any]]
    ) -> None:
        self.node = node
        self.dials = dials
        self.link: Link | None = None
        # The last beat and when it came; when the next miss is counted, and how many there were in a row.
        self.beat: Beat | None = None
        self.heard_at = 0.0
        self.linked_at = 0.0
        # When it last said that it is not fit to serve.
        self.unfit_at = -1.0
        self.due = 0.0
        self.silent = 0
        self.is_heard = False
        self.round_trip: float | None = None
        self.boot = ""
        self.trouble = ""
        self._clock = clock
        self._random = random
        self._dial = dial
        self._attempt = 0
        self._running = False
        self._retry: IDelayedCall | None = None
        self._renewal: IDelayedCall | None = None
        self._connecting: Deferred[Any] | None = None
        self._trial: Link | None = None

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name

    # Dial

    def start(self) -> None:
        """Dial, if it is ours to. Harmless when repeated."""
        self._running = True
        if self.link is None:
            self._soon()

    def stop(self, why: str) -> None:
        """Dial no more, and close what is open."""
        self._running = False
        for call in (self._retry, self._renewal):
            if call is not None and call.active():
                call.cancel()
        self._retry = self._renewal = None
        if self._connecting is not None:
            self._connecting.cancel()
        if self._trial is not None:
            self._trial.drop(why)
        if self.link is not None:
            self.link.close(why)

    def _soon(self) -> None:
        if not self._running or not self.dials or self._busy() or self._retry is not None:
            return
        wait = self._random.uniform(0, min(CAP, BASE * 2.0**self._attempt))
        self._attempt = min(self._attempt + 1, 16)
        self._retry = self._clock.callLater(wait, self._try)

    def _busy(self) -> bool:
        return self._connecting is not None or self._trial is not None

    def _try(self) -> None:
        self._retry = None
        if not self._running or self._busy():
            return
        connecting = self._connecting = self._dial(self.node)
        connecting.addCallbacks(self._connected, self._failed)

    def _connected(self, link: Link) -> None:
        self._connecting = None
        if link.over:
            # The connection was refused before the handshake ended.
            self._soon()
        elif link is not self.link:
            self._trial = link

    def _failed(self, failure: Failure) -> None:
        self._connecting = None
        self.trouble = _words(failure)
        self._soon()

    def renew(self) -> None:
        """Make a new link beside the one there is, which is closed when the new one stands."""
        if self.dials and self._running and not self._busy():
            if self._retry is not None:
                self._retry.cancel()
                self._retry = None
            self._try()

    # Links come and go

    def adopt(self, link: Link) -> None:
        """*link* said hello: use it, in place of the one before."""
        old, self.link = self.link, link
        self.linked_at = self._clock.seconds()
        if self._trial is link:
            self._trial = None
        self._attempt = 0
        self.trouble = ""
        if old is not None:
            old.close("replaced by a newer link")
        if self.dials:
            self._renew_in(LINK_AGE)

    def _renew_in(self, seconds: float) -> None:
        if self._renewal is not None and self._renewal.active():
            self._renewal.cancel()
        self._renewal = self._clock.callLater(seconds * self._random.uniform(0.8, 1.0), self.renew)

    def lost(self, link: Link, reason: str) -> bool:
        """*link* is over; tells whether that was the one in use."""
        was = self.link is link
        if was:
            self.link = None
        if self._trial is link:
            self._trial = None
            if self.link is not None and self._running:
                self._renew_in(RENEW_AGAIN)
        if was or link.greeting is None:
            self.trouble = reason
        self._soon_if_needed()
        return was

    def _soon_if_needed(self) -> None:
        if self.link is None:
            self._soon()

    # What is heard

    def heard(self, beat: Beat) -> None:
        """A heartbeat came."""
        now = self._clock.seconds()
        self.beat = beat
        self.heard_at = now
        self.is_heard = True
        self.silent = 0
        if beat.echo and beat.held >= 0:
            self.round_trip = max(0.0, now - beat.echo - beat.held)

    @property
    def free(self) -> float:
        """Share of its connections that is free, by its last word; 1 where nothing is known."""
        return free_share(self.beat.connections, self.beat.capacity) if self.beat is not None else 1.0


def free_share(connections: int, capacity: int) -> float:
    """In tenths, so that it does not change with every connection."""
    if capacity <= 0:
        return 1.0
    return max(0, 10 - 10 * connections // capacity) / 10


def _words(failure: Failure) -> str:
    error = failure.value
    if isinstance(error, DNSLookupError):
        return "its host name is not known"
    if isinstance(error, ConnectError):
        number = error.osError
        return f"can't connect: {os.strerror(number) if isinstance(number, int) else type(error).__name__}"
    return " ".join(str(error).split())[:200] or type(error).__name__
