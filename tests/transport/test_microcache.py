"""Tests of the microcache through the server: each row of what a correct one must do."""

from __future__ import annotations

from typing import Any

import brotli
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from cackled import config
from cackled.metrics import Metrics
from cackled.transport import _loading, _store
from cackled.transport.microcache import Microcache
from cackled.transport.response import CONFIGURED_TTL, Response
from tests.transport.common import Answer, Server, Wire, answers, get

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
        self.assertEqual(self.ask("/m", "Accept-Encoding: br").headers["etag"], '"v1-br"')
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


class EvictionTests(MicrocacheTestCase):
    """Nothing from before an eviction is served after it."""

    def test_tag(self) -> None:
        """All answers made of a tag go, others stay."""
        self.origin.answer = self.origin.make(tags=("a", "b"))
        self.ask("/m?1")
        self.origin.answer = self.origin.make(tags=("a",))
        self.ask("/m?2")
        self.assertEqual(self.cache.evict("b"), 1)
        self.ask("/m?1")
        self.ask("/m?2")
        self.assertEqual(self.origin.calls, 3)
        self.assertEqual(self.cache.evict("nothing"), 0)

    def test_everybody_sees_the_new_one(self) -> None:
        """After a write that evicts, the next reader without any cookie gets the new answer."""
        self.ask()
        self.origin.answer = self.origin.make(b"new")
        self.cache.evict("t")
        self.assertEqual(self.ask().body, b"new")

    def test_evicted_is_never_stale(self) -> None:
        """What was evicted is served neither while a load runs nor when it fails."""
        self.ask()
        self.cache.evict("t")
        self.origin.answer = Response(503)
        self.assertEqual(self.ask().status, 503)
        self.origin.slow = True
        self.assertEqual(self.start().value(), b"")

    def test_load_from_before(self) -> None:
        """A load begun before the eviction is given to those who asked before it, not stored, not given to others."""
        self.origin.slow = True
        before = self.start()
        self.cache.evict("t")
        after = self.start()
        self.assertEqual(self.origin.calls, 1)
        self.origin.waiting[0].callback(self.origin.make(b"old"))
        self.assertEqual(answers(before.value())[0].body, b"old")
        self.assertEqual(answers(before.value())[0].headers["cache-status"], "cackled; fwd=miss")
        self.assertEqual(after.value(), b"")
        self.assertEqual(self.origin.calls, 2)
        self.origin.waiting[1].callback(self.origin.make(b"new"))
        self.assertEqual(answers(after.value())[0].body, b"new")
        self.assertEqual(self.ask().body, b"new")

    def test_renewal_from_before(self) -> None:
        """The same for the renewal of an expired entry."""
        self.ask()
        self.pass_time(4)
        self.origin.slow = True
        self.ask()
        self.cache.evict("t")
        self.origin.waiting[0].callback(self.origin.make(b"old"))
        wire = self.start()
        self.assertEqual(wire.value(), b"")

    def test_seq(self) -> None:
        """With a number, answers at least as new stay, and a load that brings less is not stored."""
        self.origin.answer = self.origin.make(b"at 5", seqs={"t": 5})
        self.ask()
        self.assertEqual(self.cache.evict("t", 5), 0)
        self.assertEqual(self.ask().body, b"at 5")
        self.assertEqual(self.cache.evict("t", 6), 1)
        self.assertEqual(self.ask().body, b"at 5")
        self.assertEqual(self.cache.stats()["entries"], 0)
        self.origin.answer = self.origin.make(b"at 6", seqs={"t": 6})
        self.assertEqual(self.ask().body, b"at 6")
        self.assertEqual(self.cache.stats()["entries"], 1)

    def test_load_from_before_but_new_enough(self) -> None:
        """A load that was overtaken by the news of what it has already seen is kept."""
        self.origin.slow = True
        wire = self.start()
        self.cache.evict("t", 7)
        self.origin.waiting[0].callback(self.origin.make(b"at 7", seqs={"t": 7}))
        self.assertEqual(answers(wire.value())[0].headers["cache-status"], "cackled; fwd=miss; stored")

    def test_unconditional_after_seq(self) -> None:
        """An eviction without a number counts for loads in work, whatever numbers they bring."""
        self.origin.slow = True
        self.start()
        self.cache.evict("t", 3)
        self.cache.evict("t")
        self.origin.waiting[0].callback(self.origin.make(seqs={"t": 9}))
        self.assertEqual(self.cache.stats()["entries"], 0)

    def test_forgotten_evictions(self) -> None:
        """When evictions are too many to remember, loads from before them are not stored."""
        self.patch(_store, "MAX_EVICTIONS", 10)
        self.origin.slow = True
        self.start()
        self.cache.evict("t")
        for number in range(20):
            self.cache.evict(number)
        self.origin.waiting[0].callback(self.origin.make())
        self.assertEqual(self.cache.stats()["entries"], 0)

    def test_clear(self) -> None:
        """Clearing drops everything, and what is being loaded."""
        self.ask()
        self.origin.slow = True
        self.start("/m?2")
        self.cache.clear()
        self.origin.waiting[0].callback(self.origin.make())
        self.assertEqual((self.cache.stats()["entries"], self.cache.bytes), (0, 0))


