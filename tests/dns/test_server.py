"""The server on real sockets: both transports, errors at start, changes while it runs; dig where it is installed."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from random import Random
from typing import Any

import dns.message
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ClientFactory, DatagramProtocol, Protocol
from twisted.internet.task import Clock
from twisted.internet.utils import getProcessOutputAndValue
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase

from cackled.config import ConfigError, Dns, Node
from cackled.dns.serial import Mark
from cackled.dns.server import CannotBind, DnsServer
from cackled.dns.zone import ZoneError
from cackled.geo.index import Index
from cackled.metrics import Metrics

from .helpers import INDEX, NODES, zone_file

HEAD = "@ 3600 IN SOA ns1 h {} 7200 1800 1209600 60\n@ 3600 IN NS ns1\nns1 300 IN A 192.0.2.1\n"


class FakeGeo:
    index = INDEX

    def __init__(self) -> None:
        self.watchers: list[Any] = []

    def watch(self, changed: Any) -> None:
        self.watchers.append(changed)


def make(
    settings: Dns, nodes: Any = NODES, geo: Any = None, metrics: Metrics | None = None, state: Path | None = None
) -> DnsServer:
    return DnsServer(
        reactor, None, geo, nodes, settings, reactor, Random(1), metrics or Metrics(), identity="eu", state=state
    )


class ConfigTests(SynchronousTestCase):
    """What is told at the start, in one line."""

    def test_bad_settings(self) -> None:
        """Addresses and networks that are none name themselves."""
        for settings, words in (
            (Dns(listen=("localhost:53",)), "localhost:53"), (Dns(listen=("127.0.0.1",)), "127.0.0.1"),
            (Dns(listen=("127.0.0.1:70000",)), "70000"), (Dns(axfr_from=("nobody",)), "nobody"),
            (Dns(rate_exempt=("10.0.0.0/99",)), "10.0.0.0/99"), (Dns(zone_file="/nonexistent"), "/nonexistent"),
        ):
            error = self.assertRaises(ConfigError, make, settings)
            self.assertIn(words, str(error))
            self.assertNotIn("\n", str(error))

    def test_taken(self) -> None:
        """A port in use is named with its address; what was bound before is let go."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            server = make(Dns(listen=("127.0.0.1:0", f"127.0.0.1:{port}")))
            error = self.assertRaises(CannotBind, server.bind)
            self.assertIsInstance(error, CannotListenError)
            self.assertIn(str(port), str(error))
            self.assertIn("127.0.0.1", str(error))
            self.assertEqual((server.addresses, server._readers), ([], []))

    def test_all_addresses(self) -> None:
        """A reply from a socket on all addresses may leave from another one than was asked: refused."""
        for address in ("0.0.0.0:0", "[::]:0"):
            with self.assertRaisesRegex(ConfigError, "each address"):
                make(Dns(listen=(address,)))

    def test_no_nodes(self) -> None:
        """Without any [[nodes]] there is one, on this machine."""
        server = make(Dns(), nodes=())
        reply = server.handle(dns.message.make_query("www.cackle.test.", "A").to_wire(), "127.0.0.1")
        assert reply is not None
        self.assertEqual(dns.message.from_wire(reply).answer[0][0].address, "127.0.0.1")


