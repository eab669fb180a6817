"""A cache that keeps nothing, for tests of code that uses a cache: every `get` loads."""

from __future__ import annotations

from collections.abc import Hashable

from twisted.internet.defer import Deferred

from cackled.cache.types import CacheStats, Load, Loaded


class DirectCache:
    """Keeps nothing, shares nothing, and keeps every other promise of `cackled.cache.types.Cache`.

    `evicted` lists what was evicted, as (group, floor), for tests to look at.
    """

    def __init__(self) -> None:
        self.evicted: list[tuple[Hashable, int]] = []
        self._floors: dict[Hashable, int] = {}
        self._loads = 0

    def peek(self, group: Hashable, key: Hashable, after: int = 0) -> Loaded | None:
        """Always None: nothing is kept."""
        return None

    def get(
        self, group: Hashable, key: Hashable, load: Load, *, after: int = 0, ttl: float | None = None
    ) -> Deferred[Loaded]:
        """Load; again from the primary if the first answer is older than *after* or than the floor of *group*."""
        return Deferred.fromCoroutine(self._get(load, max(after, self._floors.get(group, 0))))

    async def _get(self, load: Load, least: int) -> Loaded:
        self._loads += 1
        loaded = await load(False)
        if loaded.seq < least:
            self._loads += 1
            loaded = await load(True)
        return loaded

    def evict(self, group: Hashable, floor: int = 0) -> None:
        """Raise the floor of *group*."""
        self.evicted.append((group, floor))
        self._floors[group] = max(floor, self._floors.get(group, 0))

    def outdate(self, group: Hashable, seq: int) -> None:
        """The same as `evict`, because nothing is kept."""
        self.evict(group, seq)

    def clear(self) -> None:
        """Does nothing: no entry is kept."""

    def shrink(self, nbytes: int) -> int:
        """Always 0: no entry is kept."""
        return 0

    def stats(self) -> CacheStats:
        """Loads and misses, which are equal here; all other figures are 0."""
        return CacheStats(loads=self._loads, misses=self._loads)
