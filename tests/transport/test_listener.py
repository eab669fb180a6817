"""Tests of listeners and their endpoints: accepting, caps, PROXY headers, sockets bound elsewhere."""

from __future__ import annotations

import errno
import os
import socket
from types import SimpleNamespace
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from cackled import config
from cackled.metrics import Metrics
from cackled.transport import listener
from cackled.transport.endpoints import PublicEndpoint, maker, public_endpoint
from cackled.transport.http import client_address
from cackled.transport.listener import adopt, bind
from cackled.transport.response import Response
from cackled.transport.tls import CertificateError
from tests.support.answers import answers, get
from tests.support.sockets import Peer, Reactor, client_context
from tests.transport.test_http import Upgrade
from tests.transport.test_proxy import v1, v2
from tests.transport.test_tls import Site, TlsTestCase


class AcceptTests(SynchronousTestCase):
    """Connections come in."""

    def test_counts(self) -> None:
        """Each is counted from its acceptance to its end, once, taken over or not."""
        site = Site(self, routes={b"up": Upgrade()})
        limits = site.server.factory.limits
        peers = [site.plain() for _ in range(3)]
        self.assertEqual(limits.total, 3)
        peers[0].send(get("/up"))
        peers[1].send(get())
        self.assertEqual(answers(peers[1].read(10))[0].status, 200)
        self.assertEqual(limits.total, 3)
        self.assertEqual(site.metrics.value("http_connections"), 3)
        for peer in peers:
            peer.close()
        self.assertEqual(limits.total, 0)
        self.assertEqual(len(site.server.factory.channels), 0)

    def test_full(self) -> None:
        """Above a cap there is a 503 that arrives, with what the client sent already read."""
        site = Site(self, settings={"max_connections_per_address": 1})
        first = site.plain()
        late = socket.create_connection(("127.0.0.1", site.listener.getHost().port))
        late.sendall(get())
        site.reactor.turn()
        late.settimeout(5)
        data = b""
        while more := late.recv(65536):
            data += more
        late.close()
        (answer,) = answers(data)
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "5"))
        self.assertEqual(site.metrics.value("http_refusals_total", reason="address"), 1)
        self.assertEqual(site.server.factory.limits.total, 1)
        first.close()

    def test_one_shot(self) -> None:
        """A request that closes its connection is answered in the turn of its acceptance."""
        site = Site(self)
        with socket.create_connection(("127.0.0.1", site.listener.getHost().port)) as client:
            client.sendall(get("/", "Connection: close"))
            site.reactor.turn(2)
            client.settimeout(5)
            data = b""
            while more := client.recv(65536):
                data += more
        self.assertEqual(answers(data)[0].status, 200)
        self.assertEqual(site.reactor.readers, {site.listener})

    def test_no_descriptors(self) -> None:
        """Without free descriptors accepting pauses, and goes on later; there is no busy loop, nor a full log."""
        site = Site(self)
        told: list[Any] = []
        self.patch(listener, "log", SimpleNamespace(warn=lambda *args, **more: told.append(more["reason"])))

        def exhausted() -> Any:
            raise OSError(errno.EMFILE, "Too many open files")

        real = site.listener._accept
        site.listener._accept = exhausted
        site.listener.doRead()
        self.assertNotIn(site.listener, site.reactor.readers)
        for _ in range(100):
            site.reactor.advance(listener.PAUSE_SECONDS)
            self.assertIn(site.listener, site.reactor.readers)
            site.listener.doRead()
        self.assertEqual(told, ["Too many open files"])
        site.listener._accept = real
        site.reactor.advance(listener.PAUSE_SECONDS)
        self.assertIn(site.listener, site.reactor.readers)
        site.plain().send(get())
        self.assertEqual(len(site.server.seen), 1)

    def test_herd(self) -> None:
        """Many at once are accepted over several turns."""
        site = Site(self)
        site.reactor.readers.discard(site.listener)
        clients = [socket.create_connection(("127.0.0.1", site.listener.getHost().port)) for _ in range(100)]
        site.listener.doRead()
        self.assertEqual(site.server.factory.limits.total, listener.ACCEPTS)
        site.listener.doRead()
        self.assertEqual(site.server.factory.limits.total, 100)
        for client in clients:
            client.close()

    def test_stop(self) -> None:
        """Nothing is accepted any more; who is there is served."""
        site = Site(self)
        peer = site.plain()
        address = ("127.0.0.1", site.listener.getHost().port)
        site.listener.stopListening()
        self.assertRaises(OSError, socket.create_connection, address)
        peer.send(get())
        self.assertEqual(answers(peer.read(10))[0].status, 200)


