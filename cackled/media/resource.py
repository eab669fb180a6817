"""``/media/{id}/{variant}``: the files of pictures. What stands at an address never changes.

What not everybody may see is there at signed addresses alone (`cackled.domain.signed_media`).

Where a file comes from, and that it is right, is `cackled.media.files`' matter. Ranges as RFC 9110 section 14 says; one
at a time.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import ref

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cackled.database.errors import DatabaseError
from cackled.database.query import ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import Refused, TooFast
from cackled.domain.limits import CallLimits
from cackled.domain.logo import logo_of
from cackled.domain.pictures import THUMB
from cackled.domain.signed_media import SignedMedia, hides_pictures
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.media.files import Files, body_of, whole_part
from cackled.media.service import ID, Known, find_media, smallest
from cackled.shared_calls import SharedCalls
from cackled.transport.http import Request
from cackled.transport.problems import problem
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response
from cackled.transport.streaming import Body, FilePart, HotAnswer, NoPieces

log = Logger()

LIMIT = "media.read"
YEAR = b"public, max-age=31536000, immutable"
# How many files are known to be shown, and for how many seconds that is believed.
MOST_KEPT, KEPT = 50_000, 60.0
_NAME = re.compile(r"[a-z0-9]{1,10}\.(webp|avif|jpg)", re.ASCII)
_RANGE = re.compile(rb"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)


class Shown(Struct, frozen=True):
    """A file as it is served; ``open``: everybody may see it, as was known *until* then."""

    known: Known
    digest: bytes
    etag: bytes
    until: float
    open: bool


class Gallery:
    """The files of all sites, in a process."""

    def __init__(
        self, database: Database, files: Files, seconds: Callable[[], float], in_thread: Callable[..., Awaitable[Any]]
    ) -> None:
        self._database = database
        self._files = files
        self._seconds = seconds
        self._in_thread = in_thread
        self._kept: OrderedDict[tuple[int, str, str], Shown] = OrderedDict()
        self._calls: SharedCalls[Shown | None] = SharedCalls()

    async def find(self, site: Site, number: str, name: str, signed: bool = False) -> Shown | None:
        """A file; None where there is no such picture, it has no such file, or not everybody may see it.

        *signed*: whoever asks may see it in any case.

        Raises:
            DatabaseError: it can't be looked up now.
        """
        place = (site.id, number, name)
        kept = self._kept.get(place)
        if kept is not None and self._seconds() < kept.until and (kept.open or signed):
            self._kept.move_to_end(place)
            return kept
        found = await self._calls.ask(
            f"{site.id}/{number}/{name}", lambda: Deferred.fromCoroutine(self._load(site, place))
        )
        return found if found is None or found.open or signed else None

    async def body(self, site: Site, shown: Shown, first: int, last: int, head: bool = False) -> Body:
        """The bytes *first* to *last* of a file; with *head* only their number is needed.

        Raises:
            DatabaseError, OSError: it can't be read now, or is not as it was written.
        """
        if head:
            return Body(last - first + 1, NoPieces(), self._in_thread)
        return await body_of(self._files, site.id, shown.digest, shown.known, first, last, self._in_thread)

    def is_current(self, site: int, number: str, name: str, shown: Shown) -> bool:
        """Whether *shown* is still how that file is served."""
        return self._kept.get((site, number, name)) is shown and shown.open and self._seconds() < shown.until

    def hide(self, picture: str) -> None:
        """Not everybody may see *picture* (``17-ID``) any more, or it is gone: forget what is known of it."""
        match = ID.fullmatch(picture)
        if match is None:
            return
        for place in [one for one in self._kept if one[:2] == (int(match[1]), match[2])]:
            self._files.forget(place[0], self._kept.pop(place).digest)

    def trouble(self) -> list[str]:
        """What is wrong with the files, in sentences for operators."""
        return self._files.trouble()

    async def _load(self, site: Site, place: tuple[int, str, str]) -> Shown | None:
        _, number, name = place
        found = (await find_media(self._database, site.id, [number])).get(number)
        if found is None or not found.shown:
            # A copy may be behind.
            primary = ReadPreference.PRIMARY_PREFERRED
            found = (await find_media(self._database, site.id, [number], primary)).get(number)
        known = None if found is None else _named(found.files, name)
        self._kept.pop(place, None)
        if found is None or known is None:
            return None
        etag = b'"%s"' % (found.digest.hex()[:24] + "-" + name).encode("ascii")
        shown = Shown(known, found.digest, etag, self._seconds() + KEPT, found.shown)
        self._kept[place] = shown
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return shown


class MediaResource(AsyncResource):
    """The address."""

    takes_rest = True

    def __init__(
        self, sites: SiteDirectory, gallery: Gallery, limits: CallLimits, client_address: Callable[[Any], str],
        signer: SignedMedia,
    ) -> None:  # fmt: skip
        super().__init__(self.answer, (b"GET", b"HEAD"))
        self._sites = sites
        self._gallery = gallery
        self._limits = limits
        self._client_address = client_address
        self._signer = signer

    async def answer(self, request: Request) -> Response:
        """The file, a part of it, or 404."""
        path = [one.decode("ascii", "replace") for one in request.postpath or ()]
        known = ID.fullmatch(path[0]) if 2 <= len(path) <= 3 else None
        if known is None or _NAME.fullmatch(path[-1]) is None:
            return problem(404)
        seconds = self._signer.opens(path[0], path[1]) if len(path) == 3 else 0
        if len(path) == 3 and not seconds:
            return problem(404)
        site = self._sites.find(int(known[1]))
        if site is None or (not seconds and hides_pictures(site.settings) and not _is_logo(site, path[0])):
            return problem(404)
        try:
            self._limits.take(LIMIT, self._client_address(request), site.id)
            shown = await self._gallery.find(site, known[2], path[-1], seconds > 0)
        except TooFast as error:
            answer = problem(429, "too-fast")
            answer.headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after or 1))))
            return answer
        except (DatabaseError, OSError, Refused):
            return problem(503, "unavailable")
        if shown is None:
            # Not to be stored: it may be shown the next moment.
            return problem(404)
        answer, part = _answer(request, shown, b"private, max-age=%d" % seconds if seconds else YEAR)
        if part is not None:
            try:
                answer.stream = await self._gallery.body(site, shown, *part, request.method == b"HEAD")
                if answer.status == 200 and not seconds and request.method == b"GET":
                    answer.hot = self._hot(site, known[2], path[-1], shown, answer.stream)
            except (DatabaseError, OSError) as error:
                log.warn("a file of a picture can't be read: {reason}", reason=str(error)[:200])
                return problem(503, "unavailable")
        return answer

    def _hot(self, site: Site, number: str, name: str, shown: Shown, body: Body) -> HotAnswer | None:
        """Others may have the same for as long as it is shown like this; each look counts for whose it is."""
        part = whole_part(body)
        if part is None:
            return None
        opened, start, length = ref(part.file), part.start, part.length

        def find(address: str) -> FilePart | None:
            file = opened()
            if (
                file is None or self._sites.find(site.id) is not site
                or not self._gallery.is_current(site.id, number, name, shown)
            ):  # fmt: skip
                return None
            try:
                self._limits.take(LIMIT, address, site.id)
            except TooFast:
                return None
            return FilePart(file, start, length)

        return HotAnswer(find, body.in_thread)


def _is_logo(site: Site, picture: str) -> bool:
    """Whether it is the site's logo, which letters show to whoever reads them."""
    logo = logo_of(site.settings.logo)
    return logo is not None and logo.id == picture


