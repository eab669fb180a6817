"""The UDP descriptor on real sockets of the loopback, driven by hand."""

from __future__ import annotations

import socket

from twisted.trial.unittest import SynchronousTestCase

from cackled.dns.udp import UdpReader, bind_udp


class FakeReactor:
    def __init__(self) -> None:
        self.readers: set[object] = set()

    def addReader(self, reader: object) -> None:
        self.readers.add(reader)

    def removeReader(self, reader: object) -> None:
        self.readers.discard(reader)


class UdpReaderTests(SynchronousTestCase):
    reader_class: type[UdpReader] = UdpReader

    def setUp(self) -> None:
        self.asked: list[bytes] = []
        self.hosts: set[str] = set()
        self.reactor = FakeReactor()
        sock = bind_udp(socket.AF_INET, ("127.0.0.1", 0))
        self.reader = self.reader_class(self.reactor, sock, self.handle)  # type: ignore[arg-type]
        self.reader.start()
        self.address = self.reader._socket.getsockname()
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.bind(("127.0.0.1", 0))
        self.client.setblocking(False)
        self.addCleanup(self.client.close)
        self.addCleanup(self.reader.stop)

    def handle(self, data: bytes, host: str) -> bytes | None:
        self.asked.append(data)
        self.hosts.add(host)
        return None if data == b"silence" else data.upper()

    def test_answers(self) -> None:
        """What `handle` returns goes back to the sender; None sends nothing."""
        for data in (b"one", b"silence", b"two"):
            self.client.sendto(data, self.address)
        self.reader.doRead()
        self.assertEqual([self.client.recv(100), self.client.recv(100)], [b"ONE", b"TWO"])
        self.assertEqual((self.reader.queries, self.reader.replies), (3, 2))
        self.assertEqual(self.hosts, {"127.0.0.1"})
        self.reader.doRead()

    def test_replies_reach_their_askers(self) -> None:
        """Of many clients in one turn, some of them left without answer, each gets its own replies, whole."""
        clients = []
        for number in range(8):
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            client.bind(("127.0.0.1", 0))
            client.setblocking(False)
            self.addCleanup(client.close)
            clients.append(client)
            for turn in range(5):
                query = b"%d" % number * (100 * turn + 1)
                client.sendto(query if (number + turn) % 3 else b"silence", self.address)
        for _ in range(3):
            self.reader.doRead()
        for number, client in enumerate(clients):
            for turn in range(5):
                if (number + turn) % 3:
                    self.assertEqual(client.recv(4096), b"%d" % number * (100 * turn + 1))
            self.assertRaises(BlockingIOError, client.recv, 100)

    def test_large(self) -> None:
        """The largest reply there is goes out, the empty query comes in."""
        pattern = bytes(range(96)) * 60
        for size in (0, 1232, 5000, 512, 513):
            self.client.sendto(pattern[:size], self.address)
        self.reader.doRead()
        self.assertEqual(self.asked, [pattern[:size] for size in (0, 1232, 4096, 512, 513)])
        self.assertEqual(len(self.client.recv(5000)), 0)
        self.assertEqual(len(self.client.recv(5000)), 1232)

    def test_batch(self) -> None:
        """One turn answers a limited number; the rest waits for the next."""
        for number in range(self.reader.turn + 5):
            self.client.sendto(str(number).encode(), self.address)
        self.reader.doRead()
        self.assertEqual(len(self.asked), self.reader.turn)
        self.reader.doRead()
        self.assertEqual(len(self.asked), self.reader.turn + 5)

    def test_unreachable_client(self) -> None:
        """A client that is gone by the time of the answer disturbs nobody."""
        gone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        gone.sendto(b"bye", self.address)
        gone.close()
        self.reader.doRead()
        self.client.sendto(b"here", self.address)
        self.reader.doRead()
        self.assertEqual(self.client.recv(100), b"HERE")

    def test_figures(self) -> None:
        """The receive buffer is more than the default, and the kernel's drops are found and counted."""
        self.assertGreater(self.reader.receive_buffer, 0)
        self.assertEqual(self.reader.kernel_drops(), 0)
        small = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        small.bind(("127.0.0.1", 0))
        reader = self.reader_class(self.reactor, small, self.handle)  # type: ignore[arg-type]
        self.addCleanup(reader.stop)
        for _ in range(200):
            self.client.sendto(bytes(500), small.getsockname())
        self.assertGreater(reader.kernel_drops(), 0)

    def test_stop(self) -> None:
        """After the end the reactor has nothing of it."""
        self.reader.stop()
        self.assertEqual((self.reactor.readers, self.reader.fileno()), (set(), -1))
        self.reader.doRead()
