"""Tests of one connection: deadlines, bodies, pipelining, ends."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import tcp
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from cackled.transport import _private
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response
from tests.support.answers import Server, Wire, answers, get


class Slow(AsyncResource):
    """Answers when told to."""

    def __init__(self) -> None:
        super().__init__(self._wait)
        self.waiting: list[Deferred[Response]] = []

    async def _wait(self, request: Any) -> Response:
        done: Deferred[Response] = Deferred()
        self.waiting.append(done)
        return await done


class Streaming(Resource):
    """Writes as long as the client takes it."""

    isLeaf = True

    def render_GET(self, request: Any) -> Any:
        self.request = request
        self.paused = False
        self.stopped = False
        request.registerProducer(self, True)
        request.write(b"begin")
        return NOT_DONE_YET

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False

    def stopProducing(self) -> None:
        self.stopped = True


class DeadlineTests(SynchronousTestCase):
    """Every state of a connection ends in time."""

    def pump(self, server: Server, seconds: float, step: float = 0.5) -> None:
        """Let *seconds* pass."""
        server.clock.pump([step] * int(seconds / step))

    def test_head_deadline_is_absolute(self) -> None:
        """One byte a second does not keep a head open longer than the deadline; the answer is 408."""
        server = Server(head_timeout=10)
        wire = server.connect()
        raw = get("/" + "a" * 200)
        for at in range(9):
            wire.protocol.dataReceived(raw[at : at + 1])
            self.pump(server, 1)
        self.assertFalse(wire.disconnecting)
        self.pump(server, 1.5)
        self.assertEqual([answer.status for answer in answers(wire.value())], [408])
        self.assertTrue(wire.lost)
        self.assertEqual(server.factory.limits.total, 0)

    def test_body_deadline(self) -> None:
        """A body that trickles is cut with 408 though bytes keep coming."""
        server = Server(body_timeout=20)
        wire = server.send(get("/", "Content-Length: 8192", method="POST"))
        for _ in range(20):
            wire.protocol.dataReceived(b"x")
            self.pump(server, 1)
        self.assertFalse(wire.lost)
        self.pump(server, 1.5)
        self.assertEqual([answer.status for answer in answers(wire.value())], [408])
        self.assertEqual(server.seen, [])

    def test_chunked_body_deadline(self) -> None:
        """The same for a chunked body, whose length nobody knows."""
        server = Server(body_timeout=20)
        wire = server.send(get("/", "Transfer-Encoding: chunked", method="POST"))
        for _ in range(21):
            wire.protocol.dataReceived(b"1\r\nx\r\n")
            self.pump(server, 1)
        self.assertEqual([answer.status for answer in answers(wire.value())], [408])

    def test_large_body_has_more_time(self) -> None:
        """The deadline grows with the length: 8 KB a second is quick enough."""
        server = Server(body_timeout=1, body_bytes=100_000)
        wire = server.send(get("/", "Content-Length: 81920", method="POST"))
        for _ in range(10):
            self.pump(server, 1)
            wire.protocol.dataReceived(b"x" * 8192)
        self.assertEqual(server.metrics.value("http_requests_total", status="2xx"), 1)

    def test_idle(self) -> None:
        """A connection without requests is closed after the idle time, silently, before the first and after one."""
        for first in (b"", get()):
            server = Server(idle_timeout=30)
            wire = server.connect()
            if first:
                wire.protocol.dataReceived(first)
            wire.clear()
            self.pump(server, 29.5)
            self.assertFalse(wire.lost)
            self.pump(server, 1)
            self.assertTrue(wire.lost)
            self.assertEqual(wire.value(), b"")
            self.assertEqual(server.metrics.value("http_connections_cut_total", reason="idle"), 1)

    def test_each_request_renews_the_idle_time(self) -> None:
        """A connection in use stays."""
        server = Server(idle_timeout=30)
        wire = server.connect()
        for _ in range(5):
            wire.protocol.dataReceived(get())
            self.pump(server, 25)
        self.assertFalse(wire.lost)

    def test_empty_lines(self) -> None:
        """They are skipped, however many and however they come, and do not keep a connection."""
        server = Server(idle_timeout=30)
        wire = server.connect()
        for piece in (b"\r\n", b"\r\n\r\n", b"\r\n\r\n" + get() + b"\r\n" * 9000):
            wire.protocol.dataReceived(piece)
            self.pump(server, 8)
        self.assertEqual([answer.status for answer in answers(wire.value())], [200])
        wire.protocol.dataReceived(b"\r\n")
        self.pump(server, 23)
        self.assertTrue(wire.lost)

    def test_handler_has_no_deadline(self) -> None:
        """While a resource works the connection stays, however long it takes."""
        slow = Slow()
        server = Server({b"slow": slow})
        wire = server.send(get("/slow"))
        self.pump(server, 300)
        slow.waiting[0].callback(Response(body=b"late"))
        self.assertEqual(answers(wire.value())[0].body, b"late")

    def test_no_timers_left(self) -> None:
        """When the last connection is gone nothing is left on the clock."""
        server = Server()
        wire = server.send(get())
        self.assertTrue(server.clock.getDelayedCalls())
        wire.loseConnection()
        self.assertEqual(server.clock.getDelayedCalls(), [])


class StallTests(SynchronousTestCase):
    """A client that does not read is cut off; real sockets, no reactor."""

    def setUp(self) -> None:
        """A server whose answer is larger than any socket buffer."""
        self.server = Server(
            {b"big": AsyncResource(self.big), b"stream": (stream := Streaming())}, stall_timeout=30, idle_timeout=5
        )
        self.stream = stream
        ours, self.theirs = socket.socketpair()
        self.addCleanup(self.theirs.close)
        self.transport: Any = tcp.Connection(ours, None, _private._NoReactor())  # type: ignore[arg-type]
        self.transport.connected = 1
        self.transport.reactor.callLater = self.server.clock.callLater
        self.transport._closeSocket = lambda orderly: ours.close()
        self.transport.getPeer = lambda: Wire().getPeer()
        self.transport.getHost = self.transport.getPeer
        self.transport.setTcpNoDelay = lambda on: None
        self.channel: Any = self.server.factory.buildProtocol(self.transport.getPeer())
        self.transport.protocol = self.channel
        self.channel.makeConnection(self.transport)

    async def big(self, request: Any) -> Response:
        """Thirty megabytes."""
        return Response(body=b"x" * 30_000_000)

    def run_for(self, seconds: int) -> None:
        """Let the transport write what it can, each second."""
        for _ in range(seconds * 2):
            if self.transport.connected and _private.unsent(self.transport):
                self.transport.doWrite()
            self.server.clock.advance(0.5)

    def take(self, most: int) -> None:
        """Read at the client's end what is there."""
        with contextlib.suppress(BlockingIOError):
            self.theirs.recv(most, socket.MSG_DONTWAIT)

    def cut(self) -> float:
        return self.server.metrics.value("http_connections_cut_total", reason="stall")

    def test_reader_that_stops(self) -> None:
        """Nothing taken for the stall time: aborted, though the answer is finished and the idle time is shorter."""
        self.channel.dataReceived(get("/big"))
        self.run_for(29)
        self.assertEqual(self.cut(), 0)
        self.run_for(3)
        self.assertEqual(self.cut(), 1)
        self.assertEqual(self.server.factory.limits.total, 0)

    def test_slow_reader_lives(self) -> None:
        """As long as bytes go out the connection stays, far beyond the idle and the stall time."""
        self.channel.dataReceived(get("/big"))
        for _ in range(20):
            self.take(200_000)
            self.run_for(10)
        self.assertEqual(self.cut(), 0)
        self.assertTrue(self.channel in self.server.factory.channels)
        self.assertEqual(self.server.metrics.value("http_connections_cut_total", reason="idle"), 0)

    def test_drip_is_a_stall(self) -> None:
        """A few bytes within the stall time are not enough."""
        self.channel.dataReceived(get("/big"))
        held = [30_000_000]

        def drip(connection: Any) -> int:
            held[0] -= 10
            return held[0]

        self.patch(_private, "unsent", drip)
        self.server.clock.pump([0.5] * 58)
        self.assertEqual(self.cut(), 0)
        self.server.clock.pump([0.5] * 6)
        self.assertEqual(self.cut(), 1)

    def test_producer(self) -> None:
        """A stream whose client stopped reading is cut as well, and its producer told."""
        self.channel.dataReceived(get("/stream"))
        while not self.stream.paused:
            self.stream.request.write(b"x" * 100_000)
            self.transport.doWrite()
        self.run_for(32)
        self.assertEqual(self.cut(), 1)
        self.assertTrue(self.stream.stopped)


