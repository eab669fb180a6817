"""Tests of the factory: caps, draining, takeover, accounts."""

from __future__ import annotations

from io import StringIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from cackled.admin.health import Health, NotReady
from cackled.admin.http import Readyz
from cackled.daemon.infrastructure import Starting
from cackled.transport.http import attach, client_address, takeover
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response
from tests.support.answers import Server, answers, get
from tests.transport.test_connection import Slow


class Echo(Protocol):
    """Writes back in capitals; remembers its end."""

    ended = False

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data.upper())

    def connectionLost(self, reason: Any = None) -> None:
        self.ended = True


class Upgrade(Resource):
    """Takes the connection over."""

    isLeaf = True

    def render_GET(self, request: Any) -> int:
        self.request = request
        self.channel = request.channel
        self.protocol = Echo()
        transport, rest = takeover(request)
        transport.write(b"HTTP/1.1 101 Switching\r\n\r\n")
        attach(transport, self.protocol, rest)
        return NOT_DONE_YET


class CapTests(SynchronousTestCase):
    """Too many connections."""

    def test_global(self) -> None:
        """Above the cap a connection gets 503 and is closed; when one ends the next is served."""
        server = Server(max_connections=2)
        wires = [server.connect(f"192.0.2.{number}") for number in range(2)]
        wire = server.send(get(), "192.0.2.9")
        (answer,) = answers(wire.value())
        self.assertEqual((answer.status, answer.headers["connection"]), (503, "close"))
        self.assertEqual(answer.headers["retry-after"], "5")
        self.assertTrue(wire.lost)
        self.assertEqual(server.metrics.value("http_refusals_total", reason="connections"), 1)
        wires[0].loseConnection()
        self.assertEqual(server.ask(get(), "192.0.2.9").status, 200)

    def test_per_address(self) -> None:
        """One address, or one /64, has its own cap."""
        server = Server(max_connections_per_address=1)
        server.connect("2001:db8::1")
        self.assertEqual(server.ask(get(), "2001:db8::2").status, 503)
        self.assertEqual(server.ask(get(), "2001:db8:0:1::2").status, 200)

    def test_takeover_counts(self) -> None:
        """A connection taken over is counted until its socket closes."""
        server = Server({b"up": Upgrade()}, max_connections=1)
        wire = server.send(get("/up"))
        self.assertEqual(server.ask(get(), "192.0.2.1").status, 503)
        wire.loseConnection()
        self.assertEqual(server.ask(get(), "192.0.2.1").status, 200)