class ServerTests(TestCase):
    """Running, on ports of the loopback."""

    def setUp(self) -> None:
        self.metrics = Metrics()
        self.geo = FakeGeo()
        self.path = zone_file(self, HEAD.format(1))
        self.server = make(
            Dns(listen=("127.0.0.1:0",), zone_file=self.path, origin="geo.test.", geo_names=("www",)),
            geo=self.geo, metrics=self.metrics,
        )
        self.server.bind()
        self.host, self.port = self.server.addresses[0]
        self.server.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.server.stop()))

    def udp(self, data: bytes) -> Deferred[bytes]:
        """Send *data*; the reply."""
        done: Deferred[bytes] = Deferred()

        class Client(DatagramProtocol):
            def startProtocol(self) -> None:
                self.transport.write(data, address)  # type: ignore[union-attr]

            def datagramReceived(self, datagram: bytes, addr: object) -> None:
                done.callback(datagram)

        address = (self.host, self.port)
        port = reactor.listenUDP(0, Client(), interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        return done.addTimeout(5, reactor)  # type: ignore[arg-type]

    def tcp(self, data: bytes) -> Deferred[bytes]:
        """Send *data* in a frame; the first reply."""
        done: Deferred[bytes] = Deferred()
        lost: Deferred[None] = Deferred()

        class Client(Protocol):
            got = b""

            def connectionMade(self) -> None:
                self.transport.write(len(data).to_bytes(2, "big") + data)  # type: ignore[union-attr]

            def dataReceived(self, more: bytes) -> None:
                self.got += more
                if len(self.got) >= 2 + int.from_bytes(self.got[:2], "big") and not done.called:
                    self.transport.loseConnection()  # type: ignore[union-attr]
                    done.callback(self.got[2:])

            def connectionLost(self, reason: Any = None) -> None:
                lost.callback(None)

        factory = ClientFactory()
        factory.noisy = False
        factory.protocol = Client
        reactor.connectTCP(self.host, self.port, factory)  # type: ignore[attr-defined]
        self.addCleanup(lambda: lost)
        return done.addTimeout(5, reactor)  # type: ignore[arg-type]

    async def ask(self, name: str, rtype: str = "A", over: str = "udp") -> dns.message.Message:
        query = dns.message.make_query(name, rtype, use_edns=0)
        reply = dns.message.from_wire(await getattr(self, over)(query.to_wire()))
        self.assertTrue(query.is_response(reply))
        return reply

    async def test_both_transports(self) -> None:
        """UDP and TCP give the same; the figures count both."""
        for over in ("udp", "tcp"):
            reply = await self.ask("geo.test.", "SOA", over)
            self.assertEqual(reply.answer[0][0].serial, 1)
        self.assertEqual(self.metrics.value("dns_queries_total", transport="udp"), 1)
        self.assertEqual(self.metrics.value("dns_queries_total", transport="tcp"), 1)
        self.assertEqual(self.metrics.value("dns_answers_total", rcode="NOERROR"), 2)
        self.assertIn(b"cackled_dns_udp_kernel_drops_total 0.0", self.metrics.render())

    async def test_liveness(self) -> None:
        """`set_live` counts from the next answer on."""
        self.server.set_live({"us"})
        self.assertEqual([each.address for each in (await self.ask("www.geo.test.")).answer[0]], ["198.51.100.2"])
        self.server.set_live({"us", "sg"}, {"us"})
        self.assertEqual([each.address for each in (await self.ask("www.geo.test.")).answer[0]], ["198.51.100.3"])

    async def test_new_index(self) -> None:
        """A new geo index is taken over from the service."""
        self.geo.watchers[0](Index.single((("sg",), ("eu",), ("us",))))
        self.assertEqual((await self.ask("www.geo.test.")).answer[0][0].address, "198.51.100.3")

    async def test_reload(self) -> None:
        """A better zone replaces the old one, a worse one does not."""
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(HEAD.format(2) + "new 60 IN A 192.0.2.7\n")
        self.assertEqual(self.server.reload_zone(), 2)
        self.assertEqual(len((await self.ask("new.geo.test.")).answer), 1)
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(HEAD.format(3) + "new 60 IN A nonsense\n")
        self.assertRaises(ZoneError, self.server.reload_zone)
        self.assertEqual((await self.ask("geo.test.", "SOA")).answer[0][0].serial, 2)

    async def test_dig(self) -> None:
        """dig, with its cookie and all, understands us."""
        dig = shutil.which("dig")
        if dig is None:
            self.skipTest("dig is not installed")
        for options, expected in (
            (["+norec", "www.geo.test", "A"], b"flags: qr aa;"),
            (["+norec", "+subnet=10.1.2.0/24", "www.geo.test", "A"], b"CLIENT-SUBNET: 10.1.2.0/24/18"),
            (["+norec", "+nsid", "www.geo.test"], b'("eu")'), (["nope.geo.test"], b"status: NXDOMAIN"),
            (["example.com"], b"EDE: 20"), (["+cookie", "geo.test", "NS"], b"(good)"),
            (["+edns=1", "+noednsneg", "geo.test", "SOA"], b"status: BADVERS"),
            (["+tcp", "geo.test", "AXFR"], b"failed"),
            (["+opcode=15", "+norec", "geo.test"], b"status: NOTIMP"), (["CH", "TXT", "version.bind"], b"REFUSED"),
        ):
            out, err, _ = await getProcessOutputAndValue(
                dig, [f"@{self.host}", "-p", str(self.port), "+tries=1", "+time=3", *options]
            )
            self.assertIn(expected, out, options)
            self.assertNotIn(b"malformed", out + err)
            self.assertNotIn(b"WARNING: recursion", out if "+norec" in options else b"")


class SerialTests(TestCase):
    """The number of a zone that is made from the nodes."""

    async def serve(self, nodes: Any, state: Path, *marks: Mark) -> tuple[int, Mark]:
        """Start, hear what other nodes have, stop; the SOA's number and what other nodes are told."""
        server = make(Dns(listen=("127.0.0.1:0",)), nodes=nodes, state=state)
        server.start()
        for mark in marks:
            server.hear(mark)
        query = dns.message.make_query("cackle.test.", "SOA")
        reply = server.handle(query.to_wire(), "127.0.0.1")
        mark = server.mark
        await server.stop()
        assert reply is not None and mark is not None
        return dns.message.from_wire(reply).answer[0][0].serial, mark

    async def test_generated(self) -> None:
        """The same over a restart, as another node's where that has more, and more after a change."""
        state = Path(self.mktemp())
        serial, mark = await self.serve(NODES, state)
        self.assertEqual(mark.serial, serial)
        self.assertGreater(serial, 1_700_000_000)
        self.assertEqual((await self.serve(NODES, state))[0], serial)
        self.assertEqual((await self.serve(NODES, state, Mark("other", serial + 50)))[0], serial)
        self.assertEqual((await self.serve(NODES, state, Mark(mark.digest, serial + 50)))[0], serial + 50)
        self.assertEqual((await self.serve(NODES, state))[0], serial + 50)
        self.assertEqual((await self.serve(NODES[:2], state))[0], serial + 51)

    async def test_file(self) -> None:
        """A zone file has its own number, which nobody else hears of; a change without a new one is told in the log."""
        told: list[str] = []
        watch = lambda event: told.append(event["log_format"])  # noqa: E731
        globalLogPublisher.addObserver(watch)
        self.addCleanup(globalLogPublisher.removeObserver, watch)
        path = zone_file(self, HEAD.format(7))
        server = make(Dns(listen=("127.0.0.1:0",), zone_file=path, origin="geo.test.", geo_names=("www",)))
        server.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        self.assertEqual((server.mark, server.responder.zone.serial), (None, 7))
        server.hear(Mark("x", 9))
        for text, expected in ((HEAD.format(7) + "a 60 IN A 192.0.2.9\n", True), (HEAD.format(8), False)):
            told.clear()
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            server.reload_zone()
            self.assertEqual(any("has not risen" in line for line in told), expected)


class LifeTests(SynchronousTestCase):
    def test_secret_rotates(self) -> None:
        """The cookie secret is replaced by the clock."""
        clock = Clock()
        server = DnsServer(
            reactor, None, None, (Node(name="a"),), Dns(listen=("127.0.0.1:0",)), clock, Random(1), Metrics()
        )
        before = server._cookies._secret
        server._rotation.start()
        clock.advance(25 * 3600)
        self.assertNotEqual(server._cookies._secret, before)
