"""The gate before the console: how many may try to log in, and how fast."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from argon2 import PasswordHasher
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.gate import Gate

WEAK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SECRET = "correct horse"


def at_once(function: Callable[..., bool], *args: Any) -> Awaitable[bool]:
    return succeed(function(*args))


class GateTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.asked: list[float] = []
        self.gate = Gate(self.clock, "admin", self.verify)

    async def verify(self, attempt: str) -> bool:
        self.asked.append(self.clock.seconds())
        return attempt == SECRET

    def attempt(self, password: str, user: str = "admin", source: str = "127.0.0.1") -> Deferred[bool]:
        return Deferred.fromCoroutine(self.gate.admit(user, password, source))

    def test_delay_grows(self) -> None:
        """Five wrong tries are answered at once; then the answer takes 1, 2, 4 .. 30 s."""
        for _ in range(5):
            self.assertFalse(self.successResultOf(self.attempt("x")))
        for delay in (1, 2, 4, 8, 16, 30, 30):
            self.clock.advance(1)
            waiting = self.attempt("x")
            self.clock.advance(delay - 0.5)
            self.assertNoResult(waiting)
            self.clock.advance(0.5)
            self.assertFalse(self.successResultOf(waiting))

    def test_another_connection_does_not_help(self) -> None:
        """Checks of a source that was wrong are apart, on however many connections; of another they are not."""
        for _ in range(5):
            self.attempt("x")
        waiting = [self.attempt("x") for _ in range(3)]
        other = self.attempt("x", source="192.0.2.1")
        self.clock.pump([0.25] * 40)
        self.assertEqual([d.called for d in waiting], [True, True, True])
        self.assertFalse(self.successResultOf(other))
        self.assertEqual(self.asked[5:], [1000.25, 1000.5, 1000.75, 1000.75])

    def test_the_right_one_is_not_locked_out(self) -> None:
        """Hundreds of wrong tries, more under way: the right password waits a few turns, from wherever it is."""
        for _ in range(100):
            self.attempt("x")
            self.clock.advance(0.25)
        for _ in range(8):
            self.attempt("x")
        began = self.clock.seconds()
        elsewhere = self.attempt(SECRET, source="192.0.2.1")
        right = self.attempt(SECRET)
        while not right.called:
            self.clock.advance(0.25)
        self.assertTrue(self.successResultOf(right))
        self.assertTrue(self.successResultOf(elsewhere))
        self.assertLessEqual(self.clock.seconds() - began, 3.0)

    def test_known(self) -> None:
        """A password that was right before waits for nobody; a wrong user does not get in by it."""
        slow: Deferred[bool] = Deferred()
        gate = Gate(self.clock, "admin", lambda attempt: slow, lambda attempt: attempt == SECRET)
        wrong = Deferred.fromCoroutine(gate.admit("admin", "x"))
        self.assertTrue(self.successResultOf(Deferred.fromCoroutine(gate.admit("admin", SECRET))))
        root = Deferred.fromCoroutine(gate.admit("root", SECRET, gone=lambda: True))
        self.assertNoResult(root)
        slow.callback(False)
        self.assertFalse(self.successResultOf(wrong))
        self.assertFalse(self.successResultOf(root))

    def test_who_has_gone_costs_nothing(self) -> None:
        """Tries whose connections are closed are not checked."""
        for _ in range(6):
            self.attempt("x")
            self.clock.advance(0.25)
        for _ in range(100):
            Deferred.fromCoroutine(self.gate.admit("admin", "x", "127.0.0.1", lambda: True))
        right = self.attempt(SECRET)
        self.clock.advance(0.25)
        self.assertTrue(self.successResultOf(right))

    def test_right_password_forgives(self) -> None:
        """The right password starts the count of its source anew."""
        for _ in range(7):
            self.attempt("x")
            self.clock.advance(5)
        self.assertTrue(self.successResultOf(self.attempt(SECRET)))
        for _ in range(5):
            self.assertFalse(self.successResultOf(self.attempt("x")))

    def test_sources_are_bounded(self) -> None:
        """An attacker with many addresses fills no memory."""
        for number in range(1_200):
            self.attempt("x", source=str(number))
        self.assertLessEqual(len(self.gate._wrong), 1_000)

    def test_time_forgives(self) -> None:
        """After a quarter of an hour of peace the tries are free again."""
        for _ in range(8):
            self.attempt("x")
            self.clock.advance(10)
        self.clock.advance(1000)
        self.assertFalse(self.successResultOf(self.attempt("x")))
        self.assertFalse(self.successResultOf(self.attempt("x")))

    def test_wrong_user_costs_the_same(self) -> None:
        """The password is checked for an unknown user as well."""
        self.assertFalse(self.successResultOf(self.attempt(SECRET, "root")))
        self.assertEqual(len(self.asked), 1)
