"""The prober: what each kind of answer, and no answer, tells the membership."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock, deferLater
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase

from cackled.cluster.membership import Membership
from cackled.cluster.probe import DEADLINE, INTERVAL, Prober
from cackled.config import Node
from cackled.metrics import Metrics

real: Any = reactor
READY = b'{"ready":true,"checks":{"database":"ok","draining":"ok"}}'
DRAINING = b'{"ready":false,"checks":{"database":"ok","draining":"failed"}}'
DOWN = b'{"ready":false,"checks":{"database":"failed","draining":"ok"}}'


def answer(status: int, body: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), more, body)


class Node1(Protocol):
    """Answers every request with its factory's bytes; None: not at all."""

    def connectionMade(self) -> None:
        self.factory.here.add(self)  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        factory: Any = self.factory
        factory.asked.append(data)
        if factory.answer is not None:
            self.transport.write(factory.answer)  # type: ignore[union-attr]
        if factory.close:
            self.transport.loseConnection()  # type: ignore[union-attr]

    def connectionLost(self, reason: Any = None) -> None:
        self.factory.here.discard(self)  # type: ignore[union-attr]


class Nodes(Factory):
    """One other node."""

    protocol = Node1
    noisy = False

    def __init__(self) -> None:
        self.here: set[Node1] = set()
        self.asked: list[bytes] = []
        self.answer: bytes | None = answer(200, READY)
        self.close = False


class Told(Membership):
    """Keeps what it is told."""

    def __init__(self, nodes: list[Node]) -> None:
        super().__init__(nodes, "own", Clock(), Metrics(), lambda: None)
        self.said: list[str] = []

    def heard(self, name: str, *, draining: bool = False) -> None:
        self.said.append("draining" if draining else "heard")

    def missed(self, name: str) -> None:
        self.said.append("missed")


class ProberTests(TestCase):
    """Against a node on a loopback socket; the prober's deadlines run on a clock of the test."""

    def setUp(self) -> None:
        self.node = Nodes()
        self.port = real.listenTCP(0, self.node, interface="127.0.0.1")
        self.clock = Clock()
        url = f"http://127.0.0.1:{self.port.getHost().port}/"
        self.told = Told([Node(name="own", url="http://127.0.0.1:1"), Node(name="other", url=url)])
        self.prober = Prober(real, self.told, self.clock, deployment="global")
        self.addCleanup(self.close)

    async def close(self) -> None:
        await self.prober.stop()
        await maybeDeferred(self.port.stopListening)
        for one in list(self.node.here):
            one.transport.abortConnection()  # type: ignore[union-attr]
        while self.node.here:
            await deferLater(real, 0.01)

    async def wait(self, count: int) -> None:
        while len(self.told.said) < count:
            await deferLater(real, 0.005)

    async def test_answers(self) -> None:
        """200 is heard, a failed check "draining" is draining, any other answer is a miss; one round a second."""
        kinds = [
            (answer(200, READY), "heard"),
            (answer(503, DRAINING), "draining"),
            (answer(503, DOWN), "missed"),
            (answer(200, b"not json"), "heard"),
            (answer(200, b'{"deployment":"\xff"}'), "heard"),
            (answer(200, b'{"checks":{"draining":"failed"}}'), "draining"),
            (answer(200, READY[:-1] + b',"deployment":"global"}'), "heard"),
            (answer(200, READY[:-1] + b',"deployment":"eu"}'), "missed"),
            (answer(503, DRAINING[:-1] + b',"deployment":"eu"}'), "missed"),
            (answer(500, b"{}"), "missed"),
            (answer(404, b'{"checks":[]}'), "missed"),
            (answer(200, b"x" * 70_000), "missed"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n" + b"x" * 70_000, "missed"),
            (b"nonsense\r\n\r\n", "missed"),
            (answer(200, READY), "heard"),
        ]
        for n, (raw, expected) in enumerate(kinds, 1):
            self.node.answer = raw
            self.node.close = expected == "missed"
            if n == 1:
                self.prober.start()
            else:
                self.clock.advance(INTERVAL)
            await self.wait(1)
            self.assertEqual(self.told.said[-1], expected, raw[:60])
            self.told.said.clear()
            # The prober is in this process: it sees the end of a connection before it would use that again.
            await deferLater(real, 0.05)
        self.assertTrue(self.node.asked[-1].startswith(b"GET /readyz HTTP/1.1\r\n"), self.node.asked[-1])

    async def test_hangs(self) -> None:
        """A node that takes the request and says nothing, or half, is missed at the deadline, and asked again then."""
        for raw in (None, b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"):
            self.told.said.clear()
            self.node.asked.clear()
            self.node.answer = raw
            self.prober.start()
            while not self.node.asked:
                await deferLater(real, 0.005)
            await deferLater(real, 0.05)
            self.assertEqual(self.told.said, [])
            self.clock.advance(DEADLINE)
            await self.wait(1)
            self.assertEqual(self.told.said, ["missed"])
            self.prober._job.stop()

    async def test_nobody_listens(self) -> None:
        """A refused connection is a miss, and no line in the log: it comes once a second."""
        lines: list[str | None] = []

        def note(event: LogEvent) -> None:
            lines.append(formatEvent(event))

        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)
        await self.port.stopListening()
        lines.clear()
        self.prober.start()
        await self.wait(1)
        self.assertEqual((self.told.said, lines), (["missed"], []))

    async def test_alone(self) -> None:
        """With no other node that has an address nothing is asked and nothing is scheduled."""
        told = Told([Node(name="own", url="http://127.0.0.1:1"), Node(name="x")])
        alone = Prober(real, told, self.clock, deployment="global")
        alone.start()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        stopped: Deferred[None] = alone.stop()
        await stopped
