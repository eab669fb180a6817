"""How workers ask other nodes for contents: through their parent, which has the mesh and its keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from cackled.cluster.control import ContentsGot, ContentsWanted, Message
from cackled.cluster.exchange import ASK_SECONDS, Exchange
from cackled.cluster.workers import Child, Launch

# Seconds that a worker waits: the parent has its own bound.
WAIT_SECONDS = ASK_SECONDS + 1.0
# Questions of a worker under way, at most; more are not asked.
MOST_WAITING = 64


class ExchangeOverPipe:
    """A worker's end; *tell* sends to the parent."""

    def __init__(self, clock: IReactorTime, tell: Callable[[Message], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._last = 0
        self._waiting: dict[int, Deferred[bytes | None]] = {}

    async def ask(self, what: str, key: str, checksum: str) -> bytes | None:
        """As `cackled.cluster.exchange.Exchange.ask`."""
        if len(self._waiting) >= MOST_WAITING:
            return None
        self._last += 1
        number = self._last
        answer: Deferred[bytes | None] = Deferred()
        self._waiting[number] = answer
        self._tell(ContentsWanted(number, what, key, checksum))
        try:
            return await answer.addTimeout(WAIT_SECONDS, self._clock, lambda *_: None)
        finally:
            self._waiting.pop(number, None)

    def got(self, message: ContentsGot) -> None:
        """The parent answers."""
        answer = self._waiting.pop(message.number, None)
        if answer is not None:
            answer.callback(message.data)


class AnsweredProcesses:
    """*launch*, for workers whose questions *exchange* answers; None: there are no other nodes to ask."""

    def __init__(self, launch: Launch, exchange: Exchange | None) -> None:
        self._launch = launch
        self._exchange = exchange
        self.files = launch.files

    def __call__(self, heard: Callable[[Any], None], ended: Callable[[str], None]) -> Child:
        """As `cackled.cluster.workers.Launch`."""

        def first(message: Any) -> None:
            if not isinstance(message, ContentsWanted):
                heard(message)
            elif self._exchange is None:
                child.tell(ContentsGot(message.number))
            else:
                asked = self._exchange.ask(message.what, message.key, message.checksum)
                Deferred.fromCoroutine(asked).addBoth(done, message.number)

        def done(data: Any, number: int) -> None:
            child.tell(ContentsGot(number, None if isinstance(data, Failure) else data))

        child = self._launch(first, ended)
        return child
