"""A server on a string transport and a clock, and a reader of what it answers."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.resource import Resource

from cackled import config
from cackled.metrics import Metrics
from cackled.transport.http import HttpFactory
from cackled.transport.microcache import Microcache, MicrocachedResource
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response, json_response


class Answer:
    """One answer off the wire."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes, head: bytes) -> None:
        self.status = status
        self.fields = headers
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body
        self.head = head

    def __repr__(self) -> str:
        return f"<Answer {self.status} {self.headers} {self.body[:60]!r}>"


def answers(data: bytes, heads: tuple[bool, ...] = ()) -> list[Answer]:
    """Read the answers in *data*; *heads* says which of them are to HEAD (no body)."""
    found: list[Answer] = []
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        assert end, f"no complete head in {data!r}"
        lines = head.decode("latin-1").split("\r\n")
        version, status, _ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", version
        fields = [(name, value) for name, _, value in (line.partition(": ") for line in lines[1:])]
        headers = {name.lower(): value for name, value in fields}
        bodiless = int(status) in (100, 101, 204, 304) or (len(found) < len(heads) and heads[len(found)])
        size = 0 if bodiless else int(headers.get("content-length", len(rest)))
        assert len(rest) >= size, "the body is cut"
        found.append(Answer(int(status), fields, rest[:size], head))
        data = rest[size:]
    return found


class Wire(StringTransport):
    """A string transport that ends its protocol when closed, and can be full."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        kind = IPv6Address if ":" in host else IPv4Address
        super().__init__(peerAddress=kind("TCP", host, 5000), hostAddress=IPv4Address("TCP", "127.0.0.1", 80))
        self.aborted = False
        self.protocol: Any = None
        self.lost = False
        # With a clock, the end comes a turn later, as with a real transport.
        self.clock: Clock | None = None

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled

    def loseConnection(self) -> None:
        super().loseConnection()
        self._end()

    def abortConnection(self) -> None:
        self.aborted = True
        self._end()

    def _end(self) -> None:
        if not self.lost:
            self.lost = True
            if self.clock is None:
                self.connectionLost(Failure(ConnectionDone()))
            else:
                self.clock.callLater(0, self.connectionLost, Failure(ConnectionDone()))

    def connectionLost(self, reason: Any) -> None:
        """As a TCP transport: the end goes to whoever is the protocol now."""
        self.protocol.connectionLost(reason)


class Root(Resource):
    """Has *other* for every child it does not have."""

    def __init__(self, other: Resource) -> None:
        super().__init__()
        self.other = other

    def getChild(self, path: bytes, request: Any) -> Resource:
        return self.other


class Server:
    """An `HttpFactory` on a `Clock`. *routes* are children of the root."""

    def __init__(self, routes: dict[bytes, Resource] | None = None, **settings: Any) -> None:
        options = {key: settings.pop(key) for key in ("body_limit", "fast", "tls", "access") if key in settings}
        self.clock = Clock()
        self.clock.advance(1000)
        self.metrics = Metrics()
        self.root = Root(AsyncResource(self.echo))
        self.seen: list[Any] = []
        # Wall seconds begin elsewhere than ours.
        self.microcache = Microcache(
            self.clock, config.Microcache(), self.metrics, wall=lambda: self.clock.seconds() + 0.7
        )
        if options.get("fast") is True:
            options["fast"] = self.microcache.fast_path()
        for name, resource in (routes or {}).items():
            self.root.putChild(name, resource)
        self.factory = HttpFactory(self.root, config.Http(**settings), self.clock, self.metrics, **options)

    async def echo(self, request: Any) -> Response:
        """Tell what was asked."""
        self.seen.append(request)
        body = request.content.read()
        return json_response(
            {"method": request.method.decode(), "uri": request.uri.decode(), "body": body.decode("latin-1")}
        )

    def cached(self, name: bytes, handler: Any, **more: Any) -> None:
        """Put a microcached route at */name*."""
        self.root.putChild(name, MicrocachedResource(self.microcache, handler, **more))

    def connect(self, host: str = "127.0.0.1") -> Wire:
        """A new connection."""
        wire = Wire(host)
        wire.protocol = self.factory.buildProtocol(wire.getPeer())
        wire.protocol.makeConnection(wire)
        return wire

    def send(self, data: bytes, host: str = "127.0.0.1") -> Wire:
        """A new connection that sends *data* at once, and what becomes of it."""
        wire = self.connect(host)
        wire.protocol.dataReceived(data)
        self.settle()
        return wire

    def settle(self) -> int:
        """Let those who have more to do in later turns do it; gives the number of turns."""
        turns = 0
        while len(self.factory.line):
            self.clock.advance(0)
            turns += 1
        return turns

    def ask(self, data: bytes, host: str = "127.0.0.1") -> Answer:
        """The one answer to *data* on a new connection."""
        wire = self.send(data, host)
        (answer,) = answers(wire.value(), (data.startswith(b"HEAD"),))
        return answer


def get(target: str = "/", *fields: str, method: str = "GET", host: str = "example.com", body: bytes = b"") -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
