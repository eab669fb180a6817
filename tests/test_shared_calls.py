"""One call a key at a time."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.shared_calls import AT_ONCE, SharedCalls


class SharedCallsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.calls: SharedCalls[int] = SharedCalls(self.clock)
        self.begun: list[Deferred[int]] = []

    def begin(self) -> Deferred[int]:
        """A call that the test ends."""
        self.begun.append(Deferred())
        return self.begun[-1]

    def test_shared(self) -> None:
        """Two who ask for one name share a call; another name has its own; afterwards there is a new one."""
        first, second, other = (self.calls.ask(key, self.begin) for key in "aab")
        self.assertEqual(len(self.begun), 2)
        self.begun[0].callback(1)
        self.assertEqual((self.successResultOf(first), self.successResultOf(second)), (1, 1))
        self.assertNoResult(other)
        self.assertNoResult(self.calls.ask("a", self.begin))
        self.assertEqual(len(self.begun), 3)

    def test_failure(self) -> None:
        """All are told of a failure, each by its own."""
        waiting = [self.calls.ask("a", self.begin) for _ in range(2)]
        self.begun[0].errback(OSError("gone"))
        found = [self.failureResultOf(one, OSError) for one in waiting]
        self.assertIsNot(found[0], found[1])

    def test_left(self) -> None:
        """Who gives up leaves the call to the others, and a call that nobody waits for is still the only one."""
        first, second = self.calls.ask("a", self.begin), self.calls.ask("a", self.begin)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        second.cancel()
        self.failureResultOf(second, CancelledError)
        third = self.calls.ask("a", self.begin)
        self.assertEqual(len(self.begun), 1)
        self.begun[0].callback(7)
        self.assertEqual(self.successResultOf(third), 7)

    def test_cancelled_meanwhile(self) -> None:
        """One who is told first may give up for another."""
        first, second = self.calls.ask("a", self.begin), self.calls.ask("a", self.begin)
        first.addCallback(lambda _: second.cancel())
        self.begun[0].callback(7)
        self.failureResultOf(second, CancelledError)

    def test_many(self) -> None:
        """Many are told in turns, in the order in which they asked; one may give up between two of them."""
        told: list[int] = []
        turns: list[Any] = []
        self.patch(self.clock, "callLater", lambda seconds, call, *given: turns.append(lambda: call(*given)))
        waiting = [self.calls.ask("a", self.begin) for _ in range(3 * AT_ONCE)]
        for number, one in enumerate(waiting):
            one.addCallback(lambda _, number=number: told.append(number))
        self.begun[0].callback(7)
        self.assertEqual(told, list(range(AT_ONCE)))
        waiting[AT_ONCE].cancel()
        self.failureResultOf(waiting[AT_ONCE], CancelledError)
        self.assertNoResult(self.calls.ask("a", self.begin))
        turns.pop()()
        self.assertEqual(told[AT_ONCE:], list(range(AT_ONCE + 1, 2 * AT_ONCE)))
        turns.pop()()
        self.assertEqual(told[-1], 3 * AT_ONCE - 1)
        self.assertEqual((len(told), turns), (3 * AT_ONCE - 1, []))
