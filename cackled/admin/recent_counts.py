"""Counts of the last minutes beside those since the start, so that an operator sees whether something happens now."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IReactorTime

from cackled.clock import Periodic

SPAN = 300.0
STEP = 15.0


class Recently:
    """How much counters rose within the last *span* seconds (or since the start, if that is shorter).

    *read* returns the counters, which must never fall.
    """

    def __init__(
        self, clock: IReactorTime, read: Callable[[], Mapping[str, float]], *, span: float = SPAN, step: float = STEP
    ) -> None:
        self._read = read
        self._kept: deque[Mapping[str, float]] = deque([read()], maxlen=max(1, round(span / step)))
        self._job = Periodic(clock, step, self._note, "counts of the last minutes")

    def start(self) -> None:
        """Start sampling."""
        self._job.start()

    def stop(self) -> None:
        """Stop sampling."""
        self._job.stop()

    def _note(self) -> None:
        self._kept.append(self._read())

    def rose(self) -> dict[str, float]:
        """By how much each counter rose."""
        before = self._kept[0]
        return {name: value - before.get(name, 0.0) for name, value in self._read().items()}
