"""Tests of connections before they need a channel: the same answers, limits and ends, with less."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase

from cackled.transport import _client_watchdog
from cackled.transport._connection import HttpConnection
from cackled.transport._early import EarlyConnection
from cackled.transport.http import attach
from tests.support.answers import Server, Wire, answers, get
from tests.support.sockets import Visit
from tests.transport.test_fastpath import server, steps

_DATE = re.compile(rb"\r\nDate: [^\r]+")


class EarlyTestCase(SynchronousTestCase):
    """Has a server with a microcached route."""

    def setUp(self) -> None:
        """A server whose answer to `raw` is in the cache."""
        self.made = server(True)
        self.raw = get("/m", host="a.example")
        self.made.send(self.raw).loseConnection()

    def visit(self, made: Server | None = None) -> Visit:
        """A new connection."""
        visit = Visit((made or self.made).factory)
        self.addCleanup(visit.close)
        return visit


class SameTests(SynchronousTestCase):
    """An early connection and an HttpConnection are one server to their client."""

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(steps, st.booleans(), st.sampled_from(("127.0.0.1", "10.0.0.1")), st.sampled_from((0, 0, 0, 7)))
    def test_same_bytes(self, script: list[Any], keep: bool, peer: str, cut: int) -> None:
        """Whatever is asked, in whatever order and pieces, the bytes and the ends are as without early connections."""
        pair = [server(True), server(False)]
        visit: Visit | None = None
        wire: Wire | None = None
        last: Any = None
        for step in script:
            if isinstance(step, float):
                for each in pair:
                    each.clock.advance(step)
            elif step == "evict" or isinstance(step, int):
                for each in pair:
                    each.microcache.evict("t", *(() if step == "evict" else (step,)))
            else:
                step = last if step == "again" else step
                if step is None:
                    continue
                last = step
                target, fields, method, host = step
                raw = get(target, *fields, method=method, host=host)
                if visit is None or wire is None or visit.ended or wire.lost or not keep:
                    if visit is not None:
                        visit.close()
                    visit, wire = Visit(pair[0].factory, peer), pair[1].connect(peer)
                wire.clear()
                for piece in (raw[:cut], raw[cut:]):
                    if piece:
                        visit.send(piece)
                        wire.protocol.dataReceived(piece)
                self.assertEqual(_DATE.sub(b"", visit.read()), _DATE.sub(b"", wire.value()))
                self.assertEqual(visit.ended, wire.lost)
        if visit is not None:
            visit.close()
        self.assertEqual(pair[0].calls, pair[1].calls)  # type: ignore[attr-defined]


class EarlyTests(EarlyTestCase):
    """What stays an early connection, what becomes an HttpConnection, and how both end."""

    def test_hits_need_no_channel(self) -> None:
        """Hits are answered by the early connection, first and later ones, plain and conditional."""
        self.patch(HttpConnection, "__init__", None)
        visit = self.visit()
        for _ in range(3):
            (answer,) = answers(visit.send(self.raw).read())
            self.assertEqual(answer.status, 200)
        etag = answer.headers["etag"]
        (answer,) = answers(visit.send(get("/m", f"If-None-Match: {etag}", host="a.example")).read())
        self.assertEqual(answer.status, 304)
        self.assertEqual(len(self.made.factory.channels), 1)
        visit.close()
        self.assertEqual(len(self.made.factory.channels), 0)

    def test_long_head(self) -> None:
        """A head over the limit is refused, though it comes whole and at once."""
        made = server(True, head_bytes=400)
        for size, status in ((200, 200), (500, 431)):
            (answer,) = answers(self.visit(made).send(get("/m", "X: " + "y" * size, host="a.example")).read())
            self.assertEqual(answer.status, status)

    def test_last_hit(self) -> None:
        """A hit whose connection closes is answered without a channel, from the third one on without parsing."""
        raw = get("/m", "Connection: close", host="a.example")
        self.patch(HttpConnection, "__init__", None)
        for turn in range(4):
            if turn == 3:
                self.patch(self.made.factory.fast, "answer_new", None)
            visit = self.visit()
            (answer,) = answers(visit.send(raw).read())
            self.assertEqual((answer.status, answer.headers["connection"]), (200, "close"))
            self.assertTrue(visit.ended)
        self.assertEqual(len(self.made.factory.channels), 0)
        self.assertEqual(self.made.metrics.value("microcache_requests_total", result="hit"), 4)

    def test_last_hit_follows_the_cache(self) -> None:
        """Such an answer is as old as the cache says, and gone when it is evicted."""
        raw = get("/m", "Connection: close", host="a.example")
        ages = []
        for _ in range(3):
            ages.append(answers(self.visit().send(raw).read())[0].headers["age"])
            self.made.clock.advance(0.8)
        self.assertEqual(ages, ["0", "0", "1"])
        self.made.microcache.evict("t")
        self.visit().send(raw)
        self.assertEqual(self.made.calls, 2)  # type: ignore[attr-defined]

    def test_becomes_a_channel(self) -> None:
        """What can't be answered at once goes on in an HttpConnection, which is counted in its place."""
        head, other = get("/m", method="HEAD", host="a.example"), get("/other", host="a.example")
        for data in (other, head, b"GET /m HT", b"rubbish\r\n"):
            visit = self.visit()
            self.assertIsInstance(visit.protocol, EarlyConnection)
            visit.send(data)
            self.assertIsInstance(visit.protocol, HttpConnection)
            self.assertEqual(self.made.factory.channels, {visit.protocol})
            visit.close()
            self.assertEqual(len(self.made.factory.channels), 0)

    def test_half_a_head(self) -> None:
        """A head that comes in pieces has the deadline of heads."""
        visit = self.visit()
        self.made.clock.advance(30)
        visit.send(self.raw[:10])
        self.made.clock.advance(10.6)
        self.assertEqual(answers(visit.read())[0].status, 408)

    def test_refused_in_the_middle(self) -> None:
        """Whoever is refused while a body is on its way may finish sending, for a while; others see the end soon."""
        body = get("/other", "Content-Length: 900000", method="POST", host="a.example")
        for data, status, seconds in ((body, 413, 9), (get("/m", host="b.example"), 421, 1)):
            visit = self.visit().send(data)
            self.assertEqual(answers(visit.read())[0].status, status)
            for _ in range(seconds):
                self.made.clock.advance(1)
                visit.send(b"x" * 60_000)
            self.assertIsNotNone(visit.transport.socket)
            self.made.clock.pump([0.5] * 4)
            visit.reactor.turn(2)
            self.assertIsNone(visit.transport.socket)

    def test_silence(self) -> None:
        """A connection on which nothing comes is closed after the idle time, before the first request and after it."""
        silent, late = self.visit(), self.visit()
        self.made.clock.advance(40)
        late.send(self.raw).read()
        self.made.clock.advance(20.6)
        silent.read()
        late.read()
        self.assertEqual((silent.ended, late.ended), (True, False))
        self.made.clock.advance(40)
        late.read()
        self.assertTrue(late.ended)
        self.assertEqual(self.made.metrics.value("http_connections_cut_total", reason="idle"), 2)

    def test_crawling(self) -> None:
        """A client that leaves its answer in the kernel is minded by a channel, which cuts it off."""
        visit = self.visit()
        visit.send(self.raw)
        self.assertIsInstance(visit.protocol, EarlyConnection)
        self.made.clock.advance(_client_watchdog.CRAWL_SECONDS + 0.5)
        self.assertIsInstance(visit.protocol, HttpConnection)
        self.made.clock.advance(_client_watchdog.CRAWL_SECONDS + 0.5)
        visit.reactor.turn(2)
        self.assertEqual(self.made.metrics.value("http_connections_cut_total", reason="stall"), 1)

    def test_poller(self) -> None:
        """One that takes its answers stays an early connection."""
        visit = self.visit()
        for _ in range(4):
            self.made.send(self.raw).loseConnection()
            self.assertEqual(len(answers(visit.send(self.raw).read())), 1)
            self.made.clock.advance(1)
        self.made.clock.advance(_client_watchdog.CRAWL_SECONDS + 1)
        self.assertIsInstance(visit.protocol, EarlyConnection)

    def test_large_hit(self) -> None:
        """What the kernel does not take is watched by a channel, in order."""
        large = get("/m?size=900000", host="a.example")
        self.made.send(large).loseConnection()
        visit = self.visit().send(large)
        self.assertIsInstance(visit.protocol, HttpConnection)
        self.assertTrue(visit.protocol.watching)
        visit.send(self.raw)
        self.assertEqual([len(answer.body) for answer in answers(visit.read())], [2_700_000, 1_800])

    def test_large_last_hit(self) -> None:
        """The same where the connection closes afterwards: not before all is sent."""
        large = get("/m?size=900000", "Connection: close", host="a.example")
        self.made.send(large).loseConnection()
        visit = self.visit().send(large)
        self.assertEqual([len(answer.body) for answer in answers(visit.read())], [2_700_000])
        self.assertTrue(visit.ended)

    def test_draining(self) -> None:
        """Early connections close a moment after draining begins; a request that still comes is answered."""
        idle, asking = self.visit(), self.visit()
        done = self.made.factory.drain()
        (answer,) = answers(asking.send(self.raw).read())
        self.assertEqual(answer.headers["connection"], "close")
        self.made.clock.advance(1.6)
        idle.read()
        self.assertTrue(idle.ended)
        self.assertTrue(self.successResultOf(done))

    def test_shutdown(self) -> None:
        """Everything can be dropped at once."""
        visit = self.visit()
        self.made.factory.abort_all()
        visit.reactor.turn(2)
        self.assertIsNone(visit.transport.socket)
        self.assertEqual(len(self.made.factory.channels), 0)


