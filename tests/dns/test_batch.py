"""The batching descriptor does all that the plain one does, and the same over IPv6."""

from __future__ import annotations

import socket
import sys

from twisted.trial.unittest import SynchronousTestCase

from cackled.dns.batch import REPLY, BatchReader, available
from cackled.dns.udp import bind_udp
from cackled.dns.wire import EDNS_SIZE

from . import test_udp

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