class CrawlTests(SynchronousTestCase):
    """Clients that take what the kernel holds for them as if they did not mean to."""

    def crawl(self, bite: int, ask: bytes = b"") -> bool:
        """Whether a client that has a large answer and reads *bite* bytes a second of it is there after 20 s."""
        site = Site(self, settings={"fast": True})

        async def page(request: Any) -> Response:
            return Response(body=b"x" * 40000, ttl=60.0)

        site.server.cached(b"page", page)
        site.server.send(get("/page")).loseConnection()
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        raw.connect(("127.0.0.1", site.listener.getHost().port))
        self.addCleanup(raw.close)
        site.reactor.turn()
        raw.sendall(ask or get("/", "Content-Length: 40000", method="POST") + b"x" * 40000)
        for _ in range(50):
            site.reactor.turn()
        self.assertEqual(len(site.server.seen), 0 if ask else 1)
        self.assertEqual(site.server.factory.fast.hits, 1 if ask else 0)
        for _ in range(20):
            site.reactor.advance(1)
            site.reactor.turn()
            try:
                raw.recv(bite, socket.MSG_DONTWAIT)
            except OSError:
                pass
        return site.server.factory.limits.total == 1

    def test_crawling(self) -> None:
        """They are cut off, though nothing waits in our own buffers; those that are merely slow are not."""
        self.assertFalse(self.crawl(10))
        self.assertTrue(self.crawl(2000))

    def test_crawling_over_a_hit(self) -> None:
        """The same where the answer was in the microcache, and nobody made a channel for it."""
        self.assertFalse(self.crawl(10, get("/page")))
        self.assertTrue(self.crawl(2000, get("/page")))


class AdoptionTests(TlsTestCase):
    """Sockets that were bound elsewhere."""

    def test_by_number(self) -> None:
        """Plain and TLS alike listen on the number of a descriptor, which stays open for its owner."""
        for certs in (None, self.folder):
            site = Site(self)
            endpoint = PublicEndpoint(site.reactor, 0, "127.0.0.1", certs=certs)
            bound = endpoint.bind(reuse_port=True)
            self.addCleanup(bound.close)
            port = endpoint.listen_on(bound.fileno(), site.server.factory)
            peer = Peer(port, client_context())
            if certs is not None:
                peer.handshake()
            peer.send(get())
            self.assertEqual(answers(peer.read(10))[0].status, 200)
            port.stopListening()
            endpoint.close()
            # A successor takes over on the same socket: what connected meanwhile waits for it.
            late = socket.create_connection(bound.getsockname())
            successor = endpoint.listen_on(bound.fileno(), site.server.factory)
            site.reactor.turn(2)
            self.assertEqual(site.server.factory.limits.total, 2)
            late.close()
            successor.stopListening()
            endpoint.close()

    def test_several(self) -> None:
        """Several sockets may have one address."""
        endpoint = PublicEndpoint(Reactor(), 0, "127.0.0.1")
        first = endpoint.bind(reuse_port=True)
        second = endpoint.bind(reuse_port=True, port=first.getsockname()[1])
        self.assertEqual(first.getsockname(), second.getsockname())
        first.close()
        second.close()

    def test_no_listening_socket(self) -> None:
        """Other descriptors are refused, and left alone."""
        with socket.socket() as idle, open(os.devnull) as file:
            for number in (idle.fileno(), file.fileno(), 9_999):
                self.assertRaises(ValueError, adopt, number)
            idle.fileno()
            self.assertEqual(file.read(), "")

    def test_taken(self) -> None:
        """An address that is taken is an error with the reason."""
        first = bind(0, "127.0.0.1")
        self.addCleanup(first.close)
        endpoint = PublicEndpoint(Reactor(), first.getsockname()[1], "127.0.0.1")
        self.failureResultOf(endpoint.listen(Site(self).server.factory), CannotListenError)


