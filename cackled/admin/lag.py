"""Measures how late the reactor is and how long garbage collections take, and freezes long-lived objects.

Reactor lag is the most important figure of the daemon: everything in this process waits for its turn in the reactor.
"""

from __future__ import annotations

import gc
import platform
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from prometheus_client import PlatformCollector, ProcessCollector
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

import twisted
from cackled import __version__
from cackled.clock import Periodic
from cackled.metrics import Metrics

log = Logger()

LAG_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
PAUSE_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class LagMonitor:
    """Schedules a call every *interval* seconds and measures how late it comes.

    `worst` is the greatest lag of the last *window* seconds, including a call that is overdue right now.
    """

    def __init__(self, clock: IReactorTime, metrics: Metrics, *, interval: float = 0.1, window: float = 10.0) -> None:
        self._clock = clock
        self._interval = interval
        self._window = window
        self._due = 0.0
        self._call: IDelayedCall | None = None
        # Callbacks that are given each lag.
        self._told: list[Callable[[float], None]] = []
        # (when, lag) pairs, lags decreasing from left to right: the leftmost is the worst of the window.
        self._worst: deque[tuple[float, float]] = deque()
        self._seen = metrics.histogram(
            "reactor_lag_seconds", "How late a timer of the reactor ran.", buckets=LAG_BUCKETS
        )
        metrics.watch("reactor_lag_max_seconds", f"The greatest lag of the last {window:g} s.", self.worst)

    def start(self) -> None:
        """Start measuring."""
        if self._call is None:
            self._again()

    def stop(self) -> None:
        """Stop measuring."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def worst(self) -> float:
        """The greatest lag of the window, in seconds."""
        now = self._clock.seconds()
        self._forget(now)
        return max(self.overdue(), self._worst[0][1] if self._worst else 0.0)

    def on_turn(self, told: Callable[[float], None]) -> None:
        """Have *told* called after each measurement with the lag in seconds."""
        self._told.append(told)

    def overdue(self) -> float:
        """How overdue the next call is, in seconds. May be called from any thread."""
        return max(0.0, self._clock.seconds() - self._due) if self._call is not None else 0.0

    def seconds(self) -> float:
        """The clock's time in seconds, by which lags are measured."""
        return self._clock.seconds()

    def _again(self) -> None:
        self._due = self._clock.seconds() + self._interval
        self._call = self._clock.callLater(self._interval, self._turn)

    def _turn(self) -> None:
        now = self._clock.seconds()
        lag = max(0.0, now - self._due)
        self._seen.observe(lag)
        for told in self._told:
            told(lag)
        self._forget(now)
        while self._worst and self._worst[-1][1] <= lag:
            self._worst.pop()
        self._worst.append((now, lag))
        self._again()

    def _forget(self, now: float) -> None:
        while self._worst and self._worst[0][0] <= now - self._window:
            self._worst.popleft()


