"""Asks clamd whether a file is harmful, before anything else looks at it. Off unless ``[media] clamd`` names a socket.

Each file has a connection of its own: ``zINSTREAM``, chunks with their length in four bytes (most significant first),
an empty chunk, and one answer (clamd(8), "INSTREAM").
"""

from __future__ import annotations

import struct
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled.domain.errors import Refused, Unprocessable
from cackled.metrics import Metrics
from cackled.turns import Turns

log = Logger()

# Seconds for the connection, and for the whole answer.
CONNECT_SECONDS, SECONDS = 5.0, 60.0
CHUNK = 65_536
MOST_ANSWER = 4_096
# Files that are sent at the same time.
AT_ONCE = 4


class ScannerAway(Refused):
    """Nobody can say now whether a file is harmful, so that none is taken."""

    status = 503
    slug = "unavailable"
    title = "Not available right now"


class Scanner:
    """Asks the clamd at *address*: ``unix:/path``, or ``host:port``."""

    def __init__(self, address: str, reactor: Any, metrics: Metrics) -> None:
        path = address.removeprefix("unix:")
        if path != address:
            self._endpoint: Any = UNIXClientEndpoint(reactor, path, CONNECT_SECONDS)
        else:
            host, _, port = address.rpartition(":")
            self._endpoint = HostnameEndpoint(reactor, host.strip("[]").encode(), int(port), CONNECT_SECONDS)
        self._reactor = reactor
        self._turns = Turns(AT_ONCE)
        self._asked = metrics.counter("media_scanned", "Files that the scanner was asked about.", ["outcome"])

    async def check(self, raw: bytes) -> None:
        """See that *raw* is not known to be harmful.

        Raises:
            Unprocessable: it is (``media-harmful``).
            ScannerAway: the scanner can't be asked, or says something else.
        """
        try:
            async with self._turns:
                answer = await self._ask(raw)
        except (ConnectError, OSError, TimeoutError) as error:
            self._away(str(error) or type(error).__name__)
        if answer == b"stream: OK":
            self._asked.labels("clean").inc()
            return
        if answer.startswith(b"stream: ") and answer.endswith(b" FOUND"):
            self._asked.labels("harmful").inc()
            log.info("a harmful file was refused: {name}", name=answer[8:-6].decode("ascii", "replace")[:100])
            raise Unprocessable("That file is known to be harmful.", field="file", slug="media-harmful")
        self._away(answer.decode("ascii", "replace")[:100] or "no answer")

    def _away(self, why: str) -> Any:
        self._asked.labels("failed").inc()
        log.warn("the scanner of files can't be asked: {why}", why=why)
        error = ScannerAway("Files can't be checked right now. Try again in a moment.")
        error.retry_after = 10.0
        raise error from None

    async def _ask(self, raw: bytes) -> bytes:
        protocol = await connectProtocol(self._endpoint, _Asking(raw))
        late = self._reactor.callLater(SECONDS, protocol.transport.abortConnection)
        try:
            return await protocol.done
        finally:
            if late.active():
                late.cancel()


class _Asking(Protocol):
    """Sends one file, as fast as it is taken, and reads the answer."""

    def __init__(self, raw: bytes) -> None:
        self._left = memoryview(raw)
        self._got = b""
        self._ended = False
        self.done: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        """Begin."""
        transport: Any = self.transport
        transport.write(b"zINSTREAM\0")
        transport.registerProducer(self, streaming=False)

    def resumeProducing(self) -> None:
        """Send the next chunk, and after the last an empty one."""
        transport: Any = self.transport
        chunk, self._left = bytes(self._left[:CHUNK]), self._left[CHUNK:]
        transport.write(struct.pack(">I", len(chunk)) + chunk)
        if not chunk:
            transport.unregisterProducer()

    def stopProducing(self) -> None:
        """The connection is gone; `connectionLost` says so."""

    def dataReceived(self, data: bytes) -> None:
        """Take the answer, which ends with a NUL."""
        self._got += data
        if b"\0" in self._got or len(self._got) > MOST_ANSWER:
            self._end()
            transport: Any = self.transport
            transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Give what there is."""
        self._end()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            # Without its end it may be half of an answer.
            whole, end, _ = self._got.partition(b"\0")
            self.done.callback(whole if end else b"")