class DrainTests(TlsTestCase):
    """The end of a listener's connections that are not open yet."""

    def setUp(self) -> None:
        """A client that has connected, no more, when the server begins to drain."""
        super().setUp()
        self.site = Site(self, self.folder)
        self.peer = Peer(self.site.listener, client_context(), server_hostname="a.example")
        self.site.listener.stopListening()
        self.done = self.site.server.factory.drain(5, grace=0.5)

    def test_handshake_under_way(self) -> None:
        """Its handshake is waited for, and its request is answered, as the last."""
        self.assertNoResult(self.done)
        self.peer.handshake()
        self.peer.send(get())
        (answer,) = answers(self.peer.rest())
        self.assertEqual((answer.status, answer.headers["connection"]), (200, "close"))
        self.site.reactor.turn()
        self.assertTrue(self.successResultOf(self.done))

    def test_silence_after_it(self) -> None:
        """One that asks for nothing afterwards is closed like any that is idle."""
        self.peer.handshake()
        self.site.reactor.pump([0.5] * 3)
        self.assertEqual(self.peer.rest(), b"")
        self.assertTrue(self.successResultOf(self.done))

    def test_no_handshake(self) -> None:
        """One that does not begin is not waited for long."""
        self.site.reactor.pump([0.5] * 2)
        self.assertTrue(self.successResultOf(self.done))
        self.assertEqual(self.site.server.factory.opening, set())

    def test_gone(self) -> None:
        """One that leaves is not waited for."""
        self.peer.close()
        self.assertTrue(self.successResultOf(self.done))


class EndpointTests(TlsTestCase):
    """From text."""

    def test_text(self) -> None:
        """Ours listen with our transports, others are Twisted's."""
        reactor = Reactor()
        metrics = Metrics()
        for text in ("tcp:0:interface=127.0.0.1", f"cackletls:port=0:interface=127.0.0.1:certs={self.folder}"):
            endpoint = public_endpoint(reactor, text, metrics)
            assert isinstance(endpoint, PublicEndpoint)
            port: Any = self.successResultOf(endpoint.listen(Site(self).server.factory))
            self.assertEqual(port.getHost().host, "127.0.0.1")
            port.stopListening()
            endpoint.close()
        self.assertEqual(reactor.getDelayedCalls(), [])
        self.assertNotIsInstance(public_endpoint(reactor, "unix:/tmp/x"), PublicEndpoint)
        with bind(0, "127.0.0.1") as bound:
            endpoint = public_endpoint(reactor, f"tcp:fd={bound.fileno()}")
            port = self.successResultOf(endpoint.listen(Site(self).server.factory))
            self.assertEqual(port.getHost().port, bound.getsockname()[1])
            port.stopListening()

    def test_malformed(self) -> None:
        """What is wrong with the text is said."""
        for text in (
            "cackletls:", "cackletls:port=1", "cackletls:port=x:certs=y", "cackletls:port=1:certs=y:z=1", "tcp:",
            "tcp:1:certs=x", "tcp:70000", "tcp:1:port=2", "tcp:fd=x",
        ):  # fmt: skip
            self.assertRaises(ValueError, public_endpoint, Reactor(), text)
        self.assertRaises(CertificateError, public_endpoint, Reactor(), "cackletls:port=1:certs=/nowhere")
        for more in ({"proxies": ("nonsense",)}, {"proxies": ("10.0.0.0/8",)}):
            text = "unix:/x" if "10" in str(more) else "tcp:0:interface=127.0.0.1"
            self.assertRaises(
                ValueError, lambda t=text, m=more: public_endpoint(Reactor(), t, **m).listen_on(bind(0), None)
            )

    def test_configured(self) -> None:
        """The options of a [[listen]] reach the listener."""
        listen = config.Listen(endpoint="tcp:0:interface=127.0.0.1", proxy=("10.0.0.0/8",), redirect=True)
        endpoint: Any = maker(listen, config.Http())(Reactor(), listen.endpoint)
        port = endpoint.listen_on(endpoint.bind(), Site(self).server.factory)
        self.assertTrue(port.redirect)
        self.assertTrue(port._proxies.trusts("10.1.2.3"))
        port.stopListening()


