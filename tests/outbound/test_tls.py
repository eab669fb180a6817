"""Connections with TLS end with the answer, whatever the other side does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import Certificate, PrivateCertificate, trustRootFromCertificates
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from cackled.cluster import ca
from cackled.outbound import agent
from cackled.outbound.guard import Policy
from cackled.outbound.post import GuardedHttp, NotSent

clock: Any = reactor
COUNTED = agent._Counted


class Deaf(Protocol):
    """Answers a request, and reads nothing from then on: no goodbye of TLS is answered."""

    def connectionMade(self) -> None:
        factory: Any = self.factory
        factory.connections.append(self)

    def dataReceived(self, data: bytes) -> None:
        """Answer."""
        factory: Any = self.factory
        transport: Any = self.transport
        transport.write(factory.answer)
        clock.callLater(0, transport.transport.pauseProducing)
        factory.asked.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        factory: Any = self.factory
        factory.gone.callback(None)


class TlsTests(TestCase):
    """With a server that never closes."""

    timeout = 120

    def setUp(self) -> None:
        folder = Path(self.mktemp())
        ca.init_ca(folder)
        ca.issue(folder, "localhost")
        made = PrivateCertificate.loadPEM(
            (folder / "localhost.pem").read_bytes() + (folder / "localhost.key").read_bytes()
        )
        self.server: Any = Factory.forProtocol(Deaf)
        self.server.connections = []
        self.server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + b"x" * 1000
        listening = clock.listenSSL(0, self.server, made.options(), interface="127.0.0.1")
        self.addCleanup(listening.stopListening)
        self.port = listening.getHost().port
        trust = trustRootFromCertificates([Certificate.loadPEM((folder / "ca.pem").read_bytes())])
        policy = Policy(ports=(self.port,), networks=("127.0.0.0/8",))
        self.http = GuardedHttp(clock, lambda host: succeed(["127.0.0.1"]), policy, trust=trust)

    async def ask(self, *, cancel: bool = False, **more: Any) -> Any:
        """Ask, and with *cancel* give up when the server has answered; then our end of the connection closes."""
        lost: Deferred[None] = Deferred()

        class Seen(COUNTED):
            def connectionLost(self, reason: Failure = connectionDone) -> None:
                super().connectionLost(reason)
                lost.callback(None)

        self.patch(agent, "_Counted", Seen)
        self.server.asked, self.server.gone = Deferred(), Deferred()
        work = Deferred.fromCoroutine(self.http.ask(b"GET", f"https://localhost:{self.port}/", [], **more))
        if cancel:
            self.server.asked.addCallback(lambda _: work.cancel())
        try:
            return await work
        finally:
            await lost
            self.server.connections.pop().transport.transport.abortConnection()
            await self.server.gone

    async def test_closes(self) -> None:
        """After the beginning of an answer, one that is too long, none that is kept, and one that does not go on."""
        self.assertEqual((await self.ask(most=500, cut=True)).body, b"x" * 500)
        with self.assertRaises(NotSent):
            await self.ask(most=500)
        self.assertEqual((await self.ask(kept=False)).status, 200)
        with self.assertRaises(NotSent):
            await self.ask(cancel=True)
