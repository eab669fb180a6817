"""Storage of the microcache: entries by key, tag and owner, bounded in bytes; and a record of evictions."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from twisted.internet.interfaces import IReactorTime

from cackled import config
from cackled.metrics import Metrics
from cackled.transport._entries import Entry, Key

# Evictions remembered by tag; a load that began before a forgotten one is not stored.
MAX_EVICTIONS = 16384
# The share of the space that one owner may take.
OWNER_SHARE = 0.25


class Store:
    """Entries and evictions; times are seconds on *clock*, which is monotonic."""

    def __init__(self, clock: IReactorTime, settings: config.Microcache, metrics: Metrics) -> None:
        self.clock = clock
        self.settings = settings
        self.entries: dict[Key, Entry] = {}
        self.bytes = 0
        self._by_tag: dict[Hashable, set[Key]] = {}
        self._by_owner: dict[Hashable, int] = {}
        # Number of the last eviction; per tag: (last unconditional, last counted, its seq), oldest first.
        self._epoch = 0
        self._evicted: dict[Hashable, tuple[int, int, int]] = {}
        self._horizon = 0
        self._evictions = metrics.counter("microcache_evictions", "Entries dropped.", ["reason"])
        metrics.watch("microcache_bytes", "Bytes held.", lambda: float(self.bytes))
        metrics.watch("microcache_entries", "Entries held.", lambda: float(len(self.entries)))

    # Eviction

    def evict(self, tag: Hashable, seq: int = 0) -> int:
        """Drop what was made from *tag*, and store nothing whose load began before now; returns how many went.

        With *seq*, answers made at that number or later stay (and may still be stored).
        """
        self._epoch += 1
        hard, counted, floor = self._evicted.pop(tag, (0, 0, 0))
        if seq:
            counted, floor = self._epoch, max(floor, seq)
        else:
            hard = self._epoch
        self._evicted[tag] = (hard, counted, floor)
        if len(self._evicted) > MAX_EVICTIONS:
            oldest = next(iter(self._evicted))
            gone = self._evicted.pop(oldest)
            self._horizon = max(self._horizon, gone[0], gone[1])
        made_of_it = [self.entries[key] for key in self._by_tag.get(tag, ())]
        doomed = [entry for entry in made_of_it if not seq or entry.seqs.get(tag, -1) < seq]
        for entry in doomed:
            self._drop(entry)
        if doomed:
            self._evictions.labels("tag").inc(len(doomed))
        return len(doomed)

    def clear(self) -> None:
        """Drop everything; loads in work are not stored."""
        self._epoch += 1
        self._horizon = self._epoch
        for entry in list(self.entries.values()):
            self._drop(entry)

    def forget(self, key: Key) -> None:
        """Drop one answer: a write to its URL succeeded (RFC 9111 section 4.4)."""
        entry = self.entries.get(key)
        if entry is not None:
            self._drop(entry)

    def _tainted(self, tags: tuple[Hashable, ...], seqs: dict[Hashable, int], begun: int) -> int:
        """The number of the latest eviction that a load begun at *begun* missed; 0 if none."""
        worst = self._horizon if begun < self._horizon else 0
        for tag in tags:
            found = self._evicted.get(tag)
            if found is None:
                continue
            hard, counted, floor = found
            if hard > begun:
                worst = max(worst, hard)
            have = seqs.get(tag)
            if counted > begun if have is None else have < floor:
                worst = max(worst, counted)
        return worst

    # Looking up

    def fresh(self, key: Key, after: int, now: float) -> Entry | None:
        """The entry that answers right away, or None."""
        entry = self.entries.get(key)
        if entry is None or now >= entry.fresh_until or not entry.satisfies(after):
            return None
        entry.visited = True
        return entry

    def stale(self, key: Key, after: int, now: float, window: float) -> Entry | None:
        """The entry that may answer though it expired at most *window* seconds ago, or None."""
        entry = self.entries.get(key)
        if entry is None or entry.must_revalidate or now >= entry.fresh_until + window or not entry.satisfies(after):
            return None
        return entry

    # Space

    def store(self, entry: Entry) -> bool:
        old = self.entries.get(entry.key)
        if old is not None:
            self._drop(old)
        owner = entry.owner
        self.entries[entry.key] = entry
        for tag in entry.tags:
            self._by_tag.setdefault(tag, set()).add(entry.key)
        self._grow(entry, entry.size)
        share = self.settings.max_bytes * OWNER_SHARE
        if owner is not None and self._by_owner[owner] > share:
            self._make_room(lambda: self._by_owner.get(owner, 0) > share, owner, keep=entry)
        if self.bytes > self.settings.max_bytes:
            self._make_room(lambda: self.bytes > self.settings.max_bytes, None, keep=entry)
        return entry.key in self.entries

    def _grow(self, entry: Entry, size: int) -> None:
        self.bytes += size
        if entry.owner is not None:
            self._by_owner[entry.owner] = self._by_owner.get(entry.owner, 0) + size

    def _make_room(self, over: Callable[[], bool], owner: Hashable, keep: Entry) -> None:
        """Drop entries, oldest first; one that was used since the last pass is skipped once."""
        for key in list(self.entries):
            if not over():
                return
            entry = self.entries[key]
            if entry is keep or (owner is not None and entry.owner != owner):
                continue
            if entry.visited and self.clock.seconds() < entry.fresh_until:
                entry.visited = False
                self.entries[key] = self.entries.pop(key)
                continue
            self._drop(entry)
            self._evictions.labels("room").inc()
        for key in list(self.entries):
            if not over():
                return
            entry = self.entries[key]
            if owner is None or entry.owner == owner:
                self._drop(entry)
                self._evictions.labels("room").inc()

    def _drop(self, entry: Entry) -> None:
        if self.entries.get(entry.key) is not entry:
            return
        del self.entries[entry.key]
        self._grow(entry, -entry.size)
        if entry.owner is not None and self._by_owner.get(entry.owner, 0) <= 0:
            self._by_owner.pop(entry.owner, None)
        for tag in entry.tags:
            keys = self._by_tag.get(tag)
            if keys is not None:
                keys.discard(entry.key)
                if not keys:
                    del self._by_tag[tag]
