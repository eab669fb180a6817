"""The governor shrinks the caches when memory is short.

Four times a second it reads how many bytes are free (`cackled.cache.pressure`, a few microseconds). Once a second it
acts on that. In between it acts only when no bytes are free and there are fewer than at the last reading.

- Some bytes are free: entries may stay idle for ``max(min_idle, idle_seconds_per_free_mib * free MiB)`` seconds. Each
  second one slice of a walk over all entries drops those that expired or were idle longer.
- No bytes are free: entries are dropped in the order of eviction, until the missing bytes and a tenth of what the
  caches hold are freed. ``keep_bytes`` in all are always kept.

The caches themselves count how much was dropped. The governor does not use the resident size for that: freed memory
stays with the allocator, so the size does not fall, and a loop that waited for it would empty the cache. Each slice
takes at most 2 ms and `SLICE_BYTES`, and ends with `malloc_trim`. One trim at the end of all slices would block the
reactor for ten milliseconds and more.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from cackled.cache.pressure import Pressure
from cackled.clock import Periodic
from cackled.metrics import Metrics

log = Logger()

MIB = 1024 * 1024
# The caches keep this much even when no memory is free. To drop it would not help the machine, and the database would
# have to answer for the most wanted pages too.
KEEP_BYTES = 4 * MIB
LOOK = 0.25
INTERVAL = 1.0
SLICE_SECONDS = 0.002
SLICE_BYTES = 8 * MIB
# The time is checked each time a cache has dropped this many bytes or looked at this many entries.
_BITE_BYTES = 64 * 1024
_BITE_ENTRIES = 64
# With fewer freed bytes, a trim costs more than it gains.
_TRIM_BYTES = 256 * 1024


class Yielding(Protocol):
    """A cache that can give memory back; `cackled.cache.soft.SoftCache` is one."""

    nbytes: int

    def shrink(self, nbytes: int) -> int:
        """Drop at least *nbytes*. Returns how many bytes were dropped; 0 when the cache is empty."""

    def sweep(self, idle: float, count: int) -> tuple[int, bool]:
        """Look at *count* entries and drop those idle for more than *idle* seconds.

        Returns the bytes dropped, and whether the walk has been over all entries.
        """


def find_malloc_trim() -> Callable[[], object]:
    """glibc's ``malloc_trim(0)``, or a function that does nothing where there is none (musl, macOS)."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return lambda: None
    trim.argtypes = [ctypes.c_size_t]
    trim.restype = ctypes.c_int
    return lambda: trim(0)


class Governor:
    """Calls *read_pressure* regularly and shrinks *caches* when memory is short.

    *target_bytes* is the resident size to aim at (0: only the limits of control groups and of the machine count).
    *reserve_bytes* of the machine's memory never count as free. *timer* measures slices in seconds, *trim* gives freed
    memory back to the kernel.
    """

    def __init__(
        self,
        caches: Sequence[Yielding],
        *,
        clock: IReactorTime,
        read_pressure: Callable[[], Pressure],
        metrics: Metrics,
        target_bytes: int = 0,
        reserve_bytes: int = 0,
        idle_seconds_per_free_mib: float,
        min_idle: float = 10.0,
        keep_bytes: int = KEEP_BYTES,
        trim: Callable[[], object] | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.caches = list(caches)
        self.free = 0
        self._clock = clock
        self._read = read_pressure
        self._target = target_bytes
        self._reserve = reserve_bytes
        self._idle_per_mib = idle_seconds_per_free_mib
        self._min_idle = min_idle
        self._keep = keep_bytes
        self._trim = trim or find_malloc_trim()
        self._timer = timer
        self._turn = 0
        self._acted = 0.0
        self._missing = 0
        self._next_slice: IDelayedCall | None = None
        self._blind = False
        self._ticks = Periodic(clock, LOOK, self._tick, "cache governor")
        metrics.watch("cache_free_bytes", "Memory the governor counts as free; negative is missing.", lambda: self.free)
        self._resident = metrics.gauge("process_resident_bytes", "Resident memory of the process.")
        self._passes = metrics.counter("cache_governor_passes", "Times memory was short and caches had to yield.")
        self._freed = metrics.counter("cache_governor_freed_bytes", "Bytes that caches gave back.", ["why"])
        self._slice_seconds = metrics.histogram(
            "cache_governor_slice_seconds", "Seconds per slice, its trim included.",
            buckets=(0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.05),
        )  # fmt: skip

    def start(self) -> None:
        """Begin. The first reading is a quarter of a second later."""
        self._acted = self._clock.seconds()
        self._ticks.start()

    def stop(self) -> None:
        """Stop at once, in the middle of a pass too."""
        self._ticks.stop()
        if self._next_slice is not None:
            self._next_slice.cancel()
            self._next_slice = None

    def _tick(self) -> None:
        if self._next_slice is not None:
            return
        try:
            pressure = self._read()
        except (OSError, ValueError) as error:
            if not self._blind:
                self._blind = True
                log.warn("memory pressure can't be read: {error}", error=str(error))
            return
        self._blind = False
        before, self.free = self.free, pressure.free(self._target, self._reserve)
        self._resident.set(pressure.rss)
        now = self._clock.seconds()
        if now - self._acted < INTERVAL and self.free >= min(0, before):
            return
        self._acted = now
        if self.free > 0:
            self._sweep(max(self._min_idle, self._idle_per_mib * self.free / MIB))
            return
        held = sum(cache.nbytes for cache in self.caches)
        self._missing = min(held - self._keep, held // 10 - self.free)
        if self._missing > 0:
            self._passes.inc()
            self._yield()

    def _sweep(self, idle: float) -> None:
        """One slice of the walk: part of one cache. The next cache follows when the walk over this one is done."""
        if not self.caches:
            return
        cache = self.caches[self._turn % len(self.caches)]
        began = self._timer()
        freed = 0
        while True:
            dropped, done = cache.sweep(idle, _BITE_ENTRIES)
            freed += dropped
            if done:
                self._turn += 1
            if done or freed >= SLICE_BYTES or self._timer() - began >= SLICE_SECONDS:
                break
        self._end_slice(began, freed, "idle")

    def _yield(self) -> None:
        """Drop one slice of what is missing. The next slice follows in the next turn of the reactor."""
        self._next_slice = None
        began = self._timer()
        freed = 0
        while self._missing > freed and freed < SLICE_BYTES:
            held = sum(cache.nbytes for cache in self.caches)
            # Always a small piece of the largest cache, so that no cache gives more than its share.
            cache = max(self.caches, key=lambda each: each.nbytes)
            dropped = cache.shrink(min(_BITE_BYTES, self._missing - freed)) if held else 0
            if not dropped:
                self._missing = 0
                break
            freed += dropped
            if self._timer() - began >= SLICE_SECONDS:
                break
        self._missing -= freed
        if self._missing > 0:
            self._next_slice = self._clock.callLater(0, self._yield)
        self._end_slice(began, freed, "pressure")

    def _end_slice(self, began: float, freed: int, why: str) -> None:
        if freed:
            self._freed.labels(why).inc(freed)
        if freed >= _TRIM_BYTES or (freed and why == "pressure"):
            self._trim()
        self._slice_seconds.observe(self._timer() - began)
