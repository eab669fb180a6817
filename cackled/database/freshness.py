"""How old the data of a replica may be, from samples of the primary's log position.

A replica that has replayed up to the primary's position at time t has everything that was committed before t. All times
are on the clock of this process, and nothing is written to the database to find out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

# Two minutes, at two heartbeats a second.
SAMPLES = 256


class Freshness:
    """Samples of the primary's position, oldest first; the newest `SAMPLES` are kept."""

    def __init__(self) -> None:
        self._lsns: deque[int] = deque(maxlen=SAMPLES)
        self._times: deque[float] = deque(maxlen=SAMPLES)

    def primary_at(self, lsn: int, asked: float) -> None:
        """Note that the primary, asked at time *asked*, was at position *lsn* (bytes of log)."""
        if self._lsns and lsn == self._lsns[-1]:
            self._times[-1] = asked  # an idle primary: the same position holds for longer
        elif not self._lsns or lsn > self._lsns[-1]:
            self._lsns.append(lsn)
            self._times.append(asked)

    def as_of(self, replayed: int) -> float | None:
        """A server at position *replayed* has all commits before this time; None if it is older than the samples."""
        place = bisect_right(self._lsns, replayed)
        return self._times[place - 1] if place else None

    def clear(self) -> None:
        """Forget all samples: positions of a new primary can't be compared with those of the old one."""
        self._lsns.clear()
        self._times.clear()