class AfterTests(MicrocacheTestCase):
    """``after=SEQ``: read your writes."""

    def test_older_is_a_miss(self) -> None:
        """An answer older than asked for is loaded again, and then serves everybody."""
        self.origin.answer = self.origin.make(b"at 5", seqs={"t": 5})
        self.ask("/m?x=1")
        for after in (0, 4, 5):
            self.assertEqual(self.ask(f"/m?x=1&after={after}").body, b"at 5")
        self.origin.answer = self.origin.make(b"at 6", seqs={"t": 6})
        self.assertEqual(self.ask("/m?after=6&x=1").body, b"at 6")
        self.assertEqual(self.ask("/m?x=1").body, b"at 6")
        self.assertEqual(self.origin.calls, 2)

    def test_never_stale(self) -> None:
        """An expired answer that is too old is not served while it is renewed, nor when that fails."""
        self.origin.answer = self.origin.make(b"at 5", seqs={"t": 5})
        self.ask()
        self.pass_time(4)
        self.origin.answer = Response(503)
        self.assertEqual(self.ask("/m?after=6").status, 503)
        self.assertEqual(self.ask("/m?after=5").status, 200)

    def test_joining_an_older_load(self) -> None:
        """One who needs more than the load in work brings waits for another."""
        self.origin.slow = True
        first, second = self.start("/m"), self.start("/m?after=6")
        self.origin.waiting[0].callback(self.origin.make(b"at 5", seqs={"t": 5}))
        self.assertEqual(answers(first.value())[0].body, b"at 5")
        self.assertEqual(second.value(), b"")
        self.origin.waiting[1].callback(self.origin.make(b"at 6", seqs={"t": 6}))
        self.assertEqual(answers(second.value())[0].body, b"at 6")

    def test_impossible(self) -> None:
        """Asking for the future costs one load in a TTL, not one each time."""
        self.origin.answer = self.origin.make(b"at 5", seqs={"t": 5})
        for _ in range(5):
            self.assertEqual(self.ask("/m?after=999").body, b"at 5")
        self.assertEqual(self.origin.calls, 1)

    def test_odd_forms(self) -> None:
        """Twice, or no number: part of the question like any other."""
        for target in ("/m?after=1&after=2", "/m?after=x", "/m?after=1;x=2", "/m?xafter=1"):
            before = self.origin.calls
            self.ask(target)
            self.ask(target)
            self.assertEqual(self.origin.calls, before + 1)


