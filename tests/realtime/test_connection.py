"""Tests of `cackled.realtime.connection` on transports without a socket; with one: test_direct."""

from __future__ import annotations

import sys

from twisted.internet.interfaces import IProtocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from cackled.realtime import _direct
from cackled.realtime.channel import Channel, Subscription
from cackled.realtime.connection import CLOSING, DEAD, Connection
from cackled.realtime.messages import Message
from cackled.realtime.websocket import WebSocket
from tests.realtime.common import HubRig
from tests.support.peers import Wire


class ConnectionTests(SynchronousTestCase):
    """The way out and the end."""

    def setUp(self) -> None:
        self.rig = HubRig(client_buffer=1_000)
        self.wire = Wire()
        self.connection = Connection(self.rig.hub)
        self.connection.makeConnection(self.wire)

    def test_slotted_protocol(self) -> None:
        """It is an IProtocol, and carries no dict."""
        verifyObject(IProtocol, self.connection)
        for made in (self.connection, WebSocket(self.rig.gate, None, None)):
            self.assertFalse(hasattr(made, "__dict__"))
        self.assertLess(sys.getsizeof(WebSocket(self.rig.gate, None, None)), 208)

    def test_cork(self) -> None:
        """What is sent between cork and uncork is one write, and counts as waiting."""
        writes: list[bytes] = []
        self.wire.write = writes.append  # type: ignore[method-assign]
        self.connection.cork()
        self.connection.send(b"one")
        self.connection.send(b"two")
        self.assertEqual((writes, self.connection.room()), ([], 994))
        self.connection.uncork()
        self.connection.send(b"three")
        self.assertEqual(writes, [b"onetwo", b"three"])

    def test_lost_while_corked(self) -> None:
        """Nothing is sent to a connection that is gone."""
        self.connection.cork()
        self.connection.send(b"one")
        self.connection.abort()
        self.connection.uncork()
        self.assertEqual((self.wire.value(), self.connection.state), (b"", DEAD))

    def test_after_the_end(self) -> None:
        """Closed or lost: nothing more is sent, there is no room, and the hub has forgotten it."""
        self.connection.close("stopping")
        self.assertEqual(self.connection.state, CLOSING)
        self.connection.send(b"late")
        self.assertEqual((self.wire.value(), self.connection.room()), (b"", 0))
        self.connection.connectionLost()
        self.connection.abort()
        self.assertFalse(self.wire.aborted)
        self.assertEqual(self.rig.hub.stats().sessions, {})

    def test_room(self) -> None:
        """What the transport holds already is no room."""
        self.patch(_direct, "held", lambda transport: 300)
        self.assertEqual(self.connection.room(), 700)

    def test_abstract(self) -> None:
        """What a transport must say for itself is not guessed."""
        for call in (
            lambda: self.connection.control(Message(b"{}")), lambda: self.connection.move(Message(b"{}")),
            self.connection.beat, lambda: self.connection.expire(Subscription(self.connection, Channel(1, 5), 0)),
        ):  # fmt: skip
            self.assertRaises(NotImplementedError, call)
