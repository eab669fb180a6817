"""Storage of files that answers at too great a length, or stops in the middle of an answer."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from cackled.media import s3
from tests.media.test_s3 import DIGEST, S3Case, clock


class Talks(Protocol):
    """Answers each request with the same bytes, and leaves the connection open."""

    said = b""
    lost: Deferred[None]

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(self.said)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.lost.called:
            self.lost.callback(None)


class BrokenTests(S3Case):
    """Neither leaves a call that never ends, nor a connection, nor a traceback."""

    def talking(self, said: bytes) -> s3.S3Origin:
        """An origin whose storage says that."""
        self.lost: Deferred[None] = Deferred()
        protocol = type("Says", (Talks,), {"said": said, "lost": self.lost})
        port = clock.listenTCP(0, Factory.forProtocol(protocol), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return self.made(endpoint=f"http://127.0.0.1:{port.getHost().port}")

    async def test_stops(self) -> None:
        """A body that does not end is given up, as an answer that never comes is."""
        self.patch(s3, "SECONDS", 0.3)
        origin = self.talking(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        self.assertIn("does not answer", await self.refused(origin.get(1, DIGEST, "a")))
        await self.lost

    async def test_too_long(self) -> None:
        """More than was asked for is not taken."""
        self.patch(s3, "MOST_TEXT", 1_000)
        origin = self.talking(b"HTTP/1.1 206 Partial\r\ncontent-length: 5000000\r\n\r\n" + bytes(100_000))
        self.assertIn("too great a length", await self.refused(origin.read(1, DIGEST, "a", 0, 10)))
        await self.lost
