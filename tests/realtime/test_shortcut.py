"""Tests of the shortcut into live connections: the same outcome as by the resources, with no request object."""

from __future__ import annotations

import re
from random import Random
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled import config
from cackled.api.public_root import PublicRoot
from cackled.metrics import Metrics
from cackled.realtime import resource
from cackled.realtime.access import Charge, Refusal
from cackled.realtime.hub import Hub
from cackled.realtime.resource import RealtimeResource
from cackled.realtime.testing import ModelLog
from cackled.transport.http import HttpFactory
from tests.support.answers import answers, get
from tests.support.peers import blocks, masked, texts
from tests.support.sockets import Visit

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
WS = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}")


class World:
    """A server of ``/rt`` on a clock, with shortcuts or without."""

    def __init__(self, short: bool, answer: Any = None, charge: Charge | None = None) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.log = ModelLog()
        for _ in range(3):
            self.log.commit(1, 5)
        self.metrics = Metrics()
        self.answer = answer
        self.asked: list[Any] = []
        self.hub = Hub(
            clock=self.clock, random=Random(1), config=config.Realtime(max_subscriptions=3, presence=False),
            load=self.log.load, seqs=self.log.seqs, metrics=self.metrics,
        )  # fmt: skip
        realtime = RealtimeResource(self.hub, self.authorize, charge=charge)
        if not short:
            realtime.shortcuts = {}
        self.factory = HttpFactory(
            PublicRoot({b"rt": realtime}, realtime), config.Http(), self.clock, self.metrics
        )

    def authorize(self, site: int, channel: int, origin: str | None, tokens: tuple[str, ...]) -> Any:
        self.asked.append((site, channel, origin, *tokens))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer() if callable(self.answer) else self.answer if site == 2 else None

    def visit(self, data: bytes) -> Visit:
        """A connection that says *data*."""
        return Visit(self.factory).send(data)


def outcome(world: World, data: bytes, later: bytes) -> Any:
    """Everything that can be seen of a visit which says *data* and, once that is answered, *later*."""
    visit = world.visit(data)
    # A second may pass between the two.
    found: list[Any] = [re.sub(rb"\r\nDate: [^\r]*", b"", visit.read())]
    world.clock.advance(0.1)
    found.append(visit.read())
    if not visit.ended:
        visit.send(later)
        world.hub.deliver(world.log.commit(1, 5))
        found.append(visit.read())
    found += (
        visit.ended, world.hub.stats(), len(world.factory.channels), world.factory.in_flight,
        world.metrics.value("http_requests_total", status="1xx"),
        world.metrics.value("http_requests_total", status="4xx"), world.asked[-1:],
    )  # fmt: skip
    visit.close()
    found += (world.hub.stats(), len(world.factory.channels))
    return found


SUBS = (
    "sub=1/5@3", "sub=1%2F5%403", "sub=1%2f5", "sub=1/5@1", "sub=1/6@0", "sub=2/5@0", "sub=1/5", "sub=0/5", "sub=1/5@",
    "sub=1/99999999999999999999", "sub=1/9223372036854775808", "sub=1/+5", "sub=1%2f5%40%33", "", "sub=", "sub",
    "token=abc", "wait=3", "lastEventId=1/5@2", "sub=1/5@3;x", "SUB=1/5", "sub=" + "1" * 80,
)  # fmt: skip
FIELDS = (
    "Upgrade: websocket", "Upgrade: WebSocket", "Upgrade: h2c, websocket", "Connection: Upgrade",
    "Connection: keep-alive, Upgrade", "Connection: keep-alive", "Connection: close", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Version: 8", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Key: d", "Sec-WebSocket-Key: " + "!" * 24,
    "Sec-WebSocket-Protocol: cackle.v1", "Sec-WebSocket-Protocol: x, cackle.v1", "Sec-WebSocket-Protocol: x",
    "Origin: https://a.example", "Origin:", "Origin: \xe9", "Origin: https://b.example", "Last-Event-ID: 1/5@2",
    "Cookie: a=1", "Sec-WebSocket-Extensions: permessage-deflate",
)  # fmt: skip


