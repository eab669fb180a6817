"""Tests of the transports of our listeners, plain and TLS: what a protocol and a client can rely on."""

from __future__ import annotations

import os
import socket
import ssl
from typing import Any

from twisted.internet.interfaces import IPushProducer, ISSLTransport, ITCPTransport, ITransport
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from cackled.transport.endpoints import PublicEndpoint
from tests.support.sockets import Peer, Reactor, client_context
from tests.transport.test_tls import pem


class Recorder(Protocol):
    """Keeps what comes, and the reason of the end."""

    def __init__(self) -> None:
        self.data = b""
        self.reason: Any = None
        self.hook: Any = None

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        if self.hook is not None:
            self.hook()

    def connectionLost(self, reason: Any = None) -> None:
        assert self.reason is None, "told twice"
        self.reason = reason.type.__name__


class Records(Factory):
    """Makes `Recorder`; the last one is ``last``."""

    noisy = False
    last: Recorder

    def buildProtocol(self, addr: Any) -> Recorder:
        self.addr = addr
        self.last = Recorder()
        return self.last


class Producer:
    """Remembers what it was told; with data, a pull producer."""

    def __init__(self, transport: Any = None, pieces: int = 0) -> None:
        self.told: list[str] = []
        self.transport, self.pieces = transport, pieces

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")
        if self.transport is not None:
            if self.pieces:
                self.pieces -= 1
                self.transport.write(b"x" * 100_000)
            else:
                self.transport.unregisterProducer()

    def stopProducing(self) -> None:
        self.told.append("stop")


class PlainTests(SynchronousTestCase):
    """Plain TCP."""

    tls = False

    def setUp(self) -> None:
        """A listener and a client."""
        certs = None
        if self.tls:
            certs = self.mktemp()
            os.makedirs(certs)
            with open(os.path.join(certs, "a.pem"), "wb") as file:
                file.write(pem("a.example"))
        self.reactor = Reactor()
        self.factory = Records()
        endpoint = PublicEndpoint(self.reactor, 0, "127.0.0.1", certs=certs)
        self.listener: Any = endpoint.listen_on(endpoint.bind(), self.factory)
        self.addCleanup(self.listener.stopListening)
        self.addCleanup(endpoint.close)
        self.peer = Peer(self.listener, client_context() if self.tls else None)
        if self.tls:
            self.peer.handshake()
        self.protocol = self.factory.last
        self.transport: Any = self.protocol.transport
        self.addCleanup(self.finish)

    def finish(self) -> None:
        self.peer.close()
        if self.transport.connected:
            self.transport.abortConnection()
        self.reactor.turn(3)

    def test_interfaces(self) -> None:
        """Twisted's protocols find what they look for."""
        for interface in (ITransport, ITCPTransport, IPushProducer):
            verifyObject(interface, self.transport)
        self.assertEqual(ISSLTransport.providedBy(self.transport), self.tls)
        self.assertEqual(self.transport.getPeer(), self.factory.addr)
        self.assertEqual(self.transport.getHost().port, self.listener.getHost().port)
        self.assertTrue(self.transport.getTcpNoDelay())
        self.assertFalse(hasattr(self.transport, "__dict__"))

    def test_at_once(self) -> None:
        """What is written goes to the kernel without the reactor hearing of it."""
        self.assertEqual(self.transport.push(b"hello"), 0)
        self.assertNotIn(self.transport, self.reactor.writers)
        self.assertEqual(self.peer.read(5), b"hello")
        self.peer.send(b"and back")
        self.assertEqual(self.protocol.data, b"and back")

    def test_order(self) -> None:
        """What does not fit waits, later writes wait behind it, and all arrives once, in order, then the end."""
        sent = b""
        for number in range(400):
            data = b"%08d" % number * (1 + number * 7 % 4000)
            self.transport.write(data)
            sent += data
        self.assertGreater(self.transport.held, 0)
        self.assertIn(self.transport, self.reactor.writers)
        self.transport.loseConnection()
        got = self.peer.rest()
        self.assertEqual(len(got), len(sent))
        self.assertEqual(got, sent)
        self.reactor.turn(2)
        self.assertEqual(self.protocol.reason, "ConnectionDone")
        self.assertEqual(self.transport.held, 0)

    def test_large(self) -> None:
        """A piece far larger than a record or the kernel's buffer arrives whole, written to while it leaves."""
        data = os.urandom(20_000_000)
        held = self.transport.push(data)
        self.assertEqual(held, self.transport.held)
        self.assertTrue(0 < held <= len(data))
        got = self.peer.read(100_000)
        self.transport.push(b"tail")
        got += self.peer.read(len(data) + 4 - len(got))
        self.assertEqual(got, data + b"tail")
        self.assertEqual(self.transport.held, 0)

    def test_large_input(self) -> None:
        """Everything a client sends arrives, however large."""
        data = os.urandom(1_000_000)
        self.peer.send(data)
        for _ in range(200):
            self.reactor.turn()
        self.assertEqual(self.protocol.data, data)

    def test_lose_within_a_read(self) -> None:
        """A protocol that answers and closes in one go is told of the end afterwards, once."""

        def hook() -> None:
            self.transport.write(b"bye")
            self.transport.loseConnection()
            self.transport.write(b"too late")
            self.assertIsNone(self.protocol.reason)

        self.protocol.hook = hook
        self.peer.send(b"x")
        self.assertEqual(self.protocol.reason, "ConnectionDone")
        self.assertEqual(self.peer.rest(), b"bye")
        self.assertEqual(self.transport.push(b"x"), -1)
        self.assertEqual((self.reactor.readers, self.reactor.writers), ({self.listener}, set()))

    def test_abort(self) -> None:
        """An abort is told in the next turn, also when it comes in the middle of a read."""
        self.protocol.hook = self.transport.abortConnection
        self.peer.socket.send(b"x")
        self.transport.doRead()
        self.assertIsNone(self.protocol.reason)
        self.reactor.turn(2)
        self.assertEqual(self.protocol.reason, "ConnectionAborted")
        if not self.tls:
            self.assertRaises(OSError, self.peer.rest)

    def test_peer_closes(self) -> None:
        """The end of the client is told."""
        self.peer.socket.close()
        self.reactor.turn(2)
        self.assertIn(self.protocol.reason, ("ConnectionDone", "ConnectionLost"))

    def test_peer_resets(self) -> None:
        """A client that breaks off while much waits for it is no error but the connection's end."""
        self.transport.write(b"x" * 5_000_000)
        self.peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.peer.socket.close()
        self.reactor.turn(5)
        self.assertEqual(self.protocol.reason, "ConnectionLost")
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_half_close(self) -> None:
        """After our end of output what waited arrives, then the end; the client's rest does no harm."""
        self.transport.write(b"x" * 4_000_000)
        self.transport.loseWriteConnection()
        self.assertEqual(len(self.peer.rest()), 4_000_000)
        self.assertIsNone(self.protocol.reason)
        self.assertEqual(self.transport.push(b"x"), -1)
        raw = self.peer.socket
        if not self.tls:
            raw.send(b"still here")
            self.reactor.turn(2)
            self.assertEqual(self.protocol.data, b"still here")
        raw.close()
        self.reactor.turn(3)
        self.assertIn(self.protocol.reason, ("ConnectionDone", "ConnectionLost"))

    def test_push_producer(self) -> None:
        """Paused when much waits, resumed when nothing does, stopped at the end; it holds up a close."""
        producer = Producer()
        self.transport.registerProducer(producer, True)
        self.assertRaises(RuntimeError, self.transport.registerProducer, producer, True)
        self.transport.write(b"x" * 8_000_000)
        self.assertEqual(producer.told, ["pause"])
        self.peer.read(8_000_000)
        self.reactor.turn(2)
        self.assertEqual(producer.told, ["pause", "resume"])
        self.transport.loseConnection()
        self.reactor.turn(3)
        self.assertIsNone(self.protocol.reason)
        self.transport.unregisterProducer()
        self.reactor.turn(3)
        self.assertEqual(self.protocol.reason, "ConnectionDone")
        other = Producer()
        self.transport.registerProducer(other, True)
        self.assertEqual(other.told, ["stop"])

    def test_pull_producer(self) -> None:
        """Asked again and again, as the client takes it."""
        producer = Producer(self.transport, 40)
        self.transport.registerProducer(producer, False)
        self.assertEqual(len(self.peer.read(4_000_000)), 4_000_000)
        self.reactor.turn(3)
        self.assertEqual(producer.told, ["resume"] * 41)
        self.assertNotIn(self.transport, self.reactor.writers)

    def test_producer_is_stopped(self) -> None:
        """A producer hears of the connection's end."""
        producer = Producer()
        self.transport.registerProducer(producer, True)
        self.transport.abortConnection()
        self.reactor.turn(2)
        self.assertEqual(producer.told, ["stop"])

    def test_pause_reading(self) -> None:
        """Nothing is read while paused."""
        self.transport.pauseProducing()
        self.peer.send(b"later")
        self.assertEqual(self.protocol.data, b"")
        self.transport.resumeProducing()
        self.reactor.turn(2)
        self.assertEqual(self.protocol.data, b"later")


