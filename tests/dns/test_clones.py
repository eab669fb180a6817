"""Two nodes of one cluster answer alike, over every transport and address family; changes under load lose nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import dns.message
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from cackled.config import Dns, Geo
from cackled.dns.server import DnsServer
from cackled.dns.udp import bind_udp
from cackled.geo.build import Job, build
from cackled.geo.index import Index, load
from cackled.metrics import Metrics
from tests.support.geo import write_mmdb

from .helpers import NODES, QUESTION, addresses, header, opt, option


class FakeGeo:
    """A geo service whose index is set by hand."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.changed: Callable[[Index], None] = lambda index: None

    def watch(self, changed: Callable[[Index], None]) -> None:
        self.changed = changed


def ipv6() -> bool:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(("::1", 0))
        except OSError:
            return False
    return True


class EqualTests(TestCase):
    """Point 35: whichever of the zone's servers is asked, and however, the answer is the same."""

    def serve(self, identity: str, state: Path) -> DnsServer:
        listen = ("127.0.0.1:0", "[::1]:0") if ipv6() else ("127.0.0.1:0",)
        server = DnsServer(
            reactor, None, None, NODES, Dns(listen=listen), reactor, Random(), Metrics(), identity=identity, state=state
        )
        server.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        return server

    async def ask(self, at: tuple[str, int], tcp: bool, data: bytes) -> bytes:
        def work() -> bytes:
            family = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
            with socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as sock:
                sock.settimeout(30)
                sock.connect(at)
                sock.sendall(len(data).to_bytes(2, "big") + data if tcp else data)
                if not tcp:
                    return sock.recv(4096)
                with sock.makefile("rb") as file:
                    return file.read(int.from_bytes(file.read(2), "big"))

        reply: bytes = await deferToThread(work)
        return reply

    async def test_clones(self) -> None:
        """NS, SOA, addresses of the name servers, what is not there: byte for byte, from two nodes that were started
        apart and have heard of each other."""
        one, two = (self.serve(name, Path(self.mktemp())) for name in ("eu", "us"))
        assert two.mark is not None
        two.responder.zone.renumber(two.mark.serial + 5)
        two._serials._keep(type(two.mark)(two.mark.digest, two.mark.serial + 5))
        two.responder.set_zone(two.responder.zone)
        one.hear(two.mark)
        for name, rtype in (
            ("cackle.test.", "NS"), ("cackle.test.", "SOA"), ("ns1.cackle.test.", "A"), ("ns2.cackle.test.", "AAAA"),
            ("nope.cackle.test.", "A"), ("www.cackle.test.", "TXT"), ("example.com.", "A"),
        ):
            data = dns.message.make_query(name, rtype, use_edns=0, id=99).to_wire()
            ways = [(at, tcp) for server in (one, two) for at in server.addresses for tcp in (False, True)]
            replies = {await self.ask(at, tcp, data) for at, tcp in ways}
            self.assertEqual(len(replies), 1, (name, rtype))
        self.assertGreater(len(one.addresses), 0)

    async def test_same_view_same_nodes(self) -> None:
        """With the same nodes alive, both give the same addresses to the same place (in any order where nodes are
        equally near)."""
        servers = [self.serve(name, Path(self.mktemp())) for name in ("eu", "us")]
        for live in ({"eu", "us"}, {"sg"}, set[str]()):
            seen = []
            for server in servers:
                server.set_live(live)
                data = header(body=b"\3www\6cackle\4test\0\0\1\0\1")
                replies = [await self.ask(server.addresses[0], False, data) for _ in range(30)]
                seen.append({each for reply in replies for each in addresses(dns.message.from_wire(reply))})
            self.assertEqual(seen[0], seen[1])
            self.assertTrue(seen[0])


class LoadTests(TestCase):
    """Points 37 and 38: as many queries as the server takes, always some hundred under way."""

    COUNT = 12_000
    AT_ONCE = 200

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        build(Job(Geo(files=(write_mmdb(self.mktemp()),)), NODES), self.path)
        self.geo = FakeGeo(load(self.path))
        settings = Dns(listen=("127.0.0.1:0",), origin="geo.test.", geo_names=("www",))
        self.server = DnsServer(reactor, None, self.geo, NODES, settings, reactor, Random(1), Metrics())
        self.server.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.server.stop()))

    def ask_all(self, change: Callable[[int], Any]) -> dict[int, int]:
        """Send all queries and wait for the replies (30 s after the last one came, what is missing is lost);
        *change* is called every 100 replies. Count of replies by id."""
        # As big a receive buffer as the server's: else it is the client that loses.
        client = bind_udp(socket.AF_INET, ("127.0.0.1", 0))
        client.connect(self.server.addresses[0])
        client.settimeout(30)
        rng = Random(5)
        got: dict[int, int] = {}
        sent = 0
        with client:
            while len(got) < self.COUNT:
                while sent < self.COUNT and sent - len(got) < self.AT_ONCE:
                    subnet = bytes((rng.choice((81, 100, 110, 8)), rng.randrange(256), rng.randrange(256)))
                    client.send(header(sent, ar=1, body=QUESTION + opt(option(8, b"\0\1\x18\0" + subnet))))
                    sent += 1
                try:
                    reply = client.recv(4096)
                except TimeoutError:
                    break
                number = int.from_bytes(reply[:2], "big")
                got[number] = got.get(number, 0) + 1
                assert reply[3] == 0 and reply[7] in (1, 2), reply
                if len(got) % 100 == 0:
                    reactor.callFromThread(change, len(got) // 100)  # type: ignore[attr-defined]
        return got

    async def run_with(self, change: Callable[[int], Any]) -> None:
        got = await deferToThread(self.ask_all, change)
        drops = sum(reader.kernel_drops() for reader in self.server._readers)
        self.assertEqual((len(got), set(got.values()), drops), (self.COUNT, {1}, 0))
        self.assertEqual(self.server.responder.failures, 0)
        self.assertEqual(sum(reader.unsent for reader in self.server._readers), 0)

    async def test_liveness(self) -> None:
        """Nodes come and go a hundred times meanwhile: each query has one answer, with an address in it."""
        sets = [{"eu", "us", "sg"}, {"us", "sg"}, {"eu", "sg"}, set[str](), {"sg"}]
        changes: list[int] = []

        def change(turn: int) -> None:
            changes.append(turn)
            self.server.set_live(sets[turn % len(sets)])

        await self.run_with(change)
        self.assertGreater(len(changes), 100)

    async def test_index(self) -> None:
        """The geo index is read anew, off the reactor, and swapped again and again: the same."""
        swaps: list[Index] = []

        def change(turn: int) -> None:
            if turn % 5 == 0:
                deferToThread(load, self.path).addCallback(swap)

        def swap(index: Index) -> None:
            swaps.append(index)
            self.geo.changed(index)

        await self.run_with(change)
        self.assertGreater(len(swaps), 10)
