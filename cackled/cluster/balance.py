"""Which workers send clients to one that began after a crash: it has none, those that came back are with the others.

Connections of a worker that crashes come back within moments, to the workers that are left. Nothing brings them to its
successor but that they are sent. For a while the successor then takes all that is new, so that those who are sent
come to it and to nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from twisted.internet.interfaces import IReactorTime

from cackled.cluster.control import Beat

# Clients come back over some seconds, so it is looked again and again for a while.
LOOK = 5.0
WATCH = 90.0
# Fewer sessions than this below the mean, or a smaller part of it, are not worth anybody's reconnection.
LEAST = 10
PART = 0.25
# From the last client that is sent until it has come.
SETTLE = 3.0


class Loaded(Protocol):
    """A worker with what it said last."""

    beat: Beat | None


W = TypeVar("W", bound=Loaded)


class Balance(Generic[W]):
    """``favoured`` is the worker that takes all new connections just now, if any does."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        # When to look next at those that began lately, and until when.
        self._new: dict[W, tuple[float, float]] = {}
        self._until = 0.0
        self.favoured: W | None = None

    def began(self, worker: W) -> None:
        """*worker* is ready, after a crash of the one before."""
        now = self._clock.seconds()
        self._new[worker] = (now + LOOK, now + WATCH)

    def look(self, well: Sequence[W], seconds: float) -> list[tuple[W, int]]:
        """Who of those that are *well* has to send how many clients away, over *seconds*; mostly nobody."""
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
