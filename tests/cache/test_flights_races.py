"""Loads under way: evictions, floors and demands that arrive while they run."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred

from cackled.cache.flights import MAX_LOADS
from cackled.cache.types import Loaded
from tests.cache.common import FlightsCase, Oops, loader


class FlightRacesTests(FlightsCase):
    """`cackled.cache.flights` where the world changes during a load."""

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
