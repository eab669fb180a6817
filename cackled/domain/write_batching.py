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
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from cackled.database.errors import Busy

# Votes on one comment that go in one statement.
MOST = 100
# Comments of one page that go in one, and statements under way: while one is worked on, the next waits for the row.
MOST_POSTS = 32
WIDTH = 2
# Seconds from the start of one batch of comments to that of the next: a page that is written on more often than that
# spends a statement, a commit and a delivery to its readers on several of them.
PAUSE = 0.01
# So many keys are remembered before those whose pause is over are forgotten.
_REMEMBERED = 256
# Who finds so many waiting before is asked to try again.
BOUND = 1_000
RETRY_AFTER = 1.0

_T = TypeVar("_T")
_Batch = list[tuple[Any, "Deferred[_T]"]]


class WriteBatcher(Generic[_T]):
    """Sends items of one key together while others of it are under way.

    What comes first goes at once and alone; what comes while *width* batches are under way goes in one batch after
    them, and with a *clock* no sooner than *pause* seconds after the one before began, unless a full one waits. *send*
    gets a batch and gives as many results, in order; a result that is an exception is raised to its owner alone.
    """

    def __init__(
        self, most: int = MOST, bound: int = BOUND, width: int = 1, *, clock: IReactorTime | None = None,
        pause: float = 0.0,
    ) -> None:  # fmt: skip
        self._most = most
        self._bound = bound
        self._width = width
        self._clock = clock
        self._pause = pause
        # Batches that came to an end.
        self.ended = 0
        self._running: dict[Hashable, int] = {}
        self._waiting: dict[Hashable, deque[tuple[Any, Deferred[_T]]]] = {}
        # When the last batch of a key began; and the timers of keys for which nothing but the pause is waited for.
        self._began: dict[Hashable, float] = {}
        self._timers: dict[Hashable, IDelayedCall] = {}

    def __len__(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    async def add(self, key: Hashable, item: Any, send: Callable[[list[Any]], Awaitable[list[Any]]]) -> _T:
        """The result of *item*.

        Raises:
            Busy: too many wait for the key; and what *send* raises or gives.
        """
        running = self._running.get(key, 0)
        rest = self._rest(key) if running < self._width else 0.0
        if running >= self._width or rest > 0 or key in self._waiting:
            queue = self._waiting.get(key)
            if queue is None:
                queue = self._waiting[key] = deque()
            elif len(queue) >= self._bound:
                raise Busy(RETRY_AFTER)
            mine: Deferred[_T] = Deferred()
            queue.append((item, mine))
            if rest > 0:
                self._go_later(key, rest, send)
            elif running < self._width:
                self._start(key, send)
            return await mine
        self._running[key] = running + 1
        self._begin(key)
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
            rest = self._rest(key)
            following = self._take(key) if rest <= 0 else []
            sent = None
            if following:
                # It is under way before those of the last batch are told.
                self._begin(key)
                if key in self._waiting and self._running[key] < self._width:
                    self._go_later(key, self._rest(key), send)
                sent = Deferred.fromCoroutine(_send(send, following))
            for (_, mine), result in zip(batch, results, strict=True):
                if not mine.called:
                    _tell(mine, result)
            if sent is not None:
                batch, results = following, await sent
                self.ended += 1
            elif key in self._waiting and rest <= 0:
                # Somebody who was told came back at once.
                batch, results = [], []
            else:
                self._end(key)
                if key in self._waiting:
                    self._go_later(key, rest, send)
                return

    def _rest(self, key: Hashable) -> float:
        """Seconds until the next batch may begin."""
        if self._clock is None:
            return 0.0
        began = self._began.get(key)
        if began is None or len(self._waiting.get(key, ())) >= self._most:
            return 0.0
        return began + self._pause - self._clock.seconds()

    def _begin(self, key: Hashable) -> None:
        if self._clock is None:
            return
        now = self._clock.seconds()
        if len(self._began) >= _REMEMBERED:
            self._began = {one: began for one, began in self._began.items() if began + self._pause > now}
        self._began[key] = now

    def _go_later(self, key: Hashable, rest: float, send: Callable[[list[Any]], Awaitable[list[Any]]]) -> None:
        if self._clock is not None and key not in self._timers:
            self._timers[key] = self._clock.callLater(max(rest, 0.0), self._due, key, send)

    def _due(self, key: Hashable, send: Callable[[list[Any]], Awaitable[list[Any]]]) -> None:
        del self._timers[key]
        # Where enough is under way, what waits goes after that.
        if self._running.get(key, 0) < self._width and key in self._waiting:
            self._start(key, send)

    def _start(self, key: Hashable, send: Callable[[list[Any]], Awaitable[list[Any]]]) -> None:
        self._running[key] = self._running.get(key, 0) + 1
        Deferred.fromCoroutine(self._go_on(key, send))

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
    """What the writes of one process share: a gathering per channel, one per comment voted on, and those of features.

    Without a *clock* writes don't wait for others of their key unless some are under way.
    """

    __slots__ = ("_clock", "_named", "posts", "votes")

    def __init__(self, clock: IReactorTime | None = None) -> None:
        self.posts: WriteBatcher[tuple[str, int, bool, str]] = WriteBatcher(
            MOST_POSTS, BOUND, WIDTH, clock=clock, pause=PAUSE
        )
        self.votes: WriteBatcher[tuple[int, int, int, int, int]] = WriteBatcher()
        self._clock = clock
        self._named: dict[str, WriteBatcher[Any]] = {}

    def named(self, name: str, *, most: int, bound: int, pause: float, width: int = 1) -> WriteBatcher[Any]:
        """The gathering that a feature calls *name*, made the first time: see `WriteBatcher`."""
        found = self._named.get(name)
        if found is None:
            clock = self._clock if pause else None
            found = self._named[name] = WriteBatcher(most, bound, width, clock=clock, pause=pause)
        return found

    @property
    def _all(self) -> tuple[WriteBatcher[Any], ...]:
        return (self.posts, self.votes, *self._named.values())

    @property
    def ended(self) -> int:
        """How many batches of them came to an end, well or not."""
        return sum(one.ended for one in self._all)

    def __len__(self) -> int:
        """How many writes wait."""
        return sum(map(len, self._all))
