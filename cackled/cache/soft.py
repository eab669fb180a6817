"""The soft cache: finished bytes by (group, key), one load per key however many ask, a hard bound in bytes.

Domain services are given one.

What an entry is worth is told by its ``seq``. `evict` raises the floor of its group, drops what is there and dooms
what is being loaded; a load that answers from below the floor (a replica that lags) is asked again of the primary.
What the primary said is kept though its ``seq`` may be below the floor: after a failover, or where two groups share
one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from sys import getsizeof

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from cackled.cache.figures import publish
from cackled.cache.flights import Counts, Flights
from cackled.cache.floors import Floors
from cackled.cache.sieve import Entry, Sieve
from cackled.cache.types import CacheStats, Load, Loaded
from cackled.metrics import Metrics

# What an entry takes beside its value: itself, its places in two dicts, keys of a few numbers and short words.
# Measured: 520 bytes with five entries a group, 750 where each has a group of its own.
OVERHEAD = 768
# What a text in a key takes beyond this counts too: strangers choose it, and it can be larger than the value.
SHORT_TEXT = 128
# One value may take at most this part of the bound.
LARGEST = 8


class SoftCache:
    """See `cackled.cache.types.Cache` for the interface.

    *max_bytes* bounds the sum of all values' lengths, long keys and `OVERHEAD` for each, always. *ttl* is in seconds on
    *clock*, which should be monotonic. *name* labels the figures.
    """

    # Made here so that tests can put broken ones in.
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
        """All entries, the oldest first; nothing may be stored or dropped meanwhile."""
        return iter(self._sieve)

    def peek(self, group: Hashable, key: Hashable, after: int = 0) -> Loaded | None:
        """The value, if it is there, alive, and of ``seq`` *after* or later. Never loads; costs half a microsecond."""
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
        """The value, from memory or by ``load(fresh)``; whoever asks meanwhile waits for the same load.

        Who asks with *after* is given nothing older, unless the primary itself, asked later than that, has nothing
        newer. ``load(False)`` comes first, then ``load(True)`` where the answer is older than *after* or than the floor
        of *group*. The result is kept for *ttl* seconds (of the one who began the load; 0: not at all).

        Every caller has a Deferred of its own, which can be cancelled without harm to others; when the last one is,
        the load is cancelled. It fails as the load did, with a Failure of its own; failures are not kept.
        """
        found = self.peek(group, key, after)
        if found is not None:
            return succeed(found)
        return self._flights.join(group, key, load, after, self._ttl if ttl is None else ttl)

    def evict(self, group: Hashable, floor: int = 0) -> None:
        """Drop all keys of *group*, and keep nothing for it that is older than *floor* from now on.

        Loads under way answer those who wait for them already, but are neither kept nor joined.
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
        """What happened to *group* led to *seq*: drop what is older, and keep nothing older from now on.

        Unlike `evict` this leaves what was read after the change, so that a change told twice (by its writer, then by
        the log) costs one load. Loads under way may have read before it, the primary too: they are doomed all the same.
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
        """Drop entries in the order of eviction until *nbytes* are free; how many were freed, 0 from an empty cache."""
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

        Goes on where the last call stopped; the bytes freed, and whether a round is done.
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
        # Only now: making room may have emptied this very group.
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
