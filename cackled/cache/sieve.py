"""The order of eviction: SIEVE, a queue with one pointer (the hand) and one visited bit per entry.

New entries go in at the head. A hit only sets the entry's bit. To evict, the hand moves from the tail towards the head,
clears the bits that are set, and stops at the first entry without one: that entry is evicted.
(Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024.)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from cackled.cache.types import Loaded

# The hand passes over at most this many entries. If all were visited, it would go round the whole queue and block the
# reactor for milliseconds. The limit makes no measurable difference to the hit ratio.
REACH = 1_000


class Entry:
    """One value in the queue. It has its group, its key and its neighbours, so it can be removed from any place."""

    __slots__ = ("expires", "group", "key", "loaded", "newer", "older", "size", "touched", "visited")

    def __init__(
        self, group: Hashable, key: Hashable, loaded: Loaded, size: int, expires: float, touched: float
    ) -> None:
        self.group = group
        self.key = key
        self.loaded = loaded
        self.size = size
        self.expires = expires
        self.touched = touched
        self.visited = False
        # Neighbours; None outside of a queue.
        self.newer: Entry = None  # type: ignore[assignment]
        self.older: Entry = None  # type: ignore[assignment]


class Sieve:
    """The queue: a ring through a sentinel, the hand of eviction, and a second hand for a walk that can pause.

    Each hand points at the entry that it looks at next, or at the sentinel, which means "begin at the oldest".
    """

    __slots__ = ("hand", "length", "root", "walker")

    def __init__(self) -> None:
        self.root = Entry(None, None, Loaded(b"", 0), 0, 0.0, 0.0)
        self.root.newer = self.root.older = self.root
        self.hand = self.root
        self.walker = self.root
        self.length = 0

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Entry]:
        """From the oldest to the newest; the queue must not change meanwhile."""
        entry = self.root.newer
        while entry is not self.root:
            yield entry
            entry = entry.newer

    def add(self, entry: Entry) -> None:
        """Insert *entry* at the head."""
        # The sentinel's `older` is the newest entry, its `newer` the oldest: a ring.
        root = self.root
        newest = root.older
        entry.older = newest
        entry.newer = root
        newest.newer = entry
        root.older = entry
        self.length += 1

    def remove(self, entry: Entry) -> None:
        """Remove *entry*. A hand that points at it moves to the next entry."""
        newer, older = entry.newer, entry.older
        if self.hand is entry:
            self.hand = newer
        if self.walker is entry:
            self.walker = newer
        older.newer = newer
        newer.older = older
        # Its links are cut, so that a removed entry which is still referenced keeps no other entry alive.
        entry.newer = entry.older = None  # type: ignore[assignment]
        self.length -= 1

    def victim(self) -> Entry | None:
        """The entry to evict next; None when the queue is empty. It stays in the queue, with the hand on it."""
        root = self.root
        entry = self.hand
        if entry is root:
            entry = root.newer
            if entry is root:
                return None
        steps = REACH
        while entry.visited and steps:
            steps -= 1
            entry.visited = False
            entry = entry.newer
            if entry is root:
                entry = root.newer
        self.hand = entry
        return entry

    def step(self) -> Entry | None:
        """Move the second hand on. Returns the entry it was at; None when the queue is empty. See `walked`."""
        entry = self.walker
        if entry is self.root:
            entry = self.root.newer
            if entry is self.root:
                return None
        self.walker = entry.newer
        return entry

    @property
    def walked(self) -> bool:
        """Whether the walk has been over all entries: the next `step` begins a new one."""
        return self.walker is self.root

    def clear(self) -> None:
        """Remove all entries. Links are cut one by one, because a ring would wait for the garbage collector."""
        entry = self.root.newer
        while entry is not self.root:
            after = entry.newer
            entry.newer = entry.older = None  # type: ignore[assignment]
            entry = after
        self.root.newer = self.root.older = self.root
        self.hand = self.walker = self.root
        self.length = 0
