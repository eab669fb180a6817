"""Facts of this process."""

from __future__ import annotations

import os

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.lag import LagMonitor
from cackled.admin.process import LocalProcess
from cackled.domain.commands import CommandError, Facts
from cackled.metrics import Metrics


class LocalProcessTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(100)
        self.stopped: list[bool] = []
        self.lag = LagMonitor(self.clock, Metrics())

    def process(self, **more: object) -> LocalProcess:
        return LocalProcess("n1", self.clock, self.lag, stop=lambda: self.stopped.append(True), **more)  # type: ignore[arg-type]

    def test_facts(self) -> None:
        """Uptime is counted from the making, memory and files are those of this process."""
        process = self.process(draining=lambda: True)
        self.clock.advance(7)
        facts = process.facts()
        self.assertEqual((facts["node"], facts["pid"], facts["uptime_seconds"]), ("n1", os.getpid(), 7.0))
        self.assertIs(facts["draining"], True)
        memory, files = facts["memory_bytes"], facts["open_files"]
        assert isinstance(memory, int) and isinstance(files, int)
        self.assertGreater(memory, 5 * 1024 * 1024)
        self.assertGreater(files, 2)

    def test_shutdown_lets_the_answer_out(self) -> None:
        """The stop begins after the command was answered, not during it."""
        self.successResultOf(Deferred.fromCoroutine(self.process().shutdown()))
        self.assertEqual(self.stopped, [])
        self.clock.advance(0.1)
        self.assertEqual(self.stopped, [True])

    def test_drain(self) -> None:
        """What can't be drained says so; else the drain's own facts are given."""
        self.failureResultOf(Deferred.fromCoroutine(self.process().drain()), CommandError)

        async def drain() -> Facts:
            return {"clients": 5}

        drained = Deferred.fromCoroutine(self.process(drain=drain).drain())
        self.assertEqual(self.successResultOf(drained), {"clients": 5})

    def test_collect(self) -> None:
        """A collection tells how long it took."""
        self.assertIn("pause_seconds", self.process().collect())