class RoomTests(SynchronousTestCase):
    """The byte bounds."""

    def cache(self, **settings: Any) -> Microcache:
        self.server = Server()
        return Microcache(self.server.clock, config.Microcache(**settings), Metrics())

    def load(self, cache: Microcache, name: bytes, size: int = 10_000, **more: Any) -> None:
        async def load() -> Response:
            return Response(200, [(b"Content-Type", b"image/png")], b"x" * size, ttl=3.0, **more)

        self.successResultOf(cache.fetch((b"http", b"a", name), 0, load))

    def names(self, cache: Microcache) -> list[bytes]:
        return [key[2] for key in cache.entries]

    def test_bound(self) -> None:
        """The bytes held never exceed the bound, and are all given back."""
        cache = self.cache(max_bytes=200_000)
        for number in range(100):
            self.load(cache, b"%d" % number)
            self.assertLessEqual(cache.bytes, 200_000)
        self.assertGreater(len(cache.entries), 5)
        cache.clear()
        self.assertEqual((cache.bytes, cache._by_tag, cache._by_owner), (0, {}, {}))

    def test_used_ones_stay(self) -> None:
        """Entries in use outlive a flood of others."""
        cache = self.cache(max_bytes=200_000)
        self.load(cache, b"hot")
        for number in range(100):
            self.load(cache, b"%d" % number)
            self.load(cache, b"hot")
        self.assertIn(b"hot", self.names(cache))

    def test_entry_cap(self) -> None:
        """A larger answer than the cap is not kept."""
        cache = self.cache(entry_bytes=5000)
        self.load(cache, b"big")
        self.assertEqual(self.names(cache), [])

    def test_owner_share(self) -> None:
        """One tenant takes a quarter at most and pushes out only its own."""
        cache = self.cache(max_bytes=1_000_000)
        self.load(cache, b"other", owner=1, tags=("o",))
        for number in range(100):
            self.load(cache, b"%d" % number, owner=2, tags=("t", number))
        self.assertIn(b"other", self.names(cache))
        self.assertLessEqual(cache._by_owner[2], 250_000)
        mine = len(cache.entries) - 1
        self.assertGreater(mine, 5)
        self.assertEqual(cache.evict("t"), mine)
        self.assertEqual(list(cache._by_owner), [1])

    def test_threads(self) -> None:
        """A large body is compressed in a thread, once for all who wait; small ones on the spot."""
        jobs: list[tuple[Deferred[Any], Any, tuple[Any, ...]]] = []

        def defer(function: Any, *args: Any) -> Deferred[Any]:
            jobs.append((Deferred(), function, args))
            return jobs[-1][0]

        self.server = Server()
        cache = Microcache(self.server.clock, config.Microcache(), Metrics(), defer_to_pool=defer)

        async def load() -> Response:
            return Response(200, [(b"Content-Type", b"text/plain")], b"text " * 10_000, ttl=3.0)

        entry = self.successResultOf(cache.fetch((b"", b"", b""), 0, load)).entry
        first, second = cache.variant(entry, b"br"), cache.variant(entry, b"br")
        self.assertNoResult(first)
        self.assertEqual(len(jobs), 1)
        done, function, args = jobs[0]
        done.callback(function(*args))
        self.assertIs(self.successResultOf(first), self.successResultOf(second))
        body = self.successResultOf(cache.variant(entry, b"br")).body
        self.assertEqual(brotli.decompress(body), b"text " * 10_000)

    def test_compression_fails(self) -> None:
        """Then the plain form is served."""
        cache = self.cache()
        failing: Deferred[Any] = Deferred()
        cache._defer = lambda *args: failing

        async def load() -> Response:
            return Response(200, [(b"Content-Type", b"text/plain")], b"text " * 10_000, ttl=3.0)

        entry = self.successResultOf(cache.fetch((b"", b"", b""), 0, load)).entry
        waiting = cache.variant(entry, b"br")
        failing.errback(MemoryError())
        self.assertEqual(self.successResultOf(waiting).body, b"text " * 10_000)
        self.assertEqual(len(self.flushLoggedErrors(MemoryError)), 1)


class FastSharingTests(SharingTests):
    """The same, with the direct path in place."""

    fast = True


class FastFreshnessTests(FreshnessTests):
    """The same, with the direct path in place."""

    fast = True


class FastEvictionTests(EvictionTests):
    """The same, with the direct path in place."""

    fast = True


class FastAfterTests(AfterTests):
    """The same, with the direct path in place."""

    fast = True
