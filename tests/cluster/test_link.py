"""One link: nothing before hello, nothing beyond bounds, and one line for what is wrong."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.amp import Box
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.link import BYTES_BURST, CLOSE_TIMEOUT, HELLO_TIMEOUT, MAX_BOX, SIGNALS_BURST, Link
from cackled.cluster.messages import PROTOCOL, Beat, Hello, Hint, Signal, chunks


class Wire(StringTransport):
    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class FakeOwner:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.node: str | Exception = "b"
        self.drops = 0

    def identify(self, link: Link) -> str:
        if isinstance(self.node, Exception):
            raise self.node
        return self.node

    def hello(self) -> Hello:
        return Hello("a", "boot-a", "global", PROTOCOL, "1")

    def linked(self, link: Link) -> None:
        self.told.append("linked")

    def heard(self, link: Link, beat: Beat) -> None:
        self.told.append(("beat", beat.number))

    def signals(self, link: Link, signals: list[Signal]) -> None:
        self.told.append(("signals", signals))

    def hints(self, link: Link, hints: list[Hint]) -> None:
        self.told.append(("hints", hints))

    def closed(self, link: Link, reason: str) -> None:
        self.told.append(("closed", reason))

    def dropped(self) -> None:
        self.drops += 1


def box(command: bytes, body: bytes | None) -> bytes:
    made = Box({b"_command": command})
    if body is not None:
        made[b"body"] = body
    return made.serialize()


def hello(**changes: Any) -> bytes:
    fields = {"name": "b", "boot": "x", "deployment": "global", "protocol": PROTOCOL, "version": "2", **changes}
    return box(b"Hello", json.dumps(fields).encode())


BEAT = {"number": 1, "at": 1.0, "ready": True, "draining": False, "connections": 0, "capacity": 10}


class LinkTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.owner = FakeOwner()
        self.wire = Wire()
        self.link = Link(self.owner, self.clock)
        self.link.makeConnection(self.wire)

    def ready(self) -> None:
        self.link.handshakeCompleted()
        self.link.dataReceived(hello())
        self.assertEqual(self.owner.told, ["linked"])

    def refused(self, reason: str) -> None:
        """The link was ended at once, for *reason*, and nothing that came was handed on."""
        self.assertTrue(self.wire.aborted)
        self.link.connectionLost(Failure(ConnectionDone()))
        *rest, last = self.owner.told
        self.assertEqual(last[0], "closed")
        self.assertIn(reason, last[1])
        self.assertEqual([one for one in rest if one != "linked"], [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_hello(self) -> None:
        """Ours goes out after the handshake and not before; the other's puts the link to use."""
        self.assertEqual(self.wire.value(), b"")
        self.link.handshakeCompleted()
        self.assertIn(b'"name":"a"', self.wire.value())
        self.assertEqual(self.owner.told, [])
        data = hello()
        for place in range(len(data)):
            self.link.dataReceived(data[place : place + 1])
        self.assertEqual(self.owner.told, ["linked"])
        assert self.link.greeting is not None
        self.assertEqual((self.link.name, self.link.greeting.version), ("b", "2"))
        self.assertEqual(self.clock.getDelayedCalls(), [], "no deadline is left")

    def test_identity_fails_closed(self) -> None:
        """Whatever exception asks for the identity: no byte goes out and none is looked at."""
        self.owner.node = ValueError("not enough values to unpack")
        self.link.handshakeCompleted()
        self.link.dataReceived(hello())
        self.assertEqual(self.wire.value(), b"")
        self.refused("not enough values")

    def test_bytes_before_the_handshake(self) -> None:
        """Nobody speaks before it is known who they are."""
        self.link.dataReceived(hello())
        self.refused("before it was known")

    def test_no_hello(self) -> None:
        """The other end has so long, whether it is the handshake or the hello that lacks."""
        for handshake in (False, True):
            self.setUp()
            if handshake:
                self.link.handshakeCompleted()
            self.clock.advance(HELLO_TIMEOUT + 0.1)
            self.refused("no hello")

    def test_wrong_hello(self) -> None:
        """Another name than the certificate's, deployment, version of the mesh, or no JSON of it."""
        for wrong, reason in (
            (hello(name="c"), "says it is 'c'"),
            (hello(deployment="eu"), "deployment 'eu'"),
            (hello(protocol=PROTOCOL + 1), "version"),
            (hello(boot=7), "boot"),
            (hello(version="x" * 300), "version"),
            (box(b"Hello", b"{"), ""),
            (box(b"Hello", b"[" * 50_000), ""),
            (box(b"Hello", b'{"name":"\xff"}'), ""),
            (box(b"Hello", None), ""),
        ):
            self.setUp()
            self.link.handshakeCompleted()
            self.link.dataReceived(wrong)
            self.refused(reason)

    def test_hello_comes_first(self) -> None:
        """No heartbeat, signal, hint or unknown command before; and hello only once."""
        for command, body in ((b"Heartbeat", BEAT), (b"Signal", []), (b"Hint", []), (b"Future", {})):
            self.setUp()
            self.link.handshakeCompleted()
            self.link.dataReceived(box(command, json.dumps(body).encode()) + hello())
            self.refused("hello first")
        self.setUp()
        self.ready()
        self.link.dataReceived(hello())
        self.refused("twice")

    def test_messages(self) -> None:
        """Each kind is handed on; unknown fields and commands of a newer version are passed over."""
        self.ready()
        self.link.dataReceived(
            box(b"Heartbeat", json.dumps({**BEAT, "new": [1]}).encode())
            + box(b"Future", b"{}")
            + box(b"Signal", b'[[1,5,"presence",{"count":3}]]')
            + box(b"Hint", b"[[1,5,9]]")
        )
        self.assertEqual(
            self.owner.told[1:],
            [("beat", 1), ("signals", [Signal(1, 5, "presence", {"count": 3})]), ("hints", [Hint(1, 5, 9)])],
        )

    def test_wrong_messages(self) -> None:
        """Wrong types, negative numbers, too much: the link ends, without a traceback."""
        for command, body in (
            (b"Heartbeat", {**BEAT, "connections": -1}),
            (b"Heartbeat", {**BEAT, "ready": 1}),
            (b"Heartbeat", {}),
            (b"Signal", [[1, 5, "presence"]]),
            (b"Signal", [[1, -5, "presence", {}]]),
            (b"Signal", [[1, 5, "presence", {"x": [1]}]]),
            (b"Signal", [[1, 5, "presence", {str(n): 1 for n in range(17)}]]),
            (b"Signal", [[1, 5, "presence", {"x": "y" * 501}]]),
            (b"Signal", [[1, 5, "presence", {}]] * 2_001),
            (b"Hint", [[1, 5, 2**70]]),
        ):
            self.setUp()
            self.ready()
            self.link.dataReceived(box(command, json.dumps(body).encode()))
            self.refused("")
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_amp_of_others(self) -> None:
        """Answers, errors, StartTLS and boxes that are no command reach no machinery and log nothing."""
        for made in (
            Box({b"_answer": b"1", b"x": b"y"}), Box({b"_error": b"1"}), Box({b"x": b"y"}),
            Box({b"_command": b"StartTLS", b"_ask": b"1"}), Box({b"_command": b"", b"_ask": b"\xff"}),
        ):  # fmt: skip
            self.setUp()
            self.ready()
            written = self.wire.value()
            self.link.dataReceived(made.serialize())
            self.assertEqual(self.wire.value(), written)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_no_amp(self) -> None:
        """Bytes that are no AMP end the link."""
        self.ready()
        self.link.dataReceived(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(self.wire.aborted or self.wire.disconnecting)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_endless_box(self) -> None:
        """A box without an end is not collected."""
        self.ready()
        key = 0
        while not self.wire.aborted and key < 1_000:
            part = b"k%d" % key
            self.link.dataReceived(len(part).to_bytes(2, "big") + part + (1_000).to_bytes(2, "big") + b"x" * 1_000)
            key += 1
        self.assertLess(key * 1_000, MAX_BOX * 1.1)
        self.refused("box that is too large")

    def test_too_many_bytes(self) -> None:
        """More bytes than a node ever sends end the link."""
        self.ready()
        data = box(b"Future", b"x" * 60_000)
        for _ in range(int(BYTES_BURST // len(data)) + 1):
            self.link.dataReceived(data)
        self.refused("too much")

    def test_too_many_signals(self) -> None:
        """Above their rate signals are thrown away, the link stays."""
        self.ready()
        (body,) = chunks([b'[1,5,"typing",{}]'] * 2_000)
        for _ in range(7):
            self.link.dataReceived(box(b"Signal", body))
        got = sum(len(one[1]) for one in self.owner.told[1:])
        self.assertEqual(got, int(SIGNALS_BURST))
        self.assertEqual(self.owner.drops, 14_000 - got)
        self.assertFalse(self.wire.aborted)

    def test_full(self) -> None:
        """While the other end does not read nothing more is written, and that is told."""
        self.ready()
        self.wire.clear()
        self.link.pauseProducing()
        beat = Beat(number=1, at=0.0, ready=True, draining=False, connections=0, capacity=0)
        self.assertFalse(self.link.beat(beat))
        self.assertFalse(self.link.pass_on([b"[]"], []))
        self.assertEqual(self.wire.value(), b"")
        self.link.resumeProducing()
        self.assertTrue(self.link.beat(beat))
        self.assertIn(b"Heartbeat", self.wire.value())

    def test_close(self) -> None:
        """In order first, by force after a while; what still comes is not handed on."""
        self.ready()
        self.link.close("enough")
        self.assertTrue(self.wire.disconnecting and not self.wire.aborted)
        self.link.dataReceived(box(b"Hint", b"[]"))
        self.assertEqual(self.owner.told, ["linked"])
        self.clock.advance(CLOSE_TIMEOUT)
        self.assertTrue(self.wire.aborted)
        self.link.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.owner.told[1:], [("closed", "enough")])
