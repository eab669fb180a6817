"""Writes that would only wait for each other in the database wait here, and go there together.

May touch: database (errors). The row of a channel is locked by each of its writes in turn. Left to the pool, one busy
page would hold every connection with writes that stand in that queue, and other pages would wait behind it; gathered,
they share a round trip, a lock and a commit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred

from cackled.database.errors import Busy

# Votes on one comment that go in one statement.
MOST = 100
# Comments of one page that go in one, and statements under way: while one is worked on, the next waits for the row.
MOST_POSTS = 32
WIDTH = 2
# Who finds so many waiting before is asked to try again.
BOUND = 1_000
RETRY_AFTER = 1.0

_T = TypeVar("_T")


class Gathering(Generic[_T]):
    """Sends items of one key together while others of it are under way.

    What comes first goes at once and alone; what comes while *width* batches are under way goes in one batch after
    them. *send* gets a batch and gives as many results, in order; a result that is an exception is raised to its owner
    alone.
    """

    def __init__(self, most: int = MOST, bound: int = BOUND, width: int = 1) -> None:
        self._most = most
        self._bound = bound
        self._width = width
        self._running: dict[Hashable, int] = {}
        self._waiting: dict[Hashable, deque[tuple[Any, Deferred[_T]]]] = {}

    def __len__(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    async def add(self, key: Hashable, item: Any, send: Callable[[list[Any]], Awaitable[list[Any]]]) -> _T:
        """The result of *item*.

        Raises:
            Busy: too many wait for the key; and what *send* raises or gives.
        """
        running = self._running.get(key, 0)
        if running >= self._width:
            queue = self._waiting.get(key)
            if queue is None:
                queue = self._waiting[key] = deque()
            elif len(queue) >= self._bound:
                raise Busy(RETRY_AFTER)
            mine: Deferred[_T] = Deferred()
            queue.append((item, mine))
            return await mine
        self._running[key] = running + 1
        try:
            result = (await send([item]))[0]
        finally:
            self._next(key, send)
        if isinstance(result, Exception):
            raise result
        made: _T = result
        return made

    def _next(self, key: Hashable, send: Callable[[list[Any]], Awaitable[list[Any]]]) -> None:
        queue = self._waiting.get(key)
        if queue:
            batch = [queue.popleft() for _ in range(min(self._most, len(queue)))]
            if not queue:
                del self._waiting[key]
            Deferred.fromCoroutine(self._batch(key, batch, send))
            return
        running = self._running[key] - 1
        if running:
            self._running[key] = running
        else:
            del self._running[key]

    async def _batch(
        self, key: Hashable, batch: list[tuple[Any, Deferred[_T]]], send: Callable[[list[Any]], Awaitable[list[Any]]]
    ) -> None:
        results: list[Any]
        try:
            results = await send([item for item, _ in batch])
        except Exception as error:
            results = [error] * len(batch)
        self._next(key, send)
        for (_, mine), result in zip(batch, results, strict=True):
            if mine.called:
                continue
            if isinstance(result, Exception):
                mine.errback(result)
            else:
                mine.callback(result)


class Queues:
    """What the writes of one process share: a gathering per channel, and one per comment voted on."""

    __slots__ = ("posts", "votes")

    def __init__(self) -> None:
        self.posts: Gathering[tuple[str, int, bool, str]] = Gathering(MOST_POSTS, BOUND, WIDTH)
        self.votes: Gathering[tuple[int, int, int, int]] = Gathering()

    def __len__(self) -> int:
        """How many writes wait."""
        return len(self.posts) + len(self.votes)