def _named(files: list[Known], name: str) -> Known | None:
    """The file of that name; of the name `THUMB` the smallest picture, which stands still."""
    if name == THUMB:
        return smallest(files)
    return next((one for one in files if one.name == name), None)


def _answer(request: Request, shown: Shown, cached: bytes) -> tuple[Response, tuple[int, int] | None]:
    """The head of the answer, and the first and the last byte of its body; None: it has none, or one of its own."""
    headers = [
        (b"content-type", shown.known.type.encode("ascii")), (b"etag", shown.etag), (b"cache-control", cached),
        (b"accept-ranges", b"bytes"),
        # Whatever a browser would make of it: no page, and nothing that runs.
        (b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"default-src 'none'; sandbox"),
        (b"cross-origin-resource-policy", b"cross-origin"), (b"access-control-allow-origin", b"*"),
    ]  # fmt: skip
    given = request.getHeader(b"if-none-match")
    tags = [] if given is None else [one.strip().removeprefix(b"W/") for one in given.split(b",")]
    if tags == [b"*"] or shown.etag in tags:
        return Response(304, headers), None
    size = shown.known.bytes
    # Only GET knows ranges (RFC 9110 section 14.2).
    given = None if request.method == b"HEAD" else request.getHeader(b"range")
    condition = request.getHeader(b"if-range")
    match = None if given is None else _RANGE.fullmatch(given.strip())
    # Several ranges, and what can't be read, are answered with the whole (RFC 9110 section 14.2).
    if match is None or match.group() == b"bytes=-" or (condition is not None and condition.strip() != shown.etag):
        return Response(200, headers), (0, size - 1)
    first, last = match[1], match[2]
    begin = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if begin >= size or end < begin or (not first and int(last) == 0):
        if first and last and int(last) < int(first):
            return Response(200, headers), (0, size - 1)
        answer = problem(416)
        answer.headers.append((b"content-range", b"bytes */%d" % size))
        return answer, None
    headers.append((b"content-range", b"bytes %d-%d/%d" % (begin, end, size)))
    return Response(206, headers), (begin, end)