class TlsTests(PlainTests):
    """The same over TLS."""

    tls = True

    def test_goodbye(self) -> None:
        """The end is said in the protocol (close_notify), before the connection's."""
        self.transport.write(b"all")
        self.transport.loseConnection()
        self.reactor.turn(2)
        # recv gives b"" for close_notify, and raises for an end without it.
        self.peer.socket.suppress_ragged_eofs = False
        self.assertEqual(self.peer.rest(), b"all")

    def test_goodbye_when_full(self) -> None:
        """Also when the kernel has no room for it at first."""
        self.transport.write(b"x" * 6_000_000)
        self.transport.loseConnection()
        self.peer.socket.suppress_ragged_eofs = False
        self.assertEqual(len(self.peer.rest()), 6_000_000)

    def test_peers_goodbye(self) -> None:
        """A client that says goodbye ends the connection in order."""
        try:
            self.peer.socket.unwrap()
        except ssl.SSLError:
            pass
        self.reactor.turn(3)
        self.assertEqual(self.protocol.reason, "ConnectionDone")

    def test_rubbish(self) -> None:
        """Bytes that are no TLS end the connection, without an error in the log."""
        raw = socket.socket(fileno=os.dup(self.peer.socket.fileno()))
        raw.send(b"\x17\x03\x03\x00\x20" + bytes(32))
        raw.close()
        self.reactor.turn(3)
        self.assertEqual(self.protocol.reason, "ConnectionLost")
        self.assertEqual(self.transport.push(b"x"), -1)
        self.assertEqual(self.flushLoggedErrors(), [])
