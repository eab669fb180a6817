"""What the microcache drops: by tag, by position, by room."""

from __future__ import annotations

import gzip
from typing import Any

import brotli
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from cackled import config
from cackled.metrics import Metrics
from cackled.transport import _store
from cackled.transport.microcache import Microcache
from cackled.transport.response import Response
from tests.support.answers import Server, answers
from tests.transport.test_microcache import MicrocacheTestCase


class EvictionTests(MicrocacheTestCase):
    """Nothing from before an eviction is served after it."""

    def test_tag(self) -> None:
        """All answers made of a tag go, others stay."""
        self.origin.answer = self.origin.make(tags=("a", "b"))
        self.ask("/m?1")
        self.origin.answer = self.origin.make(tags=("a",))
        self.ask("/m?2")
        self.assertEqual(self.cache.evict("b"), 1)
        self.ask("/m?1")
        self.ask("/m?2")
        self.assertEqual(self.origin.calls, 3)
        self.assertEqual(self.cache.evict("nothing"), 0)

    def test_everybody_sees_the_new_one(self) -> None:
        """After a write that evicts, the next reader without any cookie gets the new answer."""
        self.ask()
        self.origin.answer = self.origin.make(b"new")
        self.cache.evict("t")
        self.assertEqual(self.ask().body, b"new")

    def test_evicted_is_never_stale(self) -> None:
        """What was evicted is served neither while a load runs nor when it fails."""
        self.ask()
        self.cache.evict("t")
        self.origin.answer = Response(503)
        self.assertEqual(self.ask().status, 503)
        self.origin.slow = True
        self.assertEqual(self.start().value(), b"")

    def test_load_from_before(self) -> None:
        """A load begun before the eviction is given to those who asked before it, not stored, not given to others."""
        self.origin.slow = True
        before = self.start()
        self.cache.evict("t")
        after = self.start()
        self.assertEqual(self.origin.calls, 1)
        self.origin.waiting[0].callback(self.origin.make(b"old"))
        self.assertEqual(answers(before.value())[0].body, b"old")
        self.assertEqual(answers(before.value())[0].headers["cache-status"], "cackled; fwd=miss")
        self.assertEqual(after.value(), b"")
        self.assertEqual(self.origin.calls, 2)
        self.origin.waiting[1].callback(self.origin.make(b"new"))
        self.assertEqual(answers(after.value())[0].body, b"new")
        self.assertEqual(self.ask().body, b"new")

    def test_renewal_from_before(self) -> None:
        """The same for the renewal of an expired entry."""
        self.ask()
        self.pass_time(4)
        self.origin.slow = True
        self.ask()
        self.cache.evict("t")
        self.origin.waiting[0].callback(self.origin.make(b"old"))
        wire = self.start()
        self.assertEqual(wire.value(), b"")

    def test_seq(self) -> None:
        """With a number, answers at least as new stay, and a load that brings less is not stored."""
        self.origin.answer = self.origin.make(b"at 5", seqs={"t": 5})
        self.ask()
        self.assertEqual(self.cache.evict("t", 5), 0)
        self.assertEqual(self.ask().body, b"at 5")
        self.assertEqual(self.cache.evict("t", 6), 1)
        self.assertEqual(self.ask().body, b"at 5")
        self.assertEqual(self.cache.stats()["entries"], 0)
        self.origin.answer = self.origin.make(b"at 6", seqs={"t": 6})
        self.assertEqual(self.ask().body, b"at 6")
        self.assertEqual(self.cache.stats()["entries"], 1)

    def test_load_from_before_but_new_enough(self) -> None:
        """A load that was overtaken by the news of what it has already seen is kept."""
        self.origin.slow = True
        wire = self.start()
        self.cache.evict("t", 7)
        self.origin.waiting[0].callback(self.origin.make(b"at 7", seqs={"t": 7}))
        self.assertEqual(answers(wire.value())[0].headers["cache-status"], "cackled; fwd=miss; stored")

    def test_unconditional_after_seq(self) -> None:
        """An eviction without a number counts for loads in work, whatever numbers they bring."""
        self.origin.slow = True
        self.start()
        self.cache.evict("t", 3)
        self.cache.evict("t")
        self.origin.waiting[0].callback(self.origin.make(seqs={"t": 9}))
        self.assertEqual(self.cache.stats()["entries"], 0)

    def test_forgotten_evictions(self) -> None:
        """When evictions are too many to remember, loads from before them are not stored."""
        self.patch(_store, "MAX_EVICTIONS", 10)
        self.origin.slow = True
        self.start()
        self.cache.evict("t")
        for number in range(20):
            self.cache.evict(number)
        self.origin.waiting[0].callback(self.origin.make())
        self.assertEqual(self.cache.stats()["entries"], 0)

    def test_clear(self) -> None:
        """Clearing drops everything, and what is being loaded."""
        self.ask()
        self.origin.slow = True
        self.start("/m?2")
        self.cache.clear()
        self.origin.waiting[0].callback(self.origin.make())
        self.assertEqual((self.cache.stats()["entries"], self.cache.bytes), (0, 0))


