"""Rate limits, and what the API answers while something behind it is broken."""

from __future__ import annotations

import json
import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from cackled.database.errors import Busy, QueryTimeout, Unavailable
from cackled.database.routing import Database
from cackled.products.comments.service import Comments
from tests.api.common import ORIGIN, ApiCase, clock
from tests.api.test_routes import CALLS, COMMENTS


class LimitTests(ApiCase):
    """Rate limits."""

    toml = (
        "[limits]\nposts_per_address = 0.01\nposts_burst = 2\nvotes_per_address = 0.01\nvotes_burst = 2\n"
        "sessions_per_address = 0.01\nsessions_burst = 3\nreads_per_address = 0.01\nreads_burst = 4\n"
        'posts_per_site = 0.005\n[limits.calls."comments.preview"]\nrate = 0.01\nburst = 3\n'
        '[http]\ntrusted_proxies = ["127.0.0.0/8"]\n'
    )

    async def spend(
        self, limit: int, method: str, path: str, body: Any = None, address: str = "192.0.2.1", **headers: str
    ) -> None:
        """Exactly *limit* calls pass, then 429 with a wait."""
        for n in range(limit + 2):
            answer = await self.ask(method, path, body, x_forwarded_for=address, **headers)
            if n < limit:
                self.assertNotEqual(answer.status, 429, (path, n))
            else:
                self.assertEqual((answer.status, answer.slug), (429, "too-fast"), (path, n))
                self.assertGreater(int(answer.headers["retry-after"]), 1)

    async def test_each(self) -> None:
        """Sessions, reads, votes and posts have a bucket each per address; another address and IPv6 net is apart."""
        await self.spend(3, "POST", "/api/v1/sites/1/sessions")
        await self.spend(3, "POST", "/api/v1/sites/1/sessions", address="192.0.2.2")
        await self.spend(3, "POST", "/api/v1/sites/1/sessions", address="2001:db8::1")
        answer = await self.ask("POST", "/api/v1/sites/1/sessions", x_forwarded_for="2001:db8::2")
        self.assertEqual(answer.status, 429)
        answer = await self.ask("POST", "/api/v1/sites/1/sessions", x_forwarded_for="2001:db8:0:1::2")
        self.assertEqual(answer.status, 201)
        auth = f"Bearer {answer.json()['token']}"
        await self.spend(4, "GET", f"{COMMENTS}?channel=k")
        answer = await self.ask("GET", "/bootstrap?site=1&channel=k", x_forwarded_for="192.0.2.1", origin=ORIGIN)
        self.assertEqual(answer.status, 429)
        # The widget reads it from a page of another origin.
        self.assertIn("retry-after", answer.headers["access-control-expose-headers"])
        await self.spend(4, "GET", "/bootstrap?site=1&channel=kk&x=1", address="192.0.2.3", authorization=auth)
        await self.spend(2, "PUT", f"{COMMENTS}/5/vote", {"value": 1}, authorization=auth)
        await self.spend(3, "POST", f"{COMMENTS}/preview", {"text": "x"}, authorization=auth)

    async def test_site(self) -> None:
        """A site's bucket holds for all addresses together, and one site's flood leaves the other alone."""
        one, two = await self.session(1), await self.session(2)
        for n, status in enumerate((201, 429, 429)):
            answer = await self.ask(
                "POST",
                COMMENTS,
                self.comment(),
                authorization=f"Bearer {one['token']}",
                x_forwarded_for=f"198.51.100.{n}",
            )
            self.assertEqual(answer.status, status, answer)
        answer = await self.ask(
            "POST",
            "/api/v1/sites/2/comments",
            self.comment(),
            authorization=f"Bearer {two['token']}",
            x_forwarded_for="203.0.113.1",
        )
        self.assertEqual(answer.status, 201, answer)

    async def test_forged_address(self) -> None:
        """Who is no trusted proxy does not choose the address it is counted by."""
        self.infrastructure.http.proxies = type(self.infrastructure.http.proxies)(())
        for n in range(4):
            answer = await self.ask("POST", "/api/v1/sites/1/sessions", x_forwarded_for=f"192.0.2.{n}")
        self.assertEqual(answer.status, 429)


