"""Readiness checks."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.health import Health, NotReady, Readiness
from cackled.metrics import Metrics


class HealthTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        self.asked = 0
        self.answer: Deferred[Any] | Exception | None = None

    def health(self, **more: Any) -> Health:
        return Health({"database": self.database, **more}, self.clock, self.metrics)

    async def database(self) -> None:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            await self.answer

    def look(self, health: Health) -> Deferred[Readiness]:
        return Deferred.fromCoroutine(health.look())

    def test_ready(self) -> None:
        """All checks passed: ready."""
        found = self.successResultOf(self.look(self.health()))
        self.assertEqual(found, Readiness(True, {"database": "ok"}))
        self.assertEqual(self.metrics.value("ready"), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_failure_is_named_without_secrets(self) -> None:
        """A check's own words are told; of any other error only the type, whose message may hold a DSN."""
        self.answer = NotReady("no primary\nanswers")
        self.assertEqual(self.successResultOf(self.look(self.health())).checks, {"database": "no primary answers"})
        self.answer = ValueError("host=db password=hunter2")
        found = self.successResultOf(self.look(self.health()))
        self.assertEqual(found, Readiness(False, {"database": "ValueError"}))
        self.assertEqual(self.metrics.value("ready"), 0)
        self.assertEqual(self.metrics.value("ready_failures_total", check="database"), 2)

    def test_remembered_for_a_second(self) -> None:
        """Many askers cost one check a second."""
        health = self.health()
        for _ in range(5):
            self.look(health)
        self.clock.advance(0.9)
        self.look(health)
        self.assertEqual(self.asked, 1)
        self.clock.advance(0.2)
        self.look(health)
        self.assertEqual(self.asked, 2)

    def test_forget(self) -> None:
        """Told to forget, it looks again at once."""
        health = self.health()
        self.look(health)
        self.answer = NotReady("draining")
        health.forget()
        self.assertFalse(self.successResultOf(self.look(health)).ready)

    def test_askers_share_a_check_under_way(self) -> None:
        """While a check runs, all wait for that one."""
        self.answer = Deferred()
        health = self.health()
        waiting = [self.look(health) for _ in range(3)]
        self.assertEqual(self.asked, 1)
        self.answer.callback(None)
        self.assertEqual([self.successResultOf(one).ready for one in waiting], [True] * 3)

    def test_slow_check_fails(self) -> None:
        """A check that hangs is a failed one after two seconds; its late outcome changes nothing."""
        self.answer = Deferred()
        waiting = self.look(self.health())
        self.clock.advance(1.9)
        self.assertNoResult(waiting)
        self.clock.advance(0.1)
        self.assertEqual(self.successResultOf(waiting).checks, {"database": "no answer for 2 s"})
        self.answer.callback(None)

    def test_checks_run_together(self) -> None:
        """Two hanging checks take two seconds, not four."""

        async def mesh() -> None:
            await Deferred()

        self.answer = Deferred()
        waiting = self.look(self.health(mesh=mesh))
        self.clock.advance(2)
        self.assertEqual(len(self.successResultOf(waiting).checks), 2)

    def test_check_that_is_no_coroutine_function(self) -> None:
        """A check that raises before it gives an awaitable is a failed one, like any."""

        def broken() -> Any:
            raise RuntimeError("x")

        self.assertFalse(self.successResultOf(self.look(self.health(mesh=broken))).ready)
