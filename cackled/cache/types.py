"""What a cache promises: its values, its interface and its figures.

Infrastructure of the cache: imports msgspec and twisted.internet.defer only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred


class Loaded(Struct, frozen=True, gc=False):
    """What a load gives: finished bytes, and the ``seq`` of their channel, read in the same statement as they.

    Immutable, so that all who are given it can share it. ``source`` is the loader's own note, passed on as it is.
    """

    value: bytes
    seq: int
    source: Any = None


# Called with ``fresh``: False may read from any replica, True must read from the primary.
Load = Callable[[bool], Awaitable[Loaded]]


class CacheStats(Struct, frozen=True, kw_only=True):
    """Figures of one cache since it was made; the first five are of this moment."""

    entries: int = 0
    bytes: int = 0
    max_bytes: int = 0
    flights: int = 0
    waiters: int = 0
    # Answered from memory; joined a load under way; began a load (or queued behind one).
    hits: int = 0
    joins: int = 0
    misses: int = 0
    # Calls of a loader; of them, those that asked the primary because the answer before was too old.
    loads: int = 0
    reloads: int = 0
    failed: int = 0
    # Waiters who gave up, and loads that were cancelled because nobody waited any more.
    cancelled: int = 0
    abandoned: int = 0
    # Results not kept: an eviction came while they were loaded; too large; older than what is there.
    refused_evicted: int = 0
    refused_size: int = 0
    refused_older: int = 0
    # Entries that went: no room; yielded to memory pressure; time to live over; their group was evicted.
    evicted_size: int = 0
    evicted_soft: int = 0
    expired: int = 0
    invalidated: int = 0


class Cache(Protocol):
    """What `cackled.cache.soft.SoftCache` serves and `cackled.cache.testing.DirectCache` stands in for."""

    def peek(self, group: Hashable, key: Hashable, after: int = 0) -> Loaded | None:
        """The value if it is there now, alive and not older than *after*; never loads."""

    def get(
        self, group: Hashable, key: Hashable, load: Load, *, after: int = 0, ttl: float | None = None
    ) -> Deferred[Loaded]:
        """The value, loaded if need be; it fails as the load fails, and may be cancelled."""

    def evict(self, group: Hashable, floor: int = 0) -> None:
        """Forget all keys of *group*; nothing older than *floor* is kept for it from now on."""

    def outdate(self, group: Hashable, seq: int) -> None:
        """Forget what is older than *seq* in *group*, and keep nothing older from now on."""

    def clear(self) -> None:
        """Forget all keys of all groups."""

    def shrink(self, nbytes: int) -> int:
        """Give back at least *nbytes* if there are as many; how many were given back."""

    def stats(self) -> CacheStats:
        """The figures as they are now."""