PIECES = (
    b"GET / HTTP/1.1\r\n", b"POST /a HTTP/1.1\r\n", b"HEAD / HTTP/1.0\r\n", b"Host: a\r\n", b"Host: a\r\n\r\n",
    b"\r\n", b"\r\n\r\n", b"\n", b"\r", b" ", b":", b"\x00", b"x" * 5000, b"A: b\r\n" * 70,
    b"Content-Length: 5\r\n", b"Content-Length: 5\r\n\r\nabcde", b"Transfer-Encoding: chunked\r\n\r\n",
    b"5\r\nabcde\r\n", b"0\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n", b"ffffffffffffffffffff\r\n",
    b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Upgrade: websocket\r\n",
    get(), get("/b", "Content-Length: 3", method="POST", body=b"abc"),
)  # fmt: skip


class StrangerTests(SynchronousTestCase):
    """Whatever a stranger sends."""

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=20), st.floats(0, 12)), max_size=30))
    def test_anything(self, script: list[Any]) -> None:
        """Nothing is logged as an error, every answer is whole, and in the end nothing is left."""
        server = Server(body_bytes=1000)
        wire = server.connect()
        channel = wire.protocol
        for step in script:
            if isinstance(step, float):
                server.clock.advance(step)
            else:
                channel.dataReceived(step)
        sent = wire.value()
        while sent:
            head, end, sent = sent.partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 ") and end)
            sent = sent[sent.index(b"HTTP/1.1 ") :] if b"HTTP/1.1 " in sent else b""
        server.clock.pump([1] * 120)
        self.assertTrue(wire.lost)
        self.assertEqual((server.factory.limits.total, server.factory.in_flight), (0, 0))
        self.assertEqual(server.clock.getDelayedCalls(), [])
        self.assertEqual(self.flushLoggedErrors(), [])


