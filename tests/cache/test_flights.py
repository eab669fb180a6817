"""Loads under way: who shares them, who gets what, and all the races."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from cackled.cache.flights import MAX_LOADS
from cackled.cache.types import Loaded
from tests.cache.common import Loads, check, loader, make_cache, results


class Oops(Exception):
    """What a load fails with here."""


class FlightsTests(SynchronousTestCase):
    """`cackled.cache.flights` as `SoftCache.get` shows it."""

    def setUp(self) -> None:
        self.cache, self.clock = make_cache()
        self.loads = Loads()

    def tearDown(self) -> None:
        check(self.cache)

    def get(self, key: object = 1, after: int = 0, group: object = "g") -> Deferred[Loaded]:
        return self.cache.get(group, key, self.loads, after=after)

    def done(self) -> None:
        """Nothing is under way and nothing is left of what was."""
        stats = self.cache.stats()
        self.assertEqual((stats.flights, stats.waiters), (0, 0))
        self.assertEqual(self.cache._flights._lanes, {})

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

    # --- eviction while a load runs

    def test_evict_during_load(self) -> None:
        """Who waits gets the old value; it is not kept; who comes after the eviction gets a new load."""
        old = self.get()
        self.cache.evict("g", 2)
        new = self.get()
        self.assertEqual(self.loads.calls, [False, False])
        self.loads.end(0, b"old", 1)
        self.assertEqual(self.successResultOf(old).value, b"old")
        self.assertIsNone(self.cache.peek("g", 1))
        self.assertNoResult(new)
        self.loads.end(1, b"new", 2)
        self.assertEqual(self.successResultOf(new).value, b"new")
        self.assertEqual(self.cache.peek("g", 1), Loaded(b"new", 2))
        self.assertEqual(self.cache.stats().refused_evicted, 1)
        self.done()

    def test_the_old_load_ends_last(self) -> None:
        """The doomed load that ends after the new one does not overwrite it."""
        old = self.get()
        self.cache.evict("g", 2)
        new = self.get()
        self.loads.end(1, b"new", 2)
        self.assertEqual(self.successResultOf(new).value, b"new")
        self.loads.end(0, b"old", 1)
        self.assertEqual(self.successResultOf(old).value, b"old")
        self.assertEqual(self.cache.peek("g", 1), Loaded(b"new", 2))
        self.done()

    def test_evict_without_floor(self) -> None:
        """An eviction that names no number dooms all the same."""
        old = self.get()
        self.cache.evict("g")
        self.loads.end(0)
        self.successResultOf(old)
        self.assertIsNone(self.cache.peek("g", 1))

    def test_clear_during_load(self) -> None:
        """`clear` dooms the loads of all groups."""
        waiters = [self.get(group=group) for group in ("g", "h")]
        self.cache.clear()
        for number, waiter in enumerate(waiters):
            self.loads.end(number)
            self.successResultOf(waiter)
        self.assertEqual(len(self.cache), 0)
        self.done()

    def test_evict_of_another_group(self) -> None:
        """A load is not doomed by what happens to others."""
        waiter = self.get()
        self.cache.evict("h", 5)
        joined = self.get()
        self.loads.end(0)
        self.successResultOf(waiter)
        self.successResultOf(joined)
        self.assertIsNotNone(self.cache.peek("g", 1))

    def test_evict_inside_a_callback(self) -> None:
        """The value was stored before waiters were told: an eviction by the first of them holds."""
        first, second = self.get(), self.get()
        first.addCallback(lambda loaded: self.cache.evict("g", 2))
        self.loads.end(0)
        self.successResultOf(first)
        self.assertEqual(self.successResultOf(second).value, b"value")
        self.assertIsNone(self.cache.peek("g", 1))

    def test_get_inside_a_callback(self) -> None:
        """Who asks again when told is answered from memory, not by the flight that is ending."""
        waiter = self.get()
        waiter.addCallback(lambda loaded: self.get())
        self.loads.end(0, b"page")
        self.assertEqual(self.successResultOf(waiter).value, b"page")
        self.assertEqual((len(self.loads.calls), self.cache.stats().hits), (1, 1))

    def test_evict_and_get_inside_a_callback(self) -> None:
        """Eviction and a new load from inside a callback, while neighbours still wait to be told."""
        again: list[Deferred[Loaded]] = []

        def callback(loaded: Loaded) -> None:
            self.cache.evict("g", 2)
            again.append(self.get())

        first, second = self.get(), self.get()
        first.addCallback(callback)
        self.loads.end(0)
        self.assertEqual(self.successResultOf(second).value, b"value")
        self.assertNoResult(again[0])
        self.loads.end(1, b"new", 2)
        self.assertEqual(self.successResultOf(again[0]).value, b"new")
        self.done()

    def test_last_waiter_of_a_doomed_load_leaves(self) -> None:
        """A doomed load nobody waits for is cancelled, and the new one goes on."""
        old = self.get()
        self.cache.evict("g")
        new = self.get()
        old.cancel()
        self.failureResultOf(old, CancelledError)
        self.assertEqual(self.loads.cancelled, [0])
        self.loads.end(1)
        self.successResultOf(new)
        self.done()

    def test_doomed_load_fails(self) -> None:
        """Its failure is told to those who waited for it, not to those who came later."""
        old = self.get()
        self.cache.evict("g")
        new = self.get()
        self.loads.fail(0, Oops())
        self.failureResultOf(old, Oops)
        self.assertNoResult(new)
        self.loads.end(1)
        self.successResultOf(new)

    def test_write_storm(self) -> None:
        """However many evictions come, one load runs and one trails; all later callers share the one after."""
        waiters = []
        for seq in range(1, 101):
            waiters.append(self.get())
            self.cache.evict("g", seq)
        self.assertEqual(len(self.loads.calls), MAX_LOADS)
        self.assertEqual(self.cache.stats().flights, MAX_LOADS + 1)
        self.loads.end(0, b"first", 0)
        self.assertEqual(self.successResultOf(waiters[0]).value, b"first")
        self.assertEqual(len(self.loads.calls), MAX_LOADS + 1)
        self.loads.end(1, b"second", 1)
        self.loads.end(2, b"last", 100)
        self.assertEqual({self.successResultOf(waiter).value for waiter in waiters[2:]}, {b"last"})
        self.assertEqual(self.cache.peek("g", 1), Loaded(b"last", 100))
        self.assertEqual(len(self.loads.calls), 3)
        self.successResultOf(waiters[1])
        self.done()

    def test_cancel_on_the_ground(self) -> None:
        """A flight that waits to begin is left like any other, and its loader is never called."""
        waiters = []
        for _ in range(2):
            waiters.append(self.get())
            self.cache.evict("g")
        waiting = self.get()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.loads.end(0)
        self.loads.end(1)
        self.assertEqual(len(self.loads.calls), 2)
        self.assertEqual(self.cache.stats().abandoned, 0)
        for waiter in waiters:
            self.successResultOf(waiter)
        self.done()

    def test_storm_with_synchronous_trailer(self) -> None:
        """A trailing flight whose loader answers at once ends inside the landing of the one before."""
        first = self.get()
        self.cache.evict("g", 1)
        second = self.get()
        self.cache.evict("g", 2)
        third = self.cache.get("g", 1, loader(b"sync", 2))
        self.assertNoResult(third)
        self.loads.end(1, b"second", 1)
        self.assertEqual(self.successResultOf(third).value, b"sync")
        self.loads.end(0, b"first", 0)
        self.assertEqual(self.successResultOf(first).value, b"first")
        self.assertEqual(self.successResultOf(second).value, b"second")
        self.assertEqual(self.cache.peek("g", 1), Loaded(b"sync", 2))
        self.done()

    # --- floors and `after`

    def test_replica_behind_the_floor(self) -> None:
        """A result older than what was announced is loaded once more from the primary, in the same flight."""
        self.cache.evict("g", 8)
        first = self.get()
        self.loads.end(0, b"stale", 7)
        self.assertNoResult(first)
        self.assertIsNone(self.cache.peek("g", 1))
        joined = self.get()
        self.assertEqual(self.loads.calls, [False, True])
        self.loads.end(1, b"right", 8)
        self.assertEqual(self.successResultOf(first), Loaded(b"right", 8))
        self.assertEqual(self.successResultOf(joined), Loaded(b"right", 8))
        self.assertEqual(self.cache.peek("g", 1), Loaded(b"right", 8))
        self.assertEqual((self.cache.stats().loads, self.cache.stats().reloads), (2, 1))
        self.done()

    def test_replica_at_the_floor(self) -> None:
        """A result that is as new as what was announced needs no second load."""
        self.cache.evict("g", 8)
        waiter = self.get()
        self.loads.end(0, b"right", 8)
        self.assertEqual(self.successResultOf(waiter).seq, 8)
        self.assertEqual(self.loads.calls, [False])

    def test_primary_below_the_floor(self) -> None:
        """The primary has the last word (a failover lost the end, or two groups share a floor); it is kept."""
        self.cache.evict("g", 8)
        waiter = self.get()
        self.loads.end(0, b"stale", 5)
        self.loads.end(1, b"truth", 6)
        self.assertEqual(self.successResultOf(waiter), Loaded(b"truth", 6))
        self.assertEqual(self.cache.peek("g", 1), Loaded(b"truth", 6))
        self.assertEqual(self.loads.calls, [False, True])
        self.done()

    def test_primary_fails(self) -> None:
        """Where the primary can't be asked, what is known to be stale is not given out instead."""
        self.cache.evict("g", 8)
        waiter = self.get()
        self.loads.end(0, b"stale", 7)
        self.loads.fail(1, Oops())
        self.failureResultOf(waiter, Oops)
        self.assertIsNone(self.cache.peek("g", 1))
        self.done()

    def test_evict_during_the_second_load(self) -> None:
        """A load from the primary is doomed like any other."""
        self.cache.evict("g", 8)
        old = self.get()
        self.loads.end(0, b"stale", 7)
        self.cache.evict("g", 9)
        new = self.get()
        self.loads.end(1, b"eight", 8)
        self.assertEqual(self.successResultOf(old).value, b"eight")
        self.assertIsNone(self.cache.peek("g", 1))
        self.loads.end(2, b"nine", 9)
        self.assertEqual(self.successResultOf(new).value, b"nine")
        self.done()

    def test_doomed_result_below_the_floor_of_its_time(self) -> None:
        """Who asked when 8 was announced is not given 7 because 9 came meanwhile."""
        self.cache.evict("g", 8)
        waiter = self.get()
        self.cache.evict("g", 9)
        self.loads.end(0, b"stale", 7)
        self.assertNoResult(waiter)
        self.assertEqual(self.loads.calls, [False, True])
        self.loads.end(1, b"right", 9)
        self.assertEqual(self.successResultOf(waiter).value, b"right")
        self.assertIsNone(self.cache.peek("g", 1))
        self.done()

    def test_after_is_loaded_again(self) -> None:
        """Who has seen 6 is not given 5; others, who wait for the same load, need not wait for that."""
        plain = self.get()
        demanding = self.get(after=6)
        self.loads.end(0, b"five", 5)
        self.assertEqual(self.successResultOf(plain).value, b"five")
        self.assertNoResult(demanding)
        self.assertEqual(self.cache.peek("g", 1), Loaded(b"five", 5))
        self.assertEqual(self.loads.calls, [False, True])
        self.loads.end(1, b"six", 6)
        self.assertEqual(self.successResultOf(demanding).value, b"six")
        self.assertEqual(self.cache.peek("g", 1), Loaded(b"six", 6))
        self.done()

    def test_after_that_joins_a_load_from_the_primary(self) -> None:
        """A load from the primary that began before the caller came may be too old for it: it is asked anew."""
        self.cache.evict("g", 5)
        first = self.get()
        self.loads.end(0, b"four", 4)
        joined = self.get(after=6)
        self.loads.end(1, b"five", 5)
        self.assertEqual(self.successResultOf(first).value, b"five")
        self.assertNoResult(joined)
        self.assertEqual(self.loads.calls, [False, True, True])
        self.loads.end(2, b"six", 6)
        self.assertEqual(self.successResultOf(joined).value, b"six")
        self.done()

    def test_after_nobody_has(self) -> None:
        """A number from the future costs one read of the primary and is then answered with the truth."""
        waiter = self.get(after=10**15)
        self.loads.end(0, b"five", 5)
        self.loads.end(1, b"five", 5)
        self.assertEqual(self.successResultOf(waiter), Loaded(b"five", 5))
        self.assertEqual(self.loads.calls, [False, True])
        self.assertEqual(self.cache.peek("g", 1), Loaded(b"five", 5))
        self.done()

    def test_after_of_one_who_left(self) -> None:
        """A demand leaves with who made it."""
        plain = self.get()
        self.get(after=9).addErrback(lambda failure: None).cancel()
        self.loads.end(0, b"five", 5)
        self.assertEqual(self.successResultOf(plain).value, b"five")
        self.assertEqual(self.loads.calls, [False])
        self.done()

    def test_demanding_waiter_leaves_during_the_second_load(self) -> None:
        """With the only one who needed it gone, the load from the primary is cancelled."""
        plain = self.get()
        demanding = self.get(after=6)
        self.loads.end(0, b"five", 5)
        demanding.cancel()
        self.failureResultOf(demanding, CancelledError)
        self.successResultOf(plain)
        self.assertEqual(self.loads.cancelled, [1])
        self.done()

    def test_leave_when_the_first_are_answered(self) -> None:
        """A callback of one that is answered early may cancel one that waits on."""
        plain = self.get()
        demanding = self.get(after=6)
        plain.addCallback(lambda loaded: demanding.cancel())
        self.loads.end(0, b"five", 5)
        self.failureResultOf(demanding, CancelledError)
        self.assertEqual(self.loads.cancelled, [1])
        self.successResultOf(plain)
        self.done()

    def test_synchronous_loader_behind(self) -> None:
        """A loader that answers at once, twice."""
        calls: list[bool] = []

        async def load(fresh: bool) -> Loaded:
            calls.append(fresh)
            return Loaded(b"new" if fresh else b"old", 9 if fresh else 1)

        self.cache.evict("g", 9)
        self.assertEqual(self.successResultOf(self.cache.get("g", 1, load)).value, b"new")
        self.assertEqual(calls, [False, True])
        self.done()

    def test_shared_floor(self) -> None:
        """Two groups that share a slot of the floors: the quiet one is loaded from the primary, and kept."""
        self.cache._floors._slots = 1
        self.cache.evict("busy", 1_000)
        waiter = self.get(group="quiet")
        self.loads.end(0, b"three", 3)
        self.loads.end(1, b"three", 3)
        self.assertEqual(self.successResultOf(waiter).seq, 3)
        self.cache.evict("busy", 1_001)
        self.assertEqual(self.cache.peek("quiet", 1), Loaded(b"three", 3))
        self.done()

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
