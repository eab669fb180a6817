"""The batching descriptor does all that the plain one does, and the same over IPv6."""

from __future__ import annotations

import socket
import sys

import dns.message
from twisted.trial.unittest import SynchronousTestCase

from cackled.config import Dns
from cackled.dns.batch import REPLY, BatchReader, available
from cackled.dns.udp import bind_udp
from cackled.dns.wire import EDNS_SIZE
from cackled.geo.index import Index

from . import test_udp
from .helpers import CLASSES, EMPTY_OPT, QUESTION, SG, US, Rig, addresses, header, opt, option

_MISSING = None if available() else "this system has no recvmmsg, or lays out its structures in another way"


class BatchReaderTests(test_udp.UdpReaderTests):
    """All tests of `UdpReader`."""

    skip = _MISSING
    reader_class = BatchReader

    def test_room(self) -> None:
        """A reply over UDP fits its slot; one that would not is counted and not sent."""
        self.assertGreater(REPLY, EDNS_SIZE)
        self.client.sendto(bytes(REPLY + 1), self.address)
        self.reader.doRead()
        self.assertEqual((self.reader.replies, self.reader.unsent), (0, 1))

    def test_rounds(self) -> None:
        """After many at once more are looked for, after a few the reactor is; a turn takes no more than it may."""
        reader = self.reader
        for come, asked in (([9, 8, 7, 1], 3), ([3, 1], 1), ([-1], 1), ([64, 64, 64], 2), ([64, 63, 1, 1], 3)):
            widths: list[int] = []

            def receive(fd: int, at: int, most: int, flags: int, timeout: None, come: list[int] = come) -> int:
                widths.append(most)  # noqa: B023 - called before the next round
                return min(most, come.pop(0))

            self.patch(reader, "_receive", receive)
            self.patch(reader, "_reply", lambda count: None)
            before = reader.queries
            reader.doRead()
            self.assertEqual(len(widths), asked)
            self.assertLessEqual(reader.queries - before, reader.turn)


class PlansTests(SynchronousTestCase):
    """What the loop answers by itself is what `Responder.handle` answers."""

    skip = _MISSING

    def setUp(self) -> None:
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.bind(("127.0.0.1", 0))
        self.client.settimeout(5)
        self.addCleanup(self.client.close)
        self.handled = 0

    def read(self, rig: Rig) -> BatchReader:
        """A reader for the responder of *rig*; what goes to its `handle` is counted."""

        def handle(data: bytes, host: str) -> bytes | None:
            self.handled += 1
            return rig.handle(data, host)

        sock = bind_udp(socket.AF_INET, ("127.0.0.1", 0))
        reader = BatchReader(test_udp.FakeReactor(), sock, handle, rig.responder)  # type: ignore[arg-type]
        self.addCleanup(reader.stop)
        return reader

    def ask(self, reader: BatchReader, queries: list[bytes]) -> list[bytes]:
        """The replies; queries to which there is none are followed by others."""
        for data in queries:
            self.client.sendto(data, reader._socket.getsockname())
        before = reader.replies
        reader.doRead()
        return [self.client.recv(4096) for _ in range(reader.replies - before)]

    def queries(self) -> list[bytes]:
        made = []
        for name in (b"\6static", b"\3www", b"\5alias", b"\3sub", b"\4none"):
            for rtype in (b"\0\1", b"\0\x1c", b"\0\x41"):
                for first in (10, 20, 30, 40):
                    subnet = opt(option(8, b"\0\1\x18\0" + bytes((first, 1, 2))))
                    for extra in (b"", EMPTY_OPT, subnet):
                        question = name + b"\3geo\4test\0" + rtype + b"\0\1"
                        made.append(header(ident=len(made), ar=int(bool(extra)), body=question + extra))
        return made

    def test_as_one_by_one(self) -> None:
        """For exempt clients and for others; once everything was asked, hardly anything goes the longer way."""
        for settings in (Dns(rate_exempt=("127.0.0.0/8",)), Dns(rate=0, rate_exempt=())):
            rig, other = Rig(self, settings=settings), Rig(self, settings=settings)
            rig.nearest.set_live({"sg"})
            other.nearest.set_live({"sg"})
            reader = self.read(rig)
            queries = self.queries()
            for turn in range(4):
                self.handled = 0
                for at in range(0, len(queries), 32):
                    some = queries[at : at + 32]
                    self.assertEqual(self.ask(reader, some), [other.handle(data, "127.0.0.1") for data in some])
                if turn == 3:
                    # The name that is not there has no plan.
                    self.assertEqual(self.handled, 3 * 4 * 3)
            figures = [(each.responder.hits, each.responder.unproven) for each in (rig, other)]
            self.assertEqual(figures[0], figures[1])

    def test_over_the_rate(self) -> None:
        """What is over the rate has TC or no reply, and the others' replies go to the right places."""
        rig = Rig(self, settings=Dns(rate=10, rate_exempt=()))
        reader = self.read(rig)
        data = [header(ident=n, body=QUESTION) for n in range(30)]
        replies = self.ask(reader, data[:5]) + self.ask(reader, data[5:])
        self.assertEqual(len(replies), 20)
        self.assertEqual([reply[2] & 2 for reply in replies], [0] * 10 + [2] * 10)
        self.assertEqual([reply[1] for reply in replies], [*range(10), *range(11, 30, 2)])
        self.assertEqual((rig.limit.truncated, rig.limit.dropped), (10, 10))

    def test_another_index(self) -> None:
        """A client that was met is located anew, by its own address and by its subnet."""
        rig = Rig(self)
        reader = self.read(rig)
        subnet = opt(option(8, b"\0\1\x18\0\x1e\1\2"))
        asked = [header(body=QUESTION), header(ar=1, body=QUESTION + subnet)]
        for _ in range(3):
            before = self.ask(reader, asked)
        self.assertEqual(addresses(dns.message.from_wire(before[1]))[0], SG)
        rig.responder.set_index(Index(CLASSES, lambda packed: (2, 8), lambda packed: (2, 8), None))
        for _ in range(3):
            replies = self.ask(reader, asked)
            self.assertEqual([addresses(dns.message.from_wire(reply))[0] for reply in replies], [US, US])
        self.assertEqual(dns.message.from_wire(replies[1]).options[0].scopelen, 8)


class Ipv6Tests(SynchronousTestCase):
    skip = _MISSING

    def test_address(self) -> None:
        """The sender's address is text with its scope, as from `recvfrom`; the reply finds its way."""
        try:
            sock = bind_udp(socket.AF_INET6, ("::1", 0))
        except OSError:
            self.skipTest("no IPv6 here")
        hosts: list[str] = []

        def handle(data: bytes, host: str) -> bytes:
            hosts.append(host)
            return data

        reader = BatchReader(test_udp.FakeReactor(), sock, handle)  # type: ignore[arg-type]
        self.addCleanup(reader.stop)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            client.sendto(b"hello", sock.getsockname())
            reader.doRead()
            self.assertEqual(client.recv(100), b"hello")
        self.assertEqual(hosts, ["::1"])
        packed = socket.inet_pton(socket.AF_INET6, "fe80::1") + (3).to_bytes(4, sys.byteorder)
        self.assertEqual(reader._host(packed), "fe80::1%3")