class AfterTests(MicrocacheTestCase):
    """``after=SEQ``: read your writes."""

    def test_older_is_a_miss(self) -> None:
        """An answer older than asked for is loaded again, and then serves everybody."""
        self.origin.answer = self.origin.make(b"at 5", seqs={"t": 5})
        self.ask("/m?x=1")
        for after in (0, 4, 5):
            self.assertEqual(self.ask(f"/m?x=1&after={after}").body, b"at 5")
        self.origin.answer = self.origin.make(b"at 6", seqs={"t": 6})
        self.assertEqual(self.ask("/m?after=6&x=1").body, b"at 6")
        self.assertEqual(self.ask("/m?x=1").body, b"at 6")
        self.assertEqual(self.origin.calls, 2)

    def test_never_stale(self) -> None:
        """An expired answer that is too old is not served while it is renewed, nor when that fails."""
        self.origin.answer = self.origin.make(b"at 5", seqs={"t": 5})
        self.ask()
        self.pass_time(4)
        self.origin.answer = Response(503)
        self.assertEqual(self.ask("/m?after=6").status, 503)
        self.assertEqual(self.ask("/m?after=5").status, 200)

    def test_joining_an_older_load(self) -> None:
        """One who needs more than the load in work brings waits for another."""
        self.origin.slow = True
        first, second = self.start("/m"), self.start("/m?after=6")
        self.origin.waiting[0].callback(self.origin.make(b"at 5", seqs={"t": 5}))
        self.assertEqual(answers(first.value())[0].body, b"at 5")
        self.assertEqual(second.value(), b"")
        self.origin.waiting[1].callback(self.origin.make(b"at 6", seqs={"t": 6}))
        self.assertEqual(answers(second.value())[0].body, b"at 6")

    def test_impossible(self) -> None:
        """Asking for the future costs one load in a TTL, not one each time."""
        self.origin.answer = self.origin.make(b"at 5", seqs={"t": 5})
        for _ in range(5):
            self.assertEqual(self.ask("/m?after=999").body, b"at 5")
        self.assertEqual(self.origin.calls, 1)

    def test_odd_forms(self) -> None:
        """Twice, or no number: part of the question like any other."""
        for target in ("/m?after=1&after=2", "/m?after=x", "/m?after=1;x=2", "/m?xafter=1"):
            before = self.origin.calls
            self.ask(target)
            self.ask(target)
            self.assertEqual(self.origin.calls, before + 1)


