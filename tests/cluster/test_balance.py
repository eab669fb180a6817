"""Clients are sent to a worker that began after a crash: how many, by whom, and when not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.balance import LEAST, LOOK, PART, SETTLE, WATCH, Balance
from cackled.cluster.control import Beat


class One(SimpleNamespace):
    """A worker; the same one is the same key."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def workers(*sessions: int) -> list[Any]:
    return [One(beat=Beat(count, 100, count, 0, 0.0)) for count in sessions]


class BalanceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.balance: Balance[Any] = Balance(self.clock)

    def look(self, well: list[Any], after: float = LOOK) -> list[tuple[Any, int]]:
        self.clock.advance(after)
        return self.balance.look(well, 5.0)

    def test_share(self) -> None:
        """What is above the mean is sent, all to the new one, and then everything is as ever."""
        new, one, two = well = workers(0, 60, 30)
        self.balance.began(new)
        self.assertEqual(self.look(well, 0.5), [], "they are still coming back")
        self.assertEqual(self.look(well), [(one, 30)])
        self.assertIs(self.balance.favoured, new)
        self.assertEqual(self.look(well, 1.0), [], "not twice")
        new.beat, one.beat = two.beat, two.beat
        self.assertEqual(self.look(well, 5.0 + SETTLE), [])
        self.assertIsNone(self.balance.favoured)

    def test_not(self) -> None:
        """Few, or hardly uneven, or no crash at all, or long after it: nobody is sent."""
        for sessions in ((0, LEAST), (80, 120), (0,)):
            well = workers(*sessions)
            self.balance.began(well[0])
            self.assertEqual(self.look(well), [], sessions)
        self.assertEqual(self.look(workers(0, 100)), [], "who began in order")
        well = workers(0, 100)
        self.balance.began(well[0])
        self.assertEqual(self.look(well, WATCH), [])

    def test_gone(self) -> None:
        """The new one is gone again: nobody waits for it."""
        new, one = workers(0, 100)
        self.balance.began(new)
        self.look([new, one])
        self.assertEqual(self.look([one], 0.5), [])
        self.assertIsNone(self.balance.favoured)

    @given(st.lists(st.integers(0, 1000), min_size=2, max_size=8))
    def test_even(self, sessions: list[int]) -> None:
        """Whatever there is: no more is sent than is lacking, and none by who has no more than the mean."""
        clock = Clock()
        balance: Balance[Any] = Balance(clock)
        well = workers(*sessions)
        balance.began(well[0])
        clock.advance(LOOK)
        sent = balance.look(well, 5.0)
        mean = sum(sessions) / len(sessions)
        if not sent:
            self.assertLess(mean - sessions[0], max(LEAST, PART * mean))
            return
        for worker, count in sent:
            self.assertLessEqual(count, worker.beat.sessions - mean)
        lacking = sum(max(0.0, mean - count) for count in sessions)
        self.assertLessEqual(sum(count for _, count in sent), lacking + 0.001)
        self.assertNotIn(well[0], [worker for worker, _ in sent])
