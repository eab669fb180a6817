"""Tests of `cackled.realtime.fanout`, through the hub that it serves."""

from __future__ import annotations

import socket
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.events import Position
from cackled.realtime.connection import Connection
from cackled.realtime.eventsource import EventSource
from cackled.realtime.fanout import RUN, SENDS
from cackled.realtime.websocket import WebSocket
from cackled.transport._socket import Transport
from tests.realtime.common import HubRig
from tests.support.peers import blocks


class FanOutTests(SynchronousTestCase):
    """Many subscribers."""

    def test_slices_keep_order(self) -> None:
        """A crowd is served over several turns; every client sees the channel's order."""
        rig = HubRig()
        clients = [rig.client("1/5@0") for _ in range(SENDS + 700)]
        rig.post(3)
        served = [len(client.seqs) for client in clients]
        self.assertLess(sum(served), 3 * len(clients))
        rig.clock.pump([0] * 12)
        self.assertEqual({tuple(client.seqs) for client in clients}, {(1, 2, 3)})

    def test_together(self) -> None:
        """Events that come in one go reach each client in one delivery, in order and once; a comer between too."""
        rig = HubRig()
        clients = [rig.client("1/5@0") for _ in range(3)]
        sends: list[int] = []
        clients[0].on_deliver = lambda: sends.append(len(clients[0].seqs))
        rig.hub.hold(True)
        rig.post(4)
        self.assertEqual(clients[0].seqs, [])
        late = rig.client("1/5@2")
        rig.post(2)
        rig.post(1, channel=6)
        rig.hub.signal(1, 5, "typing", {"name": "Ann"})
        rig.post(1)
        rig.hub.hold(False)
        rig.clock.pump([0] * 4)
        self.assertEqual([client.seqs for client in clients], [[1, 2, 3, 4, 5, 6, 7]] * 3)
        self.assertEqual(late.seqs, [3, 4, 5, 6, 7])
        # Four, two more for those who listen since, the signal, and the last.
        self.assertEqual(sends, [4, 6, 6, 7])
        self.assertEqual(rig.metrics.value("realtime_deliveries_total"), 3 * 8 + 2 + 1 + 1)
        rig.post()
        self.assertEqual(late.seqs[-1], 8)

    def test_runs_are_bounded(self) -> None:
        """A burst goes out in runs that a client's buffer can take."""
        rig = HubRig()
        client = rig.client("1/5@0")
        sends: list[int] = []
        client.on_deliver = lambda: sends.append(len(client.seqs))
        rig.hub.hold(True)
        rig.post(RUN * 2 + 1)
        rig.hub.hold(False)
        rig.clock.pump([0] * 4)
        self.assertEqual(client.seqs, list(range(1, RUN * 2 + 2)))
        self.assertLessEqual(max(b - a for a, b in zip([0, *sends], sends, strict=False)), RUN)

    def test_slice_ends_with_its_time(self) -> None:
        """Slow sends end a slice before its number does."""
        rig = HubRig()
        clients = [rig.client("1/5@0") for _ in range(256)]
        for client in clients:
            client.on_deliver = lambda: setattr(rig.clock, "rightNow", rig.clock.rightNow + 1e-3)
        rig.post()
        self.assertLess(sum(len(client.seqs) for client in clients), 256)
        rig.clock.pump([0] * 10)
        self.assertEqual(sum(len(client.seqs) for client in clients), 256)

    def test_comer_during_a_fan_out(self) -> None:
        """Who subscribes while a crowd is being served gets everything once."""
        rig = HubRig()
        for _ in range(SENDS * 2):
            rig.client("1/5@0")
        rig.post(2)
        late = rig.client("1/5@0")
        rig.clock.pump([0] * 12)
        self.assertEqual(late.seqs, [1, 2])

    def test_leaver_during_a_fan_out(self) -> None:
        """Who leaves while a crowd is being served gets nothing more; who comes back does not get it twice."""
        rig = HubRig()
        clients = [rig.client("1/5@0") for _ in range(SENDS * 2)]
        rig.post(1)
        waiting = [client for client in clients if not client.seqs]
        gone, back = waiting[0], waiting[1]
        rig.hub.leave(gone)
        rig.hub.subscribe(back, Position.parse("1/5@0"))
        rig.clock.pump([0] * 12)
        self.assertEqual((gone.seqs, back.seqs), ([], [1]))

    def test_small_channel_beside_a_crowd(self) -> None:
        """A small channel is served after a slice of the big one, not after all of it."""
        rig = HubRig()
        crowd = [rig.client("1/5@0") for _ in range(SENDS * 4)]
        small = rig.client("1/6@0")
        served: list[int] = []
        small.on_deliver = lambda: served.append(sum(len(client.seqs) for client in crowd))
        rig.post(3)
        rig.post(channel=6)
        rig.clock.pump([0] * 6)
        self.assertEqual(len(served), 1)
        self.assertLessEqual(served[0], 2 * SENDS)

    def test_dead_in_the_loop(self) -> None:
        """A client condemned in the middle of a fan-out is ended after it; the others are served."""
        rig = HubRig()
        clients = [rig.client("1/5@0") for _ in range(10)]
        clients[3].on_deliver = lambda: rig.hub.condemn(clients[3], "dead")
        rig.post(2)
        rig.clock.advance(0)
        self.assertEqual(clients[3].closed, ["abort"])
        self.assertEqual({len(c.seqs) for c in clients if c is not clients[3]}, {2})
        self.assertEqual(rig.metrics.value("realtime_dropped_total", reason="dead"), 1)


