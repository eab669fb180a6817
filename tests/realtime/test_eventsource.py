"""Tests of `cackled.realtime.eventsource`."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.events import Position
from cackled.realtime import _direct
from cackled.realtime.access import read_query
from cackled.realtime.eventsource import INPUT_BYTES, EventSource
from tests.realtime.common import HubRig
from tests.realtime.stream import EventStream
from tests.support.peers import Wire, blocks

TEXT = st.text(max_size=20)
JSON = st.recursive(TEXT | st.none() | st.integers(), lambda inner: st.dictionaries(TEXT, inner, max_size=3))


class EventSourceTests(SynchronousTestCase):
    """A subscriber on an event stream."""

    def setUp(self) -> None:
        self.rig = HubRig()

    def connect(self, *positions: str, origin: str | None = None) -> tuple[EventSource, Wire]:
        wire = Wire()
        source = EventSource(self.rig.gate)
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
        self.rig.post(3)
        _, wire = self.connect("1/5@3", "1/6@0")
        self.rig.post(channel=6)
        self.rig.post(channel=5)
        messages, last = blocks(wire.value())
        self.assertEqual([m["type"] for m in messages][-2:], ["comment.created"] * 2)
        self.assertEqual(last, "1/5@4 1/6@1")

    def test_several_at_once(self) -> None:
        """Events that come together leave together, each as a block of its own with the id that fits it."""
        for more, rest in ((("1/6@0",), " 1/6@0"), ((), "")):
            self.setUp()
            _, wire = self.connect("1/5@0", *more)
            wire.clear()
            self.rig.hub.hold(True)
            self.rig.post(3)
            self.assertEqual(wire.value(), b"")
            self.rig.hub.hold(False)
            stream = wire.value().decode()
            self.assertEqual([line[4:] for line in stream.split("\n") if line.startswith("id: ")],
                             [f"1/5@{seq}{rest}" for seq in (1, 2, 3)])  # fmt: skip
            self.assertEqual([message["seq"] for message in blocks(wire.value())[0]], [1, 2, 3])

    def test_id_in_the_middle_of_catching_up(self) -> None:
        """A stream that breaks while it catches up resumes from there: ids fit each event."""
        self.rig.post(4)
        _, wire = self.connect("1/5@1", "1/6")
        stream = wire.value().decode()
        ids = [line for line in stream.split("\n") if line.startswith("id:") and "1/6@" not in line]
        self.assertEqual(ids, [f"id: 1/5@{seq}" for seq in (2, 3, 4, 4)])

    def test_signals_leave_the_id(self) -> None:
        """What has no number has no id."""
        _, wire = self.connect("1/5@0")
        wire.clear()
        self.rig.hub.signal(1, 5, "typing", {"name": "Ann"})
        self.assertNotIn(b"id:", wire.value())
        self.assertEqual(blocks(wire.value())[0][0]["type"], "typing")

    def read(self, wire: Wire, pieces: list[int] | None = None) -> EventStream:
        """What a browser makes of all that was sent, in *pieces* of so many bytes."""
        body = wire.value().split(b"\r\n\r\n", 1)[1]
        stream = EventStream()
        for size in pieces or ():
            stream.feed(body[:size])
            body = body[size:]
        stream.feed(body)
        return stream

    def test_as_the_standard_has_it(self) -> None:
        """Read by the letter of the standard: default events of JSON, a retry, the id at whatever has a number."""
        self.rig.post(2)
        source, wire = self.connect("1/5@1", "1/6@0")
        self.rig.hub.signal(1, 5, "typing", {"name": "Ann"})
        source.beat()
        self.rig.post(channel=6)
        stream = self.read(wire)
        self.assertEqual({event.type for event in stream.events}, {"message"})
        said = [(json.loads(event.data), event.last_event_id) for event in stream.events]
        self.assertEqual(
            [(one["type"], place) for one, place in said],
            [
                ("hello", ""), ("comment.created", "1/5@2"), ("recovered", "1/5@2"), ("recovered", "1/5@2 1/6@0"),
                ("typing", "1/5@2 1/6@0"), ("comment.created", "1/5@2 1/6@1"),
            ],
        )  # fmt: skip
        self.assertTrue(1_000 <= (stream.retry or 0) <= 5_000)
        self.assertEqual(stream.comments, 1)

    @given(
        st.lists(st.tuples(TEXT, JSON, st.sampled_from(["", "\n", "\r", "\r\n", " \n\n "])), max_size=5),
        st.lists(st.integers(1, 60), max_size=20),
    )
    def test_any_event(self, given: list[tuple[str, object, str]], pieces: list[int]) -> None:
        """Whatever is in the events, raw line breaks in their JSON too, however the bytes are cut: each comes once and
        whole, with its place; and what a reader that begins anew at any id has missed follows from there.
        """
        self.rig = HubRig()
        _, wire = self.connect("1/5@0")
        for type, data, between in given:
            text = json.dumps([data, "\ufeff:\u2028"], ensure_ascii=False).replace(", ", f",{between} ")
            event = self.rig.log.commit(type=type, data=text.encode("utf-8", "surrogatepass"))
            self.rig.hub.deliver(event)
        events = self.read(wire, pieces).events[2:]
        self.assertEqual([json.loads(event.data)["type"] for event in events], [type for type, *_ in given])
        self.assertEqual([event.last_event_id for event in events], [f"1/5@{n}" for n in range(1, len(given) + 1)])
        for event, (_, data, _) in zip(events, given, strict=True):
            self.assertEqual(json.loads(event.data)["data"][0], data)
        for event in events:
            query = read_query({b"sub": [b"1/5@0"]}, 10, last_event_id=event.last_event_id.encode())
            _, again = self.connect(*map(str, query.positions))
            rest = [json.loads(one.data)["seq"] for one in self.read(again).events[1:]]
            seq = query.positions[0].seq
            self.assertEqual(rest, [*range(seq + 1, len(given) + 1), len(given)])

    def test_heartbeat(self) -> None:
        """A comment; a client that takes nothing between two beats is dead, one that takes something is not."""
        source, wire = self.connect("1/5")
        wire.clear()
        held = [0, 500, 400, 400]
        self.patch(_direct, "held", lambda transport: held[0])
        for _ in range(3):
            source.beat()
            held.pop(0)
        self.rig.clock.advance(0)
        self.assertFalse(wire.aborted)
        source.beat()
        self.rig.clock.advance(0)
        self.assertTrue(wire.aborted)
        self.assertTrue(wire.value().startswith(b":\n\n"))

    def test_talkative_client(self) -> None:
        """What the client sends is dropped, and too much of it ends the connection."""
        source, wire = self.connect("1/5")
        source.dataReceived(b"x" * INPUT_BYTES)
        self.rig.clock.advance(0)
        self.assertFalse(wire.aborted)
        source.dataReceived(b"x")
        self.rig.clock.advance(0)
        self.assertTrue(wire.aborted)

    def test_close(self) -> None:
        """A new retry, then the end."""
        source, wire = self.connect("1/5")
        wire.clear()
        source.close("moved")
        self.assertTrue(wire.value().startswith(b"retry: "))
        self.assertTrue(wire.disconnecting)
        self.rig.hub.start()
        self.addCleanup(self.rig.hub.stop)
        self.rig.seconds(5)
        self.assertTrue(wire.aborted)

    def test_more_than_fits(self) -> None:
        """A replay that is more than may wait ends with `move` and the end of the stream: nothing follows."""
        self.rig = HubRig(client_buffer=1_000)
        self.rig.client("1/5")
        self.rig.post(20)
        seen: list[int] = []
        place = "1/5@0"
        for _ in range(20):
            _, wire = self.connect(place)
            self.rig.post()
            messages, place = blocks(wire.value())
            seen += [message["seq"] for message in messages if message["type"] == "comment.created"]
            if messages[-1]["type"] != "move":
                break
            self.assertTrue(wire.disconnecting)
        self.assertEqual(seen, list(range(1, seen[-1] + 1)))
        self.assertGreater(seen[-1], 20)
        self.assertFalse(wire.disconnecting)

    def test_ids_are_counted(self) -> None:
        """With many channels the ids are most of a replay: it is bounded all the same, and nothing is missing."""
        self.rig = HubRig(client_buffer=8_000)
        channels = range(10**18, 10**18 + 20)
        seqs = {f"1/{channel}": 0 for channel in channels}
        for channel in channels:
            self.rig.client(f"1/{channel}")
            self.rig.post(10, channel=channel)
        connects = 0
        while connects < 100:
            connects += 1
            _, wire = self.connect(*(f"{sub}@{seq}" for sub, seq in seqs.items()))
            self.assertLess(len(wire.value()), 9_500)
            for message in blocks(wire.value())[0]:
                if "seq" in message and message.get("recovered") is None:
                    self.assertEqual(message["seq"], seqs[message["sub"]] + 1)
                    seqs[message["sub"]] += 1
                self.assertNotEqual(message.get("recovered"), False)
            if not wire.disconnecting:
                break
        self.assertEqual(set(seqs.values()), {10})
        self.assertGreater(connects, 5)

    def test_grant_runs_out(self) -> None:
        """The stream says which channel needs another grant, keeps its place, and ends."""
        self.rig.hub.start()
        self.addCleanup(self.rig.hub.stop)
        wire = Wire()
        source = EventSource(self.rig.gate)
        source.makeConnection(wire)
        source.begin([Position.parse("1/5@0"), Position.parse("1/6@0")], None, ("5",))
        self.rig.post(2)
        self.rig.seconds(10)
        self.rig.post(1)
        messages, last = blocks(wire.value())
        self.assertEqual(messages[-1], {"type": "error", "code": "token", "sub": "1/5"})
        self.assertEqual((last, wire.disconnecting), ("1/5@2 1/6@0", True))
