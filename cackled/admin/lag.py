"""How late the reactor is, how long the garbage collector stops it, and when to freeze what will not be garbage.

The reactor lag is the figure that matters most of all: everything that this process does waits for its turn there.
"""

from __future__ import annotations

import gc
import platform
import time
from collections import deque
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Protocol

from prometheus_client import PlatformCollector, ProcessCollector
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from cackled import __version__
from cackled.clock import Periodic
from cackled.metrics import Metrics

log = Logger()

LAG_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
PAUSE_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class LagMonitor:
    """Asks for a turn every *interval* seconds and measures how late it comes.

    `worst` is the greatest lag of the last *window* seconds, of the turn that is overdue right now too.
    """

    def __init__(self, clock: IReactorTime, metrics: Metrics, *, interval: float = 0.1, window: float = 10.0) -> None:
        self._clock = clock
        self._interval = interval
        self._window = window
        self._due = 0.0
        self._call: IDelayedCall | None = None
        # Told of each lag.
        self._told: list[Callable[[float], None]] = []
        # (when, lag), lags falling from left to right: the leftmost is the worst of the window.
        self._worst: deque[tuple[float, float]] = deque()
        self._seen = metrics.histogram(
            "reactor_lag_seconds", "How late a timer of the reactor ran.", buckets=LAG_BUCKETS
        )
        metrics.watch("reactor_lag_max_seconds", f"The greatest lag of the last {window:g} s.", self.worst)

    def start(self) -> None:
        """Begin to measure."""
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
        """Have *told* called with how late each turn came, in seconds."""
        self._told.append(told)

    def overdue(self) -> float:
        """How late the turn is that has not come yet, in seconds. May be asked from any thread."""
        return max(0.0, self._clock.seconds() - self._due) if self._call is not None else 0.0

    def seconds(self) -> float:
        """The time that lags are measured by."""
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
        """Begin to measure."""
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
        """Collect everything that is not frozen."""

    def freeze(self) -> None:
        """Set what exists aside for good."""

    def unfreeze(self) -> None:
        """Take it back."""

    def get_stats(self) -> list[dict[str, int]]:
        """What was done so far, by generation."""

    def get_objects(self) -> list[Any]:
        """What is not frozen."""

    def get_threshold(self) -> tuple[int, int, int]:
        """How many new objects make a collection of the young ones, and how many of those an older one."""

    def set_threshold(self, young: int, middle: int, old: int) -> None:
        """Set that."""


# A page of comments makes thousands of objects, which are gone with their last reference. To look at the young ones
# after every 700, as Python does by itself, is 7 % of a first render; after 10,000 it takes about a millisecond.
YOUNG = 10_000
# After so many looks at the young ones it is seen whether as many objects have come to stay as one such look is about.
# A look comes with so many more objects than before: where none stay (a big page, again and again), none come.
LOOKS = 2


class Freezer:
    """Keeps live connections out of the collector's sight, and has it look at young objects less often.

    A full collection walks every object of every idle connection. Frozen objects are not walked, so: freeze once after
    the start, and again whenever connections have grown by a tenth or some thousands (each time after a collection,
    which walks only what came since: a herd of 1,500 a second is a pause of 5 ms). When half of the connections are
    gone and stay away for some minutes, everything is thawed and collected once: cycles among frozen objects would
    never be found otherwise. A herd that was cut off comes back sooner: it finds no such pause, and is frozen in steps
    again.

    Caches, histories and what connections come to hold later grow as well, and are frozen in steps of their own: when
    the young have been looked at twice and ten thousand objects survive, which is a pause of some milliseconds. Fewer
    are left alone, so that what lives for a moment only (and may be a cycle) is not kept for good.

    Args:
        count: connections now.
        least: below this many nothing is worth freezing again.
        step: at the latest after so many more it is done.
        patience: seconds that connections have to be few before everything is thawed.
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
        # How few there were when many had gone, and when.
        self._few: tuple[int, float] | None = None
        self._count = count
        self._collector = collector
        self._thresholds = collector.get_threshold()
        self._growth = growth
        self._least = least
        self._mark = 0
        # Looks at the young ones that were done when survivors were counted.
        self._looks = 0
        self._freezes = metrics.counter("gc_freezes", "How often live objects were set aside from the collector.")
        self._job = Periodic(clock, interval, self.look, "gc freeze")

    def start(self) -> None:
        """Freeze what the start has built, and watch the connections from now on."""
        self._freeze(self._count())
        self._collector.set_threshold(YOUNG, *self._thresholds[1:])
        self._job.start()

    def stop(self) -> None:
        """Stop watching; give the collector everything back."""
        self._job.stop()
        self._collector.set_threshold(*self._thresholds)
        self._collector.unfreeze()

    def look(self) -> None:
        """Freeze or thaw if the number of connections calls for it."""
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
    build.labels(__version__, platform.python_version(), version("twisted")).set(1)
