"""One call a key at a time, for work that can't be given up (look-ups of names in threads).

Base layer: imports Twisted only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

# So many are told in one turn of the reactor: each goes on with work of its own, and a thousand may ask for one file.
AT_ONCE = 16

_T = TypeVar("_T")


class SharedCalls(Generic[_T]):
    """Whoever asks for a key that is being called for waits for that answer, and nothing is remembered after it.

    Many who wait are told in turns of the reactor (*clock*; None: the one that is installed), `AT_ONCE` in each.
    """

    def __init__(self, clock: IReactorTime | None = None) -> None:
        self._clock = clock
        self._waiting: dict[str, dict[Deferred[_T], None]] = {}

    def ask(self, key: str, begin: Callable[[], Deferred[_T]]) -> Deferred[_T]:
        """The result of *begin*, which is called unless a call for *key* is under way.

        Cancelling the answer leaves the call to the others; it goes on where nobody is left, too.
        """
        mine: Deferred[_T] = Deferred(lambda gone: self._waiting.get(key, {}).pop(gone, None))
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting[mine] = None
            return mine
        self._waiting[key] = {mine: None}
        begin().addBoth(self._ended, key)
        return mine

    def _ended(self, result: Any, key: str) -> None:
        self._tell(list(self._waiting.pop(key)), result)

    def _tell(self, waiting: list[Deferred[_T]], result: Any) -> None:
        for one in waiting[:AT_ONCE]:
            if one.called:
                continue  # cancelled meanwhile
            if isinstance(result, Failure):
                # Its own for each: who handles one changes it.
                one.errback(Failure(result.value))
            else:
                one.callback(result)
        if len(waiting) > AT_ONCE:
            clock: Any = self._clock
            if clock is None:
                from twisted.internet import reactor as clock
            clock.callLater(0, self._tell, waiting[AT_ONCE:], result)
