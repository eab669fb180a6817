"""Shares the reactor's turns between connections, so that one that sends many requests does not delay the others.

A client may send hundreds of requests in one piece, and many clients may do so together. Answering all of them in one
turn would delay everybody else: for seconds, if each request takes a tenth of a millisecond. So a connection answers
one request when bytes arrive. The rest waits in a queue of all such connections, which is worked on once a turn, for a
bounded time.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

# Requests that a connection may answer when its turn comes.
FEW = 8
# Seconds per turn for all connections of the queue. The connection that is at work when they are over may finish.
SLICE = 0.005


class Waiting(Protocol):
    """A connection that has more to do."""

    def go_on(self) -> None:
        """Do a part of the work, and queue again for the rest."""


class Line:
    """Queue of connections that have more to do, first come, first served."""

    __slots__ = ("_call", "_waiting", "clock")

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self._waiting: deque[Waiting] = deque()
        self._call: IDelayedCall | None = None

    def __len__(self) -> int:
        """The number of waiting connections."""
        return len(self._waiting)

    def join(self, one: Waiting) -> None:
        """Have *one* called (`go_on`) in a later turn. A connection that is queued must not join again."""
        self._waiting.append(one)
        if self._call is None:
            self._call = self.clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._call = None
        seconds = self.clock.seconds
        end = seconds() + SLICE
        try:
            for _ in range(len(self._waiting)):
                self._waiting.popleft().go_on()
                if seconds() >= end:
                    break
        finally:
            if self._waiting and self._call is None:
                self._call = self.clock.callLater(0, self._turn)
