"""The soft cache: finished bytes by (group, key), one load per key however many ask, a hard limit in bytes.

The ``seq`` of an entry tells how current it is. `evict` raises the floor of a group (the lowest ``seq`` that may be
kept), drops the group's entries and dooms its loads under way. When a load gives a ``seq`` below the floor, it came
from a replica that lags, and the load is repeated from the primary. The primary's answer is kept even if its ``seq`` is
below the floor: that happens after a failover, or when two groups share a floor.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from sys import getsizeof

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from cackled.cache.flights import Counts, Flights
from cackled.cache.floors import Floors
from cackled.cache.metrics import publish
from cackled.cache.sieve import Entry, Sieve
from cackled.cache.types import CacheStats, Load, Loaded
from cackled.metrics import Metrics

# Bytes that an entry takes beside its value: the object, its places in two dicts, a key of a few numbers and short
# words. Measured: 520 bytes with five entries a group, 750 with one entry a group.
OVERHEAD = 768
# Text in a key longer than this counts in addition: strangers choose it, and it can be larger than the value.
SHORT_TEXT = 128
# One value may take at most this fraction of the limit.
LARGEST = 8


class SoftCache:
    """See `cackled.cache.types.Cache` for the interface.

    The sum of the lengths of all values, of long keys, and of `OVERHEAD` per entry never exceeds *max_bytes*. *ttl* is
    in seconds on *clock*, which should be monotonic. *name* labels the metrics.
    """

    # Attributes, so that tests can replace them with broken ones.
    flights_factory = Flights
    sieve_factory = Sieve

    def __init__(
        self, *, clock: IReactorTime, max_bytes: int, ttl: float, metrics: Metrics, name: str = "soft"
    ) -> None:
        self.name = name
        self.nbytes = 0
        self.max_bytes = max_bytes
        self._ttl = ttl
        self._hits = 0
        self._seconds = clock.seconds
        self._groups: dict[Hashable, dict[Hashable, Entry]] = {}
        self._sieve = self.sieve_factory()
        self._floors = Floors(clock.seconds)
        self._counts = Counts()
        self._flights = self.flights_factory(
            seconds=clock.seconds,
            counts=self._counts,
            floor=self._floors.of,
            store=self._store,
            took=publish(metrics, self),
        )

    def __len__(self) -> int:
        return len(self._sieve)

    def __iter__(self) -> Iterator[Entry]:
        """All entries, oldest first. Nothing may be stored or dropped while iterating."""
        return iter(self._sieve)

    def peek(self, group: Hashable, key: Hashable, after: int = 0) -> Loaded | None:
        """The value if it is kept, not expired, and of ``seq`` *after* or later. Never loads; takes 0.5 us."""
        try:
            entry = self._groups[group][key]
        except KeyError:
            return None
        now = self._seconds()
        if entry.expires <= now:
            self._counts.expired += 1
            self._drop(entry)
            return None
        loaded = entry.loaded
        if after and loaded.seq < after:
            return None
        entry.visited = True
        entry.touched = now
        self._hits += 1
        return loaded

    def get(
        self, group: Hashable, key: Hashable, load: Load, *, after: int = 0, ttl: float | None = None
    ) -> Deferred[Loaded]:
        """The value, from memory or from ``load(fresh)``. Callers that ask meanwhile share the same load.

        The value is not older than *after*, unless the primary, asked after this call, has nothing newer.
        ``load(False)`` is called first; if its answer is older than *after* or than the floor of *group*,
        ``load(True)`` follows. The result is kept for *ttl* seconds (0: not at all); the caller that began the load
        decides.

        Every caller has its own Deferred and may cancel it without effect on others. When the last one is cancelled,
        the load is cancelled too. If the load fails, each Deferred fails with its own Failure; failures are not kept.
        """
        found = self.peek(group, key, after)
        if found is not None:
            return succeed(found)
        return self._flights.join(group, key, load, after, self._ttl if ttl is None else ttl)

    def evict(self, group: Hashable, floor: int = 0) -> None:
        """Drop all keys of *group*. From now on, keep nothing for it that is older than *floor*.

        Loads under way answer the callers that wait for them already. Their results are not kept, and no new caller
        joins them.
        """
        self._floors.announce(group, floor)
        keys = self._groups.pop(group, None)
        if keys is not None:
            remove = self._sieve.remove
            for entry in keys.values():
                remove(entry)
                self.nbytes -= entry.size
            self._counts.invalidated += len(keys)
        self._flights.doom(group)

    def outdate(self, group: Hashable, seq: int) -> None:
        """A change has brought *group* to *seq*: drop older entries, and keep nothing older from now on.

        Unlike `evict` this leaves entries that were read after the change, so that a change reported twice (by its
        writer, then by the log) costs one load. Loads under way are doomed, because they may have read before the
        change, from the primary too.
        """
        self._floors.announce(group, seq)
        keys = self._groups.get(group)
        if keys is not None:
            older = [entry for entry in keys.values() if entry.loaded.seq < seq]
            for entry in older:
                self._drop(entry)
            self._counts.invalidated += len(older)
        self._flights.doom(group)

    def clear(self) -> None:
        """Drop all keys of all groups and doom all loads; floors stay."""
        self._counts.invalidated += len(self._sieve)
        self._groups.clear()
        self._sieve.clear()
        self.nbytes = 0
        self._flights.doom_all()

    def shrink(self, nbytes: int) -> int:
        """Drop entries in the order of eviction until *nbytes* are freed. Returns how many were; 0 if it was empty."""
        before = self.nbytes
        until = max(0, before - nbytes)
        while self.nbytes > until:
            entry = self._sieve.victim()
            if entry is None:
                break
            self._drop(entry)
            self._counts.evicted_soft += 1
        return before - self.nbytes

    def sweep(self, idle: float, count: int) -> tuple[int, bool]:
        """Look at the next *count* entries and drop those that expired or were not asked for in *idle* seconds.

        Continues where the last call stopped. Returns the bytes freed, and whether all entries have been looked at.
        """
        before = self.nbytes
        now = self._seconds()
        oldest = now - idle
        for _ in range(count):
            entry = self._sieve.step()
            if entry is None:
                break
            if entry.expires <= now:
                self._drop(entry)
                self._counts.expired += 1
            elif entry.touched < oldest:
                self._drop(entry)
                self._counts.evicted_soft += 1
            if self._sieve.walked:
                break
        return before - self.nbytes, self._sieve.walked

    def stats(self) -> CacheStats:
        """The figures as they are now."""
        flights = list(self._flights)
        counts = self._counts
        return CacheStats(
            entries=len(self._sieve),
            bytes=self.nbytes,
            max_bytes=self.max_bytes,
            flights=len(flights),
            waiters=sum(len(flight.waiters) for flight in flights),
            hits=self._hits,
            **{name: getattr(counts, name) for name in counts.__struct_fields__},
        )

    def _drop(self, entry: Entry) -> None:
        keys = self._groups[entry.group]
        del keys[entry.key]
        if not keys:
            del self._groups[entry.group]
        self._sieve.remove(entry)
        self.nbytes -= entry.size

    def _store(self, group: Hashable, key: Hashable, loaded: Loaded, ttl: float, fresh: bool) -> None:
        now = self._seconds()
        keys = self._groups.get(group)
        there = None if keys is None else keys.get(key)
        if there is not None:
            if there.expires > now and there.loaded.seq > loaded.seq and not fresh:
                self._counts.refused_older += 1
                return
            self._drop(there)
        size = len(loaded.value) + OVERHEAD + _long_texts(key)
        if size > self.max_bytes // LARGEST or ttl <= 0:
            self._counts.refused_size += 1
            return
        room = self.max_bytes - size
        while self.nbytes > room:
            victim = self._sieve.victim()
            if victim is None:
                break
            self._drop(victim)
            self._counts.evicted_size += 1
        # Looked up only now, because making room may have removed this group.
        keys = self._groups.get(group)
        if keys is None:
            keys = self._groups[group] = {}
        entry = Entry(group, key, loaded, size, now + ttl, now)
        keys[key] = entry
        self._sieve.add(entry)
        self.nbytes += size


def _long_texts(key: Hashable) -> int:
    beyond = 0
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, str):
            beyond += max(0, getsizeof(part) - SHORT_TEXT)
    return beyond
