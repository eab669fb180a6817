"""Writes that would only wait for each other in the database wait here, and go there together.

The row of a channel is locked by each of its writes in turn. Left to the pool, one busy page would hold every
connection with writes that stand in that queue, and other pages would wait behind it; gathered, they share a round
trip, a lock and a commit.
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
_Batch = list[tuple[Any, "Deferred[_T]"]]


class WriteBatcher(Generic[_T]):
    """Sends items of one key together while others of it are under way.

    What comes first goes at once and alone; what comes while *width* batches are under way goes in one batch after
    them. *send* gets a batch and gives as many results, in order; a result that is an exception is raised to its owner
    alone.
    """

    def __init__(self, most: int = MOST, bound: int = BOUND, width: int = 1) -> None:
        self._most = most
        self._bound = bound
        self._width = width
        # Batches that came to an end.
        self.ended = 0
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
            self.ended += 1
            if key in self._waiting:
                Deferred.fromCoroutine(self._go_on(key, send))
            else:
                self._end(key)
        if isinstance(result, Exception):
            raise result
        made: _T = result
        return made

    async def _go_on(self, key: Hashable, send: Callable[[list[Any]], Awaitable[list[Any]]]) -> None:
        """Send batch after batch until nothing waits; a loop, as a database that refuses at once would nest them."""
        batch: _Batch[_T] = []
        results: list[Any] = []
        while True:
            following = self._take(key)
            # It is under way before those of the last batch are told.
            sent = Deferred.fromCoroutine(_send(send, following)) if following else None
            for (_, mine), result in zip(batch, results, strict=True):
                if not mine.called:
                    _tell(mine, result)
            if sent is not None:
                batch, results = following, await sent
                self.ended += 1
            elif key in self._waiting:
                # Somebody who was told came back at once.
                batch, results = [], []
            else:
                self._end(key)
                return

    def _take(self, key: Hashable) -> _Batch[_T]:
        queue = self._waiting.get(key)
        batch: _Batch[_T] = []
        while queue and len(batch) < self._most:
            one = queue.popleft()
            # Whoever was cancelled in the queue has written nothing.
            if not one[1].called:
                batch.append(one)
        if queue is not None and not queue:
            del self._waiting[key]
        return batch

    def _end(self, key: Hashable) -> None:
        running = self._running[key] - 1
        if running:
            self._running[key] = running
        else:
            del self._running[key]


async def _send(send: Callable[[list[Any]], Awaitable[list[Any]]], batch: _Batch[Any]) -> list[Any]:
    try:
        results = await send([item for item, _ in batch])
        if len(results) == len(batch):
            return results
        error: Exception = ValueError(f"{len(results)} results for {len(batch)} items")
    except Exception as caught:
        error = caught
    return [error] * len(batch)


def _tell(mine: Deferred[Any], result: Any) -> None:
    if isinstance(result, Exception):
        mine.errback(result)
    else:
        mine.callback(result)


class WriteQueues:
    """What the writes of one process share: a gathering per channel, and one per comment voted on."""

    __slots__ = ("posts", "votes")

    def __init__(self) -> None:
        self.posts: WriteBatcher[tuple[str, int, bool, str]] = WriteBatcher(MOST_POSTS, BOUND, WIDTH)
        self.votes: WriteBatcher[tuple[int, int, int, int, int]] = WriteBatcher()

    @property
    def ended(self) -> int:
        """How many batches of them came to an end, well or not."""
        return self.posts.ended + self.votes.ended

    def __len__(self) -> int:
        """How many writes wait."""
        return len(self.posts) + len(self.votes)
