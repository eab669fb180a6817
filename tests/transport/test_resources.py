"""Tests of coroutine handlers, and of requests and answers in general."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from cackled.transport.problems import problem
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response, json_response
from tests.support.answers import Server, answers, get


class AsyncResourceTests(SynchronousTestCase):
    """Handlers, right and wrong."""

    def served(self, handler: Any, *args: Any, **more: Any) -> Server:
        return Server({b"h": AsyncResource(handler, *args, **more)})

    def test_answer(self) -> None:
        """What the handler returns is sent, with length, date and server."""

        async def handler(request: Any) -> Response:
            return json_response({"a": 1}, 201, [(b"X-Test", b"1")])

        answer = self.served(handler).ask(get("/h/below"))
        self.assertEqual((answer.status, answer.body), (201, b'{"a":1}'))
        self.assertEqual(answer.headers["x-test"], "1")
        self.assertEqual(answer.headers["content-type"], "application/json")

    def test_failure(self) -> None:
        """A broken handler is logged and answered 500, and nothing of it is told."""
        for wait in (False, True):

            async def handler(request: Any, wait: bool = wait) -> Response:
                if wait:
                    gate = Deferred[None]()
                    gate.callback(None)
                    await gate
                raise ValueError("secret")

            server = self.served(handler)
            wire = server.send(get("/h") + get("/"))
            first, second = answers(wire.value())
            self.assertEqual((first.status, second.status), (500, 200))
            self.assertEqual(first.headers["content-type"], "application/problem+json")
            self.assertNotIn(b"secret", first.body)
            self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_synchronous_failure(self) -> None:
        """A handler that is no coroutine function and breaks is answered as well."""

        def handler(request: Any) -> Any:
            raise ValueError

        self.assertEqual(self.served(handler).ask(get("/h")).status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_wrong_result(self) -> None:
        """A handler that returns no Response is an error, not a hanging client."""

        async def handler(request: Any) -> Any:
            return None

        self.assertEqual(self.served(handler).ask(get("/h")).status, 500)
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    def test_header_injection(self) -> None:
        """A line end in a header is an error, not another header."""

        async def handler(request: Any) -> Response:
            return Response(200, [(b"X", b"a\r\nSet-Cookie: b")], b"")

        answer = self.served(handler).ask(get("/h"))
        self.assertEqual(answer.status, 500)
        self.assertNotIn("set-cookie", answer.headers)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_methods(self) -> None:
        """Other methods are 405 with Allow; HEAD is answered by GET, without the body."""

        async def handler(request: Any) -> Response:
            return Response(body=request.method)

        server = self.served(handler, (b"GET", b"POST"))
        self.assertEqual(server.ask(get("/h", method="POST")).body, b"POST")
        answer = server.ask(get("/h", method="PUT"))
        self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, POST"))
        answer = server.ask(get("/h", method="HEAD"))
        self.assertEqual((answer.status, answer.headers["content-length"], answer.body), (200, "3", b""))

    def test_client_leaves(self) -> None:
        """The handler runs to its end, or is cancelled if it may be; nothing is logged."""
        ends: list[str] = []

        async def handler(request: Any) -> Response:
            try:
                await gate
                ends.append("end")
            except CancelledError:
                ends.append("cancelled")
                raise
            return Response()

        for cancel, expected in ((False, "end"), (True, "cancelled")):
            gate: Deferred[None] = Deferred()
            server = self.served(handler, cancel=cancel)
            server.send(get("/h")).loseConnection()
            if not gate.called:
                gate.callback(None)
            self.assertEqual(ends.pop(), expected)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_statuses_without_body(self) -> None:
        """204 and 304 have neither body nor length."""
        for status in (204, 304):

            async def handler(request: Any, status: int = status) -> Response:
                return Response(status, [], b"ignored")

            wire = self.served(handler).send(get("/h") + get("/"))
            first, second = answers(wire.value())
            self.assertEqual((first.status, first.body, second.status), (status, b"", 200))
            self.assertNotIn("content-length", first.headers)

    def test_headers_of_the_request(self) -> None:
        """Headers and cookies set on the request come along; the Response's own win."""

        async def handler(request: Any) -> Response:
            request.setHeader(b"X-One", b"request")
            request.setHeader(b"X-Two", b"request")
            request.addCookie(b"a", b"1")
            return Response(200, [(b"x-two", b"response")], b"")

        answer = self.served(handler).ask(get("/h"))
        self.assertEqual((answer.headers["x-one"], answer.headers["x-two"]), ("request", "response"))
        self.assertEqual(answer.headers["set-cookie"], "a=1")


class PlainResourceTests(SynchronousTestCase):
    """Resources in Twisted's own style."""

    def test_kinds(self) -> None:
        """Bytes, a Response, and an exception."""

        class Plain(Resource):
            isLeaf = True

            def render_GET(self, request: Any) -> Any:
                return results[request.postpath[0]]()

        def broken() -> Any:
            raise ValueError("secret")

        results = {b"bytes": lambda: b"<p>", b"response": lambda: problem(409, "taken"), b"broken": broken}
        server = Server({b"p": Plain()})
        self.assertEqual(server.ask(get("/p/bytes")).headers["content-type"], "text/html")
        self.assertEqual(server.ask(get("/p/bytes", method="HEAD")).headers["content-length"], "3")
        self.assertEqual(server.ask(get("/p/bytes", method="POST")).status, 405)
        answer = server.ask(get("/p/response"))
        self.assertEqual(answer.status, 409)
        self.assertIn(b'"type":"https://cackle.dev/problems/taken"', answer.body)
        self.assertEqual(server.ask(get("/p/broken")).status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_resources_without_get(self) -> None:
        """What is there for its children only is not found, by any method; HEAD is no method of what has no GET."""

        class Inbox(Resource):
            def render_POST(self, request: Any) -> bytes:
                return b"taken"

        server = Server({b"folder": Resource(), b"inbox": Inbox()})
        for method in ("GET", "HEAD", "POST", "DELETE"):
            self.assertEqual(server.ask(get("/folder", method=method)).status, 404, method)
        for method in ("GET", "HEAD"):
            answer = server.ask(get("/inbox", method=method))
            self.assertEqual((answer.status, answer.headers["allow"]), (405, "POST"), method)

    def test_large_answer(self) -> None:
        """A body of any size arrives whole."""

        async def handler(request: Any) -> Response:
            return Response(body=b"x" * 1_000_000)

        self.assertEqual(len(Server({b"h": AsyncResource(handler)}).ask(get("/h")).body), 1_000_000)
