"""Tests of `cackled.realtime._direct` and `cackled.realtime.connection` on real sockets."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import tcp
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from cackled.events import Position
from cackled.realtime import _direct
from cackled.realtime.websocket import WebSocket
from cackled.transport import _private
from tests.realtime.common import HubRig
from tests.support.peers import frames, texts


class Reactor:
    """Notes who wants to write."""

    def __init__(self) -> None:
        self.writers: set[Any] = set()
        self.later: list[Any] = []

    def addReader(self, reader: object) -> None: ...

    def removeReader(self, reader: object) -> None: ...

    def addWriter(self, writer: object) -> None:
        self.writers.add(writer)

    def removeWriter(self, writer: object) -> None:
        self.writers.discard(writer)

    def callLater(self, delay: float, call: Any, *args: Any) -> None:
        self.later.append((call, args))


class SocketTests(SynchronousTestCase):
    """A TCP transport between a loopback pair."""

    def setUp(self) -> None:
        self.reactor = Reactor()
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.theirs = socket.create_connection(server.getsockname())
            ours, _ = server.accept()
        self.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        self.transport: Any = tcp.Connection(ours, Protocol(), self.reactor)  # type: ignore[arg-type]
        self.transport.connected = 1
        self.addCleanup(ours.close)
        self.addCleanup(self.theirs.close)

    def read(self, size: int) -> bytes:
        self.theirs.settimeout(5)
        data = b""
        while len(data) < size:
            while self.reactor.writers:
                self.transport.doWrite()
                if self.transport.dataBuffer or self.transport._tempDataBuffer:
                    break
            data += self.theirs.recv(65_536)
        return data

    def test_this_twisted_is_known(self) -> None:
        """The private attributes are where we look for them: a change in Twisted is found here, not in production."""
        self.assertTrue(_direct.usable(self.transport))
        transport = self.transport
        self.assertEqual((transport.dataBuffer, transport._tempDataBuffer, transport.offset), (b"", [], 0))
        self.transport.write(b"12345")
        self.assertEqual(_direct.held(self.transport), 5)

    def test_not_usable(self) -> None:
        """Other transports, TLS, and a producer: no."""
        self.assertFalse(_direct.usable(StringTransport()))
        self.assertEqual(_direct.held(StringTransport()), 0)
        self.transport.TLS = True
        self.assertFalse(_direct.usable(self.transport))
        self.transport.TLS = False
        self.transport.registerProducer(object(), True)
        self.assertFalse(_direct.usable(self.transport))

    def test_unknown_twisted(self) -> None:
        """Where a Twisted keeps its bytes elsewhere, all goes by ``write``, and nothing looks for what waits."""
        self.patch(_direct, "_SUPPORTED", [])
        self.patch(_private, "supported", lambda: False)
        self.patch(_private, "unsent", lambda connection: self.fail("this Twisted is not known"))
        rig = HubRig(client_buffer=50_000)
        connection = WebSocket(rig.gate, None, ())
        self.transport.protocol = connection
        connection.makeConnection(self.transport)
        connection.begin(b"", [Position.parse("1/5@0")])
        rig.post(3)
        connection.beat()
        self.assertEqual(connection.room(), 50_000)
        self.assertEqual([one.get("seq") for one in texts(self.read(300))], [None, 0, 1, 2, 3])

    def test_straight_out(self) -> None:
        """Goes to the kernel without the reactor hearing of it."""
        self.assertEqual(_direct.send(self.transport, b"hello"), 0)
        self.assertEqual(self.reactor.writers, set())
        self.assertEqual(self.read(5), b"hello")

    def test_order_is_kept(self) -> None:
        """What does not fit waits in the transport, what comes later waits behind it, and all arrives in order."""
        _direct.tune(self.transport)
        sent, held = b"", 0
        number = 0
        while held < 200_000:
            data = b"%06d" % number * 1_000
            number += 1
            held = _direct.send(self.transport, data)
            sent += data
        self.assertEqual(self.reactor.writers, {self.transport})
        self.assertEqual(held, _direct.held(self.transport))
        self.assertEqual(self.read(len(sent)), sent)
        self.assertEqual(_direct.send(self.transport, b"after"), 0)
        self.assertEqual(self.read(5), b"after")

    def test_kernel_buffer_is_capped(self) -> None:
        """A client that does not read makes the kernel hold little."""
        _direct.tune(self.transport)
        handle = self.transport.socket
        self.assertLessEqual(handle.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF), 2 * _direct.SEND_BUFFER)
        self.assertTrue(handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        taken = 0
        while not _direct.send(self.transport, b"x" * 1_000):
            taken += 1_000
        self.assertLess(taken, 600_000)

    def test_dead(self) -> None:
        """A connection that the peer has reset, and one that is closed here, are -1."""
        self.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.theirs.close()
        results = {_direct.send(self.transport, b"x") for _ in range(5)}
        self.assertIn(-1, results)
        del self.transport.socket
        self.assertEqual(_direct.send(self.transport, b"x"), -1)

    def test_slow_client_is_dropped(self) -> None:
        """A subscriber that reads nothing is cut off at its bound, is counted, and could resume by its position."""
        rig = HubRig(client_buffer=50_000)
        connection = WebSocket(rig.gate, None)
        self.transport.protocol = connection
        connection.makeConnection(self.transport)
        connection.begin(b"", [Position.parse("1/5@0")])
        other = rig.client("1/5@0")
        most = 0
        for _ in range(2_000):
            event = rig.log.commit(1, 5, data=b'"' + b"x" * 2_000 + b'"')
            rig.hub.deliver(event)
            rig.clock.advance(0)
            most = max(most, _direct.held(self.transport)) if connection.state == 0 else most
            if connection.state:
                break
        self.assertEqual(rig.metrics.value("realtime_dropped_total", reason="slow"), 1)
        self.assertLessEqual(most, 50_000)
        self.assertEqual(rig.hub.stats().sessions, {"fake": 1})
        self.assertEqual(other.seqs, list(range(1, rig.log.current() + 1)))
        self.assertTrue(self.reactor.later)

    def test_subscriber(self) -> None:
        """Handshake, event and goodbye over a socket, without one write through the reactor."""
        rig = HubRig()
        connection = WebSocket(rig.gate, None)
        connection.makeConnection(self.transport)
        connection.begin(b"101", [Position.parse("1/5@0")])
        rig.post()
        self.assertEqual(self.reactor.writers, set())
        data = self.theirs.recv(65_536)
        self.assertTrue(data.startswith(b"101"))
        self.assertEqual([m["type"] for m in texts(data[3:])], ["hello", "recovered", "comment.created"])
        connection.close("moved")
        self.assertEqual(frames(self.theirs.recv(100))[0][0], 8)