class ChargeTests(SynchronousTestCase):
    """Subscribing is read from an address as anything else is."""

    def world(self, short: bool, tokens: float) -> World:
        left = {"192.0.2.1": tokens}

        def charge(address: str, cost: float) -> float | None:
            rest = left.setdefault(address, tokens) - cost
            if rest < 0:
                return 2.2
            left[address] = rest
            return None

        return World(short, charge=charge)

    def test_above_the_limit(self) -> None:
        """429 with Retry-After on every transport; the same by either way, and nothing is subscribed."""
        for short in (True, False):
            for path, fields in (("ws", WS), ("sse", ()), ("poll", ())):
                world = self.world(short, 3.05)
                asks = [get(f"/rt/{path}?sub=1/{channel}@3&sub=1/{channel + 1}@3", *fields) for channel in (5, 7, 5)]
                visits = [world.visit(ask) for ask in asks]
                codes = [visit.read()[9:12] for visit in visits]
                begun = {"ws": b"101", "sse": b"200", "poll": b""}[path]
                # Four unknown channels are too much; the two that are known are not.
                self.assertEqual(codes, [begun, b"429", begun], (short, path))
                self.assertIn(b"\r\nRetry-After: 3\r\n", world.visit(asks[1]).read())
                self.assertEqual((world.hub.stats().channels, world.hub.stats().subscriptions), (2, 4))

    def test_refused_anyway(self) -> None:
        """Who may not listen pays nothing."""
        world = self.world(True, 1.0)
        world.answer = Refusal(404, "unknown-site")
        for _ in range(5):
            self.assertIn(b" 404 ", world.visit(get("/rt/sse?sub=2/5")).read())
        self.assertIn(b" 200 ", world.visit(get("/rt/sse?sub=1/5")).read())


class SameTests(SynchronousTestCase):
    """Both ways are one server."""

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.sampled_from(("/rt/ws", "/rt/ws", "/rt/sse", "/rt/poll", "/rt/ws/", "/rt/", "/ws")),
        st.lists(st.sampled_from(SUBS), max_size=4), st.booleans(), st.lists(st.sampled_from(FIELDS), max_size=4),
        st.sampled_from((None, Refusal(403, "origin"), Refusal(404, "unknown-site"))), st.booleans(),
    )  # fmt: skip
    @example("/rt/ws", ["sub=1/5@3"], True, [], None, False)
    @example("/rt/ws", [], True, ["Sec-WebSocket-Protocol: cackle.v1"], None, True)
    @example("/rt/sse", ["sub=1%2F5%401"], False, ["Origin: https://a.example"], None, False)
    @example("/rt/ws", ["sub=2/5@0"], True, ["Origin: https://b.example"], Refusal(403, "origin"), False)
    @example("/rt/sse", ["sub=1/5@3", "sub=2/5@0"], False, [], Refusal(404, "unknown-site"), False)
    def test_same_outcome(
        self, path: str, subs: list[str], whole: bool, fields: list[str], answer: Any, draining: bool
    ) -> None:
        """Whatever is asked for: the same bytes, the same connections, the same accounts."""
        self.addCleanup(self.flushLoggedErrors)
        query = "?" + "&".join(subs) if subs else ""
        data = get(path + query, *(WS if whole and path == "/rt/ws" else ()), *fields, host="h")
        found = []
        for short in (True, False):
            world = World(short, answer)
            world.hub.draining = draining
            found.append(outcome(world, data, masked(9, b"ping")))
        self.assertEqual(found[0], found[1])


