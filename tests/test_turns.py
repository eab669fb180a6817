"""Turns: order, bounds, leaving the queue, and a flat stack however many wait."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

import cackled
from cackled.turns import Turns

CROWD = 10_000


class HouseTests(SynchronousTestCase):
    """What is used instead of it."""

    def test_nobody_nests(self) -> None:
        """Twisted's semaphore, lock and queue resume a waiter inside a release; nothing of ours uses them."""
        for path in Path(cackled.__file__).parent.rglob("*.py"):
            for name in ("DeferredSemaphore", "DeferredLock", "DeferredQueue"):
                self.assertNotIn(name, path.read_text(), path.name)


class TurnsTests(SynchronousTestCase):
    """The queue."""

    def test_bound(self) -> None:
        """No more than so many hold a turn."""
        turns = Turns(2)
        got = [turns.acquire() for _ in range(4)]
        self.assertEqual([one.called for one in got], [True, True, False, False])
        self.assertEqual((turns.held, turns.waiting), (2, 2))
        turns.release()
        self.assertEqual([one.called for one in got], [True, True, True, False])

    def test_first_come_first_served(self) -> None:
        """In the order of asking; a newcomer doesn't slip in before those who wait."""
        turns, order = Turns(), list[int]()
        turns.acquire()
        for number in range(3):
            turns.acquire().addCallback(lambda _, number=number: order.append(number))
        for _ in range(3):
            turns.release()
        self.assertEqual(order, [0, 1, 2])
        turns.release()
        self.assertEqual((turns.free, turns.handed), (1, 4))

    def test_newcomer_in_a_hand_over(self) -> None:
        """Who asks while turns are handed over stands behind those who came before."""
        turns, order = Turns(), list[str]()

        def first(_: None) -> None:
            order.append("first")
            turns.acquire().addCallback(lambda _: order.append("new"))
            turns.release()

        turns.acquire()
        turns.acquire().addCallback(first)
        turns.acquire().addCallback(lambda _: (order.append("second"), turns.release()))
        turns.release()
        self.assertEqual(order, ["first", "second", "new"])

    def test_cancelled(self) -> None:
        """Who leaves the queue is passed over, and takes nothing with him."""
        turns = Turns()
        turns.acquire()
        gone, stays = turns.acquire(), turns.acquire()
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        turns.release()
        self.assertTrue(stays.called)
        turns.release()
        self.assertEqual((turns.free, turns.waiting), (1, 0))

    def test_given_back_twice(self) -> None:
        """A turn that nobody had can't be given back."""
        self.assertRaises(RuntimeError, Turns().release)

    def test_run(self) -> None:
        """The turn ends with the work, also with work that fails."""
        turns = Turns()

        async def broken() -> None:
            self.assertEqual(turns.held, 1)
            raise ValueError("no")

        self.failureResultOf(Deferred.fromCoroutine(turns.run(broken)), ValueError)
        self.assertEqual(turns.held, 0)

    def test_crowd_with_nothing_to_do(self) -> None:
        """Ten thousand who release at once are not resumed inside one another."""
        turns, done = Turns(8), list[int]()
        for _ in range(8):
            turns.acquire()

        async def one(number: int) -> None:
            async with turns:
                done.append(number)

        for number in range(CROWD):
            Deferred.fromCoroutine(one(number))
        turns.release()
        self.assertEqual(done, list(range(CROWD)))
        self.assertEqual((turns.held, turns.waiting), (7, 0))

    def test_crowd_leaves(self) -> None:
        """Ten thousand cancel, from the first and from the last."""
        for order in (1, -1):
            turns = Turns()
            turns.acquire()
            crowd = [turns.acquire() for _ in range(CROWD)]
            for one in crowd[::order]:
                one.addErrback(lambda f: None)
                one.cancel()
            self.assertEqual(turns.waiting, 0)
            turns.release()
            self.assertEqual(turns.free, 1)

    @given(st.integers(1, 4), st.lists(st.sampled_from(["ask", "release", "cancel", "ask and go"]), max_size=60))
    def test_model(self, most: int, steps: list[str]) -> None:
        """Whatever happens: never more holders than turns, nobody waits beside a free one, order is kept."""
        turns = Turns(most)
        asked: list[Deferred[None]] = []
        got: list[int] = []
        holders: list[int] = []

        def taken(number: int, at_once: bool) -> Callable[[None], None]:
            def take(_: None) -> None:
                got.append(number)
                if at_once:
                    turns.release()
                else:
                    holders.append(number)
                    assert len(holders) <= most
            return take

        for step in steps:
            if step in ("ask", "ask and go"):
                one = turns.acquire()
                number = len(asked)
                asked.append(one)
                one.addCallbacks(taken(number, step == "ask and go"), lambda f: f.trap(CancelledError) and None)
            elif step == "release" and holders:
                holders.pop()
                turns.release()
            elif step == "cancel" and asked:
                asked[-1].cancel()
            assert turns.held == len(holders)
            assert not (turns.free and turns.waiting)
        assert got == sorted(got)
