"""Run by test_governor in a process of its own: stores far more than the target and prints what became of it.

With the argument ``loop`` the cache is governed the wrong way: drop until the resident size falls.
"""

from __future__ import annotations

import json
import random
import sys

from twisted.internet.task import Clock

from cackled.cache.governor import Governor
from cackled.cache.pressure import MemoryReader, Pressure
from cackled.cache.soft import SoftCache
from cackled.metrics import Metrics
from tests.cache.common import loader

MIB = 1024 * 1024
TARGET = 48 * MIB


def main(loop: bool) -> None:
    clock = Clock()
    metrics = Metrics()
    rng = random.Random(7)
    cache = SoftCache(clock=clock, max_bytes=1024 * MIB, ttl=1e9, metrics=metrics)
    read = MemoryReader()
    base = read().rss
    peak = least_bytes = most_bytes = 0
    least_bytes = least_entries = 1 << 60
    emptied = passes = 0

    def relative() -> Pressure:
        return Pressure(rss=read().rss - base)

    governor = Governor(
        [cache], clock=clock, read_pressure=relative, metrics=metrics, target_bytes=TARGET,
        idle_seconds_per_free_mib=1e6, keep_bytes=0,
    )  # fmt: skip
    if not loop:
        governor.start()
    passed = 0
    number = 0
    blob = rng.randbytes(80_000)
    while passed < 8 * TARGET:
        for _ in range(100):
            size = rng.randrange(2_000, 78_000) if rng.random() < 0.3 else rng.randrange(2_000, 8_000)
            cache.get(number // 5, number % 5, loader(blob[:size]))
            passed += size
            number += 1
        most_bytes = max(most_bytes, cache.nbytes)
        peak = max(peak, relative().rss)
        if loop:
            short = relative().rss > TARGET
            while relative().rss > TARGET and cache.shrink(64 * 1024):
                pass
            metrics.counter("cache_governor_passes", "").inc(short)
        clock.advance(1)
        if metrics.value("cache_governor_passes_total") > passes:
            passes += 1
            least_bytes = min(least_bytes, cache.nbytes)
            least_entries = min(least_entries, len(cache))
            emptied += not len(cache)
    print(json.dumps({
        "target": TARGET, "peak_rss": peak, "least_bytes": least_bytes, "least_entries": least_entries,
        "most_bytes": most_bytes, "max_bytes": cache.max_bytes, "emptied": emptied, "passes": passes,
        "slices": metrics.value("cache_governor_slice_seconds_count"),
        "slice_seconds": metrics.value("cache_governor_slice_seconds_sum"),
        "slices_over_4ms": metrics.value("cache_governor_slice_seconds_count")
        - metrics.value("cache_governor_slice_seconds_bucket", le="0.004"),
    }))  # fmt: skip


if __name__ == "__main__":
    main("loop" in sys.argv)
