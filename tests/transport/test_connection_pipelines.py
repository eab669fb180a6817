"""Requests that come one after the other on one connection, before their answers are there."""

from __future__ import annotations

import contextlib
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response
from tests.support.answers import Server, answers, get
from tests.support.sockets import Visit
from tests.transport.test_connection import Slow, Streaming


class PipelineTests(SynchronousTestCase):
    """Several requests on one connection."""

    def test_order(self) -> None:
        """Requests sent at once are answered one after another, in order."""
        slow = Slow()
        server = Server({b"slow": slow})
        wire = server.send(get("/slow") + get("/b") + get("/slow") + get("/d"))
        self.assertEqual(wire.value(), b"")
        slow.waiting[0].callback(Response(body=b"first"))
        server.settle()
        self.assertEqual(answers(wire.value())[0].body, b"first")
        self.assertEqual(len(answers(wire.value())), 2)
        slow.waiting[1].callback(Response(body=b"third"))
        server.settle()
        found = answers(wire.value())
        self.assertEqual([a.status for a in found], [200] * 4)
        self.assertIn(b"/d", found[3].body)

    def test_many_at_once(self) -> None:
        """Hundreds of pipelined requests do not pile up on the stack."""
        server = Server()
        wire = server.send(get() * 2000)
        self.assertEqual(len(answers(wire.value())), 2000)

    def test_held_back(self) -> None:
        """While one request is answered, reading stops once a little more has come."""
        slow = Slow()
        server = Server({b"slow": slow})
        wire = server.send(get("/slow"))
        wire.protocol.dataReceived(get("/b") * 200)
        self.assertEqual(wire.producerState, "producing")
        wire.protocol.dataReceived(get("/b") * 300)
        self.assertEqual(wire.producerState, "paused")
        slow.waiting[0].callback(Response())
        server.settle()
        self.assertEqual(wire.producerState, "producing")
        self.assertEqual(len(answers(wire.value())), 501)

    def test_answers_that_are_not_taken(self) -> None:
        """A client that asks and asks and takes nothing is answered no further than its buffers go; then in order."""
        asked: list[bytes] = []

        async def page(request: Any) -> Response:
            asked.append(request.uri)
            return Response(body=b"%s " % request.uri + b"x" * 100_000)

        server = Server({b"page": AsyncResource(page)})
        visit = Visit(server.factory)
        self.addCleanup(visit.close)
        visit.send(b"".join(get(f"/page?{number}") for number in range(120)))
        for more in (get("/page?120"), get("/page?121")[:-9], get("/page?121")[-9:]):
            visit.send(more)
        self.assertLess(len(asked), 20)
        found = answers(visit.read())
        self.assertEqual(asked, [b"/page?%d" % number for number in range(122)])
        self.assertEqual([answer.body.split()[0] for answer in found], asked)

    def test_answers_that_are_not_taken_one_by_one(self) -> None:
        """The same where each request comes by itself: nothing is read while answers wait; what came is answered."""
        asked: list[bytes] = []

        async def page(request: Any) -> Response:
            asked.append(request.uri)
            return Response(body=b"x" * (1_000_000 if len(asked) < 3 else 1))

        server = Server({b"page": AsyncResource(page)})
        visit = Visit(server.factory)
        self.addCleanup(visit.close)
        for number in range(5):
            visit.send(get(f"/page?{number}"))
        self.assertEqual(len(asked), 1)
        self.assertFalse(visit.transport._reading)
        self.assertEqual(len(answers(visit.read())), 5)
        self.assertEqual(asked, [b"/page?%d" % number for number in range(5)])
        self.assertTrue(visit.transport._reading)

    def test_read_before_it_was_held_back(self) -> None:
        """Bytes that were on their way up when reading stopped wait with the others."""

        async def page(request: Any) -> Response:
            return Response(body=b"x" * 4_000_000)

        server = Server({b"page": AsyncResource(page)})
        visit = Visit(server.factory)
        self.addCleanup(visit.close)
        visit.send(get("/page"))
        self.assertFalse(visit.transport._reading)
        visit.protocol.dataReceived(get("/next"))
        self.assertEqual(visit.protocol._buffer, get("/next"))
        self.assertEqual(len(answers(visit.read())), 2)

    def test_held_back_while_nothing_is_taken(self) -> None:
        """What comes while a long answer waits for the client is not read without end either."""
        server = Server({b"stream": (stream := Streaming())})
        visit = Visit(server.factory)
        self.addCleanup(visit.close)
        visit.send(get("/stream"))
        stream.request.write(b"x" * 2_000_000)
        with contextlib.suppress(BlockingIOError):
            for _ in range(100):
                visit.send(b"y" * 60_000)
        self.assertLess(len(visit.protocol._buffer), 100_000)

    def test_close(self) -> None:
        """Connection: close, in any list, ends the connection after the answer; so does HTTP/1.0."""
        for raw in (
            get("/", "Connection: close"),
            get("/", "Connection: x, Close"),
            get("/", "Connection: x", "Connection: close"),
            b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        ):
            server = Server()
            wire = server.send(raw + get("/second"))
            (answer,) = answers(wire.value())
            self.assertEqual(answer.headers["connection"], "close")
            self.assertTrue(wire.lost)
            self.assertEqual(len(server.seen), 1)

    def test_data_after_a_refusal(self) -> None:
        """What comes after a 400 is dropped without a word in the log."""
        server = Server()
        wire = server.send(b"rubbish\r\n\r\n")
        channel = wire.protocol
        for data in (b"more", get(), b"\x00" * 100):
            channel.dataReceived(data)
        self.assertEqual([answer.status for answer in answers(wire.value())], [400])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_lost_while_answering(self) -> None:
        """A client that leaves is noticed, counted, and its late answer dropped."""
        slow = Slow()
        server = Server({b"slow": slow})
        wire = server.send(get("/slow"))
        self.assertEqual(server.factory.in_flight, 1)
        wire.loseConnection()
        self.assertEqual(server.factory.in_flight, 0)
        slow.waiting[0].callback(Response())
        self.assertEqual(wire.value(), b"")
        self.assertEqual(server.metrics.value("http_requests_total", status="4xx"), 1)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_streaming(self) -> None:
        """A resource that writes by itself is chunked, with our Server and a Date."""
        stream = Streaming()
        server = Server({b"stream": stream})
        wire = server.send(get("/stream"))
        stream.request.unregisterProducer()
        stream.request.finish()
        head, _, body = wire.value().partition(b"\r\n\r\n")
        self.assertIn(b"Server: cackled", head)
        self.assertIn(b"Date: ", head)
        self.assertEqual(body, b"5\r\nbegin\r\n0\r\n\r\n")
