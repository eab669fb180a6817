"""The interface of a cache, its values and its figures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred


class Loaded(Struct, frozen=True, gc=False):
    """The result of a load: finished bytes, and the ``seq`` of their channel, read in the same statement.

    It is immutable, so that all callers can share it. ``source`` belongs to the loader; the cache does not look at it.
    """

    value: bytes
    seq: int
    source: Any = None


# Called with ``fresh``: False may read from any replica, True must read from the primary.
Load = Callable[[bool], Awaitable[Loaded]]


class CacheStats(Struct, frozen=True, kw_only=True):
    """Figures of one cache. The first five are current values, the others count since it was made."""

    entries: int = 0
    bytes: int = 0
    max_bytes: int = 0
    flights: int = 0
    waiters: int = 0
    # Calls of `get` that were answered from memory; that joined a load; that began one (or queued behind one).
    hits: int = 0
    joins: int = 0
    misses: int = 0
    # Calls of a loader; how many of them asked the primary because the first answer was too old.
    loads: int = 0
    reloads: int = 0
    failed: int = 0
    # Waiters that cancelled; loads that were cancelled because nobody waited any more.
    cancelled: int = 0
    abandoned: int = 0
    # Results that were not kept: evicted while they were loaded; too large; older than the kept value.
    refused_evicted: int = 0
    refused_size: int = 0
    refused_older: int = 0
    # Entries dropped: no room; memory was short; time to live over; their group was evicted.
    evicted_size: int = 0
    evicted_soft: int = 0
    expired: int = 0
    invalidated: int = 0


class Cache(Protocol):
    """The interface of `cackled.cache.soft.SoftCache` and, for tests, of `cackled.cache.testing.DirectCache`."""

    def peek(self, group: Hashable, key: Hashable, after: int = 0) -> Loaded | None:
        """The value if it is kept, not expired and not older than *after*; else None. Never loads."""

    def get(
        self, group: Hashable, key: Hashable, load: Load, *, after: int = 0, ttl: float | None = None
    ) -> Deferred[Loaded]:
        """The value, loaded if it is not kept. The Deferred fails if the load fails; it may be cancelled."""

    def evict(self, group: Hashable, floor: int = 0) -> None:
        """Drop all keys of *group*. From now on, keep nothing for it that is older than *floor*."""

    def outdate(self, group: Hashable, seq: int) -> None:
        """Drop what is older than *seq* in *group*. From now on, keep nothing older."""

    def clear(self) -> None:
        """Drop all keys of all groups."""

    def shrink(self, nbytes: int) -> int:
        """Drop at least *nbytes*, or everything if there are fewer. Returns how many bytes were dropped."""

    def stats(self) -> CacheStats:
        """The figures as they are now."""
