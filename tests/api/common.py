"""A daemon's parts with a real database on loopback sockets, and a client that sees every byte of an answer."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import parse_qs, quote, unquote_to_bytes

import jwt
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from cackled import config
from cackled.api import bootstrap, core, openapi
from cackled.api.router import Table
from cackled.daemon import infrastructure
from cackled.daemon.application import Application
from cackled.daemon.infrastructure import Infrastructure
from cackled.database.migrate import migrate
from cackled.database.testing import fresh_dsn, server, shipped_packages
from cackled.domain.errors import PROBLEMS
from cackled.domain.site import Site
from cackled.features import FEATURES, registry
from cackled.products import PRODUCTS
from cackled.products.product import Feature, Product
from cackled.products.registry import Registry
from tests.support.assets import shared_assets
from tests.support.shapes import Described

clock: Any = reactor
TABLE = Table((*core.ROUTES, *registry().routes))
DESCRIBED = Described()
STATUSES = PROBLEMS | registry().problems
ORIGIN = "https://one.example"


class Answer:
    """One answer, as it came."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.raw = raw
        self.status = int(lines[0].split(" ")[1]) if lines[0] else 0
        self.headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            name = name.lower()
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value
        # Whether its end was told: what came in chunks may have broken off (RFC 9112 section 7.1).
        self.whole = True
        if self.headers.get("transfer-encoding") == "chunked":
            self._join()

    def _join(self) -> None:
        rest, self.body, self.whole = self.body, b"", False
        while not self.whole and rest:
            size, _, rest = rest.partition(b"\r\n")
            number = int(size, 16)
            self.body, rest, self.whole = self.body + rest[:number], rest[number + 2 :], number == 0

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def slug(self) -> str:
        """The last part of a problem's type; checks that it is a whole problem document."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem = self.json()
        assert problem["status"] == self.status and problem["title"], self
        assert problem["type"].startswith("https://cackle.dev/problems/"), self
        return str(problem["type"].rpartition("/")[2])

    def __repr__(self) -> str:
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"


class _Collect(Protocol):
    def __init__(self, sent: bytes) -> None:
        self.sent = sent
        self.got = b""
        self.done: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self.sent)

    def dataReceived(self, data: bytes) -> None:
        self.got += data

    def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment]
        self.done.callback(self.got)


class ApiCase(TestCase):
    """Site 1 (pages of one.example) and site 2 (two.example) on one daemon's parts, listening on a loopback port.

    ``toml`` is laid over the configuration.
    """

    products: tuple[Product, ...] = PRODUCTS
    features: tuple[Feature, ...] = FEATURES
    toml = '[limits]\nexempt = ["127.0.0.0/8"]\n'

    async def setUp(self) -> None:
        self.dsn = await fresh_dsn(self)
        packages = Registry((*self.products, *self.features)).sql
        # The database that was copied has what this release brings.
        if not set(packages) <= set(shipped_packages()):
            await migrate(self.dsn, clock=clock, packages=packages)
        self.name = self.dsn.split("dbname=")[1].split()[0]
        state = self.mktemp()
        os.makedirs(state)
        given = f'state = "{state}"\n[demo]\nenabled = false\n[database]\nconnections = 3\n'
        given += f"dsn = {json.dumps(self.dsn)}\n{self.toml}"
        self.patch(infrastructure, "Assets", shared_assets)
        self.infrastructure = Infrastructure(clock, config.parse(given.encode()))
        self.application = Application(self.infrastructure, self.products, self.features)
        self.addCleanup(self.application.close)
        self.infrastructure.serve(await self.application.open())
        for number, name in ((1, "one"), (2, "two")):
            await self.application.sites.add(name.title(), [f"{name}.example"], site_id=number)
        self.listening = clock.listenTCP(0, self.infrastructure.http, interface="127.0.0.1")
        self.port = self.listening.getHost().port
        self.addCleanup(self.close)

    async def close(self) -> None:
        """Let go of the port and of every connection."""
        await self.listening.stopListening()
        drained = self.infrastructure.http.drain(1.0, grace=0.0)
        self.infrastructure.http.abort_all()
        await drained

    @property
    def site(self) -> Site:
        """Site 1."""
        return self.application.sites.get(1)

    def sql(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        """Run SQL as the superuser."""
        return server().execute(sql, *args, database=self.name)

    async def send(self, raw: bytes) -> bytes:
        """Send bytes; gives what came until the connection closed."""
        protocol = _Collect(raw)
        await connectProtocol(TCP4ClientEndpoint(clock, "127.0.0.1", self.port), protocol)
        return await protocol.done

    async def ask(self, method: str, path: str, body: Any = None, **headers: str | None) -> Answer:
        """One request; header names are written with ``_`` for ``-``, and None leaves one out."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        given: dict[str, str | None] = {"host": "localhost", "connection": "close"}
        if body is not None:
            given |= {"content-type": "application/json", "content-length": str(len(data))}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value is not None)
        answer = Answer(await self.send(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + data))
        self.described(method, path, answer)
        return answer

    def described(self, method: str, path: str, answer: Answer) -> None:
        """See that the API's description knows of such an answer: each test that asks also tests the description."""
        place = path.partition("?")[0]
        if place.startswith("/api/v1/"):
            segments = [unquote_to_bytes(one) for one in place.removeprefix("/api/v1/").split("/")]
            found = TABLE.find(method.encode("ascii"), segments)
            if found is None or found.route is None:
                return
            status, slugs = found.route.status, openapi.refusals(found.route)
        elif place == "/bootstrap" and method == "GET":
            status, slugs = 200, list(bootstrap.SLUGS)
        else:
            return
        if answer.status < 400:
            self.assertIn(answer.status, (status, 304), (method, path))
            if answer.status != 304 and method != "HEAD" and answer.body:
                self.assertEqual(self.misfits(method, path, answer), [], (method, path, answer))
        elif answer.headers.get("content-type") == "application/problem+json" and answer.body:
            self.assertIn(answer.slug, slugs, (method, path, answer))
            self.assertEqual(answer.status, STATUSES[answer.slug], (method, path, answer))

    def misfits(self, method: str, path: str, answer: Answer) -> list[str]:
        """What an answer has another way than its Struct says."""
        known = DESCRIBED if self.products is PRODUCTS else Described(Registry((*self.products, *FEATURES)))
        place, _, query = path.partition("?")
        if place == "/bootstrap":
            return known.first_page(parse_qs(query).get("widget", ["Comment"])[-1], answer.json())
        route = known.route(method, place)
        if route is not None and route.media != "application/json":
            return [] if answer.headers["content-type"].startswith(route.media) else [answer.headers["content-type"]]
        return known.answer(method, place, answer.status, answer.json())

    async def session(self, site: int = 1) -> dict[str, Any]:
        """A new session."""
        answer = await self.ask("POST", f"/api/v1/sites/{site}/sessions")
        self.assertEqual(answer.status, 201, answer)
        return answer.json()

    async def visitor(self, site: int = 1) -> str:
        """The Authorization header of a new session."""
        return f"Bearer {(await self.session(site))['token']}"

    def comment(self, text: str = "hello", key: str = "page", **more: Any) -> dict[str, Any]:
        """The body of a post."""
        return {
            "channel": {"key": key, "url": "https://one.example/x", "title": "X"},
            "text": text,
            "name": "Ann",
            **more,
        }

    async def post(self, auth: str, text: str = "hello", key: str = "page", **more: Any) -> dict[str, Any]:
        """Write a comment; gives the answer's JSON."""
        answer = await self.ask("POST", "/api/v1/sites/1/comments", self.comment(text, key, **more), authorization=auth)
        self.assertEqual(answer.status, 201, answer)
        return answer.json()

    async def bootstrap(self, key: str = "page", query: str = "", site: int = 1, **headers: str | None) -> Answer:
        """The first render."""
        return await self.ask("GET", f"/bootstrap?widget=Comment&site={site}&channel={quote(key)}{query}", **headers)

    @staticmethod
    def visitor_of(auth: str) -> str:
        """Whose session it is."""
        return str(jwt.decode(auth.partition(" ")[2], options={"verify_signature": False})["sub"])