class BodyTests(SynchronousTestCase):
    """Bodies are counted before and while they come."""

    def test_length_over_the_cap(self) -> None:
        """413 comes before a byte of the body is taken, and no 100 Continue."""
        server = Server(body_bytes=10)
        wire = server.send(get("/", "Content-Length: 11", "Expect: 100-continue", method="POST"))
        self.assertEqual([answer.status for answer in answers(wire.value())], [413])
        self.assertEqual(server.seen, [])

    def test_chunked_over_the_cap(self) -> None:
        """A chunked body is cut at the cap, whatever it announced."""
        server = Server(body_bytes=10)
        wire = server.send(get("/", "Transfer-Encoding: chunked", method="POST"))
        wire.protocol.dataReceived(b"a\r\n0123456789\r\n")
        self.assertEqual(wire.value(), b"")
        wire.protocol.dataReceived(b"1\r\nx\r\n0\r\n\r\n")
        self.assertEqual([answer.status for answer in answers(wire.value())], [413])
        self.assertEqual(server.seen, [])

    def test_huge_chunk_size(self) -> None:
        """A chunk that announces terabytes costs what has come of it, no more than the cap."""
        server = Server(body_bytes=10)
        wire = server.send(get("/", "Transfer-Encoding: chunked", method="POST"))
        wire.protocol.dataReceived(b"ffffffffff\r\n" + b"x" * 100)
        self.assertEqual([answer.status for answer in answers(wire.value())], [413])

    def test_cap_of_a_route(self) -> None:
        """The cap is the route's own."""
        server = Server(body_limit=lambda method, target: 100 if target.startswith(b"/big") else 1)
        self.assertEqual(server.ask(get("/big", "Content-Length: 2", method="POST", body=b"ab")).status, 200)
        self.assertEqual(server.ask(get("/", "Content-Length: 2", method="POST", body=b"ab")).status, 413)

    def test_continue(self) -> None:
        """A client that waits is told to go on, then answered; one that does not wait is not told."""
        server = Server()
        wire = server.send(get("/", "Content-Length: 3", "Expect: 100-continue", method="POST"))
        self.assertEqual(wire.value(), b"HTTP/1.1 100 Continue\r\n\r\n")
        wire.protocol.dataReceived(b"abc")
        self.assertEqual([answer.status for answer in answers(wire.value())], [100, 200])
        wire = server.send(get("/", "Content-Length: 3", "Expect: 100-continue", method="POST", body=b"abc"))
        self.assertEqual([answer.status for answer in answers(wire.value())], [200])

    def test_bodies_arrive(self) -> None:
        """A body arrives whole with either framing, in pieces of any size, and in a file when it is large."""
        text = b"0123456789" * 3
        chunked = b"1e\r\n" + text + b"\r\n0\r\n\r\n"
        for framing, body in (("Content-Length: 30", text), ("Transfer-Encoding: chunked", chunked)):
            for size in (1, 7, 1000):
                server = Server()
                wire = server.connect()
                raw = get("/", framing, method="POST", body=body)
                for at in range(0, len(raw), size):
                    wire.protocol.dataReceived(raw[at : at + size])
                self.assertIn(text, answers(wire.value())[0].body)
        server = Server(body_bytes=3_000_000)
        body = b"y" * 2_500_000
        answer = server.ask(get("/", f"Content-Length: {len(body)}", method="POST", body=body))
        self.assertIn(body, answer.body)

    def test_trailers(self) -> None:
        """Fields behind a chunked body are ignored; what another parser might read otherwise is refused."""
        for lines, statuses in (
            (b"X: y\r\nZ:\r\n", [200, 200]), (b"X: y\nZ: y\r\n", [400]), (b"X: y\n\nGET / HTTP/1.1\r\n", [400]),
            (b"GET / HTTP/1.1\r\nHost: a\r\n", [400]), (b" x: y\r\n", [400]), (b"X: \0\r\n", [400]),
        ):  # fmt: skip
            raw = get("/", "Transfer-Encoding: chunked", method="POST", body=b"1\r\na\r\n0\r\n" + lines + b"\r\n")
            found = answers(Server().send(raw + get()).value())
            self.assertEqual([answer.status for answer in found], statuses, lines)

    def test_form_is_not_parsed(self) -> None:
        """A form in a body does not become arguments."""
        server = Server()
        kind = "Content-Type: application/x-www-form-urlencoded"
        server.ask(get("/?a=1", kind, "Content-Length: 3", method="POST", body=b"b=2"))
        self.assertEqual(server.seen[0].args, {b"a": [b"1"]})
