"""Loads under way. All callers that ask for the same key share one load, called a flight.

This module does not know how values are kept: the cache passes in the functions `floor` and `store`.

A key has at most one flight that new callers can join. An eviction dooms the flights under way: a doomed flight still
answers the callers that wait for it, but its result is not stored and nobody can join it. At most `MAX_LOADS` loads of
a key run at once. When evictions follow each other quickly, the next flight waits until a doomed one has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from operator import index
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled.cache.types import Load, Loaded

log = Logger()

# One load that runs, and one more that an eviction made necessary.
MAX_LOADS = 2


class Counts(Struct, gc=False):
    """What a cache counts beside its hits; the meaning of each is in `cackled.cache.types.CacheStats`."""

    joins: int = 0
    misses: int = 0
    loads: int = 0
    reloads: int = 0
    failed: int = 0
    cancelled: int = 0
    abandoned: int = 0
    refused_evicted: int = 0
    refused_size: int = 0
    refused_older: int = 0
    evicted_size: int = 0
    evicted_soft: int = 0
    expired: int = 0
    invalidated: int = 0


class KeyFlights:
    """The flights of one key."""

    __slots__ = ("current", "doomed")

    def __init__(self) -> None:
        self.current: Flight | None = None
        self.doomed: list[Flight] = []


class Flight:
    """One load and the callers that wait for it.

    `waiters` maps the Deferred of each waiter to the ``after`` it asked for, and to the number of loads that had begun
    when it came. A load from the primary that began later is current for this waiter, whatever its ``seq``. It is a
    dict, so that removing a waiter costs the same however many there are.
    """

    __slots__ = (
        "after", "begun", "doomed", "floor", "fresh", "group", "key", "load", "over", "running", "since", "table",
        "ttl", "waiters",
    )  # fmt: skip

    def __init__(self, table: Flights, group: Hashable, key: Hashable, load: Load, ttl: float) -> None:
        self.table = table
        self.group = group
        self.key = key
        self.load = load
        self.ttl = ttl
        self.waiters: dict[Deferred[Loaded], tuple[int, int]] = {}
        self.after = 0
        self.begun = 0
        self.floor = 0
        self.fresh = False
        self.doomed = False
        self.over = False
        self.running: Deferred[Any] | None = None
        self.since = 0.0

    def wait(self, after: int) -> Deferred[Loaded]:
        """Add a waiter. Returns its Deferred."""
        waiter: Deferred[Loaded] = Deferred(self._leave)
        self.waiters[waiter] = (after, self.begun)
        if after > self.after:
            self.after = after
        return waiter

    def begin(self, fresh: bool) -> None:
        """Call the loader. It may answer, fail, evict, get or cancel before it returns."""
        table = self.table
        if not self.begun:
            # Read once: only an eviction can raise the floor, and an eviction dooms this flight.
            self.floor = table.floor(self.group)
        self.fresh = fresh
        self.begun += 1
        self.since = table.seconds()
        table.counts.loads += 1
        self.running = None
        try:
            running = _as_deferred(self.load(fresh))
        except Exception:
            running = fail(Failure())
        self.running = running
        running.addCallbacks(self._loaded, self._failed)
        if self.over:
            # It was answered, or its last waiter gave up, while the loader was still being called.
            _cancel(running)

    def _loaded(self, result: Any) -> None:
        if self.over:
            return
        table = self.table
        table.took(table.seconds() - self.since)
        try:
            # Copied, because encoders allocate more than they use and the bound counts len().
            loaded = Loaded(bytes(memoryview(result.value)), index(result.seq), result.source)
        except (AttributeError, TypeError):
            self._end_with(Failure(TypeError(f"a loader must give Loaded(bytes, int), not {type(result).__name__}")))
            return
        if loaded.seq >= self.floor and loaded.seq >= self.after:
            self._arrive(loaded, self.waiters)
            return
        ready, late = self._divide(loaded.seq)
        if late:
            self._again(loaded, ready, late)
        else:
            self._arrive(loaded, ready)

    def _arrive(self, loaded: Loaded, ready: dict[Deferred[Loaded], Any]) -> None:
        """Store the value, free the key, and only then answer: callbacks may call the cache again."""
        table = self.table
        self.over = True
        if self.doomed:
            table.counts.refused_evicted += 1
        else:
            self._keep(loaded)
        table.remove(self)
        _fire(ready, loaded)

    def _keep(self, loaded: Loaded) -> None:
        try:
            self.table.store(self.group, self.key, loaded, self.ttl, self.fresh)
        except Exception:
            # Out of memory, or a fault of ours: the waiters get their value all the same.
            log.failure("a value could not be kept")

    def _again(self, loaded: Loaded, ready: dict[Deferred[Loaded], Any], late: dict[Deferred[Loaded], Any]) -> None:
        """Answer the *ready* waiters, store what may be stored, and load from the primary for the *late* ones."""
        table = self.table
        if not self.doomed and (self.fresh or loaded.seq >= self.floor):
            self._keep(loaded)
        self.waiters = late
        self.after = max(after for after, _ in late.values())
        table.counts.reloads += 1
        self.begin(True)
        _fire(ready, loaded)

    def _divide(self, seq: int) -> tuple[dict[Deferred[Loaded], Any], dict[Deferred[Loaded], Any]]:
        ready: dict[Deferred[Loaded], Any] = {}
        late: dict[Deferred[Loaded], Any] = {}
        for waiter, asked in self.waiters.items():
            after, joined = asked
            fits = (seq >= after and seq >= self.floor) or (self.fresh and joined < self.begun)
            (ready if fits else late)[waiter] = asked
        return ready, late

    def _failed(self, failure: Failure) -> None:
        if not self.over:
            self.table.took(self.table.seconds() - self.since)
            self._end_with(failure)

    def _end_with(self, failure: Failure) -> None:
        self.over = True
        self.table.counts.failed += 1
        self.table.remove(self)
        traceback = failure.getTracebackObject()
        for waiter in list(self.waiters):
            if not waiter.called:
                # A Failure for each waiter, because callbacks change the Failure that they are given.
                waiter.errback(Failure(failure.value, failure.type, traceback))

    def _leave(self, waiter: Deferred[Loaded]) -> None:
        """The canceller of every waiter's Deferred."""
        if self.waiters.pop(waiter, None) is None or self.over:
            return
        counts = self.table.counts
        counts.cancelled += 1
        if self.waiters:
            return
        self.over = True
        self.table.remove(self)
        if self.begun:
            counts.abandoned += 1
        if self.running is not None:
            _cancel(self.running)