class RoomTests(SynchronousTestCase):
    """The byte bounds."""

    def cache(self, **settings: Any) -> Microcache:
        self.server = Server()
        return Microcache(self.server.clock, config.Microcache(**settings), Metrics())

    def load(self, cache: Microcache, name: bytes, size: int = 10_000, **more: Any) -> None:
        async def load() -> Response:
            return Response(200, [(b"Content-Type", b"image/png")], b"x" * size, ttl=3.0, **more)

        self.successResultOf(cache.fetch((b"http", b"a", name), 0, load))

    def names(self, cache: Microcache) -> list[bytes]:
        return [key[2] for key in cache.entries]

    def test_bound(self) -> None:
        """The bytes held never exceed the bound, and are all given back."""
        cache = self.cache(max_bytes=200_000)
        for number in range(100):
            self.load(cache, b"%d" % number)
            self.assertLessEqual(cache.bytes, 200_000)
        self.assertGreater(len(cache.entries), 5)
        cache.clear()
        self.assertEqual((cache.bytes, cache._by_tag, cache._by_owner), (0, {}, {}))

    def test_used_ones_stay(self) -> None:
        """Entries in use outlive a flood of others."""
        cache = self.cache(max_bytes=200_000)
        self.load(cache, b"hot")
        for number in range(100):
            self.load(cache, b"%d" % number)
            self.load(cache, b"hot")
        self.assertIn(b"hot", self.names(cache))

    def test_entry_cap(self) -> None:
        """A larger answer than the cap is not kept."""
        cache = self.cache(entry_bytes=5000)
        self.load(cache, b"big")
        self.assertEqual(self.names(cache), [])

    def test_owner_share(self) -> None:
        """One tenant takes a quarter at most and pushes out only its own."""
        cache = self.cache(max_bytes=1_000_000)
        self.load(cache, b"other", owner=1, tags=("o",))
        for number in range(100):
            self.load(cache, b"%d" % number, owner=2, tags=("t", number))
        self.assertIn(b"other", self.names(cache))
        self.assertLessEqual(cache._by_owner[2], 250_000)
        mine = len(cache.entries) - 1
        self.assertGreater(mine, 5)
        self.assertEqual(cache.evict("t"), mine)
        self.assertEqual(list(cache._by_owner), [1])

    def test_threads(self) -> None:
        """A large body is compressed in a thread, once for all who wait; small ones on the spot."""
        jobs: list[tuple[Deferred[Any], Any, tuple[Any, ...]]] = []

        def defer(function: Any, *args: Any) -> Deferred[Any]:
            jobs.append((Deferred(), function, args))
            return jobs[-1][0]

        self.server = Server()
        cache = Microcache(self.server.clock, config.Microcache(), Metrics(), defer_to_pool=defer)

        async def load() -> Response:
            return Response(200, [(b"Content-Type", b"text/plain")], b"text " * 20_000, ttl=3.0)

        entry = self.successResultOf(cache.fetch((b"", b"", b""), 0, load)).entry
        first, second = cache.variant(entry, b"br"), cache.variant(entry, b"br")
        self.assertNoResult(first)
        self.assertEqual(len(jobs), 1)
        done, function, args = jobs[0]
        done.callback(function(*args))
        self.assertIs(self.successResultOf(first), self.successResultOf(second))
        body = self.successResultOf(cache.variant(entry, b"br")).body
        self.assertEqual(brotli.decompress(body), b"text " * 20_000)

    def test_better_later(self) -> None:
        """What is hit in several seconds is compressed again, better, and counts with its new size."""
        jobs: list[tuple[Deferred[Any], Any, tuple[Any, ...]]] = []

        def defer(function: Any, *args: Any) -> Deferred[Any]:
            jobs.append((Deferred(), function, args))
            return jobs[-1][0]

        cache = self.cache()
        cache._defer = defer
        text = b" ".join(b"%d" % (n * n * 7919 % 10_007) for n in range(4000))

        async def load() -> Response:
            return Response(200, [(b"Content-Type", b"text/plain")], text, ttl=30.0)

        for coding, unpack in ((b"br", brotli.decompress), (b"gzip", gzip.decompress)):
            entry = self.successResultOf(cache.fetch((coding, b"", b""), 0, load)).entry
            plain = entry.size
            quick = self.successResultOf(cache.variant(entry, coding))
            self.assertTrue(quick.quick)
            self.assertEqual(unpack(quick.body), text)
            cache.improve(entry, coding)
            cache.improve(entry, coding)
            self.assertEqual(len(jobs), 1)
            done, function, args = jobs.pop()
            done.callback(function(*args))
            better = self.successResultOf(cache.variant(entry, coding))
            self.assertFalse(better.quick)
            self.assertNotEqual(better.etag, quick.etag)
            self.assertLess(len(better.body), len(quick.body))
            self.assertEqual(unpack(better.body), text)
            self.assertEqual(entry.size, plain + better.size)
        self.assertEqual(cache.bytes, sum(entry.size for entry in cache.entries.values()))

    def test_compression_fails(self) -> None:
        """Then the plain form is served."""
        cache = self.cache()
        failing: Deferred[Any] = Deferred()
        cache._defer = lambda *args: failing

        async def load() -> Response:
            return Response(200, [(b"Content-Type", b"text/plain")], b"text " * 20_000, ttl=3.0)

        entry = self.successResultOf(cache.fetch((b"", b"", b""), 0, load)).entry
        waiting = cache.variant(entry, b"br")
        failing.errback(MemoryError())
        self.assertEqual(self.successResultOf(waiting).body, b"text " * 20_000)
        self.assertEqual(len(self.flushLoggedErrors(MemoryError)), 1)


class FastEvictionTests(EvictionTests):
    """The same, with the direct path in place."""

    fast = True


class FastAfterTests(AfterTests):
    """The same, with the direct path in place."""

    fast = True
