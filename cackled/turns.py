"""A semaphore with a queue: at most a fixed number of callers have a turn at the same time, the others wait.

Twisted's own semaphore and lock resume the next waiter inside the release of the one before. If each waiter releases at
once, a thousand waiters are a thousand nested calls, and a RecursionError among them loses turns for ever. Here turns
are handed over in a loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TypeVar

from twisted.internet.defer import Deferred, succeed

_T = TypeVar("_T")


class Turns:
    """At most *most* callers hold a turn at the same time; first come, first served.

    ``async with turns:`` holds a turn. The stack stays flat however many wait, and whatever they do in their turn.
    """

    __slots__ = ("_handing", "_waiting", "free", "handed", "most")

    def __init__(self, most: int = 1) -> None:
        if most < 1:
            raise ValueError("at least one turn")
        self.most = most
        self.free = most
        # How many turns were taken since the start: a watcher sees from it whether the queue moves.
        self.handed = 0
        # In order of arrival. A dict, so that removing a waiter costs the same however many there are.
        self._waiting: dict[Deferred[None], None] = {}
        self._handing = False

    @property
    def waiting(self) -> int:
        """How many callers wait."""
        return len(self._waiting)

    @property
    def held(self) -> int:
        """How many callers hold a turn."""
        return self.most - self.free

    def acquire(self) -> Deferred[None]:
        """Fires when the caller has a turn, which it must `release`. Cancel it before that to leave the queue."""
        if self.free and not self._waiting:
            self._take()
            return succeed(None)
        mine: Deferred[None] = Deferred(self._leave)
        self._waiting[mine] = None
        return mine

    def release(self) -> None:
        """Give a turn back. The next waiter has it before this returns, unless another release is handing turns over.

        Raises:
            RuntimeError: nobody holds a turn.
        """
        if self.free == self.most:
            raise RuntimeError("a turn was given back that nobody had")
        self.free += 1
        if self._handing:
            # A waiter released its turn within the loop below, which goes on and hands it over.
            return
        self._handing = True
        try:
            while self.free and self._waiting:
                following = next(iter(self._waiting))
                del self._waiting[following]
                self._take()
                following.callback(None)
        finally:
            self._handing = False

    async def run(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Wait for a turn, call *work*, give the turn back. Returns what *work* gives."""
        async with self:
            return await work()

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.release()

    def _take(self) -> None:
        self.free -= 1
        self.handed += 1

    def _leave(self, mine: Deferred[None]) -> None:
        self._waiting.pop(mine, None)
