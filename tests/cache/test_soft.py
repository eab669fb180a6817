"""What the cache keeps, for how long, and how much of it."""

from __future__ import annotations

import gc
import weakref

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.cache.sieve import Entry
from cackled.cache.soft import LARGEST, OVERHEAD, SHORT_TEXT, SoftCache
from cackled.cache.types import Loaded
from cackled.metrics import Metrics
from tests.cache.common import Loads, check, loader, make_cache


class SoftCacheTests(SynchronousTestCase):
    """`cackled.cache.soft.SoftCache` with loads that answer at once."""

    def put(self, cache: SoftCache, group: object, key: object, value: bytes = b"value", seq: int = 1) -> Loaded:
        return self.successResultOf(cache.get(group, key, loader(value, seq)))

    def test_long_keys(self) -> None:
        """Keys that strangers make long count as what they take; short ones cost what every entry does."""
        cache, _ = make_cache()
        key = "\U0001f600" * 500
        self.put(cache, "g", (key, 25), b"x")
        self.put(cache, "g", key, b"x")
        self.assertGreaterEqual(cache.nbytes, 2 * (1 + OVERHEAD + 2_000 - SHORT_TEXT))
        cache.evict("g")
        self.put(cache, "g", ("short", 25), b"x")
        self.assertEqual(cache.nbytes, OVERHEAD + 1)
        check(cache)

    def test_kept(self) -> None:
        """What was loaded is given without another load, by peek and by get."""
        cache, _ = make_cache()
        loads = Loads()
        self.assertIsNone(cache.peek("g", 1))
        first = cache.get("g", 1, loads)
        loads.end(0, b"page", 7)
        self.assertEqual(self.successResultOf(first), Loaded(b"page", 7))
        self.assertEqual(cache.peek("g", 1), Loaded(b"page", 7))
        self.assertEqual(self.successResultOf(cache.get("g", 1, loads)), Loaded(b"page", 7))
        self.assertEqual(loads.calls, [False])
        self.assertIsNone(cache.peek("g", 2))
        self.assertIsNone(cache.peek("other", 1))
        check(cache)

    def test_outdated(self) -> None:
        """A change drops what is older than it and leaves what was read after it, however often it is told."""
        cache, _ = make_cache()
        self.put(cache, "g", 1, b"old", 7)
        self.put(cache, "g", 2, b"new", 8)
        self.put(cache, "other", 1, b"other", 1)
        cache.outdate("g", 8)
        self.assertIsNone(cache.peek("g", 1))
        self.put(cache, "g", 1, b"again", 8)
        cache.outdate("g", 8)
        self.assertEqual(cache.peek("g", 1), Loaded(b"again", 8))
        self.assertEqual(cache.peek("g", 2), Loaded(b"new", 8))
        self.assertEqual(cache.peek("other", 1), Loaded(b"other", 1))
        cache.outdate("g", 9)
        self.assertIsNone(cache.peek("g", 1))
        self.assertIsNone(cache.peek("g", 2))
        check(cache)

    def test_outdated_while_the_primary_is_read(self) -> None:
        """The primary was asked before the change and answers after it: that is not kept, nor given to newcomers."""
        cache, _ = make_cache()
        cache.outdate("g", 5)
        loads = Loads()
        first = cache.get("g", 1, loads)
        loads.end(0, b"lagging", 4)
        self.assertEqual(loads.calls, [False, True])
        cache.outdate("g", 6)
        second = cache.get("g", 1, loads)
        loads.end(1, b"before", 5)
        self.assertEqual(self.successResultOf(first).seq, 5)
        self.assertIsNone(cache.peek("g", 1))
        loads.end(2, b"after", 6)
        self.assertEqual(self.successResultOf(second).seq, 6)
        self.assertEqual(cache.peek("g", 1), Loaded(b"after", 6))
        check(cache)

    def test_empty_value_is_a_value(self) -> None:
        """Nothing to show is an answer worth keeping."""
        cache, _ = make_cache()
        self.put(cache, "g", 1, b"", 0)
        self.assertEqual(cache.peek("g", 1), Loaded(b"", 0))

    def test_value_is_copied_to_plain_bytes(self) -> None:
        """The buffer of the loader can change, or be larger than what it holds, without harm."""
        cache, _ = make_cache()
        buffer = bytearray(b"before")
        given_out = self.successResultOf(cache.get("g", 1, loader(buffer)))  # type: ignore[arg-type]
        buffer[:] = b"after!"
        self.assertEqual(cache.peek("g", 1), Loaded(b"before", 1))
        self.assertIs(type(given_out.value), bytes)
        original = b"x" * 100
        self.put(cache, "g", 2, original)
        self.assertIsNot(cache.peek("g", 2).value, original)  # type: ignore[union-attr]

    def test_time_to_live(self) -> None:
        """An entry is there until its time is over, by peek and by get, and then its bytes are free."""
        cache, clock = make_cache(ttl=10.0)
        self.put(cache, "g", 1)
        self.successResultOf(cache.get("g", 2, loader(), ttl=20.0))
        clock.advance(9.999)
        self.assertIsNotNone(cache.peek("g", 1))
        clock.advance(0.001)
        self.assertIsNone(cache.peek("g", 1))
        self.assertIsNotNone(cache.peek("g", 2))
        self.assertEqual(len(cache), 1)
        self.assertEqual(cache.stats().expired, 1)
        clock.advance(10)
        self.assertEqual(self.put(cache, "g", 2, b"new").value, b"new")
        check(cache)

    def test_no_time_to_live(self) -> None:
        """ttl=0 shares the load and keeps nothing."""
        cache, _ = make_cache()
        loads = Loads()
        first = cache.get("g", 1, loads, ttl=0)
        second = cache.get("g", 1, loads, ttl=0)
        loads.end(0)
        self.assertIs(self.successResultOf(first), self.successResultOf(second))
        self.assertEqual(len(loads.calls), 1)
        self.assertIsNone(cache.peek("g", 1))

    def test_time_over_during_a_load(self) -> None:
        """An entry that ends while a newer one is loaded is neither served nor counted twice."""
        cache, clock = make_cache(ttl=10.0)
        self.put(cache, "g", 1, b"old", 1)
        loads = Loads()
        waiter = cache.get("g", 1, loads, after=2)
        clock.advance(11)
        self.assertIsNone(cache.peek("g", 1))
        joined = cache.get("g", 1, loads)
        loads.end(0, b"new", 2)
        self.assertEqual(self.successResultOf(waiter).value, b"new")
        self.assertEqual(self.successResultOf(joined).value, b"new")
        clock.advance(9)
        self.assertIsNotNone(cache.peek("g", 1))
        self.assertEqual(len(loads.calls), 1)
        check(cache)

    def test_evict_drops_every_key(self) -> None:
        """All pages of a channel go, those of others stay; the emptied group leaves nothing behind."""
        cache, _ = make_cache()
        for key in range(5):
            self.put(cache, (1, 7), key)
        self.put(cache, (1, 8), 0)
        self.put(cache, (2, 7), 0)
        cache.evict((1, 7))
        self.assertEqual([cache.peek((1, 7), key) for key in range(5)], [None] * 5)
        self.assertIsNotNone(cache.peek((1, 8), 0))
        self.assertIsNotNone(cache.peek((2, 7), 0))
        self.assertEqual(cache.stats().invalidated, 5)
        self.assertNotIn((1, 7), cache._groups)
        cache.evict("never seen")
        check(cache)

    def test_after(self) -> None:
        """An entry older than what the caller has seen is not for that caller, and is for others."""
        cache, _ = make_cache()
        self.put(cache, "g", 1, b"old", 5)
        self.assertIsNone(cache.peek("g", 1, after=6))
        self.assertIsNotNone(cache.peek("g", 1, after=5))
        self.assertIsNotNone(cache.peek("g", 1))
        new = self.successResultOf(cache.get("g", 1, loader(b"new", 6), after=6))
        self.assertEqual(new.value, b"new")
        self.assertEqual(cache.peek("g", 1), new)
        check(cache)

    def test_older_result_does_not_replace(self) -> None:
        """A replica behind the entry that is there does not set it back; the primary may (it was failed over)."""
        cache, _ = make_cache()
        self.put(cache, "g", 1, b"seven", 7)
        loads = Loads()
        waiter = cache.get("g", 1, loads, after=9)
        loads.end(0, b"six", 6)
        self.assertEqual(cache.peek("g", 1), Loaded(b"seven", 7))
        self.assertEqual(cache.stats().refused_older, 1)
        self.assertEqual(loads.calls, [False, True])
        loads.end(1, b"truth", 6)
        self.assertEqual(self.successResultOf(waiter).value, b"truth")
        self.assertEqual(cache.peek("g", 1), Loaded(b"truth", 6))
        check(cache)

    def test_hard_bound(self) -> None:
        """Bytes never exceed the bound, whatever is put in; what was asked for stays."""
        cache, _ = make_cache(max_bytes=20 * (OVERHEAD + 100))
        self.put(cache, "hot", 1, b"h" * 100)
        for number in range(200):
            cache.peek("hot", 1)
            self.put(cache, "g", number, b"v" * 100)
            check(cache)
        self.assertEqual(len(cache), 20)
        self.assertIsNotNone(cache.peek("hot", 1))
        self.assertEqual(cache.stats().evicted_size, 181)

    def test_large_values_are_not_kept(self) -> None:
        """A value above an eighth of the bound is given to who asked and not kept; one at the limit is."""
        cache, _ = make_cache(max_bytes=80_000)
        limit = 80_000 // LARGEST - OVERHEAD
        self.put(cache, "g", 0, b"small")
        self.assertEqual(len(self.put(cache, "g", 1, b"x" * (limit + 1)).value), limit + 1)
        self.assertIsNone(cache.peek("g", 1))
        self.put(cache, "g", 2, b"x" * limit)
        self.assertIsNotNone(cache.peek("g", 2))
        self.assertIsNotNone(cache.peek("g", 0))
        self.assertEqual(cache.stats().refused_size, 1)
        self.put(cache, "g", 2, b"never asked for", 9)
        check(cache)

    def test_room_made_in_the_same_group(self) -> None:
        """Making room may empty the very group that the new entry goes to."""
        cache, _ = make_cache(max_bytes=8 * (OVERHEAD + 100))
        for number in range(30):
            self.put(cache, "only", number, b"x" * 100)
            check(cache)
        cache, _ = make_cache(max_bytes=8 * (OVERHEAD + 100))
        for number in range(8):
            self.put(cache, number, 0, b"x" * 100)
        for number in range(8):
            self.put(cache, number, 1, b"x" * 100)
            check(cache)
        self.assertEqual(len(cache), 8)

    def test_shrink(self) -> None:
        """Gives back what is asked for, in the order of eviction, and all of it if need be."""
        cache, _ = make_cache()
        for number in range(10):
            self.put(cache, number, 0, b"x" * (1_000 - OVERHEAD))
        cache.peek(0, 0)
        self.assertEqual(cache.shrink(1), 1_000)
        self.assertIsNotNone(cache.peek(0, 0))
        self.assertIsNone(cache.peek(1, 0))
        self.assertEqual(cache.shrink(3_000), 3_000)
        self.assertEqual(cache.shrink(10**9), 6_000)
        self.assertEqual(cache.shrink(1), 0)
        self.assertEqual((len(cache), cache.nbytes, cache.stats().evicted_soft), (0, 0, 10))
        check(cache)

    def test_sweep(self) -> None:
        """Drops what nobody asked for of late and what expired, in slices, whatever happens between two of them."""
        cache, clock = make_cache(ttl=100.0)
        for number in range(6):
            self.put(cache, number, 0, b"x" * (1_000 - OVERHEAD))
        self.successResultOf(cache.get("short", 0, loader(), ttl=5.0))
        clock.advance(20)
        for number in (1, 4):
            cache.peek(number, 0)
        self.assertEqual(cache.sweep(10.0, 2), (1_000, False))
        cache.evict(2)
        check(cache)
        self.assertTrue(cache.sweep(10.0, 100)[1])
        self.assertEqual(sorted(entry.group for entry in cache), [1, 4])
        self.assertEqual(cache.stats().evicted_soft, 3)
        self.assertEqual(cache.stats().expired, 1)
        self.assertEqual(cache.sweep(0.0, 100), (0, True))
        check(cache)

    def test_sweep_of_nothing(self) -> None:
        """An empty cache is swept at once."""
        cache, _ = make_cache()
        self.assertEqual(cache.sweep(0.0, 10), (0, True))

    def test_clear(self) -> None:
        """All goes, at once and without help of the garbage collector; the cache works on."""

        class Traced(Entry):
            __slots__ = ("__weakref__",)

        cache, _ = make_cache()
        self.patch(__import__("cackled.cache.soft", fromlist=["Entry"]), "Entry", Traced)
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for number in range(10):
            self.put(cache, number % 3, number)
        traces = [weakref.ref(entry) for entry in cache]
        cache.clear()
        self.assertEqual([trace() for trace in traces], [None] * 10)
        self.assertEqual((len(cache), cache.nbytes), (0, 0))
        self.put(cache, 0, 0)
        cache.evict(0)
        check(cache)

    def test_figures(self) -> None:
        """What happened can be read from the metrics, under the name of the cache."""
        metrics = Metrics()
        cache, _ = make_cache(metrics=metrics, name="pages")
        self.put(cache, "g", 1)
        cache.peek("g", 1)
        cache.evict("g")
        self.assertEqual(metrics.value("cache_hits_total", cache="pages"), 1)
        self.assertEqual(metrics.value("cache_misses_total", cache="pages"), 1)
        self.assertEqual(metrics.value("cache_removed_total", cache="pages", reason="invalidated"), 1)
        self.assertEqual(metrics.value("cache_load_seconds_count", cache="pages"), 1)
        stats = cache.stats()
        self.assertEqual((stats.hits, stats.misses, stats.loads, stats.entries, stats.bytes), (1, 1, 1, 0, 0))

    @given(st.binary(max_size=300), st.integers(-5, 2**63 - 1))
    @settings(max_examples=50, deadline=None, database=None)
    def test_any_value(self, value: bytes, seq: int) -> None:
        """Any bytes and any number come out as they went in."""
        cache, _ = make_cache()
        self.put(cache, "g", 1, value, seq)
        self.assertEqual(cache.peek("g", 1), Loaded(value, seq))
        check(cache)
