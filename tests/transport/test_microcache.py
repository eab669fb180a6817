"""Tests of the microcache through the server: each row of what a correct one must do."""

from __future__ import annotations

from typing import Any

import brotli
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from cackled.transport import _loading
from cackled.transport.response import CONFIGURED_TTL, Response
from tests.support.answers import Answer, Server, Wire, answers, get

TEXT = b'{"text": "' + b"abcdefghij" * 60 + b'"}'


class Origin:
    """A handler that can be told what to answer, and counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0
        self.requests: list[Any] = []
        self.answer: Any = Response(200, [(b"Content-Type", b"application/json")], TEXT, ("t",), CONFIGURED_TTL)
        # When true, calls wait in `waiting` to be fired with a Response.
        self.slow = False
        self.waiting: list[Deferred[Response]] = []

    async def __call__(self, request: Any) -> Response:
        self.calls += 1
        self.requests.append(request)
        if self.slow:
            done: Deferred[Response] = Deferred()
            self.waiting.append(done)
            return await done
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def make(self, body: bytes = TEXT, *fields: tuple[bytes, bytes], status: int = 200, **more: Any) -> Response:
        """A Response to be kept."""
        more.setdefault("ttl", CONFIGURED_TTL)
        more.setdefault("tags", ("t",))
        return Response(status, [(b"Content-Type", b"application/json"), *fields], body, **more)


class MicrocacheTestCase(SynchronousTestCase):
    """A server with a microcached route at /m; every test runs on the slow path."""

    fast = False

    def setUp(self) -> None:
        """Make the server."""
        self.server = Server(fast=self.fast or None, hosts=("a.example", "b.example"))
        self.origin = Origin()
        self.cache = self.server.microcache
        self.server.cached(b"m", self.origin)

    def raw(self, target: str = "/m", *fields: str, **more: Any) -> bytes:
        more.setdefault("host", "a.example")
        return get(target, *fields, **more)

    def ask(self, target: str = "/m", *fields: str, **more: Any) -> Answer:
        """The answer to one request."""
        return self.server.ask(self.raw(target, *fields, **more))

    def start(self, target: str = "/m", *fields: str) -> Wire:
        """A request whose answer may come later."""
        return self.server.send(self.raw(target, *fields))

    def pass_time(self, seconds: float) -> None:
        self.server.clock.advance(seconds)

    def twice(self, first: tuple[str, ...], second: tuple[str, ...]) -> int:
        """How often the origin is asked for these two."""
        before = self.origin.calls
        self.ask("/m", *first)
        self.ask("/m", *second)
        return self.origin.calls - before


class SharingTests(MicrocacheTestCase):
    """What may be shared, and with whom."""

    def test_hit(self) -> None:
        """The second request does not reach the handler, and gets the same bytes."""
        first, second = self.ask(), self.ask()
        self.assertEqual(self.origin.calls, 1)
        self.assertEqual((first.body, second.body), (TEXT, TEXT))
        self.assertEqual(first.headers["cache-status"], "cackled; fwd=miss; stored")
        self.assertEqual(second.headers["cache-status"], "cackled; hit; ttl=3")
        self.assertNotIn("age", first.headers)
        self.assertEqual(second.headers["age"], "0")
        self.assertEqual(second.headers["x-microcachable"], "1")

    def test_authorization(self) -> None:
        """Requests with credentials never share, and never see what was shared."""
        self.assertEqual(self.twice(("Authorization: Bearer 1",), ("Authorization: Bearer 2",)), 2)
        self.assertEqual(self.cache.stats()["entries"], 0)
        self.ask()
        answer = self.ask("/m", "Authorization: Bearer 1")
        self.assertEqual(answer.headers["cache-status"], "cackled; fwd=bypass")
        self.assertEqual(answer.headers["x-microcachable"], "0")
        self.assertEqual(self.origin.calls, 4)

    def test_mark_of_a_write(self) -> None:
        """The _mcnc cookie goes around the cache; other cookies change nothing."""
        self.assertEqual(self.twice(("Cookie: a=1",), ("Cookie: a=2",)), 1)
        self.assertEqual(self.ask("/m", "Cookie: a=1; _mcnc=1").headers["cache-status"], "cackled; fwd=bypass")

    def test_predicate(self) -> None:
        """A route can name URLs that are not shared."""
        self.server.cached(b"p", self.origin, bypass=lambda request: b"me" in request.args)
        for _ in range(2):
            self.ask("/p?me=1")
        self.assertEqual(self.origin.calls, 2)
        for _ in range(2):
            self.ask("/p?you=1")
        self.assertEqual(self.origin.calls, 3)

    def test_not_stored(self) -> None:
        """Answers that are somebody's own, or don't say that they may be kept, are not."""
        for field in (
            (b"Set-Cookie", b"a=1"),
            (b"Cache-Control", b"private"),
            (b"Cache-Control", b"max-age=3, No-Store"),
            (b"Cache-Control", b"no-cache"),
            (b"Vary", b"*"),
            (b"Vary", b"Accept-Encoding, Origin"),
            (b"Content-Encoding", b"gzip"),
        ):
            self.origin.answer = self.origin.make(TEXT, field)
            self.assertEqual(self.twice((), ()), 2, field)
            self.pass_time(10)
        for more in ({"ttl": None}, {"ttl": 0}):
            self.origin.answer = self.origin.make(**more)
            self.assertEqual(self.twice((), ()), 2, more)
            self.pass_time(10)
        for status in (201, 206, 302, 400, 403, 429):
            self.origin.answer = self.origin.make(status=status)
            self.assertEqual(self.twice((), ()), 2, status)
            self.pass_time(10)
        self.assertEqual(self.cache.stats()["entries"], 0)

    def test_headers_set_on_the_request(self) -> None:
        """A handler that touches the request's own answer headers or cookies is answered, not shared."""

        async def handler(request: Any) -> Response:
            self.origin.calls += 1
            request.addCookie(b"session", b"secret")
            return self.origin.make()

        self.server.cached(b"c", handler)
        for _ in range(2):
            self.assertIn("secret", self.ask("/c").headers["set-cookie"])
        self.assertEqual(self.origin.calls, 2)

    def test_max_age_0(self) -> None:
        """max-age=0 speaks to browsers; the route's own time counts here."""
        self.origin.answer = self.origin.make(TEXT, (b"Cache-Control", b"public, max-age=0"))
        self.assertEqual(self.twice((), ()), 1)

    def test_encodings(self) -> None:
        """One load serves all three encoding classes, each with its own tag and Vary."""
        found = {}
        for accept, coding in (("", ""), ("gzip, deflate", "gzip"), ("gzip, deflate, br, zstd", "br"), ("deflate", "")):
            answer = self.ask("/m", f"Accept-Encoding: {accept}")
            self.assertEqual(answer.headers.get("content-encoding", ""), coding)
            self.assertEqual(answer.headers["vary"], "Accept-Encoding")
            found[coding] = answer
        self.assertEqual(self.origin.calls, 1)
        self.assertEqual(brotli.decompress(found["br"].body), TEXT)
        self.assertLess(len(found["gzip"].body), len(TEXT))
        self.assertEqual(len({answer.headers["etag"] for answer in found.values()}), 3)

    def test_host(self) -> None:
        """Case and port of the host make no difference; another host does."""
        for host in ("a.example", "A.Example:80", "a.example."):
            self.ask("/m", host=host)
        self.assertEqual(self.origin.calls, 1)
        self.ask("/m", host="b.example")
        self.assertEqual(self.origin.calls, 2)

    def test_unkeyed_headers(self) -> None:
        """X-Forwarded-Host and its kin change neither key nor host."""
        self.ask("/m", "X-Forwarded-Host: evil.example", "X-Original-URL: /admin", "X-HTTP-Method-Override: POST")
        self.assertEqual(self.origin.requests[0].public_host, b"a.example")
        self.assertEqual(self.origin.requests[0].path, b"/m")
        self.ask()
        self.assertEqual(self.origin.calls, 1)

    def test_query_as_received(self) -> None:
        """Order and encoding of the query are part of the question."""
        for target in ("/m?a=1&b=2", "/m?b=2&a=1", "/m?a=%31&b=2", "/m?", "/m"):
            self.ask(target)
        self.assertEqual(self.origin.calls, 5)

    def test_head(self) -> None:
        """HEAD and GET share one answer, whoever comes first."""
        for order in (("HEAD", "GET"), ("GET", "HEAD")):
            self.cache.clear()
            before = self.origin.calls
            first, second = (self.ask(method=method) for method in order)
            self.assertEqual(self.origin.calls, before + 1)
            self.assertEqual(first.headers["content-length"], second.headers["content-length"])
            self.assertEqual({len(first.body), len(second.body)}, {0, len(TEXT)})

    def test_not_modified(self) -> None:
        """A client that has it gets 304 with the fields that RFC 9110 wants; a client that has another gets it."""
        etag = self.ask().headers["etag"]
        for known in (etag, f'"x", {etag}', "W/" + etag, "*"):
            answer = self.ask("/m", "If-None-Match: " + known)
            self.assertEqual((answer.status, answer.body), (304, b""), known)
            for name in ("etag", "cache-control", "vary", "date", "age", "cache-status"):
                self.assertIn(name, answer.headers)
            self.assertNotIn("content-length", answer.headers)
        for known in ('"x"', etag[:-1] + '-br"'):
            self.assertEqual(self.ask("/m", "If-None-Match: " + known).status, 200)
        self.assertEqual(self.ask("/m", "If-None-Match: " + etag, "Accept-Encoding: br").status, 200)

    def test_handlers_tag(self) -> None:
        """A tag from the handler is kept; a strong one differs for each coding, a weak one does not."""
        self.origin.answer = self.origin.make(TEXT, (b"ETag", b'"v1"'))
        self.assertEqual(self.ask().headers["etag"], '"v1"')
        self.assertEqual(self.ask("/m", "Accept-Encoding: br").headers["etag"], '"v1-b"')
        self.origin.answer = self.origin.make(TEXT, (b"ETag", b'W/"v1"'))
        for accept in ("", "br"):
            self.assertEqual(self.ask("/m?w", "Accept-Encoding: " + accept).headers["etag"], 'W/"v1"')
        self.assertEqual(self.ask("/m?w", 'If-None-Match: "v1"').status, 304)

    def test_range(self) -> None:
        """A range is answered whole."""
        self.assertEqual([self.ask("/m", "Range: bytes=0-1").status for _ in range(2)], [200, 200])

    def test_clients_cache_control(self) -> None:
        """A client can't make us do the work again."""
        self.assertEqual(self.twice((), ("Cache-Control: no-cache", "Pragma: no-cache")), 1)

    def test_error_pages(self) -> None:
        """404 is kept for a second at most."""
        self.origin.answer = self.origin.make(status=404)
        self.assertEqual(self.twice((), ()), 1)
        self.pass_time(1.01)
        self.cache.evict("t")
        self.assertEqual(self.twice((), ()), 1)
        entry = next(iter(self.cache.entries.values()))
        self.assertEqual(entry.fresh_until - entry.stored, 1.0)

    def test_post(self) -> None:
        """Methods that change something go to the handler, if it takes them, and drop the answer for their URL."""
        self.assertEqual(self.ask(method="POST").status, 405)
        self.server.cached(b"w", self.origin, methods=(b"GET", b"POST"))
        self.ask("/w")
        self.ask("/w", method="POST")
        self.assertEqual(self.origin.requests[-1].method, b"POST")
        self.ask("/w")
        self.assertEqual(self.origin.calls, 3)