class ShortcutTests(EarlyTestCase):
    """Requests that take a connection over without a request object."""

    def setUp(self) -> None:
        """A root with a shortcut at ``/short``."""
        super().setUp()
        self.heads: list[Any] = []
        self.willing = True

        def take(head: Any, early: EarlyConnection) -> bool:
            self.heads.append(head)
            if self.willing:
                attach(early.leave(), Protocol())
            return self.willing

        self.made.root.shortcuts = {b"/short": take}  # type: ignore[attr-defined]
        self.made.factory.root = self.made.root

    def test_taken(self) -> None:
        """The connection is no longer the server's, and was answered as one taken over."""
        visit = self.visit().send(get("/short?a=1", host="a.example"))
        self.assertIsInstance(visit.protocol, Protocol)
        self.assertEqual(self.heads[0].target, b"/short?a=1")
        self.assertEqual(len(self.made.factory.channels), 0)
        self.assertEqual(self.made.metrics.value("http_requests_total", status="1xx"), 1)
        self.assertEqual(self.made.factory.in_flight, 0)

    def test_later(self) -> None:
        """A connection that served hits before can be taken as well."""
        visit = self.visit().send(self.raw)
        visit.read()
        visit.send(get("/short", host="a.example"))
        self.assertIsInstance(visit.protocol, Protocol)

    def test_not_taken(self) -> None:
        """What a shortcut does not take, and what is not for it, is answered as ever; a broken head is never shown."""
        self.willing = False
        for number, data in enumerate((
            get("/short", host="a.example"), get("/short", method="HEAD", host="a.example"),
            get("/shorter", host="a.example"), get("/short", "Content-Length: 1", host="a.example", body=b"x"),
            get("/short", host="b.example"),
        )):  # fmt: skip
            (answer,) = answers(self.visit().send(data).read(), (data.startswith(b"HEAD"),))
            self.assertEqual(answer.status, (200, 200, 200, 400, 421)[number])
        self.assertEqual(len(self.heads), 1)
