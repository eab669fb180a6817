"""The microcache: finished answers of public routes, kept for seconds, shared by everybody.

Opt-in twice: the route is a `MicrocachedResource`, and each Response says how long it may be kept. RFC 9111 narrowed,
with RFC 5861 (stale answers), 9211 (Cache-Status), and eviction by tag.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.error import UnsupportedMethod
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from cackled import config
from cackled.clock import wall_time
from cackled.metrics import Metrics
from cackled.transport._entries import Entry, Variant
from cackled.transport._fastpath import FastPath, split_after
from cackled.transport._hotfiles import HotFiles
from cackled.transport._loading import Loading, Outcome
from cackled.transport._request import Request
from cackled.transport._variants import encoding_class, matches
from cackled.transport.resources import Handler, run
from cackled.transport.response import Response

__all__ = ["Microcache", "MicrocachedResource"]

# A body above this is compressed in the thread pool, others on the spot and quickly; what is asked for again is
# compressed once more, and better, in the thread pool.
THREAD_BYTES = 64 * 1024

log = Logger()


class Microcache(Loading):
    """The cache of one process; make one and give it to every `MicrocachedResource`.

    *defer_to_pool* runs a function in a thread: ``partial(deferToThreadPool, reactor, reactor.getThreadPool())``;
    without it everything is compressed on the spot. ``fast_path()`` goes to `HttpFactory`. The event log calls
    ``evict(tag, seq)``.
    """

    def __init__(
        self,
        clock: IReactorTime,
        settings: config.Microcache,
        metrics: Metrics,
        *,
        defer_to_pool: Callable[..., Deferred[Any]] | None = None,
        wall: Callable[[], float] = wall_time,
    ) -> None:
        super().__init__(clock, settings, metrics)
        self.wall = wall
        self._defer = defer_to_pool

    def fast_path(self) -> FastPath:
        """What answers hits before a request object exists."""
        return FastPath(self, HotFiles(self.clock))

    # Forms

    def variant(self, entry: Entry, wanted: bytes) -> Deferred[Variant]:
        """The form of *entry* for a client of encoding class *wanted*, compressed once."""
        coding = entry.coding(wanted)
        found = entry.variants.get(coding)
        if found is not None:
            return succeed(found)
        if not coding:
            return succeed(self._coded(entry.body, entry, coding))
        if self._defer is None or len(entry.body) <= THREAD_BYTES:
            return succeed(self._coded(entry.compressed(coding, True), entry, coding, True))
        running = entry.pending.get(coding)
        if running is None:
            running = self._defer(entry.compressed, coding).addCallback(self._coded, entry, coding)
            running.addErrback(self._uncoded, entry)
            entry.pending[coding] = running
        joined: Deferred[Variant] = Deferred()
        running.addCallback(_tell, joined)
        return joined

    def improve(self, entry: Entry, wanted: bytes) -> None:
        """*entry* is asked for time and again: compress it as well as it deserves."""
        coding = entry.coding(wanted)
        if self._defer is None or coding in entry.pending:
            return
        running = self._defer(entry.compressed, coding).addCallback(self._coded, entry, coding)
        entry.pending[coding] = running.addErrback(self._uncoded, entry)

    def _coded(self, body: bytes, entry: Entry, coding: bytes, quick: bool = False) -> Variant:
        entry.pending.pop(coding, None)
        before = entry.size
        variant = entry.add(coding, body, quick)
        if self.entries.get(entry.key) is entry:
            self._grow(entry, entry.size - before)
            if self.bytes > self.settings.max_bytes:
                self._make_room(lambda: self.bytes > self.settings.max_bytes, None, keep=entry)
        return variant

    def _uncoded(self, failure: Failure, entry: Entry) -> Variant:
        log.failure("compression failed", failure)
        entry.pending.clear()
        return self._coded(entry.body, entry, b"")

    def count(self, result: str) -> None:
        """Count a request that never came here (bypass)."""
        self._results.labels(result).inc()

    def flush(self) -> int:
        """Move the hits into the metrics; returns how many there were."""
        hits, self.hits = self.hits, 0
        if hits:
            self._results.labels("hit").inc(hits)
        return hits

    def stats(self) -> dict[str, int]:
        """For the operator: entries, bytes, loads in work."""
        return {"entries": len(self.entries), "bytes": self.bytes, "flights": len(self._flights)}


def _tell(variant: Variant, joined: Deferred[Variant]) -> Variant:
    joined.callback(variant)
    return variant


class MicrocachedResource(Resource):
    """A public route: what *handler* returns is kept (see `Response.ttl`) and given to everybody who asks the same.

    "The same" is scheme, host, path and query as received, and br/gzip/plain. So the handler must look at nothing
    else of the request: no other header, no address, no cookie. It is called with ``request.method`` GET for HEAD too,
    may run on after the client has gone (then only the request's URL may be read), and sets headers and cookies only
    in its Response; a request on which it set some is answered but not stored.

    The cache is left out for requests with Authorization or the ``_mcnc`` cookie, and where *bypass* says so; *bypass*
    must decide by the URL alone. ``after=SEQ`` in the query is no part of what is asked for: an answer whose ``seqs``
    are older is a miss. Methods other than GET and HEAD go to *handler* if *methods* names them; one that succeeds
    drops the answer kept for its URL. With *below* it answers for all that is below its address, too.
    """

    isLeaf = True

    def __init__(
        self,
        microcache: Microcache,
        handler: Handler,
        *,
        bypass: Callable[[Request], bool] | None = None,
        methods: tuple[bytes, ...] = (b"GET",),
        below: bool = False,
    ) -> None:
        super().__init__()
        self.takes_rest = below
        self._microcache = microcache
        self._handler = handler
        self._bypass = bypass
        self._methods = frozenset(methods)
        self._uncached = _marked(handler, b"fwd=bypass")
        self._passed = _marked(handler, b"fwd=miss")

    def render(self, request: Any) -> int:
        """Answer from the cache, or fill it."""
        method = request.method
        cache = self._microcache
        target, after = split_after(request.uri)
        key = (request.scheme, request.public_host, target)
        if method not in (b"GET", b"HEAD"):
            if method not in self._methods:
                raise UnsupportedMethod(sorted(self._methods | {b"HEAD"}))
            run(request, self._unsafe(key))
            return NOT_DONE_YET
        if method == b"HEAD":
            request.head_only = True
            request.method = b"GET"
        if request.no_cache or (self._bypass is not None and self._bypass(request)):
            cache.count("bypass")
            run(request, self._uncached)
            return NOT_DONE_YET
        wanted = encoding_class(request.accept_encoding)
        done = cache.fetch(key, after, lambda: self._load(request))
        done.addCallback(self._answer, request, wanted)
        done.addErrback(request.failed)
        return NOT_DONE_YET

    async def _load(self, request: Request) -> Response:
        response = await self._handler(request)
        touched = request.cookies or any(True for _ in request.responseHeaders.getAllRawHeaders())
        if response.ttl is not None and touched:
            log.warn("{path}: the handler set headers on the request; its answer is not kept", path=request.path[:200])
            response = msgspec.structs.replace(response, ttl=None)
        return response

    def _answer(self, outcome: Outcome, request: Request, wanted: bytes) -> Deferred[None] | None:
        if request._disconnected:
            # The client has left, so the work would be useless.
            return None
        if outcome.entry is None:
            if outcome.response is None:
                run(request, self._passed)
            else:
                request.respond(_mark(outcome.response, outcome.status))
            return None
        done = self._microcache.variant(outcome.entry, wanted)
        return done.addCallback(self._send, request, outcome.entry, outcome.status)

    def _send(self, variant: Variant, request: Request, entry: Entry, status: bytes) -> None:
        if request._disconnected or request.finished:
            return
        cache = self._microcache
        close = not request.channel.may_persist()
        moving = entry.moving(
            cache.clock.seconds(), cache.wall(), status, close=close, age=not status.startswith(b"fwd=miss")
        )
        full, short = variant.heads(moving)
        known = request.getHeader(b"If-None-Match")
        if known is not None and entry.status == 200 and matches(known, variant.etag):
            request.send(short, b"", 304)
        else:
            request.send(full, variant.body, entry.status)

    def _unsafe(self, key: tuple[bytes, bytes, bytes]) -> Handler:
        async def handle(request: Request) -> Response:
            response = await self._handler(request)
            if response.status < 400:
                self._microcache.forget(key)
            return _mark(response, b"fwd=method")

        return handle


def _mark(response: Response, status: bytes) -> Response:
    fields = [*response.headers, (b"Cache-Status", b"cackled; " + status), (b"X-Microcachable", b"0")]
    return msgspec.structs.replace(response, headers=fields)


def _marked(handler: Handler, status: bytes) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return _mark(await handler(request), status)

    return handle
