"""Writes that would only wait for each other in the database wait here: a bounded number of one key at a time.

May touch: database (errors). The row of a channel is locked by each of its writes in turn. Left to the pool, one busy
page would hold every connection with writes that stand in that queue, and other pages would wait behind it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred

from cackled.database.errors import Busy

# Writes of one channel under way. One works, one has its successor's row lock and the others are on their way there.
WIDTH = 4
# Votes on one comment that go in one statement.
MOST = 100
# Who finds so many waiting before is asked to try again.
BOUND = 1_000
RETRY_AFTER = 1.0

_T = TypeVar("_T")


class Lanes:
    """Runs works of one key at most *width* at a time, in the order they came."""

    def __init__(self, width: int = WIDTH, bound: int = BOUND) -> None:
        self._width = width
        self._bound = bound
        self._running: dict[Hashable, int] = {}
        self._waiting: dict[Hashable, deque[Deferred[None]]] = {}

    def __len__(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    async def run(self, key: Hashable, work: Callable[[], Awaitable[_T]]) -> _T:
        """The result of *work*, begun when it is its turn.

        Raises:
            Busy: too many wait for the key; and what *work* raises.
        """
        running = self._running.get(key, 0)
        if running < self._width:
            self._running[key] = running + 1
        else:
            queue = self._waiting.setdefault(key, deque())
            if len(queue) >= self._bound:
                raise Busy(RETRY_AFTER)
            turn: Deferred[None] = Deferred()
            queue.append(turn)
            await turn
        try:
            return await work()
        finally:
            self._done(key)

    def _done(self, key: Hashable) -> None:
        queue = self._waiting.get(key)
        if queue:
            turn = queue.popleft()
            if not queue:
                del self._waiting[key]
            turn.callback(None)
            return
        running = self._running[key] - 1
        if running:
            self._running[key] = running
        else:
            del self._running[key]


class Gathering(Generic[_T]):
    """Sends items of one key together while others of it are under way.

    What comes first goes at once and alone; what comes meanwhile goes in one batch after it. *send* gets a batch and
    gives as many results, in order; a result that is an exception is raised to its owner alone.
    """

    def __init__(self, most: int = MOST, bound: int = BOUND) -> None:
        self._most = most
        self._bound = bound
        self._waiting: dict[Hashable, deque[tuple[Any, Deferred[_T]]]] = {}

    def __len__(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    async def add(self, key: Hashable, item: Any, send: Callable[[list[Any]], Awaitable[list[Any]]]) -> _T:
        """The result of *item*.

        Raises:
            Busy: too many wait for the key; and what *send* raises or gives.
        """
        queue = self._waiting.get(key)
        if queue is not None:
            if len(queue) >= self._bound:
                raise Busy(RETRY_AFTER)
            mine: Deferred[_T] = Deferred()
            queue.append((item, mine))
            return await mine
        self._waiting[key] = deque()
        try:
            result = (await send([item]))[0]
        finally:
            self._next(key, send)
        if isinstance(result, Exception):
            raise result
        made: _T = result
        return made

    def _next(self, key: Hashable, send: Callable[[list[Any]], Awaitable[list[Any]]]) -> None:
        queue = self._waiting[key]
        if not queue:
            del self._waiting[key]
            return
        batch = [queue.popleft() for _ in range(min(self._most, len(queue)))]
        Deferred.fromCoroutine(self._batch(key, batch, send))

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
            if isinstance(result, Exception):
                mine.errback(result)
            else:
                mine.callback(result)


class Queues:
    """What the writes of one process share: a lane per channel, a gathering per comment voted on."""

    __slots__ = ("posts", "votes")

    def __init__(self) -> None:
        self.posts = Lanes()
        self.votes: Gathering[tuple[int, int, int, int]] = Gathering()

    def __len__(self) -> int:
        """How many writes wait."""
        return len(self.posts) + len(self.votes)
