"""The stand-in keeps the promises that do not need memory, and so does the cache it stands for."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from cackled.cache.testing import DirectCache
from cackled.cache.types import Cache, Loaded
from tests.cache.common import Loads, loader, make_cache


class Contract:
    """What holds for every `Cache`; mixed into a test case for each kind."""

    def make(self) -> Cache:
        raise NotImplementedError

    def test_value(self: SynchronousTestCase) -> None:  # type: ignore[misc]
        """get gives what the loader gives."""
        cache = self.make()  # type: ignore[attr-defined]
        self.assertEqual(self.successResultOf(cache.get("g", 1, loader(b"v", 3))), Loaded(b"v", 3))

    def test_failure(self: SynchronousTestCase) -> None:  # type: ignore[misc]
        """A failed load fails the caller, and is not kept."""
        cache = self.make()  # type: ignore[attr-defined]
        loads = Loads()
        waiter = cache.get("g", 1, loads)
        loads.fail(0, ValueError("x"))
        self.failureResultOf(waiter, ValueError)
        self.assertIsNone(cache.peek("g", 1))

    def test_raising_loader(self: SynchronousTestCase) -> None:  # type: ignore[misc]
        """A loader that raises when called fails the caller."""
        cache = self.make()  # type: ignore[attr-defined]

        def load(fresh: bool) -> None:
            raise ValueError

        self.failureResultOf(cache.get("g", 1, load), ValueError)

    def test_cancel(self: SynchronousTestCase) -> None:  # type: ignore[misc]
        """To cancel the only waiter cancels the load."""
        cache = self.make()  # type: ignore[attr-defined]
        loads = Loads()
        waiter = cache.get("g", 1, loads)
        waiter.addErrback(lambda failure: None)
        waiter.cancel()
        self.assertEqual(loads.cancelled, [0])

    def test_after(self: SynchronousTestCase) -> None:  # type: ignore[misc]
        """Too old for the caller: the primary is asked."""
        cache = self.make()  # type: ignore[attr-defined]
        loads = Loads()
        waiter = cache.get("g", 1, loads, after=5)
        loads.end(0, b"old", 4)
        self.assertNoResult(waiter)
        loads.end(1, b"new", 5)
        self.assertEqual(self.successResultOf(waiter).value, b"new")
        self.assertEqual(loads.calls, [False, True])

    def test_floor(self: SynchronousTestCase) -> None:  # type: ignore[misc]
        """Older than what was announced: the primary is asked, and has the last word."""
        cache = self.make()  # type: ignore[attr-defined]
        cache.evict("g", 5)
        cache.evict("g", 3)
        loads = Loads()
        waiter = cache.get("g", 1, loads)
        loads.end(0, b"old", 4)
        self.assertNoResult(waiter)
        loads.end(1, b"new", 4)
        self.assertEqual(self.successResultOf(waiter).value, b"new")

    def test_forgets(self: SynchronousTestCase) -> None:  # type: ignore[misc]
        """Nothing is there after evict, clear and shrink."""
        cache = self.make()  # type: ignore[attr-defined]
        for forget in (lambda: cache.evict("g"), cache.clear, lambda: cache.shrink(1 << 30)):
            self.successResultOf(cache.get("g", 1, loader()))
            forget()
            self.assertIsNone(cache.peek("g", 1))
        self.assertEqual(cache.stats().entries, 0)
        self.assertEqual(cache.stats().loads, 3)


class SoftContractTests(Contract, SynchronousTestCase):
    """The contract, by the cache that serves."""

    def make(self) -> Cache:
        return make_cache()[0]


class DirectCacheTests(Contract, SynchronousTestCase):
    """The contract, by `cackled.cache.testing.DirectCache`."""

    def make(self) -> Cache:
        return DirectCache()

    def test_every_get_loads(self) -> None:
        """Nothing is kept or shared, and evictions are noted."""
        cache = DirectCache()
        loads = Loads()
        cache.get("g", 1, loads)
        cache.get("g", 1, loads)
        self.assertEqual(len(loads.calls), 2)
        loads.end(0)
        self.assertIsNone(cache.peek("g", 1))
        cache.evict("g", 4)
        self.assertEqual(cache.evicted, [("g", 4)])