class ProxyTests(TlsTestCase):
    """A balancer before us."""

    def test_addresses(self) -> None:
        """The client is who the header says, in the caps too; what follows the header is served, plain and TLS."""
        for folder in (None, self.folder):
            site = Site(self, folder, proxies=("127.0.0.0/8",))
            for header, client in (
                (v1("192.0.2.7", 5555), "192.0.2.7"),
                (v2("2001:db8::1", 5555), "2001:db8::1"),
                (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
            ):
                peer = Peer(site.listener, client_context())
                for byte in range(len(header)):
                    peer.socket.send(header[byte : byte + 1])
                    site.reactor.turn()
                if folder:
                    peer.handshake()
                peer.send(get())
                self.assertEqual(answers(peer.read(10))[0].status, 200)
                self.assertEqual(client_address(site.server.seen[-1]), client)
                network = "2001:db8::/64" if ":" in client else client
                self.assertEqual(site.server.factory.limits.of(network), 1)
                peer.close()
            self.assertEqual(site.server.factory.limits.total, 0)

    def test_header_and_request_at_once(self) -> None:
        """One segment may hold both; TLS that the balancer spoke counts as ours."""
        site = Site(self, proxies=("127.0.0.0/8",))
        for tls in (0, 1):
            peer = site.plain()
            peer.send(v2("192.0.2.7", 1, b"\x20\x00\x05" + bytes([tls]) + bytes(4)) + get())
            self.assertEqual(answers(peer.read(10))[0].status, 200)
            self.assertEqual(site.server.seen[-1].isSecure(), bool(tls))

    def test_required(self) -> None:
        """Without a header, or from elsewhere, nothing is served."""
        for proxies, data in ((("127.0.0.0/8",), get()), (("10.0.0.0/8",), v1("192.0.2.1", 1) + get())):
            site = Site(self, proxies=proxies)
            peer = site.plain()
            try:
                peer.send(data)
                self.assertEqual(peer.rest(), b"")
            except OSError:
                pass
            self.assertEqual(site.server.seen, [])
            self.assertEqual(site.metrics.value("http_refusals_total", reason="proxy"), 1)
            self.assertEqual(site.server.factory.limits.total, 0)

    def test_deadline(self) -> None:
        """A header that does not come does not hold a connection, and nothing is left unread meanwhile."""
        site = Site(self, proxies=("127.0.0.0/8",))
        peer = site.plain()
        peer.socket.send(b"PROXY TCP4 192.")
        site.reactor.turn(2)
        (waiting,) = site.reactor.readers - {site.listener}
        self.assertRaises(BlockingIOError, waiting.socket.recv, 1, socket.MSG_PEEK)
        for _ in range(12):
            site.reactor.advance(1)
            site.reactor.turn()
        self.assertEqual(site.server.factory.limits.total, 0)
        self.assertEqual(site.listener._headers, {})

    def test_caps_of_clients(self) -> None:
        """The balancer's own address is under no cap, its clients are."""
        site = Site(self, proxies=("127.0.0.0/8",), settings={"max_connections_per_address": 1})
        peers = [site.plain() for _ in range(3)]
        for number, peer in enumerate(peers):
            peer.send(v1(f"192.0.2.{number}", 1))
        self.assertEqual(site.server.factory.limits.total, 3)
        peer = site.plain()
        try:
            peer.send(v1("192.0.2.1", 1) + get())
            self.assertEqual(peer.rest(), b"")
        except OSError:
            pass
        self.assertEqual(site.server.factory.limits.total, 3)

    def test_refused_elsewhere(self) -> None:
        """On other listeners a header is a malformed request."""
        for header in (v1("192.0.2.7", 1), v2("192.0.2.7", 1)):
            site = Site(self)
            peer = site.plain()
            peer.send(header + get())
            self.assertEqual([answer.status for answer in answers(peer.rest())], [400])
            self.assertEqual(site.server.seen, [])
