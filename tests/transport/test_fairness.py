"""Much at once is answered a little in each turn: by count for a connection, by time for all, on every path."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.transport import _frames
from cackled.transport._fairness import FEW, SLICE, Line
from cackled.transport._frames import Cutter
from cackled.transport.problems import problem
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response
from tests.support.answers import Server, answers, get
from tests.support.sockets import Visit


class Turning(Clock):
    """A clock whose turns are a reactor's: what is asked for in a turn, however soon, comes in the next."""

    def turn(self) -> None:
        """Call what is due now."""
        for call in [call for call in self.calls if call.getTime() <= self.seconds()]:
            if call.active():
                self.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)


class LineTests(SynchronousTestCase):
    """The line itself."""

    def test_by_time(self) -> None:
        """A turn ends when its time is over; whoever waits goes on in the next, in order."""
        clock, done = Turning(), list[int]()
        line = Line(clock)

        class One:
            def __init__(self, number: int, left: int) -> None:
                self.number, self.left = number, left

            def go_on(self) -> None:
                done.append(self.number)
                clock.rightNow += SLICE / 2
                self.left -= 1
                if self.left:
                    line.join(self)

        for number in range(5):
            line.join(One(number, 2))
        self.assertEqual(done, [])
        turns = []
        while len(line):
            before = len(done)
            clock.turn()
            turns.append(len(done) - before)
        self.assertEqual((done, turns), ([0, 1, 2, 3, 4] * 2, [2] * 5))
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_one_that_breaks(self) -> None:
        """Does not keep the others."""
        clock, done = Turning(), list[int]()
        line = Line(clock)

        class One:
            def go_on(self) -> None:
                done.append(1)

        class Bad:
            def go_on(self) -> None:
                raise ValueError

        line.join(Bad())
        line.join(One())
        self.assertRaises(ValueError, clock.turn)
        clock.turn()
        self.assertEqual(done, [1])