class TakeoverTests(SynchronousTestCase):
    """Leaving HTTP behind."""

    def setUp(self) -> None:
        """A connection and the resource that takes it over."""
        self.up = Upgrade()
        self.server = Server({b"up": self.up})
        self.wire = self.server.connect()

    def test_leftover(self) -> None:
        """The new protocol gets what came behind the head, then everything else; no timer is left."""
        self.wire.protocol.dataReceived(get("/up") + b"left")
        self.assertIs(self.wire.protocol, self.up.protocol)
        self.wire.protocol.dataReceived(b"over")
        self.assertEqual(self.wire.value(), b"HTTP/1.1 101 Switching\r\n\r\nLEFTOVER")
        self.assertEqual(self.server.clock.getDelayedCalls(), [])
        self.assertIsNone(self.wire.producer)
        self.assertEqual(self.server.factory.in_flight, 0)
        self.assertEqual(len(self.server.factory.channels), 0)

    def test_caps_until_the_socket_closes(self) -> None:
        """The place in the caps is given back exactly once, at the end."""
        self.wire.protocol.dataReceived(get("/up"))
        self.assertEqual(self.server.factory.limits.total, 1)
        self.assertEqual(self.server.metrics.value("http_connections"), 1)
        self.wire.loseConnection()
        self.assertTrue(self.up.protocol.ended)
        self.assertNotIn("connectionLost", vars(self.wire))
        self.assertEqual(self.server.factory.limits.total, 0)
        self.assertEqual(self.server.metrics.value("http_connections"), 0)

    def test_old_objects_are_dead(self) -> None:
        """The request and its channel can do nothing to the connection any more."""
        self.wire.protocol.dataReceived(get("/up"))
        before = self.wire.value()
        self.up.request.respond(Response(body=b"x"))
        self.up.channel.dataReceived(b"x")
        self.up.channel.check(1e9)
        self.up.channel.abort("x")
        self.assertEqual(self.wire.value(), before)
        self.assertFalse(self.wire.disconnecting)
        self.assertRaises(RuntimeError, takeover, self.up.request)

    def test_later(self) -> None:
        """A coroutine may take over after waiting; not when the client has gone or the answer has begun."""
        slow = Slow()
        server = Server({b"slow": slow})
        kept: list[Any] = []

        async def handler(request: Any) -> Response:
            kept.append(request)
            await Deferred()
            return Response()

        server.root.putChild(b"h", AsyncResource(handler))
        wire = server.send(get("/h") + b"rest")
        self.assertEqual(takeover(kept[0]), (wire, b"rest"))
        wire = server.send(get("/h"))
        wire.loseConnection()
        self.assertRaises(RuntimeError, takeover, kept[1])
        server.send(get("/h"))
        kept[2].write(b"begun")
        self.assertRaises(RuntimeError, takeover, kept[2])

    def test_pipelining_stopped_reading(self) -> None:
        """A transport that was paused for what came too early reads again."""
        slow = Slow()
        server = Server({b"slow": slow})
        kept: list[Any] = []

        async def handler(request: Any) -> Response:
            kept.append(request)
            await Deferred()
            return Response()

        server.root.putChild(b"h", AsyncResource(handler))
        wire = server.send(get("/h"))
        wire.protocol.dataReceived(b"x" * 20_000)
        self.assertEqual(wire.producerState, "paused")
        self.assertEqual(len(takeover(kept[0])[1]), 20_000)
        self.assertEqual(wire.producerState, "producing")


class DrainTests(SynchronousTestCase):
    """Orderly ends."""

    def test_drain(self) -> None:
        """Requests in work are finished and close their connection; idle ones get a moment, then end."""
        slow = Slow()
        server = Server({b"slow": slow})
        busy, idle = server.send(get("/slow")), server.connect()
        late = server.connect()
        done = server.factory.drain(10)
        self.assertNoResult(done)
        late.protocol.dataReceived(get())
        self.assertEqual(answers(late.value())[0].headers["connection"], "close")
        self.assertTrue(late.lost)
        server.clock.pump([0.5] * 3)
        self.assertTrue(idle.lost)
        self.assertNoResult(done)
        slow.waiting[0].callback(Response())
        self.assertEqual(answers(busy.value())[0].headers["connection"], "close")
        self.assertTrue(self.successResultOf(done))
        self.assertEqual(server.clock.getDelayedCalls(), [])

    def test_timeout(self) -> None:
        """After the time is over it says so; the rest can be dropped."""
        server = Server({b"slow": Slow()})
        wire = server.send(get("/slow"))
        done = server.factory.drain(5)
        server.clock.pump([0.5] * 11)
        self.assertFalse(self.successResultOf(done))
        server.factory.abort_all()
        self.assertTrue(wire.aborted)

    def test_nothing_to_do(self) -> None:
        """Without connections it is over at once."""
        self.assertTrue(self.successResultOf(Server().factory.drain(5)))