class FreshnessTests(MicrocacheTestCase):
    """Time, and what happens when it is over."""

    def test_ttl_in_milliseconds(self) -> None:
        """Three seconds are three seconds, not four."""
        self.ask()
        self.pass_time(2.999)
        self.assertEqual(self.ask().headers["cache-status"], "cackled; hit; ttl=1")
        self.pass_time(0.002)
        self.origin.slow = True
        self.assertIn("revalidating", self.ask().headers["cache-status"])

    def test_own_ttl(self) -> None:
        """An answer can have its own time."""
        self.origin.answer = self.origin.make(ttl=60.0)
        self.ask()
        self.pass_time(59)
        self.assertEqual(self.ask().headers["age"], "59")

    def test_age(self) -> None:
        """Age is whole seconds, and grows on one and the same entry; Date goes with it."""
        self.ask()
        ages, dates = [], set()
        for _ in range(3):
            answer = self.ask()
            ages.append(answer.headers["age"])
            dates.add(answer.headers["date"])
            self.pass_time(0.9)
        self.assertEqual(ages, ["0", "0", "1"])
        self.assertEqual(len(dates), 3)

    def test_stale_while_revalidate(self) -> None:
        """After expiry everybody is served at once, and one load renews the entry."""
        self.ask()
        self.pass_time(4)
        self.origin.slow = True
        found = [self.ask() for _ in range(20)]
        statuses = {answer.headers["cache-status"] for answer in found}
        self.assertEqual(statuses, {"cackled; hit; ttl=-1; detail=revalidating"})
        self.assertEqual(self.origin.calls, 2)
        self.origin.waiting[0].callback(self.origin.make(b"new"))
        answer = self.ask()
        self.assertEqual((answer.body, answer.headers["cache-status"]), (b"new", "cackled; hit; ttl=3"))

    def test_quick_renewal(self) -> None:
        """A load that needs no waiting is waited for: nobody gets the old one."""
        self.ask()
        self.pass_time(4)
        self.origin.answer = self.origin.make(b"new")
        self.assertEqual(self.ask().body, b"new")

    def test_too_stale(self) -> None:
        """After the window for stale answers a request waits for the load."""
        self.ask()
        self.pass_time(3 + 10.1)
        self.origin.slow = True
        wire = self.start()
        self.assertEqual(wire.value(), b"")
        self.origin.waiting[0].callback(self.origin.make(b"new"))
        self.assertEqual(answers(wire.value())[0].body, b"new")

    def test_stale_if_error(self) -> None:
        """While the handler fails, what expired is served; after the window the error is."""
        self.ask()
        for wait, failure in ((20, Response(503)), (20, ValueError("broken"))):
            self.pass_time(wait)
            self.origin.answer = failure
            answer = self.ask()
            self.assertEqual((answer.status, answer.body), (200, TEXT))
            self.assertIn("fwd=stale; fwd-status=50", answer.headers["cache-status"])
        self.pass_time(100)
        self.assertEqual(self.ask().status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

    def test_failing_handler_is_spared(self) -> None:
        """While loads fail, stale answers don't each try another one; a second later one does."""
        self.ask()
        self.origin.answer = Response(503)
        for wait in (5, 30):
            self.pass_time(wait)
            before = self.origin.calls
            self.assertEqual([self.ask().status for _ in range(5)], [200] * 5)
            self.assertEqual(self.origin.calls, before + 1)
            self.pass_time(1.1)
            self.ask()
            self.assertEqual(self.origin.calls, before + 2)

    def test_must_revalidate(self) -> None:
        """must-revalidate forbids stale answers."""
        self.origin.answer = self.origin.make(TEXT, (b"Cache-Control", b"public, must-revalidate"))
        self.ask()
        self.pass_time(4)
        self.origin.answer = Response(503)
        self.assertEqual(self.ask().status, 503)

    def test_errors_are_not_kept(self) -> None:
        """A failure is asked again by the next request."""
        self.origin.answer = Response(503)
        self.assertEqual(self.ask().status, 503)
        self.origin.answer = self.origin.make()
        self.assertEqual(self.ask().status, 200)


class CollapseTests(MicrocacheTestCase):
    """One load for one key."""

    def setUp(self) -> None:
        """Loads wait to be told."""
        super().setUp()
        self.origin.slow = True

    def test_one_load(self) -> None:
        """Twenty requests at once ask the handler once and all get its answer."""
        wires = [self.start() for _ in range(20)]
        self.assertEqual(self.origin.calls, 1)
        self.origin.waiting[0].callback(self.origin.make())
        found = [answers(wire.value())[0] for wire in wires]
        self.assertEqual({answer.body for answer in found}, {TEXT})
        statuses = [answer.headers["cache-status"] for answer in found]
        self.assertEqual(statuses[0], "cackled; fwd=miss; stored")
        self.assertEqual(set(statuses[1:]), {"cackled; fwd=miss; stored; collapsed"})

    def test_leader_leaves(self) -> None:
        """The others are answered though the client that began the load is gone."""
        first, second = self.start(), self.start()
        first.loseConnection()
        self.origin.waiting[0].callback(self.origin.make())
        self.assertEqual(answers(second.value())[0].status, 200)
        self.assertEqual(self.origin.calls, 1)

    def test_wait_is_bounded(self) -> None:
        """Nobody waits longer than the limit; no second load begins; the late answer is kept all the same."""
        wire = self.start()
        self.pass_time(_loading.WAIT_SECONDS + 0.1)
        answer = answers(wire.value())[0]
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "1"))
        self.assertEqual(self.ask().status, 503)
        self.assertEqual(self.origin.calls, 1)
        self.origin.waiting[0].callback(self.origin.make())
        self.assertEqual(self.ask().status, 200)
        self.assertEqual(self.origin.calls, 1)

    def test_load_that_never_ends(self) -> None:
        """In the end another load may try."""
        self.start()
        self.pass_time(_loading.WAIT_SECONDS + 0.1)
        self.pass_time(_loading.ABANDON_SECONDS)
        self.start()
        self.assertEqual(self.origin.calls, 2)

    def test_waiters_are_bounded(self) -> None:
        """One more than may wait is told to come again."""
        self.patch(_loading, "MAX_WAITERS", 3)
        wires = [self.start() for _ in range(4)]
        self.assertEqual([len(wire.value()) > 0 for wire in wires], [False, False, False, True])
        self.assertEqual(answers(wires[3].value())[0].status, 503)

    def test_uncacheable_releases_all(self) -> None:
        """When the answer is private, nobody else sees it, and nobody queues for the next ones."""
        wires = [self.start() for _ in range(5)]
        self.origin.waiting[0].callback(Response(200, [(b"Set-Cookie", b"user=1")], b"private"))
        self.assertEqual(answers(wires[0].value())[0].body, b"private")
        self.assertEqual(self.origin.calls, 5)
        self.assertEqual([wire.value() for wire in wires[1:]], [b""] * 4)
        late = self.start()
        self.assertEqual(self.origin.calls, 6)
        for number, done in enumerate(self.origin.waiting[1:]):
            done.callback(Response(200, [], b"own %d" % number))
        self.assertEqual([answers(w.value())[0].body for w in [*wires[1:], late]], [b"own %d" % n for n in range(5)])

    def test_left_meanwhile(self) -> None:
        """For clients that have left nothing is asked when the answer turns out to be private."""
        wires = [self.start() for _ in range(5)]
        for wire in wires[2:]:
            wire.loseConnection()
        self.origin.waiting[0].callback(Response(200, [(b"Set-Cookie", b"user=1")], b"private"))
        self.assertEqual(self.origin.calls, 2)

    def test_client_errors_are_not_shared(self) -> None:
        """A refusal meant for one client (429) is not given to those who waited with it."""
        first, second = self.start(), self.start()
        self.origin.waiting[0].callback(Response(429))
        self.assertEqual(answers(first.value())[0].status, 429)
        self.origin.waiting[1].callback(self.origin.make())
        self.assertEqual(answers(second.value())[0].status, 200)

    def test_errors_are_shared(self) -> None:
        """A broken handler is not asked again by each of those who waited."""
        wires = [self.start() for _ in range(5)]
        self.origin.waiting[0].errback(ValueError("broken"))
        self.assertEqual([answers(wire.value())[0].status for wire in wires], [500] * 5)
        self.assertEqual(self.origin.calls, 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertNotIn(b"broken", wires[0].value())


class FastSharingTests(SharingTests):
    """The same, with the direct path in place."""

    fast = True


class FastFreshnessTests(FreshnessTests):
    """The same, with the direct path in place."""

    fast = True