class Broken:
    """A database whose every query ends with one error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self, *args: Any) -> Any:
        async def failing() -> Any:
            raise self.error

        return failing()

    def write(self, *args: Any, **more: Any) -> Any:
        async def failing() -> Any:
            raise self.error

        return failing()


class FaultTests(ApiCase):
    """Without a database."""

    async def test_errors(self) -> None:
        """Each fault is a problem document without a word of the inside; 503 says when to come back."""
        auth = await self.visitor()
        for error, status in ((Unavailable(4.0), 503), (Busy(1.0), 503), (QueryTimeout("slow secret"), 503)):
            broken = Broken(error)
            self.patch(Database, "read", broken.read)
            self.patch(Database, "write", broken.write)
            for method, path, body, _ in CALLS:
                if "sessions" in path or "preview" in path:
                    continue  # these need no database
                answer = await self.ask(method, path.format(site=1), body, authorization=auth, origin=ORIGIN)
                self.assertEqual((answer.status, answer.slug), (status, "unavailable"), (method, path))
                self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
                self.assertEqual(answer.headers["access-control-allow-origin"], ORIGIN)
                self.assertNotIn(b"secret", answer.raw)

    async def test_bug(self) -> None:
        """A fault of ours is 500 without details, is logged, and the next request is answered."""
        auth = await self.visitor()
        broken = Broken(ZeroDivisionError("secret"))
        self.patch(Comments, "post", broken.write)
        answer = await self.ask("POST", COMMENTS, self.comment(), authorization=auth, origin=ORIGIN)
        self.assertEqual(answer.status, 500)
        self.assertNotIn(b"secret", answer.raw)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual((await self.ask("GET", f"{COMMENTS}?channel=k")).status, 200)

    async def test_cached_reads_go_on(self) -> None:
        """While no server answers, what is in memory is read on; what is not, and every write, is 503."""
        auth = await self.visitor()
        await self.post(auth, "kept")
        for _ in range(1000):
            if self.infrastructure.metrics.value("tail_events_total") >= 1:  # its event clears the caches once more
                break
            await deferLater(clock, 0.01)
        self.assertEqual((await self.bootstrap()).status, 200)
        broken = Broken(Unavailable(3.0))
        self.patch(Database, "read", broken.read)
        self.patch(Database, "write", broken.write)
        for query in ("", "&x=1", "&x=2"):
            answer = await self.bootstrap(query=query)
            self.assertEqual(answer.status, 200)
            self.assertIn(b"kept", answer.body)
        ticket = await self.session()
        answer = await self.bootstrap(query=f"&me={ticket['visitor']}.{ticket['view']}")
        self.assertEqual(answer.status, 200)
        self.assertIsNone(answer.json()["me"])
        answer = await self.bootstrap("never read")
        self.assertEqual((answer.status, answer.slug), (503, "unavailable"))
        self.assertIn("retry-after", answer.headers)
        self.assertEqual((await self.ask("POST", COMMENTS, self.comment(), authorization=auth)).status, 503)

    async def test_gone_visitor(self) -> None:
        """A write whose sender hangs up is done once, and logs nothing."""
        auth = await self.visitor()
        body = json.dumps(self.comment("gone")).encode()
        held: list[Deferred[Any]] = []
        original = Database.write

        def slow(database: Database, *args: Any) -> Any:
            held.append(Deferred())
            return held[-1].addCallback(lambda _: original(database, *args))

        self.patch(Database, "write", slow)
        head = f"POST {COMMENTS} HTTP/1.1\r\nHost: x\r\nAuthorization: {auth}\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.port)) as peer:
            peer.sendall(head.encode() + body)
            for _ in range(1000):
                if held:
                    break
                await deferLater(clock, 0.01)
        await deferLater(clock, 0.05)
        for _ in range(2000):
            # Jobs of the daemon write as well, maybe before the comment.
            for one in held:
                if not one.called:
                    one.callback(None)
            if self.sql("select count(*) from comment") == [(1,)]:
                break
            await deferLater(clock, 0.01)
        self.assertEqual(self.sql("select src from comment"), [("gone",)])
        self.assertEqual(self.flushLoggedErrors(), [])
