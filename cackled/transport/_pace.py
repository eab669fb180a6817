"""Who asks for much at once is served a little in each turn of the reactor, and everybody else in between.

A client may send hundreds of requests in one piece, and many clients may do so together. What can be answered at once
would all be answered in one turn, in which nobody else gets a word in: seconds, where each of the requests takes a
tenth of a millisecond. So a connection answers one request where bytes come in; what stands behind it waits in a line
of all such connections, which is gone through once a turn, for a bounded time.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

# Requests that a connection has answered when its turn comes.
FEW = 8
# Seconds that a turn is spent on all connections of the line. The one who has the word then may finish.
SLICE = 0.005


class Waiting(Protocol):
    """A connection that has more to do."""

    def go_on(self) -> None:
        """Do a little of it, and stand in line again for what is left."""


class Line:
    """Connections that have more to do, first come, first served."""

    __slots__ = ("_call", "_waiting", "clock")

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self._waiting: deque[Waiting] = deque()
        self._call: IDelayedCall | None = None

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def join(self, one: Waiting) -> None:
        """Let *one* `go_on` in a later turn. Whoever stands in the line does not join again."""
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
