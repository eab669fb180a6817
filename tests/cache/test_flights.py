"""Loads under way: who shares them, who gets what, what a failure and a cancel do."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Generator
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.python.failure import Failure

from cackled.cache.types import Loaded
from tests.cache.common import FlightsCase, Oops, loader, results


class FlightsTests(FlightsCase):
    """`cackled.cache.flights` as `SoftCache.get` shows it."""

    # --- sharing

    def test_one_load_for_all(self) -> None:
        """However many ask meanwhile, one load runs, and each gets the value by a Deferred of its own."""
        waiters = [self.get() for _ in range(100)]
        self.assertEqual(len({id(waiter) for waiter in waiters}), 100)
        self.loads.end(0, b"page")
        self.assertEqual({self.successResultOf(waiter) for waiter in waiters}, {Loaded(b"page", 1)})
        self.assertEqual(self.loads.calls, [False])
        self.assertEqual((self.cache.stats().joins, self.cache.stats().misses), (99, 1))
        self.done()

    def test_other_keys_load_apart(self) -> None:
        """A load is of one key of one group."""
        for group, key in (("g", 1), ("g", 2), ("h", 1)):
            self.get(key, group=group)
        self.assertEqual(len(self.loads.calls), 3)
        self.loads.end(1, b"two")
        self.assertEqual([self.cache.peek("g", 1), self.cache.peek("g", 2)], [None, Loaded(b"two", 1)])

    def test_callback_of_one_is_not_seen_by_another(self) -> None:
        """What a waiter makes of its result stays its own."""
        first, second = self.get(), self.get()
        first.addCallback(lambda loaded: "changed")
        self.loads.end(0)
        self.assertEqual(self.successResultOf(first), "changed")
        self.assertEqual(self.successResultOf(second), Loaded(b"value", 1))

    def test_answered_in_order(self) -> None:
        """First come, first served."""
        order: list[int] = []
        for number in range(5):
            self.get().addCallback(lambda _, number=number: order.append(number))
        self.loads.end(0)
        self.assertEqual(order, [0, 1, 2, 3, 4])

    # --- loaders of all kinds

    def test_synchronous_loaders(self) -> None:
        """A coroutine that never waits and a Deferred that has fired give their value at once."""
        self.assertEqual(self.successResultOf(self.cache.get("g", 1, loader(b"a"))).value, b"a")
        self.assertEqual(self.successResultOf(self.cache.get("g", 2, lambda f: succeed(Loaded(b"b", 1)))).value, b"b")
        self.assertIsNotNone(self.cache.peek("g", 2))
        self.done()

    def test_any_awaitable(self) -> None:
        """An object with ``__await__`` will do."""

        class Later:
            def __await__(self) -> Generator[Any, Any, Loaded]:
                return succeed(Loaded(b"later", 1)).__await__()

        def load(fresh: bool) -> Awaitable[Loaded]:
            return Later()

        self.assertEqual(self.successResultOf(self.cache.get("g", 1, load)).value, b"later")

    def test_loader_that_raises(self) -> None:
        """To raise when called is to fail; the next caller loads anew."""

        def load(fresh: bool) -> Deferred[Loaded]:
            raise Oops("at once")

        self.failureResultOf(self.cache.get("g", 1, load), Oops)
        self.done()
        self.assertEqual(self.successResultOf(self.cache.get("g", 1, loader())).value, b"value")

    def test_loader_that_gives_nonsense(self) -> None:
        """What is no Loaded of bytes and a number fails those who wait, and hangs nobody."""
        for nonsense in (None, b"bytes", Loaded("text", 1), Loaded(b"x", None), Loaded(b"x", 1.5)):  # type: ignore[arg-type]
            first = self.cache.get("g", 1, lambda fresh, nonsense=nonsense: succeed(nonsense))
            self.assertIn("Loaded", str(self.failureResultOf(first, TypeError).value))
            self.done()

    def test_loader_that_comes_back(self) -> None:
        """A loader may use the cache: other keys of its group, and eviction of that group."""

        async def load(fresh: bool) -> Loaded:
            other = await self.cache.get("g", 2, loader(b"two"))
            self.cache.evict("g", 3)
            return Loaded(other.value + b"!", 2)

        self.assertEqual(self.successResultOf(self.cache.get("g", 1, load)).value, b"two!")
        self.assertIsNone(self.cache.peek("g", 1))
        self.assertEqual(self.cache.stats().refused_evicted, 1)
        self.done()

    # --- failures

    def test_failures_are_not_kept(self) -> None:
        """All who wait fail; who comes next loads again."""
        waiters = [self.get() for _ in range(3)]
        self.loads.fail(0, Oops("database"))
        for waiter in waiters:
            self.failureResultOf(waiter, Oops)
        self.done()
        again = self.get()
        self.loads.end(1, b"back")
        self.assertEqual(self.successResultOf(again).value, b"back")
        self.assertEqual(self.cache.stats().failed, 1)

    def test_failure_leaves_what_is_there(self) -> None:
        """A load that fails for one who wants newer does not take away what serves others."""
        self.successResultOf(self.cache.get("g", 1, loader(b"old", 1)))
        waiter = self.get(after=5)
        self.loads.fail(0, Oops())
        self.failureResultOf(waiter, Oops)
        self.assertEqual(self.cache.peek("g", 1), Loaded(b"old", 1))

    def test_each_has_its_own_failure(self) -> None:
        """Failures change on their way through callbacks: one of them cleaned leaves the others as they were."""
        found = results(self.get(), self.get())
        self.loads.fail(0, Oops("shared"))
        first, second = found[0][0], found[1][0]
        self.assertIsNot(first, second)
        first.value, first.type = None, None
        self.assertIsInstance(second.value, Oops)
        self.assertTrue(second.check(Oops))

    def test_failure_tells_where(self) -> None:
        """Each Failure has the traceback of the loader."""

        async def load(fresh: bool) -> Loaded:
            raise Oops("here")

        found = self.failureResultOf(self.cache.get("g", 1, load), Oops)
        self.assertIn("in load", found.getTraceback())

    def test_retry_inside_the_errback(self) -> None:
        """The key is free when the failure is told: to ask again in the errback begins a new load."""
        waiter = self.get()
        waiter.addErrback(lambda failure: self.get())
        self.loads.fail(0, Oops())
        self.assertEqual(len(self.loads.calls), 2)
        self.loads.end(1, b"second")
        self.assertEqual(self.successResultOf(waiter).value, b"second")

    # --- cancelling

    def test_one_leaves(self) -> None:
        """One that gives up gets CancelledError; others are not disturbed and the load goes on."""
        first, second, third = self.get(), self.get(), self.get()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertNoResult(second)
        third.cancel()
        self.failureResultOf(third, CancelledError)
        self.assertEqual(self.loads.cancelled, [])
        self.loads.end(0)
        self.assertEqual(self.successResultOf(second).value, b"value")
        self.assertEqual((self.cache.stats().cancelled, self.cache.stats().abandoned), (2, 0))
        self.done()

    def test_the_last_one_leaves(self) -> None:
        """With nobody waiting the load is cancelled and the key is free."""
        first, second = self.get(), self.get()
        first.cancel()
        second.cancel()
        self.assertEqual(self.loads.cancelled, [0])
        self.done()
        third = self.get()
        self.assertEqual(len(self.loads.calls), 2)
        self.loads.end(1)
        self.successResultOf(third)
        self.failureResultOf(first, CancelledError)
        self.failureResultOf(second, CancelledError)

    def test_a_load_that_goes_on_though_cancelled(self) -> None:
        """A loader that swallows the cancel and answers later neither stores nor disturbs the next flight."""
        late: Deferred[Loaded] = Deferred()
        shield: list[Deferred[Loaded]] = []

        async def load(fresh: bool) -> Loaded:
            try:
                return await shield[0]
            except CancelledError:
                return await late

        shield.append(Deferred())
        first = self.cache.get("g", 1, load)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        second = self.get()
        late.callback(Loaded(b"late", 1))
        self.assertIsNone(self.cache.peek("g", 1))
        self.assertNoResult(second)
        self.loads.end(0, b"right")
        self.assertEqual(self.successResultOf(second).value, b"right")
        self.done()

    def test_cancelled_while_the_loader_is_called(self) -> None:
        """The last waiter can leave before the loader has returned: its load is cancelled all the same."""
        joined: list[Deferred[Loaded]] = []
        load: Deferred[Loaded] = Deferred(lambda d: self.loads.cancelled.append(99))

        def loads(fresh: bool) -> Deferred[Loaded]:
            flight = next(iter(self.cache._flights))
            for waiter in list(flight.waiters):
                joined.append(waiter)
                waiter.cancel()
            return load

        waiter = self.cache.get("g", 1, loads)
        self.assertEqual(joined, [waiter])
        self.failureResultOf(waiter, CancelledError)
        self.assertEqual(self.loads.cancelled, [99])
        self.done()

    def test_a_canceller_that_raises(self) -> None:
        """A load that can't be cancelled is logged; who left is told, and the key is free."""

        def refuse(load: Deferred[Loaded]) -> None:
            raise Oops("no")

        waiter = self.cache.get("g", 1, lambda fresh: Deferred(refuse))
        waiter.cancel()
        self.failureResultOf(waiter, CancelledError)
        self.assertEqual(len(self.flushLoggedErrors(Oops)), 1)
        self.done()

    def test_cancel_inside_a_siblings_callback(self) -> None:
        """To cancel a neighbour while all are being answered: the neighbour alone is cancelled, once."""
        first, second, third = self.get(), self.get(), self.get()
        first.addCallback(lambda loaded: second.cancel())
        found = results(first, second, third)
        self.loads.end(0)
        self.assertEqual(found[0], [None])
        self.assertIsInstance(found[1][0], Failure)
        self.assertTrue(found[1][0].check(CancelledError))
        self.assertEqual(found[2], [Loaded(b"value", 1)])
        self.done()

    def test_cancel_inside_a_siblings_errback(self) -> None:
        """As above, where the load fails."""
        first, second, third = self.get(), self.get(), self.get()
        first.addErrback(lambda failure: second.cancel())
        found = results(first, second, third)
        self.loads.fail(0, Oops())
        self.assertTrue(found[1][0].check(CancelledError))
        self.assertTrue(found[2][0].check(Oops))
        self.done()

    def test_many_leave(self) -> None:
        """To leave costs the same however many wait: the work of 20,000 cancels is of the order of 20,000."""
        waiters = [self.get() for _ in range(20_000)]
        found = results(*waiters)
        flight = next(iter(self.cache._flights))
        self.assertIsInstance(flight.waiters, dict)
        for waiter in waiters[1:]:
            waiter.cancel()
        self.assertEqual(self.cache.stats().waiters, 1)
        self.loads.end(0)
        self.assertEqual(found[0], [Loaded(b"value", 1)])

    def test_nothing_for_the_garbage_collector(self) -> None:
        """A flight that is over leaves no cycle behind, however it ended."""

        def fly() -> None:
            self.get(1)
            self.get(1)
            self.loads.end(-1)
            self.get(2).addErrback(lambda failure: None)
            self.loads.running[-1].errback(Oops())
            self.get(3).addErrback(lambda failure: None).cancel()
            self.cache.evict("g")
            self.loads.running.clear()

        def left() -> int:
            gc.collect()
            fly()
            return gc.collect()

        gc.disable()
        self.addCleanup(gc.enable)
        # What other threads and earlier tests leave comes once; a cycle made here would come in every round.
        self.assertEqual(min(left() for _ in range(5)), 0)

    def test_store_that_fails(self) -> None:
        """Where a value can't be kept, those who wait get it, and the key is free for the next."""
        self.patch(self.cache._flights, "store", lambda *args: 1 / 0)
        waiter = self.get()
        self.loads.end(0)
        self.assertEqual(self.successResultOf(waiter).value, b"value")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.done()

    def test_failed_deferred(self) -> None:
        """A Deferred that has failed already is a failed load."""
        self.failureResultOf(self.cache.get("g", 1, lambda fresh: fail(Oops())), Oops)
        self.done()
