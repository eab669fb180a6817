"""Moves clients to a worker that replaces a crashed one, because it starts with no connections.

Connections of a crashed worker come back within moments, to the remaining workers. They reach its successor only if
they are sent there. So for a while the successor alone takes all new connections, and some other workers send clients
away, who then arrive at the successor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from twisted.internet.interfaces import IReactorTime

from cackled.cluster.control import Beat

# Clients come back over some seconds, so the check is repeated for a while.
LOOK = 5.0
WATCH = 90.0
# Below this many sessions under the mean, or this share of it, no client is made to reconnect.
LEAST = 10
PART = 0.25
# Seconds from sending the last client away until it has arrived.
SETTLE = 3.0


class Loaded(Protocol):
    """A worker with the load it last reported."""

    beat: Beat | None


W = TypeVar("W", bound=Loaded)


class Balance(Generic[W]):
    """``favoured`` is the worker that takes all new connections at present, if any."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        # When to check recently started workers next, and until when.
        self._new: dict[W, tuple[float, float]] = {}
        self._until = 0.0
        self.favoured: W | None = None

    def began(self, worker: W) -> None:
        """*worker* is ready; its predecessor crashed."""
        now = self._clock.seconds()
        self._new[worker] = (now + LOOK, now + WATCH)

    def look(self, well: Sequence[W], seconds: float) -> list[tuple[W, int]]:
        """Which of the *well* workers must send how many clients away over *seconds*; usually none."""
        now = self._clock.seconds()
        if self.favoured is not None and (now >= self._until or self.favoured not in well):
            self.favoured = None
        for worker, (when, until) in list(self._new.items()):
            if worker not in well or now >= until:
                del self._new[worker]
            elif now >= when and self.favoured is None:
                self._new[worker] = (now + LOOK, until)
                sent = self._lacks(worker, well)
                if sent:
                    self.favoured, self._until = worker, now + seconds + SETTLE
                    self._new[worker] = (self._until + LOOK, until)
                    return sent
        return []

    @staticmethod
    def _lacks(worker: W, well: Sequence[W]) -> list[tuple[W, int]]:
        sessions = {one: one.beat.sessions for one in well if one.beat is not None}
        if worker not in sessions or len(sessions) < 2:
            return []
        mean = sum(sessions.values()) / len(sessions)
        if mean - sessions[worker] < max(LEAST, PART * mean):
            return []
        return [(one, int(count - mean)) for one, count in sessions.items() if count - mean >= 1]
