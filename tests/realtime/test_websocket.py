"""Tests of `cackled.realtime.websocket`."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyRequest

from cackled.events import Position
from cackled.realtime import access, framing, websocket
from cackled.realtime.access import Gate, Refusal
from cackled.realtime.websocket import HandshakeError, WebSocket, handshake
from tests.realtime.common import HubRig
from tests.support.peers import Wire, frames, masked, say, texts

GOOD = {
    b"upgrade": [b"websocket"], b"connection": [b"keep-alive, Upgrade"], b"sec-websocket-version": [b"13"],
    b"sec-websocket-key": [b"dGhlIHNhbXBsZSBub25jZQ=="],
}  # fmt: skip


def request(**changes: Any) -> DummyRequest:
    made = DummyRequest([b"ws"])
    made.clientproto = changes.pop("version", b"HTTP/1.1")
    for name, values in {**GOOD, **{k.replace("_", "-").encode(): v for k, v in changes.items()}}.items():
        made.requestHeaders.setRawHeaders(name, values)
    return made


class HandshakeTests(SynchronousTestCase):
    """RFC 6455 section 4."""

    def test_accept(self) -> None:
        """The RFC's own example; no extension, and the subprotocol only where it is offered."""
        lines = handshake(request(sec_websocket_extensions=[b"permessage-deflate"])).split(b"\r\n")
        self.assertEqual(lines[0], b"HTTP/1.1 101 Switching Protocols")
        self.assertIn(b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", lines)
        self.assertFalse([line for line in lines if b"Extensions" in line or b"Protocol:" in line])
        offered = handshake(request(sec_websocket_protocol=[b"other, cackle.v1"]))
        self.assertIn(b"\r\nSec-WebSocket-Protocol: cackle.v1\r\n", offered)

    def test_refused(self) -> None:
        """No WebSocket, another version, no or a wrong key, HTTP/1.0."""
        for status, changes in (
            (426, {"upgrade": []}), (426, {"upgrade": [b"h2c"]}), (426, {"connection": [b"close"]}),
            (426, {"sec_websocket_version": [b"8"]}), (426, {"sec_websocket_version": []}),
            (426, {"sec_websocket_version": [b"13", b"13"]}), (400, {"sec_websocket_key": []}),
            (400, {"sec_websocket_key": [b"c2hvcnQ="]}), (400, {"sec_websocket_key": [b"!" * 24]}),
            (400, {"sec_websocket_key": [b"dGhl IHNhbXBsZSBub25jZQ=="]}),
            (400, {"sec_websocket_key": GOOD[b"sec-websocket-key"] * 2}), (400, {"version": b"HTTP/1.0"}),
        ):  # fmt: skip
            error = self.assertRaises(HandshakeError, handshake, request(**changes))
            self.assertEqual(error.status, status, changes)
            if status == 426:
                self.assertIn((b"Sec-WebSocket-Version", b"13"), error.headers)


class ConnectionTests(SynchronousTestCase):
    """A subscriber."""

    def setUp(self) -> None:
        self.rig = HubRig()

    def connect(self, *positions: str, gate: Gate | None = None) -> tuple[WebSocket, Wire]:
        wire = Wire()
        socket = WebSocket(gate or self.rig.gate, "https://a", ("t",))
        socket.makeConnection(wire)
        socket.begin(b"", [Position.parse(text) for text in positions])
        return socket, wire

    def test_several_at_once(self) -> None:
        """Events that come together leave in one write, each in a frame of its own."""
        _, wire = self.connect("1/5@0")
        wire.clear()
        self.rig.hub.hold(True)
        self.rig.post(3)
        self.assertEqual(wire.value(), b"")
        self.rig.hub.hold(False)
        self.assertEqual([json.loads(text)["seq"] for opcode, text in frames(wire.value())], [1, 2, 3])

    def closed_with(self, wire: Wire) -> int:
        opcode, payload = frames(wire.value())[-1]
        self.assertEqual(opcode, framing.CLOSE)
        return int.from_bytes(payload[:2], "big")

    def test_greeting(self) -> None:
        """`hello` with the terms, then each subscription's `recovered`."""
        self.rig.post(2)
        _, wire = self.connect("1/5@1", "1/6")
        said = texts(wire.value())
        self.assertEqual([message["type"] for message in said], ["hello", "comment.created", "recovered", "recovered"])
        self.assertEqual(said[0]["data"]["heartbeat"], 25.0)

    def test_more_than_fits(self) -> None:
        """A replay larger than the buffer: what fits, `move`, and a close; nothing of what is live gets in between."""
        self.rig = HubRig(client_buffer=600)
        self.rig.post(9)
        _, wire = self.connect("1/5@0")
        self.rig.post()
        got = frames(wire.value())
        said = texts(wire.value())
        seqs = [message["seq"] for message in said if message["type"] == "comment.created"]
        self.assertTrue(0 < len(seqs) < 9)
        self.assertEqual(seqs, list(range(1, len(seqs) + 1)))
        self.assertEqual(said[-1]["type"], "move")
        self.assertEqual(got[-1][0], framing.CLOSE)

    def test_sub_and_unsub(self) -> None:
        """A client may take and leave channels at any time."""
        socket, wire = self.connect()
        self.rig.post(2)
        wire.clear()
        socket.dataReceived(say(type="sub", sub="1/5@1"))
        self.assertEqual([m.get("seq") for m in texts(wire.value())], [2, 2])
        socket.dataReceived(say(type="unsub", sub="1/5") + say(type="unsub", sub="1/5"))
        self.rig.post()
        self.assertEqual(texts(wire.value())[-1], {"type": "error", "code": "sub", "sub": "1/5"})

    def test_ping(self) -> None:
        """Both kinds: the protocol's and the one that browsers can send."""
        socket, wire = self.connect()
        wire.clear()
        socket.dataReceived(masked(framing.PING, b"echo") + say(type="ping"))
        self.assertEqual(frames(wire.value()), [(framing.PONG, b"echo"), (framing.TEXT, b'{"type":"pong"}')])

    def test_limit(self) -> None:
        """One subscription too many is an error; one that is there already is not."""
        self.rig = HubRig(max_subscriptions=2)
        socket, wire = self.connect("1/5", "1/6")
        wire.clear()
        socket.dataReceived(say(type="sub", sub="1/7") + say(type="sub", sub="1/6"))
        self.assertEqual([m["type"] for m in texts(wire.value())], ["error", "recovered"])
        self.assertEqual(texts(wire.value())[0]["code"], "limit")

    def test_charge(self) -> None:
        """Each channel is charged to the client's address, one in memory less; above the limit it is an error."""
        paid: list[tuple[str, float]] = []
        wait: list[float | None] = [None]

        def charge(address: str, cost: float) -> float | None:
            paid.append((address, cost))
            return wait[0]

        rig = self.rig
        gate = Gate(rig.hub, lambda *asked: rig.refusals.get(asked[0]), charge=charge)
        wire = Wire()
        socket = WebSocket(gate, "https://a", address="192.0.2.1")
        socket.makeConnection(wire)
        socket.begin(b"", [])
        rig.refusals[2] = Refusal(404, "unknown-site")
        for channel in ("1/5", "1/6", "2/5"):
            socket.dataReceived(say(type="sub", sub=channel))
        self.connect("1/7")
        socket.dataReceived(say(type="sub", sub="1/7"))
        self.assertEqual(paid, [("192.0.2.1", 1.0), ("192.0.2.1", 1.0), ("192.0.2.1", 0.1)])
        wait[0] = 3.0
        wire.clear()
        socket.dataReceived(say(type="sub", sub="1/8") + say(type="ping"))
        self.assertEqual([m.get("code") or m["type"] for m in texts(wire.value())], ["limit", "pong"])
        self.assertEqual(len(socket.subscriptions), 3)

    def test_restless(self) -> None:
        """Taking and leaving channels over and over is limited: each may cost a load."""
        self.rig = HubRig(max_subscriptions=5)
        socket, wire = self.connect()
        wire.clear()
        for _ in range(8):
            socket.dataReceived(say(type="sub", sub="1/5") + say(type="unsub", sub="1/5"))
        self.assertEqual(len([m for m in texts(wire.value()) if m["type"] == "recovered"]), 5)
        self.assertEqual([m["code"] for m in texts(wire.value()) if m["type"] == "error"], ["limit", "sub"] * 3)
        self.rig.hub.tick += websocket.SUBSCRIBE_SECONDS
        wire.clear()
        socket.dataReceived(say(type="sub", sub="1/5"))
        self.assertEqual(texts(wire.value())[0]["type"], "recovered")

    def test_other_sites_are_asked_for(self) -> None:
        """A site that was not authorised yet is; refusals come back as errors, and the connection lives on."""
        self.rig.refusals = {2: Refusal(403, "origin"), 3: Refusal(404, "site")}
        socket, wire = self.connect("1/5")
        wire.clear()
        for site in (2, 3, 4):
            socket.dataReceived(say(type="sub", sub=f"{site}/5"))
        self.assertEqual([m.get("code") for m in texts(wire.value())], ["origin", "sub", None])
        self.assertEqual(self.rig.hub.stats().subscriptions, 2)

    def test_private_channels(self) -> None:
        """Every channel is asked for, also of a site that something was subscribed of; a token may come with one,
        the newest counts first, and only so many are kept.
        """
        asked: list[tuple[int, int, tuple[str, ...]]] = []

        def authorize(site: int, channel: int, origin: str | None, tokens: tuple[str, ...]) -> Refusal | None:
            asked.append((site, channel, tokens))
            return None if f"t{channel}" in tokens or channel == 5 else Refusal(401, "bad-token")

        socket, wire = self.connect("1/5", gate=Gate(self.rig.hub, authorize))
        wire.clear()
        socket.dataReceived(say(type="sub", sub="1/6") + say(type="sub", sub="1/6", token="t6"))
        self.assertEqual([m.get("code") or m["type"] for m in texts(wire.value())], ["token", "recovered"])
        self.assertEqual(asked, [(1, 6, ("t",)), (1, 6, ("t6", "t"))])
        for number in range(access.MOST_TOKENS):
            socket.dataReceived(say(type="sub", sub="1/5", token=f"new{number}"))
        self.assertEqual(len(asked[-1][2]), access.MOST_TOKENS)
        wire.clear()
        socket.dataReceived(say(type="sub", sub="1/6"))
        self.assertEqual(texts(wire.value())[-1]["code"], "token")
        self.assertEqual({held.channel.sub for held in socket.subscriptions}, {"1/5", "1/6"})

    def test_slow_authorisation(self) -> None:
        """While it takes time the limit counts it; one that fails is an error; one that comes too late is dropped."""
        self.rig = HubRig(max_subscriptions=2)
        waiting: list[Deferred[Refusal | None]] = []

        def authorize(*question: Any) -> Deferred[Refusal | None]:
            waiting.append(Deferred())
            return waiting[-1]

        socket, wire = self.connect(gate=Gate(self.rig.hub, authorize))
        wire.clear()
        for channel in (5, 6, 7):
            # As many attempts as it likes: it is the open ones that count.
            self.rig.hub.tick += websocket.SUBSCRIBE_SECONDS
            socket.dataReceived(say(type="sub", sub=f"1/{channel}"))
        self.assertEqual([m["code"] for m in texts(wire.value())], ["limit"])
        waiting[0].errback(RuntimeError("no database"))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(texts(wire.value())[-1]["code"], "sub")
        socket.connectionLost()
        waiting[1].callback(None)
        self.assertEqual(self.rig.hub.stats().subscriptions, 0)

    def test_nonsense(self) -> None:
        """JSON that is none of ours is answered with an error; binary is closed with 1003."""
        socket, wire = self.connect()
        wire.clear()
        socket.dataReceived(masked(framing.TEXT, b"nonsense") + say(type="sub", sub="x"))
        self.assertEqual([m["code"] for m in texts(wire.value())], ["message", "message"])
        socket.dataReceived(masked(framing.BINARY, b"\0"))
        self.assertEqual(self.closed_with(wire), 1003)

    def test_too_fast(self) -> None:
        """Too many frames or bytes within a second: 1008; spread over seconds they are fine."""
        self.rig.hub.start()
        self.addCleanup(self.rig.hub.stop)
        socket, wire = self.connect()
        for _ in range(3):
            socket.dataReceived(masked(framing.PONG) * websocket.FRAMES_PER_SECOND)
            self.rig.seconds(1)
        self.assertEqual(socket.state, 0)
        socket.dataReceived(masked(framing.PONG) * (websocket.FRAMES_PER_SECOND + 1))
        self.assertEqual(self.closed_with(wire), 1008)
        self.rig.seconds(5)
        self.assertTrue(wire.aborted)
        socket, wire = self.connect()
        large = masked(framing.PING, b"x" * 125) * 10 + masked(1, b"x" * 14_000)
        for _ in range(3):
            for _ in range(7):
                socket.dataReceived(large)
            self.rig.seconds(1)
        self.assertEqual(socket.state, 0)
        for _ in range(9):
            socket.dataReceived(large)
        self.assertEqual(self.closed_with(wire), 1008)

    def test_too_big(self) -> None:
        """A message over `max_message`: 1009, at its header."""
        socket, wire = self.connect()
        socket.dataReceived(masked(framing.TEXT, b"x" * 16_385)[:8])
        self.assertEqual(self.closed_with(wire), 1009)

    def test_closing_handshake(self) -> None:
        """The client's code is echoed, the connection ends, and nothing more is sent."""
        socket, wire = self.connect("1/5@0")
        socket.dataReceived(masked(framing.CLOSE, b"\x03\xe9bye"))
        self.assertEqual(self.closed_with(wire), 1001)
        self.assertTrue(wire.disconnecting)
        wire.clear()
        self.rig.post()
        socket.beat()
        self.assertEqual(wire.value(), b"")

    def test_protocol_error(self) -> None:
        """What breaks the framing is closed with its code; what was sent before still counts."""
        socket, wire = self.connect()
        socket.dataReceived(say(type="ping") + b"\x81\x01x")
        self.assertEqual(texts(wire.value())[-1], {"type": "pong"})
        self.assertEqual(self.closed_with(wire), 1002)
        self.assertEqual(self.rig.hub.stats().sessions, {"ws": 1})
        socket.connectionLost()
        self.assertEqual(self.rig.hub.stats().sessions, {})

    def test_server_closes(self) -> None:
        """1012 after a move, 1001 otherwise; the client's answer ends it; a client that does not answer is cut."""
        self.rig.hub.start()
        self.addCleanup(self.rig.hub.stop)
        socket, wire = self.connect()
        socket.close("moved")
        self.assertEqual(self.closed_with(wire), 1012)
        self.assertFalse(wire.disconnecting)
        socket.dataReceived(masked(framing.CLOSE, b"\x03\xf4"))
        self.assertTrue(wire.disconnecting)
        other, silent = self.connect()
        other.close("stopping")
        self.assertEqual(self.closed_with(silent), 1001)
        self.rig.seconds(5)
        self.assertTrue(silent.aborted)

    def test_heartbeat(self) -> None:
        """A ping at each beat; anything from the client is a sign of life; silence between two beats is death."""
        socket, wire = self.connect()
        wire.clear()
        socket.beat()
        self.assertEqual(frames(wire.value()), [(framing.PING, b"")])
        socket.dataReceived(masked(framing.PONG))
        socket.beat()
        socket.beat()
        self.rig.clock.advance(0)
        self.assertTrue(wire.aborted)
        self.assertEqual(self.rig.metrics.value("realtime_dropped_total", reason="dead"), 1)

    def test_typing(self) -> None:
        """Goes to the others of a channel one is in, not more often than every other second."""
        self.rig.hub.start()
        self.addCleanup(self.rig.hub.stop)
        socket, mine = self.connect("1/5")
        _, theirs = self.connect("1/5")
        theirs.clear()
        mine.clear()
        socket.dataReceived(say(type="typing", sub="1/5", name="Ann\n") * 3)
        self.assertEqual(texts(theirs.value()), [{"sub": "1/5", "type": "typing", "data": {"name": "Ann"}}])
        socket.dataReceived(say(type="typing", sub="1/9", name="Ann"))
        self.assertEqual(texts(mine.value()), [{"type": "error", "code": "sub", "sub": "1/9"}])
        self.rig.seconds(3)
        socket.dataReceived(say(type="typing", sub="1/5", name="Ann" + "\u0316\u0301" * 30))
        said = texts(theirs.value())
        self.assertEqual(len(said), 2)
        # No tower of marks in the line that says who is writing.
        self.assertEqual(said[1]["data"]["name"], "Ann" + "\u0316\u0301" * 4)

    def test_idle_clients_have_no_reader(self) -> None:
        """Who has only answered pings, or said whole things, holds nothing that was made for reading."""
        self.rig.hub.start()
        self.addCleanup(self.rig.hub.stop)
        socket, wire = self.connect("1/5")
        for said in (masked(framing.PONG), masked(framing.PONG, b"x"), say(type="ping")):
            self.rig.seconds(1)
            socket.dataReceived(said)
            self.assertIs(socket._reader, None)
        self.assertEqual(texts(wire.value())[-1], {"type": "pong"})
        socket.dataReceived(masked(framing.PONG)[:3])
        self.assertIsNot(socket._reader, None)
        self.assertLessEqual(len(websocket._SPARE), websocket.SPARE)

    def test_pongs_are_counted(self) -> None:
        """A hundred frames within a second and no more, the first empty pong among them."""
        self.rig.hub.start()
        self.addCleanup(self.rig.hub.stop)
        self.rig.seconds(1)
        socket, wire = self.connect()
        for _ in range(websocket.FRAMES_PER_SECOND):
            socket.dataReceived(masked(framing.PONG))
        self.assertFalse([one for one in frames(wire.value()) if one[0] == framing.CLOSE])
        socket.dataReceived(masked(framing.PONG))
        self.assertEqual(self.closed_with(wire), 1008)

    @given(
        st.lists(
            st.lists(st.tuples(st.text(max_size=40), st.integers(0, 3), st.binary(max_size=5)), max_size=6),
            min_size=2, max_size=4,
        ),
        st.randoms(use_true_random=False),
    )  # fmt: skip
    def test_readers_are_shared(self, given: list[list[tuple[str, int, bytes]]], random: Random) -> None:
        """Clients whose bytes come in pieces by turns are each read as if there were no other."""
        said: list[list[bytes]] = [[] for _ in given]
        sockets, rest = [], []
        for number, messages in enumerate(given):
            socket, _ = self.connect()
            self.patch(socket.__class__, "frames_per_second", 1_000)
            sockets.append(socket)
            stream = b""
            for text, cuts, control in messages:
                body, mask = text.encode(), random.randbytes(4)
                edges = sorted(random.randrange(len(body) + 1) for _ in range(cuts))
                parts = [body[a:b] for a, b in zip([0, *edges], [*edges, len(body)], strict=True)]
                for place, part in enumerate(parts):
                    stream += masked(0 if place else 1, part, fin=place == len(parts) - 1, mask=mask)
                    stream += masked(framing.PING, bytes([number]) + control)
            rest.append(stream)
        heard = {id(socket): said[number] for number, socket in enumerate(sockets)}
        self.patch(WebSocket, "said", lambda socket, opcode, payload: heard[id(socket)].append(payload))
        while any(rest):
            number = random.choice([number for number, stream in enumerate(rest) if stream])
            size = random.randint(1, 12)
            sockets[number].dataReceived(rest[number][:size])
            rest[number] = rest[number][size:]
        self.assertEqual(said, [[text.encode() for text, *_ in messages] for messages in given])
        for number, socket in enumerate(sockets):
            pongs = [body for opcode, body in frames(socket.transport.value()) if opcode == framing.PONG]
            expected = [bytes([number]) + control for _, cuts, control in given[number] for _ in range(cuts + 1)]
            self.assertEqual(pongs, expected)

    def test_grant_runs_out(self) -> None:
        """The subscription ends, the connection stays; a fresh grant goes on from the position, and nothing is lost."""
        rig = self.rig
        rig.hub.start()
        self.addCleanup(rig.hub.stop)
        wire = Wire()
        socket = WebSocket(rig.gate, None, ("50",))
        socket.makeConnection(wire)
        socket.begin(b"", [Position.parse("1/5@0")])
        rig.post(2)
        self.patch(rig.gate, "_left_of", lambda *asked: 0.0)
        for _ in range(6):
            rig.seconds(10)
            socket.dataReceived(masked(framing.PONG))
        rig.post(3)
        self.assertEqual(texts(wire.value())[-1], {"type": "error", "code": "token", "sub": "1/5"})
        self.assertEqual([message["seq"] for message in texts(wire.value())[2:-1]], [1, 2])
        self.assertEqual(rig.hub.stats().subscriptions, 0)
        wire.clear()
        self.patch(rig.gate, "_left_of", lambda *asked: 100.0)
        socket.dataReceived(say(type="sub", sub="1/5@2", token="fresh"))
        rig.post()
        self.assertEqual([m["seq"] for m in texts(wire.value()) if m["type"] != "recovered"], [3, 4, 5, 6])

    def test_grant_came_in_time(self) -> None:
        """Another grant that came meanwhile, for whichever channel, is gone on with; so is a site that needs none."""
        self.rig.hub.start()
        self.addCleanup(self.rig.hub.stop)
        wire = Wire()
        socket = WebSocket(self.rig.gate, None, ("20",))
        socket.makeConnection(wire)
        socket.begin(b"", [Position.parse("1/5@0")])
        socket.dataReceived(say(type="sub", sub="1/6@0", token="300"))
        for left in (100.0, None):
            self.patch(self.rig.gate, "_left_of", lambda *asked, left=left: left)
            for _ in range(40):
                self.rig.seconds(10)
                socket.dataReceived(masked(framing.PONG))
        self.rig.post()
        self.assertEqual(texts(wire.value())[-1]["seq"], 1)
        self.assertEqual([m for m in texts(wire.value()) if m["type"] == "error"], [])
        self.assertEqual(self.rig.hub._ending, {})
