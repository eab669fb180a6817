"""The few tests that need real sockets: what the kernel and the reactor add to the others."""

from __future__ import annotations

import os
import socket
from typing import Any

from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from zope.interface import directlyProvides

from cackled import config
from cackled.metrics import Metrics
from cackled.transport.endpoints import PublicEndpoint
from cackled.transport.http import HttpFactory
from cackled.transport.microcache import Microcache, MicrocachedResource
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response
from tests.support.answers import answers, get
from tests.transport.test_http import Upgrade
from tests.transport.test_tls import pem


class Collector(Protocol):
    """Sends bytes, keeps what comes, tells of the end."""

    def __init__(self, send: bytes = b"") -> None:
        self.send = send
        self.data = b""
        self.ended: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self.send)

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Any = None) -> None:
        self.ended.callback(self.data)


class SocketTests(TestCase):
    """A listening server."""

    timeout = 20

    def setUp(self) -> None:
        """Listen on any port."""
        self.metrics = Metrics()
        clock: Any = reactor
        cache = Microcache(clock, config.Microcache(), self.metrics)
        root = Resource()
        self.up = Upgrade()
        self.calls = 0

        async def big(request: Any) -> Response:
            self.calls += 1
            return Response(200, [(b"Content-Type", b"image/png")], os.urandom(1000) * 100, ttl=60.0)

        root.putChild(b"m", MicrocachedResource(cache, big))
        root.putChild(b"big", AsyncResource(big))
        root.putChild(b"up", self.up)
        self.factory = HttpFactory(root, config.Http(), clock, self.metrics, fast=cache.fast_path())
        endpoint = PublicEndpoint(clock, 0, "127.0.0.1")
        self.port: Any = endpoint.listen_on(endpoint.bind(), self.factory)
        self.addCleanup(self.finish)

    async def finish(self) -> None:
        """Close everything, and wait until the reactor is clean."""
        await self.port.stopListening()
        self.factory.abort_all()
        while self.factory.limits.total:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]

    async def connect(self, send: bytes = b"") -> Collector:
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port.getHost().port)
        return await connectProtocol(endpoint, Collector(send))

    async def test_refused_upload(self) -> None:
        """A client in the middle of an upload reads its 413, not a reset."""

        def upload() -> bytes:
            with socket.create_connection(("127.0.0.1", self.port.getHost().port), 10) as client:
                client.sendall(get("/big", "Content-Length: 500000", method="POST"))
                for _ in range(10):
                    client.sendall(b"x" * 50_000)
                data = b""
                while chunk := client.recv(65536):
                    data += chunk
                return data

        data = await deferToThread(upload)
        self.assertEqual([answer.status for answer in answers(data)], [413])

    async def test_refused_flood(self) -> None:
        """One that goes on sending is cut off after a while."""

        def flood() -> int:
            sent = 0
            with socket.create_connection(("127.0.0.1", self.port.getHost().port), 10) as client:
                client.sendall(b"rubbish\r\n\r\n")
                try:
                    while sent < 100_000_000:
                        sent += client.send(b"x" * 65536)
                except OSError:
                    pass
            return sent

        self.assertLess(await deferToThread(flood), 50_000_000)

    async def test_hits_in_order(self) -> None:
        """Large hits, more than the socket takes at once, pipelined and not, arrive whole and in order."""
        raw = get("/m")
        first = await self.connect(raw)
        while b"\r\n\r\n" not in first.data or len(first.data) < 100_000:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        assert first.transport is not None
        first.transport.pauseProducing()  # type: ignore[attr-defined]
        for _ in range(20):
            first.transport.write(raw)
            await deferLater(reactor, 0.005)  # type: ignore[arg-type]
        first.transport.write(raw * 3 + get("/m", "Connection: close"))
        first.transport.resumeProducing()  # type: ignore[attr-defined]
        found = answers(await first.ended)
        self.assertEqual(len(found), 25)
        self.assertEqual(len({answer.body for answer in found}), 1)
        self.assertEqual(self.calls, 1)

    async def test_takeover(self) -> None:
        """A connection taken over speaks its own protocol, keeps its place in the caps, and gives it back."""
        client = await self.connect(get("/up") + b"early ")
        while b"EARLY" not in client.data:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        assert client.transport is not None
        client.transport.write(b"late")
        while not client.data.endswith(b"EARLY LATE"):
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        self.assertEqual(self.factory.limits.total, 1)
        client.transport.loseConnection()
        await client.ended
        while self.factory.limits.total:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        self.assertTrue(self.up.protocol.ended)

    async def test_socket_options(self) -> None:
        """Small writes go out at once, and a dead peer is dropped by the kernel."""
        client = await self.connect(get("/up"))
        while not client.data:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        transport: Any = self.up.protocol.transport
        self.assertTrue(transport.getTcpNoDelay())
        handle = transport.getHandle()
        self.assertEqual(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT), 30_000)
        client.transport.loseConnection()  # type: ignore[union-attr]
        await client.ended

    async def test_tls(self) -> None:
        """The same server below TLS: answers, hits, a connection taken over."""
        folder = self.mktemp()
        os.makedirs(folder)
        with open(os.path.join(folder, "a.pem"), "wb") as file:
            file.write(pem("localhost"))
        endpoint = PublicEndpoint(reactor, 0, "127.0.0.1", certs=folder)
        self.addCleanup(endpoint.close)
        plain, self.port = self.port, await endpoint.listen(self.factory)
        self.addCleanup(plain.stopListening)

        class Trusting(CertificateOptions):
            """Accepts any certificate: it is the server that is tested."""

            def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
                return SSL.Connection(self.getContext(), None)

        options = Trusting()
        directlyProvides(options, IOpenSSLClientConnectionCreator)
        target = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port.getHost().port)
        client = await connectProtocol(
            wrapClientTLS(options, target), Collector(get("/m") + get("/m", "Connection: close"))
        )
        found = answers(await client.ended)
        self.assertEqual([len(answer.body) for answer in found], [100_000] * 2)
        client = await connectProtocol(wrapClientTLS(options, target), Collector(get("/up") + b"early "))
        while b"EARLY" not in client.data:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        assert client.transport is not None
        client.transport.write(b"late")
        while not client.data.endswith(b"EARLY LATE"):
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        client.transport.loseConnection()
        await client.ended
        while self.factory.limits.total:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        self.assertTrue(self.up.protocol.ended)
