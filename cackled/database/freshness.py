"""How old what a replica shows may be: positions of the primary's log, and when each was its end.

Both clocks are this process's own, and nothing is written for it: a replica that has replayed up to where the primary
stood at our time t lacks nothing committed before t.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

# At two heartbeats a second: the last two minutes.
SAMPLES = 256


class Freshness:
    """Samples of the primary's position, oldest first; the newest `SAMPLES` are kept."""

    def __init__(self) -> None:
        self._lsns: deque[int] = deque(maxlen=SAMPLES)
        self._times: deque[float] = deque(maxlen=SAMPLES)

    def primary_at(self, lsn: int, asked: float) -> None:
        """The primary, asked at *asked*, had come to *lsn* (bytes of log)."""
        if self._lsns and lsn == self._lsns[-1]:
            self._times[-1] = asked  # an idle primary: the same position holds for longer
        elif not self._lsns or lsn > self._lsns[-1]:
            self._lsns.append(lsn)
            self._times.append(asked)

    def as_of(self, replayed: int) -> float | None:
        """The latest time at which a server that has replayed so far lacked nothing; None when it was too long ago."""
        place = bisect_right(self._lsns, replayed)
        return self._times[place - 1] if place else None

    def clear(self) -> None:
        """Another primary: its positions say nothing about those of the one before."""
        self._lsns.clear()
        self._times.clear()
