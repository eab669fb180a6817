"""What the tests of the cache share: a cache on a still clock, and loads that the test ends by hand."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.cache.soft import SoftCache
from cackled.cache.types import Loaded
from cackled.metrics import Metrics


def make_cache(kind: type[SoftCache] = SoftCache, **more: Any) -> tuple[SoftCache, Clock]:
    clock = Clock()
    settings: dict[str, Any] = {"clock": clock, "max_bytes": 1 << 20, "ttl": 60.0, "metrics": Metrics(), **more}
    return kind(**settings), clock


class Loads:
    """A loader that notes each call; the test ends them with `end` and `fail`."""

    def __init__(self) -> None:
        self.calls: list[bool] = []
        self.running: list[Deferred[Loaded]] = []
        self.cancelled: list[int] = []

    def __call__(self, fresh: bool) -> Deferred[Loaded]:
        number = len(self.calls)
        self.calls.append(fresh)
        load: Deferred[Loaded] = Deferred(lambda d: self.cancelled.append(number))
        self.running.append(load)
        return load

    def end(self, number: int, value: bytes = b"value", seq: int = 1) -> None:
        self.running[number].callback(Loaded(value, seq))

    def fail(self, number: int, error: Exception) -> None:
        self.running[number].errback(error)


def loader(value: bytes = b"value", seq: int = 1) -> Callable[[bool], Any]:
    """A coroutine loader that answers at once."""

    async def load(fresh: bool) -> Loaded:
        return Loaded(value, seq)

    return load


def results(*waiters: Deferred[Any]) -> list[list[Any]]:
    """Where the outcome of each waiter will be: a list that fills with a value or a Failure."""
    found: list[list[Any]] = []
    for waiter in waiters:
        outcome: list[Any] = []
        waiter.addBoth(outcome.append)
        found.append(outcome)
    return found


def check(cache: SoftCache) -> None:
    """The promises of the structure, whatever happened before."""
    index: dict[tuple[Hashable, Hashable], Any] = {}
    for group, keys in cache._groups.items():
        assert keys, f"group {group!r} is empty and still there"
        for key, entry in keys.items():
            assert (entry.group, entry.key) == (group, key)
            index[group, key] = entry
    queue = list(cache)
    assert {id(entry) for entry in queue} == {id(entry) for entry in index.values()}, "queue and index differ"
    assert len(queue) == len(cache) == len(index)
    assert cache.nbytes == sum(entry.size for entry in queue), "bytes leak"
    assert cache.nbytes <= cache.max_bytes, "over the bound"
    places = [*queue, cache._sieve.root]
    assert any(cache._sieve.hand is place for place in places), "the hand is on a removed entry"
    assert any(cache._sieve.walker is place for place in places), "the walker is on a removed entry"
    backwards = []
    entry = cache._sieve.root.older
    while entry is not cache._sieve.root:
        backwards.append(entry)
        entry = entry.older
    assert [id(each) for each in reversed(backwards)] == [id(each) for each in queue], "the ring is torn"


class Oops(Exception):
    """What a load fails with here."""


class FlightsCase(SynchronousTestCase):
    """A cache and loads that end by hand; the structure is checked after each test."""

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
        self.assertEqual(self.cache._flights._by_group, {})
