"""The governor: who yields, how much, in what slices, and what stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.cache.governor import SLICE_BYTES, Governor, find_malloc_trim
from cackled.cache.pressure import Pressure
from cackled.cache.soft import OVERHEAD, SoftCache
from cackled.metrics import Metrics
from tests.cache.common import check, loader

MIB = 1024 * 1024
SIZE = 10_000


class GovernorTests(SynchronousTestCase):
    """`cackled.cache.governor.Governor` with made-up pressure."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        self.cache = self.make("soft")
        self.rss = 0
        self.reads = 0
        self.trims: list[int] = []
        self.ticking = 0.0
        self.governor = self.govern([self.cache])

    def make(self, name: str) -> SoftCache:
        return SoftCache(clock=self.clock, max_bytes=64 * MIB, ttl=1e6, metrics=self.metrics, name=name)

    def govern(self, caches: list[SoftCache], **more: float) -> Governor:
        settings = {
            "target_bytes": 100 * MIB, "min_idle": 10.0, "keep_bytes": 0, "idle_seconds_per_free_mib": 1.0, **more,
        }  # fmt: skip
        governor = Governor(
            caches, clock=self.clock, read_pressure=self.read, metrics=self.metrics, timer=self.timer,
            trim=self.trim, **settings,  # type: ignore[arg-type]
        )  # fmt: skip
        governor.start()
        self.addCleanup(governor.stop)
        return governor

    def read(self) -> Pressure:
        self.reads += 1
        if self.rss < 0:
            raise OSError("no such group")
        return Pressure(rss=self.rss)

    def timer(self) -> float:
        self.ticking += 0.0001
        return self.ticking

    def trim(self) -> None:
        """Called at the end of each slice: the still clock runs all slices of a pass in one go."""
        self.trims.append(sum(cache.nbytes for cache in self.governor.caches))
        self.between()

    def between(self) -> None:
        """What a test does between two slices."""

    def fill(self, cache: SoftCache, number: int, size: int = SIZE) -> None:
        for each in range(number):
            self.successResultOf(cache.get(each, 0, loader(b"x" * (size - OVERHEAD))))

    def test_plenty(self) -> None:
        """With memory free and nothing idle for long, all stays, and nothing is trimmed."""
        self.fill(self.cache, 50)
        self.clock.pump([1.0] * 9)
        self.assertEqual(len(self.cache), 50)
        self.assertEqual(self.trims, [])
        self.assertEqual(self.reads, 9)
        self.assertEqual(self.governor.free, 100 * MIB)

    def test_idle_time_follows_free_memory(self) -> None:
        """100 MiB free: 100 seconds idle are allowed; 20 MiB: 20; hardly any: the least."""
        for rss, allowed in ((0, 100), (80 * MIB, 20), (99 * MIB, 10)):
            cache = self.make("one")
            self.governor.caches[:] = [cache]
            self.rss = rss
            self.fill(cache, 10)
            self.clock.pump([1.0] * allowed)
            self.assertEqual(len(cache), 10, allowed)
            self.clock.pump([1.0] * 2)
            self.assertEqual(len(cache), 0, allowed)

    def test_what_is_asked_for_stays(self) -> None:
        """Only what nobody asked for goes."""
        self.rss = 90 * MIB
        self.fill(self.cache, 20)
        for _ in range(30):
            self.clock.advance(1)
            for hot in range(5):
                self.cache.peek(hot, 0)
        self.assertEqual(sorted(entry.group for entry in self.cache), [0, 1, 2, 3, 4])
        self.assertEqual(self.metrics.value("cache_governor_freed_bytes_total", why="idle"), 15 * SIZE)
        check(self.cache)

    def test_excess(self) -> None:
        """Short of memory: the excess and a tenth of what is held, by own accounting, and no more."""
        self.fill(self.cache, 1_000)
        self.rss = 100 * MIB + 2_000_000
        self.clock.advance(1)
        self.assertEqual(len(self.cache), 700)
        self.assertEqual(self.metrics.value("cache_governor_freed_bytes_total", why="pressure"), 3_000_000)
        self.assertEqual(self.reads, 1)
        check(self.cache)

    def test_one_pass_a_second(self) -> None:
        """Though the resident size does not fall at all, each second takes one excess, not everything at once."""
        self.fill(self.cache, 1_000)
        self.rss = 100 * MIB + 100_000
        held = [self.cache.nbytes]
        for _ in range(5):
            self.clock.advance(1)
            held.append(self.cache.nbytes)
        for before, after in pairwise(held):
            self.assertLessEqual(before - after, before // 10 + 100_000 + 2 * SIZE)
        self.assertEqual(self.metrics.value("cache_governor_passes_total"), 5)

    def test_between_the_seconds(self) -> None:
        """Memory that grows shorter is not waited for a whole second with; memory that is as short as before is."""
        self.fill(self.cache, 1_000)
        self.clock.advance(1)
        self.assertEqual(len(self.cache), 1_000)
        self.rss = 100 * MIB + 100_000
        self.clock.advance(0.25)
        self.assertEqual(self.metrics.value("cache_governor_passes_total"), 1)
        self.clock.pump([0.25] * 3)
        self.assertEqual(self.metrics.value("cache_governor_passes_total"), 1)
        self.rss += 50_000
        self.clock.advance(0.25)
        self.assertEqual(self.metrics.value("cache_governor_passes_total"), 2)
        self.clock.pump([0.25] * 4)
        self.assertEqual(self.metrics.value("cache_governor_passes_total"), 3)

    def test_slices(self) -> None:
        """A long pass is cut by time, each slice is trimmed, and the reactor turns between them."""
        self.fill(self.cache, 2_000)
        self.rss = 1_000 * MIB
        self.clock.advance(1)
        self.assertEqual(len(self.cache), 0)
        # 0.1 ms per look at the timer, one look per bite of 64 KiB: 20 bites a slice.
        steps = [before - after for before, after in zip([2_000 * SIZE, *self.trims], self.trims, strict=False)]
        self.assertGreater(len(steps), 10)
        self.assertLess(max(steps), 25 * (64 * 1024 + SIZE))
        self.assertEqual(self.trims[-1], 0)

    def test_reactor_turns_between_slices(self) -> None:
        """What else is due gets its turn before a pass is over."""
        self.fill(self.cache, 2_000)
        left: list[int] = []

        def between() -> None:
            if len(self.trims) == 1:
                self.clock.callLater(0, lambda: left.append(len(self.cache)))

        self.patch(self, "between", between)
        self.rss = 1_000 * MIB
        self.clock.advance(1)
        self.assertGreater(left[0], 0)
        self.assertEqual(len(self.cache), 0)

    def test_slices_are_bounded_in_bytes(self) -> None:
        """The trim at the end of a slice has no more than so much to hand back."""
        self.patch(self, "timer", lambda: 0.0)
        governor = self.govern([self.cache])
        self.governor.stop()
        self.governor = governor
        self.fill(self.cache, 60, MIB)
        self.rss = 1_000 * MIB
        self.clock.advance(1)
        steps = [before - after for before, after in zip([60 * MIB, *self.trims], self.trims, strict=False)]
        self.assertEqual(max(steps), SLICE_BYTES)

    def test_the_larger_gives_more(self) -> None:
        """Of two caches the larger one yields first."""
        other = self.make("other")
        self.governor.caches.append(other)
        self.fill(self.cache, 500)
        self.fill(other, 100)
        self.rss = 100 * MIB + 1_400_000
        self.clock.advance(1)
        self.assertEqual(len(other), 100)
        self.assertEqual(len(self.cache), 300)

    def test_all_caches_are_walked(self) -> None:
        """Idle entries of every cache go, in turn."""
        other = self.make("other")
        self.governor.caches.append(other)
        self.fill(self.cache, 10)
        self.fill(other, 10)
        self.clock.pump([1.0] * 103)
        self.assertEqual((len(self.cache), len(other)), (0, 0))

    def test_use_during_a_pass(self) -> None:
        """Evictions and loads between two slices do no harm."""
        self.fill(self.cache, 1_000)
        turns: list[int] = []

        def between() -> None:
            turns.append(len(turns))
            self.cache.evict(999 - len(turns))
            self.successResultOf(self.cache.get("new", len(turns), loader()))
            check(self.cache)

        self.patch(self, "between", between)
        self.rss = 105 * MIB
        self.clock.advance(1)
        self.assertGreater(len(turns), 1)
        self.assertGreater(len(self.cache), 100)

    def test_nothing_to_give(self) -> None:
        """Empty caches, or none, are no error."""
        self.rss = 1_000 * MIB
        self.clock.advance(1)
        self.governor.caches.clear()
        self.clock.advance(1)
        self.rss = 0
        self.clock.advance(1)
        self.assertEqual((self.reads, self.trims), (3, []))

    def test_unreadable(self) -> None:
        """Pressure that can't be read is told once, not each second, and changes nothing; then it goes on."""
        self.fill(self.cache, 10)
        self.rss = -1
        self.clock.pump([1.0] * 5)
        self.assertEqual((self.reads, len(self.cache)), (5, 10))
        self.rss = 1_000 * MIB
        self.clock.advance(1)
        self.assertEqual(len(self.cache), 0)

    def test_something_is_kept(self) -> None:
        """Where others took all the memory for good, the hottest few stay."""
        self.governor.stop()
        self.governor = self.govern([self.cache], keep_bytes=20 * SIZE)
        self.fill(self.cache, 100)
        for hot in range(10):
            self.cache.peek(hot, 0)
        self.rss = 1_000 * MIB
        self.clock.pump([1.0] * 5)
        self.assertEqual(len(self.cache), 20)
        self.assertTrue(all(self.cache.peek(hot, 0) for hot in range(10)))
        self.assertEqual(self.metrics.value("cache_governor_passes_total"), 1)

    def test_stop(self) -> None:
        """It stops in the middle of a pass."""
        self.fill(self.cache, 2_000)
        self.patch(self, "between", self.governor.stop)
        self.rss = 1_000 * MIB
        self.clock.advance(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertGreater(len(self.cache), 0)

    def test_trim(self) -> None:
        """malloc_trim can be called here, or its stand-in."""
        find_malloc_trim()()


class MemoryTests(SynchronousTestCase):
    """The real thing, in a process of its own: resident size and what is retained."""

    if sys.platform != "linux":
        skip = "resident size is read from /proc"

    def run_apart(self, *arguments: str) -> dict[str, float]:
        root = Path(__file__).parents[2]
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("pressure_run.py")), *arguments], capture_output=True,
            text=True, timeout=120, check=False, cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_pressure(self) -> None:
        """Eight times the target passes through: the size stays bounded, and the cache stays useful all the while."""
        found = self.run_apart()
        target = found["target"]
        # Peak: the target, one tick's worth of stores, and what the allocator can't give back.
        self.assertLess(found["peak_rss"], target + 12 * MIB, found)
        # Retained: after no pass less than half of what fits, and never nothing.
        self.assertEqual(found["emptied"], 0, found)
        self.assertGreater(found["least_bytes"], target // 2, found)
        self.assertGreater(found["least_entries"], 500, found)
        # Non-vacuity: pressure was there many times, and the bound of the cache was not what kept it.
        self.assertGreater(found["passes"], 10, found)
        self.assertLess(found["most_bytes"], found["max_bytes"], found)

    def test_loop_on_resident_size(self) -> None:
        """The governor that drops until the size falls bounds it too, and empties the cache: the test above sees it."""
        found = self.run_apart("loop")
        self.assertLess(found["peak_rss"], found["target"] + 12 * MIB, found)
        self.assertGreater(found["emptied"], 0, found)
