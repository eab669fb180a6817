"""DNS over TCP on a fake transport: framing, pipelining, deadlines, caps, backpressure, transfers."""

from __future__ import annotations

import dns.message
import dns.rdatatype
import dns.zone
from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from cackled.dns import tcp
from cackled.dns.tcp import BATCH, FRAME_SECONDS, IDLE_SECONDS, DnsTcp, DnsTcpFactory

from .helpers import QUESTION, Rig, header


class TcpCase(SynchronousTestCase):
    limit = 20

    def setUp(self) -> None:
        self.rig = Rig(self)
        self.clock = self.rig.clock
        self.proven: list[str] = []
        self.factory = DnsTcpFactory(
            self.clock, self.rig.handle, lambda: self.rig.responder.zone, self.limit,
            lambda host: host == "192.0.2.9", self.proven.append,
        )

    def connect(self, host: str = "198.18.0.1") -> tuple[DnsTcp, StringTransport]:
        """A connection from *host*."""
        protocol = self.factory.buildProtocol(IPv4Address("TCP", host, 4000))
        assert protocol is not None
        transport = StringTransport()
        protocol.makeConnection(transport)
        return protocol, transport

    def replies(self, transport: StringTransport) -> list[bytes]:
        """The messages written so far; nothing may be left over."""
        data, out = transport.value(), []
        while data:
            size = int.from_bytes(data[:2], "big")
            self.assertGreaterEqual(len(data), 2 + size)
            out.append(data[2 : 2 + size])
            data = data[2 + size :]
        return out


def framed(*messages: bytes) -> bytes:
    return b"".join(len(message).to_bytes(2, "big") + message for message in messages)


class FramingTests(TcpCase):
    def test_byte_by_byte(self) -> None:
        """A message may come in any pieces, the length's two bytes included."""
        protocol, transport = self.connect()
        for byte in framed(header(body=QUESTION)):
            self.assertEqual(transport.value(), b"")
            protocol.dataReceived(bytes((byte,)))
        self.assertEqual(len(self.replies(transport)), 1)
        self.assertEqual(self.proven, ["198.18.0.1"])

    def test_pipelined(self) -> None:
        """A hundred queries at once are all answered, in order, and the reactor runs in between."""
        protocol, transport = self.connect()
        protocol.dataReceived(framed(*(header(ident=n, body=QUESTION) for n in range(100))))
        self.assertEqual(len(self.replies(transport)), BATCH)
        self.clock.advance(0)
        self.assertEqual([reply[1] for reply in self.replies(transport)], list(range(100)))

    def test_faster_than_we_answer(self) -> None:
        """While more queries are there than one turn answers no more are read, so that no client fills the memory."""
        protocol, transport = self.connect()
        protocol.dataReceived(framed(*[header(body=QUESTION)] * (3 * BATCH)))
        self.assertEqual(transport.producerState, "paused")
        # Buffers that fill up and are emptied again don't change that.
        protocol.pauseProducing()
        protocol.resumeProducing()
        self.assertEqual(transport.producerState, "paused")
        self.clock.advance(0)
        self.assertEqual(transport.producerState, "producing")
        self.assertEqual(len(self.replies(transport)), 3 * BATCH)

    def test_malformed(self) -> None:
        """A malformed query gets its FORMERR and the next one its answer."""
        protocol, transport = self.connect()
        protocol.dataReceived(framed(header(body=b"\xc0\0\0\1\0\1"), header(body=QUESTION)))
        self.assertEqual([reply[3] & 15 for reply in self.replies(transport)], [1, 0])

    def test_responses_end_it(self) -> None:
        """Who sends responses, scraps or empty frames is no client."""
        for message in (header(flags=0x8000, body=QUESTION), b"abc", b""):
            protocol, transport = self.connect()
            protocol.dataReceived(framed(message, header(body=QUESTION)))
            self.assertTrue(transport.disconnected)
            self.assertEqual(transport.value(), b"")
            protocol.connectionLost()