class Flights:
    """All loads under way, by group and key.

    *floor* gives the lowest ``seq`` that may be kept for a group. *store* is called with each result that may be kept,
    *took* with the seconds of each load.
    """

    __slots__ = ("_by_group", "counts", "floor", "seconds", "store", "took")

    # Tests replace it with a broken class, to prove that they would notice.
    flight = Flight

    def __init__(
        self,
        *,
        seconds: Callable[[], float],
        counts: Counts,
        floor: Callable[[Hashable], int],
        store: Callable[[Hashable, Hashable, Loaded, float, bool], None],
        took: Callable[[float], None],
    ) -> None:
        self.seconds = seconds
        self.counts = counts
        self.floor = floor
        self.store = store
        self.took = took
        self._by_group: dict[Hashable, dict[Hashable, KeyFlights]] = {}

    def __iter__(self) -> Iterator[Flight]:
        """All flights, including doomed ones and those that wait to begin."""
        for by_key in self._by_group.values():
            for flights in by_key.values():
                if flights.current is not None:
                    yield flights.current
                yield from flights.doomed

    def join(self, group: Hashable, key: Hashable, load: Load, after: int, ttl: float) -> Deferred[Loaded]:
        """Wait for the flight of this key, or begin one with *load*."""
        by_key = self._by_group.get(group)
        if by_key is None:
            by_key = self._by_group[group] = {}
        flights = by_key.get(key)
        if flights is None:
            flights = by_key[key] = KeyFlights()
        flight = flights.current
        if flight is not None:
            self.counts.joins += 1
            return flight.wait(after)
        self.counts.misses += 1
        flight = flights.current = self.flight(self, group, key, load, ttl)
        waiter = flight.wait(after)
        if len(flights.doomed) < MAX_LOADS:
            flight.begin(False)
        return waiter

    def doom(self, group: Hashable) -> None:
        """What is being loaded for *group* is out of date: no new caller joins it, and it is not stored."""
        by_key = self._by_group.get(group)
        if by_key is None:
            return
        for flights in by_key.values():
            flight = flights.current
            # A flight that has not begun is not doomed: it will read current data.
            if flight is not None and flight.begun:
                flight.doomed = True
                flights.doomed.append(flight)
                flights.current = None

    def doom_all(self) -> None:
        """As `doom`, for every group."""
        for group in self._by_group:
            self.doom(group)

    def remove(self, flight: Flight) -> None:
        """Free the key of a flight that is over. The next flight, if one waits for this, begins."""
        by_key = self._by_group[flight.group]
        flights = by_key[flight.key]
        if flight.doomed:
            flights.doomed.remove(flight)
        else:
            flights.current = None
        following = flights.current
        if following is not None:
            if not following.begun:
                following.begin(False)
        elif not flights.doomed:
            del by_key[flight.key]
            if not by_key:
                del self._by_group[flight.group]


def _as_deferred(awaitable: Any) -> Deferred[Any]:
    if isinstance(awaitable, Deferred):
        return awaitable
    if hasattr(awaitable, "send"):
        return Deferred.fromCoroutine(awaitable)
    return Deferred.fromCoroutine(_wait_for(awaitable))


async def _wait_for(awaitable: Any) -> Any:
    return await awaitable


def _fire(waiters: dict[Deferred[Loaded], Any], loaded: Loaded) -> None:
    # A copy, because callbacks may cancel other waiters.
    for waiter in list(waiters):
        if not waiter.called:
            waiter.callback(loaded)


def _cancel(running: Deferred[Any]) -> None:
    try:
        running.cancel()
    except Exception:
        log.failure("a load could not be cancelled")