class ShortcutTests(SynchronousTestCase):
    """What is short, and what is not."""

    def short(self, world: World, target: str, *fields: str) -> Visit:
        """A visit for which no resource is asked."""
        self.patch(resource._Endpoint, "render_GET", None)
        return world.visit(get(target, *fields, host="h"))

    def test_websocket(self) -> None:
        """A browser's handshake: greeted, subscribed, live, in one write."""
        world = World(True)
        visit = self.short(
            world, "/rt/ws?sub=1%2F5%402", *WS, "Sec-WebSocket-Protocol: cackle.v1", "Origin: https://a.example",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        )  # fmt: skip
        head, _, rest = visit.read().partition(b"\r\n\r\n")
        self.assertIn(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", head)
        self.assertTrue(head.endswith(b"\r\nSec-WebSocket-Protocol: cackle.v1"))
        self.assertEqual([m.get("seq", m["type"]) for m in texts(rest)], ["hello", 3, 3])
        self.assertEqual(world.asked, [(1, 5, "https://a.example")])
        self.assertEqual(world.hub.stats().sessions, {"ws": 1})
        visit.close()
        self.assertEqual(world.hub.stats().sessions, {})

    def test_eventsource(self) -> None:
        """A stream, of two channels."""
        world = World(True)
        visit = self.short(world, "/rt/sse?sub=1%2F5%403&sub=1/6@0", "Origin: https://a.example")
        data = visit.read()
        self.assertIn(b"Access-Control-Allow-Origin: https://a.example", data)
        self.assertEqual([m["type"] for m in blocks(data)[0]], ["hello", "recovered", "recovered"])
        self.assertEqual(world.hub.stats().sessions, {"sse": 1})

    def test_refused(self) -> None:
        """Whom the gate refuses, if only one of several channels, is told so and hears nothing."""
        for target, fields in (
            ("/rt/ws?sub=2/5@0", WS), ("/rt/ws?sub=1/5@3&sub=2/5@0", WS), ("/rt/sse?sub=2/5@0", ()),
            ("/rt/sse?sub=1/5@3&sub=2/5@0", ()),
        ):  # fmt: skip
            world = World(True, Refusal(403, "origin"))
            (answer,) = answers(world.visit(get(target, *fields, "Origin: https://b.example", host="h")).read())
            self.assertEqual(answer.status, 403, target)
            self.assertEqual(world.hub.stats().sessions, {}, target)

    def test_old_http(self) -> None:
        """HTTP/1.0 knows no WebSocket: refused, as by the resource."""
        data = get("/rt/ws?sub=1/5@3", *WS, host="h").replace(b"HTTP/1.1", b"HTTP/1.0")
        found = [outcome(World(short), data, b"") for short in (True, False)]
        self.assertEqual(found[0], found[1])
        self.assertNotIn(b" 101 ", found[0][0])

    def test_tokens(self) -> None:
        """Who brings tokens goes by the resource."""
        world = World(True)
        world.visit(get("/rt/ws?sub=1/5@3&token=abc", *WS, host="h"))
        self.assertEqual(world.asked, [(1, 5, None, "abc")])
        self.assertEqual(world.hub.stats().sessions, {"ws": 1})

    def test_question_that_takes_time(self) -> None:
        """Where the answer is not there at once, the resource waits for it."""
        for answer, status in ((succeed, 101), (lambda x: fail(ValueError()), 503)):
            waiting: Deferred[None] = Deferred()
            world = World(True, lambda waiting=waiting, answer=answer: answer(None) if waiting.called else Deferred())
            visit = world.visit(get("/rt/ws?sub=1/5@3", *WS, host="h"))
            self.assertEqual(visit.read(), b"")
            visit.close()
            waiting.callback(None)
            data = world.visit(get("/rt/ws?sub=1/5@3", *WS, host="h")).read()
            self.assertEqual(answers(data.partition(b"\x81")[0])[0].status, status)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_question_that_breaks(self) -> None:
        """A fault in the answering is a logged 500, as by the resource."""
        world = World(True, ZeroDivisionError())
        (answer,) = answers(world.visit(get("/rt/ws?sub=1/5@3", *WS, host="h")).read())
        self.assertEqual(answer.status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