class NoReactor:
    """Takes descriptors, and never looks at them."""

    def addReader(self, what: object) -> None: ...
    def addWriter(self, what: object) -> None: ...
    def removeReader(self, what: object) -> None: ...
    def removeWriter(self, what: object) -> None: ...
    def callLater(self, delay: float, call: object, *arguments: object) -> None: ...


class OwnTransportTests(SynchronousTestCase):
    """Connections of our own listeners, which are sent to without a call of theirs."""

    def setUp(self) -> None:
        self.rig = HubRig(client_buffer=2_000)

    def connect(self, connection: Connection, *positions: str) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        ours.setblocking(False)
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        transport: Any = Transport(ours, ("127.0.0.1", 5000), None, NoReactor())
        transport.protocol = connection
        connection.makeConnection(transport)
        if isinstance(connection, EventSource):
            connection.begin([Position.parse(text) for text in positions], None)
        else:
            for text in positions:
                self.rig.gate.subscribe(connection, Position.parse(text), ())
        return theirs

    def take(self, theirs: socket.socket) -> bytes:
        try:
            return theirs.recv(1 << 20)
        except BlockingIOError:
            return b""

    def test_each_its_own(self) -> None:
        """A frame, a block with one position, and a block with all positions, in one go."""
        web = self.connect(WebSocket(self.rig.gate, None, None), "1/5@0")
        one = self.connect(EventSource(self.rig.gate), "1/5@0")
        two = self.connect(EventSource(self.rig.gate), "1/6@0", "1/5@0")
        heads = [self.take(each) for each in (web, one, two)]
        self.assertTrue(all(heads))
        self.rig.post(2)
        frames = self.take(web)
        self.assertEqual((frames[:1], frames.count(b'"comment.created"')), (b"\x81", 2))
        messages, last = blocks(heads[1] + self.take(one))
        self.assertEqual(([m["seq"] for m in messages[-2:]], last), ([1, 2], "1/5@2"))
        messages, last = blocks(heads[2] + self.take(two))
        self.assertEqual(([m["seq"] for m in messages[-2:]], last), ([1, 2], "1/6@0 1/5@2"))

    def test_corked_and_closing(self) -> None:
        """What is corked comes behind what was corked before it; who is about to go gets nothing more."""
        for connection in (WebSocket(self.rig.gate, None, None), EventSource(self.rig.gate)):
            theirs = self.connect(connection, "1/5")
            self.take(theirs)
            connection.cork()
            connection.send(b"first")
            self.rig.post()
            self.assertEqual(self.take(theirs), b"")
            connection.uncork()
            said = self.take(theirs)
            self.assertTrue(said.startswith(b"first"))
            self.assertIn(b'"comment.created"', said)
            connection.close("stopping")
            said = self.take(theirs)
            self.rig.post()
            self.assertEqual(self.take(theirs), b"")

    def test_slow(self) -> None:
        """Who takes nothing is cut off once too much waits, whatever the transport."""
        for connection in (WebSocket(self.rig.gate, None, None), EventSource(self.rig.gate)):
            self.connect(connection, "1/5")
            self.assertEqual(connection.state, 0)
            for _ in range(3_000):
                # One by one: what comes in one go is a run, which takes another way.
                self.rig.post()
                self.rig.clock.pump([0])
                if connection.state:
                    break
            self.assertGreater(connection.state, 0)
