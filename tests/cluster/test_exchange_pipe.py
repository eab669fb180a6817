"""Workers that ask other nodes through their parent."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.control import Answer, ContentsGot, ContentsWanted
from cackled.cluster.exchange import Exchange
from cackled.cluster.exchange_pipe import MOST_WAITING, WAIT_SECONDS, AnsweredProcesses, ExchangeOverPipe


class FakeExchange:
    def __init__(self) -> None:
        self.answers: list[Deferred[bytes | None]] = []

    async def ask(self, what: str, key: str, checksum: str) -> bytes | None:
        self.answers.append(Deferred())
        return await self.answers[-1]


class Child:
    pid = 1

    def __init__(self) -> None:
        self.told: list[Any] = []

    def tell(self, message: Any) -> None:
        self.told.append(message)

    def signal(self, number: int) -> None:
        """Not used."""


class PipeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.said: list[Any] = []
        self.pipe = ExchangeOverPipe(cast(Any, self.clock), self.said.append)

    def asked(self) -> Deferred[bytes | None]:
        return Deferred.fromCoroutine(self.pipe.ask("slice", "key", "sum"))

    def test_worker(self) -> None:
        """Answers find their questions; a parent that says nothing costs a bounded time; late answers are nothing."""
        first, second, third = self.asked(), self.asked(), self.asked()
        self.assertEqual(self.said[1], ContentsWanted(2, "slice", "key", "sum"))
        self.pipe.got(ContentsGot(2, b"two"))
        self.pipe.got(ContentsGot(1))
        self.assertEqual((self.successResultOf(second), self.successResultOf(first)), (b"two", None))
        self.clock.advance(WAIT_SECONDS)
        self.assertIsNone(self.successResultOf(third))
        self.pipe.got(ContentsGot(3, b"late"))

    def test_bounded(self) -> None:
        """Beyond so many questions none is asked."""
        asked = [self.asked() for _ in range(MOST_WAITING + 1)]
        self.assertEqual(len(self.said), MOST_WAITING)
        self.assertIsNone(self.successResultOf(asked[-1]))
        self.clock.advance(WAIT_SECONDS)

    def test_parent(self) -> None:
        """The parent answers questions, also when asking fails; all else is heard as before."""
        exchange, child, heard = FakeExchange(), Child(), []

        class Launch:
            files: list[list[int]] = [[4]]

            def __call__(self, tell: Any, ended: Any) -> Child:
                self.tell = tell
                return child

        launch = Launch()
        answered = AnsweredProcesses(cast(Any, launch), cast(Exchange, exchange))
        self.assertEqual(answered.files, [[4]])
        answered(heard.append, lambda how: None)
        for number in (1, 2):
            launch.tell(ContentsWanted(number, "slice", "key", "sum"))
        launch.tell(Answer(1))
        exchange.answers[1].callback(b"x")
        exchange.answers[0].errback(ValueError())
        self.assertEqual((heard, child.told), ([Answer(1)], [ContentsGot(2, b"x"), ContentsGot(1)]))
        AnsweredProcesses(cast(Any, launch), None)(heard.append, lambda how: None)
        launch.tell(ContentsWanted(3, "slice", "key", "sum"))
        self.assertEqual(child.told[-1], ContentsGot(3))
