"""``/exports/{token}``: the file of an export, for whoever has its address, until that runs out."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from cackled.database.errors import DatabaseError
from cackled.database.routing import Database
from cackled.domain.errors import Refused
from cackled.domain.sites import SiteDirectory
from cackled.transfers.exports import DownloadLinks, ExportList
from cackled.transfers.file_store import Pieces
from cackled.transfers.formats import KnownFormats
from cackled.transport.problems import problem
from cackled.transport.resources import put
from cackled.transport.response import Response

log = Logger()


class _Pull:
    """Sends the next piece whenever what was sent has left; one piece is in memory at a time."""

    def __init__(self, request: Any, pieces: Pieces, number: int) -> None:
        self._request = request
        self._pieces = pieces
        self._number = number
        self._at = 0
        self._reading = False
        self._ended = False

    def resumeProducing(self) -> None:
        """Read and send a piece."""
        if not self._reading and not self._ended:
            self._reading = True
            Deferred.fromCoroutine(self._next()).addErrback(self._broken)

    async def _next(self) -> None:
        data = await self._pieces.piece("export", self._number, self._at)
        self._reading = False
        if self._ended:
            return
        if not data:
            self._ended = True
            self._request.unregisterProducer()
            self._request.finish()
            return
        self._at += len(data)
        self._request.write(data)

    def _broken(self, failure: Any) -> None:
        log.warn("a download broke off: {reason}", reason=failure.getErrorMessage())
        if not self._ended:
            self._ended = True
            self._request.unregisterProducer()
            self._request.loseConnection()

    def pauseProducing(self) -> None:
        """A piece that is being read is sent."""

    def stopProducing(self) -> None:
        """Whoever asked went away."""
        self._ended = True


class ExportFiles(Resource):
    """The address."""

    isLeaf = True
    takes_rest = True

    def __init__(
        self, sites: SiteDirectory, database: Database, links: DownloadLinks, formats: KnownFormats
    ) -> None:
        super().__init__()
        self._sites = sites
        self._database = database
        self._links = links
        self._formats = formats

    def render(self, request: Any) -> Any:
        """The file, or 404."""
        if request.method not in (b"GET", b"HEAD"):
            answer = problem(405)
            answer.headers.append((b"allow", b"GET, HEAD"))
            return put(request, answer)
        gone: list[object] = []
        request.notifyFinish().addBoth(gone.append)
        Deferred.fromCoroutine(self._answer(request, gone)).addErrback(self._broken, request, gone)
        return NOT_DONE_YET

    async def _answer(self, request: Any, gone: list[object]) -> None:
        path = [one.decode("ascii", "replace") for one in request.postpath or ()]
        known = await self._links.read(path[0]) if len(path) == 1 else None
        site = None if known is None else self._sites.find(known[0])
        refused: Response | None = None
        if known is None or site is None:
            refused = problem(404)
        else:
            try:
                one = await ExportList(site, self._database, self._formats.exports).ready(known[1])
            except Refused:
                refused = problem(404)
            except DatabaseError:
                refused = problem(503, "unavailable")
        if gone:
            return
        if refused is not None:
            request.write(put(request, refused))
            request.finish()
            return
        assert known is not None
        export = self._formats.exports.get(one.product, {}).get(one.format)
        ending = "" if export is None else export.ending
        name = f"site{known[0]}-{one.product}-{one.format}-{one.id}{ending}.gz"
        for header, value in (
            (b"content-type", b"application/gzip"), (b"content-length", b"%d" % one.size),
            (b"content-disposition", b'attachment; filename="%s"' % name.encode("ascii", "replace")),
            (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ):  # fmt: skip
            request.setHeader(header, value)
        if request.method == b"HEAD":
            request.finish()
            return
        request.registerProducer(_Pull(request, Pieces(self._database, known[0]), known[1]), False)

    def _broken(self, failure: Any, request: Any, gone: list[object]) -> None:
        log.failure("a download could not be begun", failure)
        if not gone:
            request.write(put(request, problem(500, "internal")))
            request.finish()