class PipelineTests(SynchronousTestCase):
    """Requests that are answered at once."""

    def setUp(self) -> None:
        self.answered = 0
        self.cost = 0.0

    async def page(self, request: Any) -> Response:
        self.answered += 1
        self.clock.rightNow += self.cost
        if request.method == b"POST":
            request.content.read()
        return problem(404) if b"none" in request.uri else Response(body=b"x")

    def server_of(self, **more: Any) -> Server:
        self.server = Server(**more)
        self.server.root.other = AsyncResource(self.page)
        self.clock = self.server.factory.line.clock = Turning()
        return self.server

    def per_turn(self) -> list[int]:
        """How many are answered in each turn until all are."""
        counts = []
        while len(self.server.factory.line):
            before = self.answered
            self.clock.turn()
            counts.append(self.answered - before)
        return counts

    def test_one_connection(self) -> None:
        """One where the bytes come in, then a few a turn; all in order."""
        server = self.server_of()
        wire = server.connect()
        wire.protocol.dataReceived(b"".join(get(f"/none?{number}") for number in range(1_000)))
        self.assertEqual(self.answered, 1)
        counts = self.per_turn()
        self.assertLessEqual(max(counts), FEW)
        self.assertEqual((self.answered, {answer.status for answer in answers(wire.value())}), (1_000, {404}))

    def test_many_connections(self) -> None:
        """A hundred and twenty of them: a turn is bounded by time, and each comes to its turn."""
        server, self.cost = self.server_of(max_connections_per_address=1000), 0.000_2
        wires = [server.connect() for _ in range(120)]
        for wire in wires:
            wire.protocol.dataReceived(get("/none") * 40)
        self.assertEqual(self.answered, 120)
        counts = self.per_turn()
        self.assertLessEqual(max(counts), SLICE / self.cost + FEW)
        self.assertEqual({len(answers(wire.value())) for wire in wires}, {40})

    def test_every_kind(self) -> None:
        """Errors of resources, the fast path's hits, bodies, empty lines between: none is answered in a row."""
        server = self.server_of(fast=True)
        hits = 0

        async def hit(request: Any) -> Response:
            nonlocal hits
            hits += 1
            return Response(body=b"hit", headers=[(b"Cache-Control", b"public, max-age=60")])

        server.cached(b"hit", hit)
        server.send(get("/hit"))
        for one, status in (
            (get("/none"), 404), (get("/hit"), 200), (b"\r\n\r\n" + get("/x"), 200), (get("/none", method="HEAD"), 404),
            (get("/none", "Content-Length: 3", method="POST", body=b"abc"), 404),
            (get("/x", "Transfer-Encoding: chunked", method="POST", body=b"3\r\nabc\r\n0\r\n\r\n"), 200),
        ):  # fmt: skip
            wire = server.connect()
            wire.protocol.dataReceived(one * 100)
            statuses = []
            while True:
                statuses.append(wire.value().count(b"HTTP/1.1 %d" % status))
                if not len(server.factory.line):
                    break
                self.clock.turn()
            steps = [after - before for before, after in zip([0, *statuses], statuses, strict=False)]
            self.assertLessEqual(max(steps), FEW, one)
            self.assertEqual((steps[0], statuses[-1]), (1, 100), one)

    def test_early_connection(self) -> None:
        """What comes first on a connection of our own listener is no exception."""
        server = self.server_of(fast=True)
        visit = Visit(server.factory)
        self.addCleanup(visit.close)
        visit.send(get("/none") * 200)
        self.assertEqual(self.answered, 1)
        self.assertLessEqual(max(self.per_turn()), FEW)
        self.assertEqual(len(answers(visit.read())), 200)

    def test_more_comes_while_it_waits(self) -> None:
        """It is kept behind, bounded; a refusal in the middle is the last answer."""
        server = self.server_of()
        wire = server.connect()
        wire.protocol.dataReceived(get("/a") * 3)
        wire.protocol.dataReceived(get("/b") * 900)
        self.assertEqual((self.answered, wire.producerState), (1, "paused"))
        self.per_turn()
        self.assertEqual((self.answered, wire.producerState), (903, "producing"))
        wire = server.connect()
        wire.protocol.dataReceived(get("/a") * 20 + b"BAD\r\n\r\n" + get("/a") * 20)
        self.per_turn()
        self.assertEqual([one.status for one in answers(wire.value())], [200] * 20 + [400])

    def test_gone_while_it_waits(self) -> None:
        """Nothing more is answered to a client that has left, or that asked for the end."""
        server = self.server_of()
        wire = server.connect()
        wire.protocol.dataReceived(get("/a") * 100)
        wire.loseConnection()
        self.per_turn()
        self.assertEqual(self.answered, 1)
        wire = server.connect()
        wire.protocol.dataReceived(get("/a") * 3 + get("/a", "Connection: close") + get("/a") * 10)
        self.per_turn()
        self.assertEqual(self.answered, 5)
        self.assertTrue(wire.lost)


class FrameTests(SynchronousTestCase):
    """HTTP/2's frames in portions."""

    @given(
        st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=40)), max_size=200),
        st.lists(st.integers(1, 60), min_size=1, max_size=20),
    )
    def test_portions(self, frames: list[tuple[int, bytes]], sizes: list[int]) -> None:
        """However the bytes come, none is lost, and no portion begins more frames than the budget allows."""
        preface = bytes(_frames.PREFACE_BYTES)
        whole = preface + b"".join(
            len(body).to_bytes(3, "big") + bytes((kind,)) + bytes(5) + body for kind, body in frames
        )
        cutter, waiting, taken, at, turn = Cutter(), b"", b"", 0, 0
        while at < len(whole) or waiting:
            if at < len(whole):
                size = sizes[turn % len(sizes)]
                waiting, at, turn = waiting + whole[at : at + size], at + size, turn + 1
            end = cutter.cut(waiting)
            assert end > 0
            taken += waiting[:end]
            assert end <= _frames.PREFACE_BYTES + (_frames.BUDGET + 1) * (_frames.HEADER_BYTES + 40)
            waiting = waiting[end:]
        self.assertEqual(taken, whole)

    def test_requests(self) -> None:
        """Requests weigh more than other frames."""
        for kind, most in ((_frames.HEADERS, _frames.BUDGET // _frames.REQUEST), (6, _frames.BUDGET)):
            frame = b"\0\0\0" + bytes((kind,)) + bytes(5)
            cutter = Cutter()
            cutter.cut(bytes(_frames.PREFACE_BYTES))
            self.assertEqual(cutter.cut(frame * 1_000), most * len(frame))
