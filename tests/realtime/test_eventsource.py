"""Tests of `cackled.realtime.eventsource`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from cackled.events import Position
from cackled.realtime import _direct
from cackled.realtime.eventsource import INPUT_BYTES, EventSource
from tests.realtime.common import House
from tests.realtime.peers import Wire, blocks


class EventSourceTests(SynchronousTestCase):
    """A subscriber on an event stream."""

    def setUp(self) -> None:
        self.house = House()

    def connect(self, *positions: str, origin: str | None = None) -> tuple[EventSource, Wire]:
        wire = Wire()
        source = EventSource(self.house.gate)
        source.makeConnection(wire)
        source.begin([Position.parse(text) for text in positions], origin)
        return source, wire

    def test_head(self) -> None:
        """Not stored, not buffered, readable for the page's origin; LF endings in the stream; a jittered retry."""
        _, wire = self.connect("1/5", origin="https://a.example")
        head, stream = wire.value().split(b"\r\n\r\n", 1)
        lines = head.split(b"\r\n")
        for expected in (
            b"HTTP/1.1 200 OK", b"Content-Type: text/event-stream; charset=utf-8", b"Cache-Control: no-store",
            b"X-Accel-Buffering: no", b"Access-Control-Allow-Origin: https://a.example", b"Vary: Origin",
        ):  # fmt: skip
            self.assertIn(expected, lines)
        self.assertNotIn(b"\r", stream)
        retry = int(stream.split(b"\n")[0].removeprefix(b"retry: "))
        self.assertTrue(1_000 <= retry <= 5_000)
        _, other = self.connect("1/5")
        self.assertNotEqual(other.value().split(b"retry: ")[1][:4], str(retry).encode())

    def test_id_holds_all_positions(self) -> None:
        """Each numbered message leaves the id at where the connection stands in all its channels."""
        self.house.post(3)
        _, wire = self.connect("1/5@3", "1/6@0")
        self.house.post(channel=6)
        self.house.post(channel=5)
        messages, last = blocks(wire.value())
        self.assertEqual([m["type"] for m in messages][-2:], ["comment.created"] * 2)
        self.assertEqual(last, "1/5@4 1/6@1")

    def test_id_in_the_middle_of_catching_up(self) -> None:
        """A stream that breaks while it catches up resumes from there: ids fit each event."""
        self.house.post(4)
        _, wire = self.connect("1/5@1", "1/6")
        stream = wire.value().decode()
        ids = [line for line in stream.split("\n") if line.startswith("id:") and "1/6@" not in line]
        self.assertEqual(ids, [f"id: 1/5@{seq}" for seq in (2, 3, 4, 4)])

    def test_signals_leave_the_id(self) -> None:
        """What has no number has no id."""
        _, wire = self.connect("1/5@0")
        wire.clear()
        self.house.hub.signal(1, 5, "typing", {"name": "Ann"})
        self.assertNotIn(b"id:", wire.value())
        self.assertEqual(blocks(wire.value())[0][0]["type"], "typing")

    def test_heartbeat(self) -> None:
        """A comment; a client that takes nothing between two beats is dead, one that takes something is not."""
        source, wire = self.connect("1/5")
        wire.clear()
        held = [0, 500, 400, 400]
        self.patch(_direct, "held", lambda transport: held[0])
        for _ in range(3):
            source.beat()
            held.pop(0)
        self.house.clock.advance(0)
        self.assertFalse(wire.aborted)
        source.beat()
        self.house.clock.advance(0)
        self.assertTrue(wire.aborted)
        self.assertTrue(wire.value().startswith(b":\n\n"))

    def test_talkative_client(self) -> None:
        """What the client sends is dropped, and too much of it ends the connection."""
        source, wire = self.connect("1/5")
        source.dataReceived(b"x" * INPUT_BYTES)
        self.house.clock.advance(0)
        self.assertFalse(wire.aborted)
        source.dataReceived(b"x")
        self.house.clock.advance(0)
        self.assertTrue(wire.aborted)

    def test_close(self) -> None:
        """A new retry, then the end."""
        source, wire = self.connect("1/5")
        wire.clear()
        source.close("moved")
        self.assertTrue(wire.value().startswith(b"retry: "))
        self.assertTrue(wire.disconnecting)
        self.house.hub.start()
        self.addCleanup(self.house.hub.stop)
        self.house.seconds(5)
        self.assertTrue(wire.aborted)
