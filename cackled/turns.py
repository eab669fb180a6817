"""Turns: a bounded number of holders at a time, and everybody else in a queue.

Base layer: imports Twisted only. Twisted's own semaphore and lock resume the next waiter inside the release of the one
before. Where that one has nothing to do and releases at once, a thousand waiters are a thousand nested calls, and a
RecursionError in the middle loses turns for ever. Here turns are handed over in a loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TypeVar

from twisted.internet.defer import Deferred, succeed

_T = TypeVar("_T")


class Turns:
    """At most *most* may hold a turn at once; first come, first served.

    ``async with turns:`` holds one. However many wait, and whatever they do in their turn, the stack stays flat.
    """

    __slots__ = ("_handing", "_waiting", "free", "handed", "most")

    def __init__(self, most: int = 1) -> None:
        if most < 1:
            raise ValueError("at least one turn")
        self.most = most
        self.free = most
        # How many turns were ever taken: one who watches sees that there is movement.
        self.handed = 0
        # In the order in which they came; a dict, so that to leave costs the same however many wait.
        self._waiting: dict[Deferred[None], None] = {}
        self._handing = False

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def held(self) -> int:
        """How many hold a turn."""
        return self.most - self.free

    def acquire(self) -> Deferred[None]:
        """Fires when the caller has a turn, which it must `release`. Cancelling it before leaves the queue."""
        if self.free and not self._waiting:
            self._take()
            return succeed(None)
        mine: Deferred[None] = Deferred(self._leave)
        self._waiting[mine] = None
        return mine

    def release(self) -> None:
        """Give a turn back; the next in the queue has it before this returns, unless another release is at it.

        Raises:
            RuntimeError: there was none to give back.
        """
        if self.free == self.most:
            raise RuntimeError("a turn was given back that nobody had")
        self.free += 1
        if self._handing:
            # Somebody was given a turn and is done already: the loop below goes on.
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
        """The result of *work*, which is called when it is the caller's turn."""
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
