"""Problems: what is wrong is said once, watched where it can't say so itself, and told to all who ask."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from cackled.metrics import Metrics
from cackled.problems import LONGEST, Problem, Problems


class ProblemsTests(SynchronousTestCase):
    """The list."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        self.problems = Problems(self.clock, self.metrics)
        self.problems.start()
        self.addCleanup(self.problems.stop)

    def test_begins_and_ends(self) -> None:
        """Both are in the log once; the figure follows."""
        said = [""]
        self.problems.add("disk", lambda: said[0], unfit=True)
        self.assertEqual((self.problems.now(), self.problems.unfit()), ([], ""))
        said[0] = "The disk is full."
        self.assertEqual(self.problems.now(), [Problem("disk", "The disk is full.", True)])
        self.assertEqual(self.problems.unfit(), "The disk is full.")
        with capturedLogs() as events:
            for _ in range(3):
                self.clock.advance(1)
            self.assertEqual(self.metrics.value("problem", kind="disk"), 1)
            said[0] = ""
            for _ in range(3):
                self.clock.advance(1)
        self.assertEqual([event["log_level"] for event in events], [LogLevel.error, LogLevel.info])
        self.assertEqual(self.metrics.value("problem", kind="disk"), 0)

    def test_several(self) -> None:
        """One name may have several sentences; only what is marked makes the node unfit."""
        self.problems.add("certificate", lambda: ["a ends.", "", "b ends."])
        self.problems.include(lambda: [Problem("tail", "Worker 1: the log is not followed.", True)])
        self.assertEqual([one.text for one in self.problems.now()][:2], ["a ends.", "b ends."])
        self.assertEqual(self.problems.unfit(), "Worker 1: the log is not followed.")

    def test_broken_look(self) -> None:
        """A look that raises is a problem of its own, in the log once, and hides no other."""
        self.problems.add("bad", lambda: "x"[1])
        self.problems.add("long", lambda: "y" * 10_000)
        self.clock.advance(3)
        self.assertEqual([one.name for one in self.problems.now()], ["bad", "long"])
        self.assertEqual(len(self.problems.now()[1].text), LONGEST)
        self.assertEqual(len(self.flushLoggedErrors(IndexError)), 1)

    def test_watch(self) -> None:
        """Something waits and nothing ends: wrong after so many seconds, right with the first that ends."""
        waiting, ended = [0], [7]
        self.problems.watch("loads", lambda: waiting[0], lambda: ended[0], 5, "{waiting} wait for {seconds} s.")
        self.clock.advance(60)
        self.assertEqual(self.problems.now(), [])
        waiting[0] = 3
        self.clock.advance(4)
        self.assertEqual(self.problems.now(), [])
        self.clock.advance(2)
        self.assertEqual([one.text for one in self.problems.now()], ["3 wait for 6 s."])
        ended[0] += 1
        self.assertEqual(self.problems.now(), [])
        self.clock.advance(4)
        self.assertEqual(self.problems.now(), [])
        # However much waits, while some of it ends.
        for _ in range(100):
            ended[0] += 1
            self.clock.advance(4)
            self.assertEqual(self.problems.now(), [])