class PauseMonitor:
    """Measures each run of the garbage collector through ``gc.callbacks``.

    Args:
        timer: seconds, monotonic; given in tests.
    """

    def __init__(self, metrics: Metrics, timer: Callable[[], float] = time.perf_counter) -> None:
        self._timer = timer
        self._began = 0.0
        pauses = metrics.histogram(
            "gc_pause_seconds", "How long a garbage collection stopped the process.", ["generation"], PAUSE_BUCKETS
        )
        self._pauses = [pauses.labels(str(generation)) for generation in range(3)]

    def start(self) -> None:
        """Start measuring."""
        if self._collected not in gc.callbacks:
            gc.callbacks.append(self._collected)

    def stop(self) -> None:
        """Stop measuring."""
        if self._collected in gc.callbacks:
            gc.callbacks.remove(self._collected)

    def _collected(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._began = self._timer()
        else:
            self._pauses[min(info["generation"], 2)].observe(self._timer() - self._began)


class Collector(Protocol):
    """The part of the ``gc`` module that `Freezer` uses."""

    def collect(self) -> int:
        """Collect all objects that are not frozen."""

    def freeze(self) -> None:
        """Exempt all existing objects from collections."""

    def unfreeze(self) -> None:
        """Undo `freeze` for all objects."""

    def get_stats(self) -> list[dict[str, int]]:
        """Counts of past collections, by generation."""

    def get_objects(self) -> list[Any]:
        """All objects that are not frozen."""

    def get_threshold(self) -> tuple[int, int, int]:
        """New objects that trigger a young collection, and for older generations collections of the one before."""

    def set_threshold(self, young: int, middle: int, old: int) -> None:
        """Set the thresholds (see `get_threshold`)."""


# A page of comments makes thousands of objects that are freed with their last reference. Collecting the young
# generation after every 700, Python's default, costs 7 % of a first render; after 10,000 a collection takes about a
# millisecond.
YOUNG = 10_000
# After this many young collections, check whether at least `YOUNG` objects have survived. A collection needs that many
# more live objects than before: where none survive (a big page, again and again), no collection happens.
LOOKS = 2


class Freezer:
    """Exempts live connections from garbage collection, and makes collections of young objects less frequent.

    A full collection walks every object of every idle connection, but no frozen ones. So everything is frozen once
    after the start, and again whenever connections have grown by a tenth or some thousands. Each freeze follows a
    collection, which walks only the objects since the last freeze: at 1,500 new connections a second it takes 5 ms.

    When half of the connections are gone and stay away for some minutes, everything is unfrozen and collected once,
    because cycles among frozen objects would never be found otherwise. Clients that lost their connections together
    come back sooner than that: they meet no such pause, and are frozen in steps again.

    Caches, histories and what connections hold later are frozen in steps of their own: after two young collections, if
    ten thousand objects survive, with a pause of some milliseconds. Fewer are left alone, so that short-lived objects
    (perhaps in cycles) are not kept for good.

    Args:
        count: returns the present number of connections.
        growth: share by which connections must grow for another freeze.
        least: with fewer connections than this, growth causes no freeze.
        step: number of new connections that always causes a freeze.
        patience: seconds that connections must stay few before everything is unfrozen.
    """

    def __init__(
        self,
        clock: IReactorTime,
        metrics: Metrics,
        count: Callable[[], int],
        *,
        collector: Collector = gc,
        interval: float = 1.0,
        growth: float = 0.10,
        least: int = 1_000,
        step: int = 2_000,
        patience: float = 300.0,
    ) -> None:
        self._clock = clock
        self._step = step
        self._patience = patience
        # The number of connections after many had gone, and when that was seen.
        self._few: tuple[int, float] | None = None
        self._count = count
        self._collector = collector
        self._thresholds = collector.get_threshold()
        self._growth = growth
        self._least = least
        self._mark = 0
        # Young collections that had happened when survivors were last counted.
        self._looks = 0
        self._freezes = metrics.counter("gc_freezes", "How often live objects were set aside from the collector.")
        self._job = Periodic(clock, interval, self.look, "gc freeze")

    def start(self) -> None:
        """Freeze what the start has built, and begin to watch the connections."""
        self._freeze(self._count())
        self._collector.set_threshold(YOUNG, *self._thresholds[1:])
        self._job.start()

    def stop(self) -> None:
        """Stop watching; unfreeze everything and restore the thresholds."""
        self._job.stop()
        self._collector.set_threshold(*self._thresholds)
        self._collector.unfreeze()

    def look(self) -> None:
        """Freeze or unfreeze if the number of connections calls for it."""
        count = self._count()
        now = self._clock.seconds()
        if count >= max(self._least, self._mark + min(self._mark * self._growth, self._step)):
            self._freeze(count)
        elif self._mark >= self._least and count <= self._mark / 2:
            self._mark = count
            self._few = (count, now)
        elif self._young_looks() - self._looks >= LOOKS:
            self._freeze_survivors()
        if self._few is None:
            return
        few, since = self._few
        if count > max(1.5 * few, self._least):
            self._few = None
        elif now - since >= self._patience:
            self._few = None
            self._collector.unfreeze()
            self._freeze(count)

    def _young_looks(self) -> int:
        return self._collector.get_stats()[0]["collections"]

    def _freeze_survivors(self) -> None:
        self._looks = self._young_looks()
        self._collector.collect()
        if len(self._collector.get_objects()) >= YOUNG:
            self._collector.freeze()
            self._freezes.inc()

    def _freeze(self, count: int) -> None:
        self._collector.collect()
        self._collector.freeze()
        self._looks = self._young_looks()
        self._mark = count
        self._freezes.inc()


def process_metrics(metrics: Metrics) -> None:
    """Register ``process_*`` (memory, CPU, files), ``python_info`` and ``cackled_build_info``; once for a registry."""
    ProcessCollector(registry=metrics.registry)
    PlatformCollector(registry=metrics.registry)
    build = metrics.gauge("build_info", "The running version; always 1.", ["version", "python", "twisted"])
    build.labels(__version__, platform.python_version(), twisted.__version__).set(1)
