"""One call a key at a time, for work that can't be given up (look-ups of names in threads).

Base layer: imports Twisted only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

_T = TypeVar("_T")


class SharedCalls(Generic[_T]):
    """Whoever asks for a key that is being called for waits for that answer, and nothing is remembered after it."""

    def __init__(self) -> None:
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
        for one in list(self._waiting.pop(key)):
            if one.called:
                continue  # cancelled by one before it
            if isinstance(result, Failure):
                # Its own for each: who handles one changes it.
                one.errback(Failure(result.value))
            else:
                one.callback(result)
