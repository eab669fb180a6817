"""Tests of `cackled.realtime.resource`: whole requests through the public HTTP server, on real sockets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL.crypto import X509, PKey
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import SSL4ClientEndpoint, TCP4ClientEndpoint, connectProtocol
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource

from cackled import config
from cackled.metrics import Metrics
from cackled.realtime.access import Refusal
from cackled.realtime.hub import Hub
from cackled.realtime.resource import RealtimeResource
from cackled.realtime.testing import ModelLog
from cackled.transport.http import HttpFactory
from tests.support.peers import UPGRADE, Peer, blocks, masked, say, texts


def certificate() -> CertificateOptions:
    """A server's key and its own signature of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    signed = made.sign(key, hashes.SHA256())
    return CertificateOptions(PKey.from_cryptography_key(key), X509.from_cryptography(signed))


class RealtimeResourceTests(TestCase):
    """`/rt` as browsers reach it."""

    timeout = 30

    def setUp(self) -> None:
        self.log = ModelLog()
        self.refusal: Any = None
        self.asked: list[Any] = []
        metrics = Metrics()
        self.hub = Hub(
            clock=reactor, random=Random(1), config=config.Realtime(max_subscriptions=3, presence=False),  # type: ignore[arg-type]
            load=self.log.load, seqs=self.log.seqs, metrics=metrics,
        )  # fmt: skip
        self.hub.start()
        root = Resource()
        root.putChild(b"rt", RealtimeResource(self.hub, self.authorize))
        self.factory = HttpFactory(root, config.Http(), reactor, metrics)  # type: ignore[arg-type]
        self.port = reactor.listenTCP(0, self.factory, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.peers: list[Peer] = []
        self.addCleanup(self.end)

    def authorize(self, site: int, channel: int, origin: str | None, tokens: tuple[str, ...]) -> Any:
        self.asked.append((site, channel, origin, *tokens))
        return self.refusal

    async def end(self) -> None:
        self.hub.stop()
        for peer in self.peers:
            if not peer.closed:
                assert peer.transport is not None
                peer.transport.abortConnection()  # type: ignore[attr-defined]
        await self.port.stopListening()
        self.factory.abort_all()
        while self.factory.channels or not all(peer.closed for peer in self.peers):
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        await deferLater(reactor, 0.02)  # type: ignore[arg-type]

    async def ask(self, target: str, more: str = "", rest: bytes = b"") -> Peer:
        peer = Peer()
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port.getHost().port)
        await connectProtocol(endpoint, peer)
        self.peers.append(peer)
        assert peer.transport is not None
        head = f"GET {target} HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\n{more}\r\n"
        peer.transport.write(head.encode() + rest)
        return peer

    def post(self) -> None:
        self.hub.deliver(self.log.commit())

    async def test_websocket(self) -> None:
        """Upgrade, catch up, live, and a message that came in the request's own segment."""
        self.post()
        peer = await self.ask("/rt/ws?sub=1/5@0&token=t", UPGRADE, say(type="ping"))
        await peer.has(b"pong")
        self.post()
        data = await peer.has(b'{"n":2}')
        head, stream = data.split(b"\r\n\r\n", 1)
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "))
        types = [message["type"] for message in texts(stream)]
        self.assertEqual(types, ["hello", "comment.created", "recovered", "pong", "comment.created"])
        self.assertEqual(self.asked, [(1, 5, "https://a.example", "t")])
        assert peer.transport is not None
        peer.transport.write(masked(8, b"\x03\xe8"))
        await peer.until(lambda: peer.closed)
        self.assertEqual(self.hub.stats().sessions, {})

    async def test_event_stream(self) -> None:
        """Head, catch up from Last-Event-ID, live; the browser leaves."""
        self.post()
        self.post()
        peer = await self.ask("/rt/sse?sub=1/5@0", "Last-Event-ID: 1/5@1\r\n")
        await peer.has(b"recovered")
        self.post()
        data = await peer.has(b'{"n":3}')
        messages, last = blocks(data)
        self.assertEqual([m.get("seq") for m in messages], [None, 2, 2, 3])
        self.assertEqual(last, "1/5@3")
        self.assertIn(b"Access-Control-Allow-Origin: https://a.example\r\n", data)
        assert peer.transport is not None
        peer.transport.loseConnection()
        await peer.until(lambda: peer.closed)
        while self.hub.stats().sessions:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]

    async def test_long_poll(self) -> None:
        """Two polls on one connection; the connection leaves in the middle of the third."""
        peer = await self.ask("/rt/poll?sub=1/5@0&wait=20")
        while not self.hub.stats().sessions:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        self.post()
        data = await peer.has(b"cursor")
        answer = json.loads(data.split(b"\r\n\r\n", 1)[1])
        self.assertEqual(answer["cursor"], ["1/5@1"])
        self.assertIn(b"Access-Control-Allow-Origin: https://a.example\r\n", data)
        peer.data = b""
        assert peer.transport is not None
        peer.transport.write(b"GET /rt/poll?sub=1/5@1&wait=20 HTTP/1.1\r\nHost: a\r\n\r\n")
        while not self.hub.stats().sessions:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        peer.transport.loseConnection()
        while self.hub.stats().sessions:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]

    async def test_refused(self) -> None:
        """Each wrong request gets its status, as a problem document."""
        for target, more, status, kind in (
            ("/rt/sse?sub=x", "", 400, "bad-query"), ("/rt/sse", "", 400, "bad-query"),
            ("/rt/ws?sub=1/1&sub=1/2&sub=1/3&sub=1/4", UPGRADE, 400, "bad-query"),
            ("/rt/ws?sub=1/5", "", 426, "handshake"), ("/rt/poll?sub=1/5&wait=x", "", 400, "bad-query"),
            ("/rt/sse?sub=1/5", "Last-Event-ID: junk\r\n", 400, "bad-query"),
            ("/rt/sse/x?sub=1/5", "", 404, "not-found"),
        ):  # fmt: skip
            peer = await self.ask(target, more)
            data = await peer.has(b"}")
            self.assertTrue(data.startswith(b"HTTP/1.1 %d " % status), data)
            problem = json.loads(data.split(b"\r\n\r\n", 1)[1])
            self.assertEqual(problem["type"], "https://cackle.dev/problems/" + kind)
        self.assertEqual(self.asked, [])

    async def test_methods(self) -> None:
        """GET alone."""
        for method in (b"HEAD", b"POST", b"OPTIONS"):
            for kind in (b"ws", b"sse", b"poll"):
                peer = await self.ask("/healthz")
                await peer.has(b"404")
                peer.data = b""
                assert peer.transport is not None
                length = b"Content-Length: 0\r\n" if method == b"POST" else b""
                peer.transport.write(b"%s /rt/%s?sub=1/5 HTTP/1.1\r\nHost: a\r\n%s\r\n" % (method, kind, length))
                data = await peer.has(b"\r\n\r\n")
                self.assertTrue(data.startswith(b"HTTP/1.1 405 "), data)
        self.assertEqual(self.hub.stats().sessions, {})

    async def test_unauthorised(self) -> None:
        """Unknown sites and foreign origins are refused before anything is upgraded, whichever way the answer comes."""
        for refusal in (Refusal(404, "unknown-site"), Refusal(403, "origin")):
            for target, more in (("/rt/ws", UPGRADE), ("/rt/sse", ""), ("/rt/poll", "")):
                for slow in (False, True):
                    self.refusal = succeed(refusal) if slow else refusal
                    peer = await self.ask(f"{target}?sub=1/5", more)
                    data = await peer.has(b"}")
                    self.assertTrue(data.startswith(b"HTTP/1.1 %d " % refusal.status), data)
        self.assertEqual(self.hub.stats().sessions, {})

    async def test_authorisation_fails(self) -> None:
        """503, and the reason is in our log alone."""
        self.refusal = Deferred()
        self.refusal.errback(RuntimeError("secret"))
        peer = await self.ask("/rt/sse?sub=1/5")
        data = await peer.has(b"}")
        self.assertTrue(data.startswith(b"HTTP/1.1 503 "))
        self.assertNotIn(b"secret", data)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    async def test_gone_while_being_authorised(self) -> None:
        """A browser that leaves before the answer costs nothing and breaks nothing."""
        self.refusal = waiting = Deferred()
        peer = await self.ask("/rt/ws?sub=1/5", UPGRADE)
        while not self.asked:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        assert peer.transport is not None
        peer.transport.abortConnection()  # type: ignore[attr-defined]
        await peer.until(lambda: peer.closed)
        while self.factory.channels:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        waiting.callback(None)
        self.assertEqual(self.hub.stats().sessions, {})

    async def test_draining(self) -> None:
        """Who comes while we go is sent elsewhere; who is here is told, and closed with 1012."""
        peer = await self.ask("/rt/ws?sub=1/5", UPGRADE)
        await peer.has(b"recovered")
        done = self.hub.drain(0.2, lambda: "https://b.example")
        late = await self.ask("/rt/ws?sub=1/5", UPGRADE)
        self.assertTrue((await late.has(b"}")).startswith(b"HTTP/1.1 503 "))
        data = await peer.has(b"\x88")
        self.assertIn(b'"host":"https://b.example"', data)
        self.assertIn(b"\x88\x07\x03\xf4moved", data)
        await done

    async def test_over_tls(self) -> None:
        """The same over TLS, where nothing is sent directly: upgrade, event, stream, the server's goodbye."""
        tls = certificate()
        port = reactor.listenSSL(0, self.factory, tls, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        self.post()
        peers = []
        for target, more in (("/rt/ws?sub=1/5@0", UPGRADE), ("/rt/sse?sub=1/5@0", "")):
            peer = Peer()
            self.peers.append(peer)
            peers.append(peer)
            endpoint = SSL4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port, CertificateOptions())
            await connectProtocol(endpoint, peer)
            assert peer.transport is not None
            peer.transport.write(f"GET {target} HTTP/1.1\r\nHost: a\r\n{more}\r\n".encode())
            await peer.has(b"recovered")
        self.post()
        for peer in peers:
            await peer.has(b'{"n":2}')
        assert peers[0].transport is not None
        peers[0].transport.write(b"\x81\x00")
        await peers[0].until(lambda: peers[0].closed)
        self.assertIn(b"\x88", peers[0].data)
        self.assertIn(b"\x03\xea", peers[0].data)
        for client in list(self.hub._clients):
            client.close("stopping")
        await peers[1].until(lambda: peers[1].closed)
        while self.hub.stats().sessions:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]

    async def test_autobahn(self) -> None:
        """Another implementation's client: subprotocol, events, fragments, pings, a clean close."""
        from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol

        got: list[Any] = []
        opened: Deferred[Any] = Deferred()
        closed: Deferred[Any] = Deferred()

        class Client(WebSocketClientProtocol):
            def onConnect(self, response: Any) -> None:
                got.append(response.protocol)

            def onOpen(self) -> None:
                opened.callback(self)

            def onMessage(self, payload: bytes, isBinary: bool) -> None:
                got.append(json.loads(payload))

            def onClose(self, wasClean: bool, code: int, reason: str) -> None:
                closed.callback((wasClean, code))

        url = f"ws://127.0.0.1:{self.port.getHost().port}/rt/ws?sub=1/5@0"
        factory = WebSocketClientFactory(url, protocols=["cackle.v1"], origin="https://a.example", reactor=reactor)
        factory.protocol = Client
        factory.setProtocolOptions(perMessageCompressionOffers=[], openHandshakeTimeout=0, closeHandshakeTimeout=0)
        reactor.connectTCP("127.0.0.1", self.port.getHost().port, factory)  # type: ignore[attr-defined]
        client = await opened
        wish = b'{"type":"sub","sub":"1/6"}'
        client.beginMessage()
        client.sendMessageFrame(wish[:7])
        client.sendPing(b"hey")
        client.sendMessageFrame(wish[7:])
        client.endMessage()
        while len(got) < 4:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        self.post()
        while len(got) < 5:
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        client.sendClose(1000)
        self.assertEqual(await closed, (True, 1000))
        kinds = [got[0], *(message["type"] for message in got[1:])]
        self.assertEqual(kinds, ["cackle.v1", "hello", "recovered", "recovered", "comment.created"])