class AccountTests(SynchronousTestCase):
    """Figures, logs, addresses."""

    def test_metrics(self) -> None:
        """Requests by class, times, slow ones, connections."""
        slow = Slow()
        server = Server({b"slow": slow})
        server.ask(get())
        server.ask(get(method="BREW"))
        wire = server.send(get("/slow"))
        self.assertEqual(server.metrics.value("http_requests_in_flight"), 1)
        self.assertEqual(server.metrics.value("http_connections"), 2)
        server.clock.advance(0.2)
        slow.waiting[0].callback(Response(404))
        self.assertEqual(answers(wire.value())[0].status, 404)
        value = server.metrics.value
        self.assertEqual([value("http_requests_total", status=f"{n}xx") for n in (2, 4, 5)], [1, 1, 1])
        self.assertEqual(value("http_slow_requests_total"), 1)
        self.assertEqual(value("http_request_seconds_count"), 2)
        self.assertEqual(value("http_refusals_total", reason="method"), 1)

    def test_untimed(self) -> None:
        """A request that waits on purpose is counted, not timed."""
        server = Server()

        async def handler(request: Any) -> Response:
            request.timed = False
            return await gate

        gate: Deferred[Response] = Deferred()
        server.root.putChild(b"poll", AsyncResource(handler))
        server.send(get("/poll"))
        server.send(get("/poll")).loseConnection()
        server.clock.advance(25)
        gate.callback(Response())
        self.assertEqual(server.metrics.value("http_requests_total", status="2xx"), 1)
        self.assertEqual(server.metrics.value("http_slow_requests_total"), 0)
        self.assertEqual(server.metrics.value("http_request_seconds_count"), 0)

    def test_probes(self) -> None:
        """A probe that hears "not ready", or "starting", is no visitor who got an error: alerts go by that figure."""
        async def unfit() -> None:
            raise NotReady("no primary")

        server = Server()
        server.root.putChild(b"readyz", Readyz(Health({"database": unfit}, server.clock, server.metrics)))
        for root in (server.root, Starting()):
            server.factory.root = root
            self.assertEqual(server.ask(get("/readyz")).status, 503)
        self.assertEqual(server.metrics.value("http_requests_total", status="5xx"), 0)
        self.assertEqual(server.metrics.value("http_requests_in_flight"), 0)
        self.assertEqual(server.ask(get("/bootstrap")).status, 503)
        self.assertEqual(server.metrics.value("http_requests_total", status="5xx"), 1)

    def test_access_log(self) -> None:
        """One line for each request when wanted, hits included."""
        out = StringIO()
        server = Server(access_log=True, access=out, fast=True)

        async def handler(request: Any) -> Response:
            return Response(body=b"x", ttl=3.0)

        server.cached(b"m", handler)
        server.ask(get("/m?a=1"))
        server.ask(get("/m?a=1"))
        self.assertEqual(out.getvalue(), "127.0.0.1 GET /m?a=1 200 1\n" * 2)

    def test_access_log_keeps_secrets(self) -> None:
        """Grants and view tickets are left out of the lines."""
        out = StringIO()
        server = Server(access_log=True, access=out)
        server.ask(get("/x?token=aaa.bbb&site=1&token=ccc&me=5.ddd&some=1"))
        self.assertIn(" /x?token=-&site=1&token=-&me=-&some=1 ", out.getvalue())

    def test_client_address(self) -> None:
        """The peer's, or what a trusted proxy says; https likewise."""
        server = Server(trusted_proxies=("10.0.0.0/8",))
        raw = get("/", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https")
        server.ask(raw, "10.0.0.1")
        server.ask(raw, "192.0.2.1")
        self.assertEqual([client_address(request) for request in server.seen], ["1.2.3.4", "192.0.2.1"])
        self.assertEqual([request.isSecure() for request in server.seen], [True, False])

    def test_neutral(self) -> None:
        """Answers name the product, not its parts, and have a date; unknown paths are problems."""
        server = Server()
        server.root.other = Resource()
        answer = server.ask(get("/a/b"))
        self.assertEqual((answer.status, answer.headers["content-type"]), (404, "application/problem+json"))
        self.assertEqual(answer.headers["server"], "cackled")
        self.assertIn("date", answer.headers)
        self.assertNotIn(b"wisted", answer.head + answer.body)

    def test_bad_settings(self) -> None:
        """Malformed names and networks are errors at start."""
        self.assertRaises(ValueError, Server, hosts=("a b",))
        self.assertRaises(ValueError, Server, trusted_proxies=("x",))

    def test_only_http1(self) -> None:
        """No other protocol is offered to TLS clients."""
        self.assertEqual(Server().factory.acceptableProtocols(), [b"http/1.1"])