class DeadlineTests(TcpCase):
    def test_idle(self) -> None:
        """Nothing asked: closed; each query starts the time anew."""
        protocol, transport = self.connect()
        self.clock.advance(IDLE_SECONDS - 1)
        protocol.dataReceived(framed(header(body=QUESTION)))
        self.clock.advance(IDLE_SECONDS - 1)
        self.assertFalse(transport.disconnected)
        self.clock.advance(1.1)
        self.assertTrue(transport.disconnected)

    def test_slow_message(self) -> None:
        """Bytes that trickle in don't keep a connection alive beyond the deadline of their message."""
        protocol, transport = self.connect()
        for byte in framed(header(body=QUESTION))[:12]:
            protocol.dataReceived(bytes((byte,)))
            self.clock.advance(FRAME_SECONDS / 10)
        self.assertTrue(transport.disconnected)

    def test_slow_message_behind_a_whole_one(self) -> None:
        """The same for what follows an answered query in the same segment."""
        protocol, transport = self.connect()
        protocol.dataReceived(framed(header(body=QUESTION)) + b"\0")
        self.clock.advance(FRAME_SECONDS + 0.1)
        self.assertTrue(transport.disconnected)

    def test_no_timers_left(self) -> None:
        """A connection that is gone leaves nothing behind."""
        protocol, _ = self.connect()
        protocol.dataReceived(framed(*[header(body=QUESTION)] * 100))
        protocol.connectionLost()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.factory.connections, 0)

    def test_client_that_does_not_read(self) -> None:
        """With full buffers no more is read or answered; it has the idle time to begin to read."""
        protocol, transport = self.connect()
        protocol.pauseProducing()
        protocol.dataReceived(framed(header(body=QUESTION)))
        self.assertEqual(transport.value(), b"")
        self.assertEqual(transport.producerState, "paused")
        protocol.resumeProducing()
        self.clock.advance(0)
        self.assertEqual(len(self.replies(transport)), 1)
        protocol.pauseProducing()
        self.clock.advance(IDLE_SECONDS + 0.1)
        self.assertTrue(transport.disconnected)


class CapTests(TcpCase):
    def test_total(self) -> None:
        """Over the cap, the one longest without a query makes room."""
        opened = [self.connect(f"198.18.0.{number}") for number in range(self.limit)]
        opened[0][0].dataReceived(framed(header(body=QUESTION)))
        for number in range(2):
            self.connect(f"198.18.1.{number}")
        gone = [number for number, (_, transport) in enumerate(opened) if transport.disconnected]
        self.assertEqual(gone, [1, 2])
        self.assertEqual((self.factory.connections, self.factory.evicted), (self.limit, 2))

    def test_per_address(self) -> None:
        """One address has a quarter at most, until it closes some."""
        opened = [self.connect() for _ in range(5)]
        self.assertIsNone(self.factory.buildProtocol(IPv4Address("TCP", "198.18.0.1", 1)))
        self.assertEqual(self.factory.refused, 1)
        opened[0][0].connectionLost()
        self.connect()
        self.connect("198.18.0.2")

    def test_per_network(self) -> None:
        """Of IPv6 everybody has 2**64 addresses: they share."""
        for number in range(5):
            self.connect(f"2001:db8::{number}")
        self.assertIsNone(self.factory.buildProtocol(IPv4Address("TCP", "2001:db8::9", 1)))
        self.connect("2001:db8:0:1::")[0].connectionLost()
        self.assertEqual(len(self.factory._by_host), 1)


class TransferTests(TcpCase):
    def transfer(self, host: str, rtype: str = "AXFR", name: str = "geo.test.") -> list[dns.message.Message]:
        protocol, transport = self.connect(host)
        protocol.dataReceived(framed(dns.message.make_query(name, rtype, flags=0).to_wire()))
        return [dns.message.from_wire(reply, one_rr_per_rrset=True) for reply in self.replies(transport)]

    def test_allowed(self) -> None:
        """A configured address gets the whole zone, SOA first and last."""
        for rtype in ("AXFR", "IXFR"):
            records = [rrset for message in self.transfer("192.0.2.9", rtype) for rrset in message.answer]
            self.assertEqual({records[0].rdtype, records[-1].rdtype}, {dns.rdatatype.SOA})
            zone = self.rig.responder.zone
            self.assertEqual(len(records), len(zone.records()) + 1)
            self.assertEqual({str(each.name) for each in records} & {"x.y.wild.geo.test."}, {"x.y.wild.geo.test."})

    def test_long(self) -> None:
        """A zone larger than one message comes in several."""
        self.patch(tcp, "TRANSFER_MESSAGE", 300)
        messages = self.transfer("192.0.2.9")
        self.assertGreater(len(messages), 3)
        self.assertEqual(sum(len(message.answer) for message in messages), len(self.rig.responder.zone.records()) + 1)

    def test_others(self) -> None:
        """Everybody else, and every other name, is refused."""
        for host, name in (("192.0.2.8", "geo.test."), ("192.0.2.9", "www.geo.test."), ("192.0.2.9", "example.")):
            (message,) = self.transfer(host, name=name)
            self.assertEqual((message.rcode(), message.answer), (5, []))
