"""Reactor lag, collector pauses, freezing."""

from __future__ import annotations

import gc

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.lag import LOOKS, YOUNG, Freezer, LagMonitor, PauseMonitor, process_metrics
from cackled.metrics import Metrics


class LagMonitorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        self.monitor = LagMonitor(self.clock, self.metrics)
        self.monitor.start()

    def test_punctual(self) -> None:
        """Turns that come in time have no lag."""
        self.clock.pump([0.1] * 20)
        self.assertAlmostEqual(self.monitor.worst(), 0)
        self.assertEqual(self.metrics.value("reactor_lag_seconds_count"), 20)

    def test_late(self) -> None:
        """A turn that comes 0.25 s late is measured so, and remembered for ten seconds."""
        self.clock.advance(0.35)
        self.assertAlmostEqual(self.monitor.worst(), 0.25)
        self.assertAlmostEqual(self.metrics.value("reactor_lag_seconds_sum"), 0.25)
        self.clock.pump([0.1] * 99)
        self.assertAlmostEqual(self.metrics.value("reactor_lag_max_seconds"), 0.25)
        self.clock.pump([0.1] * 2)
        self.assertAlmostEqual(self.monitor.worst(), 0)

    def test_overdue_turn_counts(self) -> None:
        """Asked in the middle of a stall, the monitor knows of it already."""
        self.clock.rightNow += 3
        self.assertAlmostEqual(self.monitor.worst(), 2.9)

    def test_stop(self) -> None:
        """Stopping leaves no timer, and stopping twice is nothing."""
        self.monitor.stop()
        self.monitor.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    @given(st.lists(st.floats(0.1, 4.0), max_size=60))
    def test_window(self, steps: list[float]) -> None:
        """The worst is that of the turns of the last ten seconds, however they came."""
        clock = Clock()
        monitor = LagMonitor(clock, Metrics())
        monitor.start()
        seen: list[tuple[float, float]] = []
        for step in steps:
            clock.advance(step)
            seen.append((clock.seconds(), step - 0.1))
        expected = max((lag for when, lag in seen if when > clock.seconds() - 10), default=0.0)
        self.assertAlmostEqual(monitor.worst(), expected, places=6)


class PauseMonitorTests(SynchronousTestCase):
    def test_pause(self) -> None:
        """A collection is timed under its generation; after stop nothing is."""
        ticks = iter([1.0, 1.5])
        metrics = Metrics()
        monitor = PauseMonitor(metrics, lambda: next(ticks))
        enabled = gc.isenabled()
        gc.disable()
        self.addCleanup(gc.enable if enabled else gc.disable)
        monitor.start()
        self.addCleanup(monitor.stop)
        gc.collect(1)
        monitor.stop()
        gc.collect(1)
        self.assertEqual(metrics.value("gc_pause_seconds_sum", generation="1"), 0.5)
        self.assertEqual(metrics.value("gc_pause_seconds_count", generation="1"), 1)


class FakeCollector:
    def __init__(self) -> None:
        self.done: list[str] = []

    def collect(self) -> int:
        self.done.append("collect")
        return 0

    def freeze(self) -> None:
        self.done.append("freeze")

    thresholds = (700, 10, 10)
    looks = 0
    alive = 0

    def get_stats(self) -> list[dict[str, int]]:
        return [{"collections": self.looks}, {"collections": 0}, {"collections": len(self.done)}]

    def get_objects(self) -> list[None]:
        return [None] * self.alive

    def get_threshold(self) -> tuple[int, int, int]:
        return self.thresholds

    def set_threshold(self, young: int, middle: int, old: int) -> None:
        self.thresholds = (young, middle, old)

    def unfreeze(self) -> None:
        self.done.append("unfreeze")


class FreezerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        self.gc = FakeCollector()
        self.count = 0
        self.freezer = Freezer(self.clock, self.metrics, lambda: self.count, collector=self.gc)

    def after(self, count: int, seconds: int = 1) -> list[str]:
        self.gc.done.clear()
        self.count = count
        self.clock.pump([1] * seconds)
        return list(self.gc.done)

    def test_policy(self) -> None:
        """Frozen at start, at the first thousand, at each tenth more; thawed when half are gone for some minutes."""
        self.freezer.start()
        self.assertEqual(self.gc.done, ["collect", "freeze"])
        self.assertEqual(self.after(999), [])
        self.assertEqual(self.after(1000), ["collect", "freeze"])
        self.assertEqual(self.after(1099), [])
        self.assertEqual(self.after(1100), ["collect", "freeze"])
        self.assertEqual(self.after(600, 400), [])
        self.assertEqual(self.after(550, 300), [])
        self.assertEqual(self.after(560), ["unfreeze", "collect", "freeze"])
        self.assertEqual(self.after(10, 400), [])
        self.assertEqual(self.metrics.value("gc_freezes_total"), 4)

    def test_herd(self) -> None:
        """Clients that were cut off and come back find no pause; many thousands more are frozen in steps."""
        self.count = 50_000
        self.freezer.start()
        self.assertEqual(self.after(51_999), [])
        self.assertEqual(self.after(52_000), ["collect", "freeze"])
        self.assertEqual(self.after(5, 290), [])
        for count in (1_000, 3_000, 5_000):
            self.assertEqual(self.after(count), ["collect", "freeze"], count)
        self.assertEqual(self.after(5_400, 400), [])

    def test_steady_load_is_left_alone(self) -> None:
        """A big node that neither grows nor shrinks is not frozen again and again."""
        self.count = 50_000
        self.freezer.start()
        self.assertEqual(self.after(50_000) + self.after(51_999) + self.after(50_000), [])

    def test_survivors(self) -> None:
        """What comes to stay beside connections is frozen in steps; what was there for a moment only never is."""
        self.freezer.start()
        self.gc.looks += LOOKS - 1
        self.assertEqual(self.after(10), [])
        self.gc.looks += 1
        self.gc.alive = YOUNG - 1
        self.assertEqual(self.after(10, 60), ["collect"])
        self.gc.looks += LOOKS
        self.gc.alive = YOUNG
        self.assertEqual(self.after(10), ["collect", "freeze"])
        self.assertEqual(self.after(10, 60), [])
        # A step of connections counts as well.
        self.gc.looks += LOOKS
        self.assertEqual(self.after(5_000, 60), ["collect", "freeze"])
        self.assertEqual(self.metrics.value("gc_freezes_total"), 3)

    def test_stop(self) -> None:
        """Stopping gives everything back and leaves no timer."""
        self.freezer.start()
        self.assertEqual(self.gc.thresholds, (YOUNG, 10, 10))
        self.freezer.stop()
        self.assertEqual(self.gc.done[-1], "unfreeze")
        self.assertEqual(self.gc.thresholds, (700, 10, 10))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_real_collector(self) -> None:
        """The gc module fits, and objects are frozen until stop."""
        freezer = Freezer(self.clock, self.metrics, lambda: 0)
        self.addCleanup(gc.unfreeze)
        freezer.start()
        self.assertGreater(gc.get_freeze_count(), 1000)
        freezer.stop()
        self.assertEqual(gc.get_freeze_count(), 0)


class ProcessMetricsTests(SynchronousTestCase):
    def test_there(self) -> None:
        """Memory, CPU and version are in the scrape."""
        metrics = Metrics()
        process_metrics(metrics)
        text = metrics.render().decode()
        for name in ("process_resident_memory_bytes ", "process_cpu_seconds_total ", "cackled_build_info{"):
            self.assertIn("\n" + name, text)
