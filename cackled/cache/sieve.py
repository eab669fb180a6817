"""The order of eviction: SIEVE, a queue with one hand and one visited bit per entry.

Pure: imports nothing of ours but `types`. New entries go in at the head. The hand walks from the tail to the
head, takes the bit from those who have it and stops at the first who has none: that one goes. A hit only sets the bit.
(Zhang et al., "SIEVE is Simpler than LRU", NSDI 2024.)
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from cackled.cache.types import Loaded

# The hand passes over so many at most. Where all are visited it would go round the whole queue, which holds the
# reactor for milliseconds; the hit ratio does not notice the bound.
REACH = 1_000


class Entry:
    """One value in the queue, with all that is needed to take it out from anywhere."""

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
    """The queue: a ring through a sentinel, the hand of eviction, and a second hand for walks that pause.

    Both hands point at the entry they look at next, or at the sentinel, which means "begin at the oldest".
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
        """Put *entry* in at the head."""
        # The sentinel's `older` is the newest entry, its `newer` the oldest: a ring.
        root = self.root
        newest = root.older
        entry.older = newest
        entry.newer = root
        newest.newer = entry
        root.older = entry
        self.length += 1

    def remove(self, entry: Entry) -> None:
        """Take *entry* out; a hand on it moves to the next."""
        newer, older = entry.newer, entry.older
        if self.hand is entry:
            self.hand = newer
        if self.walker is entry:
            self.walker = newer
        older.newer = newer
        newer.older = older
        # No way back into the ring: an entry someone still holds keeps nothing else alive.
        entry.newer = entry.older = None  # type: ignore[assignment]
        self.length -= 1

    def victim(self) -> Entry | None:
        """The entry to go next, still in the queue with the hand on it; None when the queue is empty."""
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
        """Move the walker on: the entry it was at, None when the queue is empty. See `walked`."""
        entry = self.walker
        if entry is self.root:
            entry = self.root.newer
            if entry is self.root:
                return None
        self.walker = entry.newer
        return entry

    @property
    def walked(self) -> bool:
        """Whether the walker has been everywhere: its next step begins a new round."""
        return self.walker is self.root

    def clear(self) -> None:
        """Take all out. The links are cut one by one: a dropped ring would wait for the garbage collector."""
        entry = self.root.newer
        while entry is not self.root:
            after = entry.newer
            entry.newer = entry.older = None  # type: ignore[assignment]
            entry = after
        self.root.newer = self.root.older = self.root
        self.hand = self.walker = self.root
        self.length = 0
