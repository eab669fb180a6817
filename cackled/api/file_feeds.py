"""``/feeds/{site}/NAME``: feeds that are whole files, sent in parts while they are read from the database.

One part is in memory at a time, and the next is read when the one before has left. A site has at most two such answers
under way in a process. Where reading breaks off, the connection does too: a reader never takes a part for the whole.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from cackled.api.calls import argument, guarded
from cackled.api.context import ApiContext
from cackled.api.file_feed import FileFeed, FileRender
from cackled.api.own_address import own_address
from cackled.domain.errors import NotFound, TooFast
from cackled.transport.problems import problem
from cackled.transport.resources import put
from cackled.transport.response import Response

log = Logger()
# Answers under way of one site, and seconds until another try where there are as many.
MOST = 2
AGAIN = 30.0
LONGEST_KEY = 200


class _Pull:
    """Sends the next part whenever what was sent has left. As a pull producer of the request."""

    def __init__(self, request: Any, parts: AsyncIterator[bytes], *, packed: bool) -> None:
        self._request = request
        self._parts = parts
        # As gzip has it (RFC 1952).
        self._pack = zlib.compressobj(6, zlib.DEFLATED, 31) if packed else None
        self._reading = False
        self._ended = False

    def resumeProducing(self) -> None:
        """Read and send a part."""
        if not self._reading and not self._ended:
            self._reading = True
            Deferred.fromCoroutine(self._next()).addErrback(self._broken)

    async def _next(self) -> None:
        data = b""
        # What is packed may be nothing yet.
        while not data and not self._ended:
            part = await anext(self._parts, None)
            if part is None:
                data = b"" if self._pack is None else self._pack.flush()
                if not self._ended:
                    self._ended = True
                    self._request.write(data)
                    self._request.unregisterProducer()
                    self._request.finish()
                return
            data = part if self._pack is None else self._pack.compress(part)
        self._reading = False
        if not self._ended:
            self._request.write(data)

    def _broken(self, failure: Any) -> None:
        log.warn("a feed broke off: {reason}", reason=failure.getErrorMessage())
        if not self._ended:
            self._ended = True
            self._request.unregisterProducer()
            self._request.loseConnection()

    def pauseProducing(self) -> None:
        """A part that is being read is sent."""

    def stopProducing(self) -> None:
        """Whoever asked went away."""
        self._ended = True


class FileFeeds(Resource):
    """Answers below ``/feeds``: files here, and whatever is no file of ours *beside*."""

    isLeaf = True
    takes_rest = True

    def __init__(self, context: ApiContext, feeds: Iterable[FileFeed], beside: IResource) -> None:
        super().__init__()
        self._context = context
        self._feeds = {one.name.encode(): one for one in feeds}
        self._beside = beside
        self._under_way: Counter[int] = Counter()

    def render(self, request: Any) -> Any:
        """The file, a problem document, or what the other resource says."""
        path = list(request.postpath or ())
        name = path[1] if len(path) == 2 else b""
        packed = name.endswith(b".gz")
        feed = self._feeds.get(name.removesuffix(b".gz"))
        if feed is None:
            return self._beside.render(request)
        if request.method not in (b"GET", b"HEAD"):
            answer = problem(405)
            answer.headers.append((b"allow", b"GET, HEAD"))
            return put(request, answer)
        gone: list[object] = []
        request.notifyFinish().addBoth(gone.append)
        work = self._begin(request, feed, path[0], packed, gone)
        Deferred.fromCoroutine(work).addErrback(self._broken, request, gone)
        return NOT_DONE_YET

    async def _begin(self, request: Any, feed: FileFeed, number: bytes, packed: bool, gone: list[object]) -> None:
        opened: list[AsyncIterator[bytes]] = []
        site_id = int(number) if number.isdigit() and len(number) < 11 else 0

        async def open_it() -> Response:
            if not site_id:
                raise NotFound()
            site = self._context.sites.get(site_id)
            self._context.limits.take("reads", self._context.client_address(request), site.id)
            if self._under_way[site.id] >= MOST:
                raise TooFast(AGAIN)
            # Counted from here, so that those who come together while it is opened are bounded as well.
            self._under_way[site.id] += 1
            request.notifyFinish().addBoth(self._over, site.id)

            def sees(key: str) -> bool:
                return self._context.doors.refused(site, key, "read", None) is None

            key = argument(request, "key")[:LONGEST_KEY]
            base, _ = own_address(self._context.own_url, request)
            opened.append(await feed.open(FileRender(context=self._context, site=site, key=key, base=base, sees=sees)))
            return Response(200, [(b"content-type", b"application/gzip" if packed else feed.media.encode())])

        answer = await guarded(open_it())
        answer.headers += (
            (b"cache-control", b"no-store"), (b"x-robots-tag", b"noindex"), (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        )  # fmt: skip
        if gone:
            return
        if not opened:
            request.write(put(request, answer))
            request.finish()
            return
        request.setResponseCode(answer.status)
        for header, value in answer.headers:
            request.setHeader(header, value)
        if request.method == b"HEAD":
            request.finish()
            return
        request.registerProducer(_Pull(request, opened[0], packed=packed), False)

    def _over(self, _result: Any, site: int) -> None:
        self._under_way[site] -= 1
        if not self._under_way[site]:
            del self._under_way[site]

    def _broken(self, failure: Any, request: Any, gone: list[object]) -> None:
        log.failure("a feed could not be begun", failure)
        if not gone:
            request.write(put(request, problem(500, "internal")))
            request.finish()
