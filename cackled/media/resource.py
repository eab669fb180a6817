"""``/media/{id}/{variant}``: the files of pictures. What stands at an address never changes.

What not everybody may see is there at signed addresses alone (`cackled.domain.signed_media`).

Files are small (the largest is a picture of 1,600 points), so they are read whole, off the reactor, and the last read
are kept in memory. Ranges as RFC 9110 section 14 says; one at a time.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from cackled.database.errors import DatabaseError
from cackled.database.query import ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import Refused, TooFast
from cackled.domain.limits import CallLimits
from cackled.domain.pictures import THUMB
from cackled.domain.signed_media import SignedMedia
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.media.origins import Origin
from cackled.media.service import ID, Known, find_media
from cackled.shared_calls import SharedCalls
from cackled.transport.http import Request
from cackled.transport.problems import problem
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response

LIMIT = "media.read"
YEAR = b"public, max-age=31536000, immutable"
# Bytes of files in memory, and seconds for which it is believed that they are still shown.
MOST_KEPT, KEPT = 32 * 1_048_576, 60.0
_NAME = re.compile(r"[a-z0-9]{1,10}\.(webp|avif|jpg)", re.ASCII)
_RANGE = re.compile(rb"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)


class Shown:
    """A file as it is served; ``open``: everybody may see it."""

    __slots__ = ("body", "etag", "open", "type", "until")

    def __init__(self, body: bytes, kind: bytes, etag: bytes, until: float, open: bool) -> None:
        self.body = body
        self.open = open
        self.type = kind
        self.etag = etag
        self.until = until


class Gallery:
    """The files of all sites, in a process."""

    def __init__(self, database: Database, origin: Origin, seconds: Callable[[], float]) -> None:
        self._database = database
        self._origin = origin
        self._seconds = seconds
        self._kept: OrderedDict[tuple[int, str, str], Shown] = OrderedDict()
        self._size = 0
        self._calls: SharedCalls[Shown | None] = SharedCalls()

    async def find(self, site: Site, number: str, name: str, signed: bool = False) -> Shown | None:
        """A file; None where there is no such picture, it has no such file, or not everybody may see it.

        *signed*: whoever asks may see it in any case.

        Raises:
            DatabaseError, OSError: it can't be read now.
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

    def hide(self, picture: str) -> None:
        """Not everybody may see *picture* (``17-ID``) any more, or it is gone: keep none of its files."""
        match = ID.fullmatch(picture)
        if match is None:
            return
        for place in [one for one in self._kept if one[:2] == (int(match[1]), match[2])]:
            self._forget(place)

    async def _load(self, site: Site, place: tuple[int, str, str]) -> Shown | None:
        _, number, name = place
        found = (await find_media(self._database, site.id, [number])).get(number)
        if found is None or not found.shown:
            # A copy may be behind.
            primary = ReadPreference.PRIMARY_PREFERRED
            found = (await find_media(self._database, site.id, [number], primary)).get(number)
        known = None if found is None else _named(found.files, name)
        if found is None or known is None:
            self._forget(place)
            return None
        old = self._kept.get(place)
        body = old.body if old is not None else await self._origin.get(site.id, found.digest, known.name)
        if body is None or len(body) != known.bytes:
            # Never a part of it.
            raise OSError(f"{site.id}/{found.digest.hex()}/{name} is missing or cut short")
        shown = Shown(
            body, known.type.encode("ascii"), b'"%s"' % (found.digest.hex()[:24] + "-" + name).encode("ascii"),
            self._seconds() + KEPT, found.shown,
        )  # fmt: skip
        self._forget(place)
        self._kept[place] = shown
        self._size += len(body)
        while self._size > MOST_KEPT:
            _, gone = self._kept.popitem(last=False)
            self._size -= len(gone.body)
        return shown

    def _forget(self, place: tuple[int, str, str]) -> None:
        old = self._kept.pop(place, None)
        if old is not None:
            self._size -= len(old.body)


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
        if site is None:
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
        return _answer(request, shown, b"private, max-age=%d" % seconds if seconds else YEAR)


def _named(files: list[Known], name: str) -> Known | None:
    """The file of that name; of the name `THUMB` the smallest picture, which stands still."""
    if name == THUMB:
        still = [one for one in files if one.type == "image/webp"]
        return min(still, key=lambda one: (one.name != "still.webp", one.width), default=None)
    return next((one for one in files if one.name == name), None)


def _answer(request: Request, shown: Shown, cached: bytes) -> Response:
    headers = [
        (b"content-type", shown.type), (b"etag", shown.etag), (b"cache-control", cached), (b"accept-ranges", b"bytes"),
        # Whatever a browser would make of it: no page, and nothing that runs.
        (b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"default-src 'none'; sandbox"),
        (b"cross-origin-resource-policy", b"cross-origin"), (b"access-control-allow-origin", b"*"),
    ]  # fmt: skip
    tags = request.getHeader(b"if-none-match")
    if tags is not None and (tags.strip() == b"*" or shown.etag in [one.strip() for one in tags.split(b",")]):
        return Response(304, headers)
    size = len(shown.body)
    given = request.getHeader(b"range")
    condition = request.getHeader(b"if-range")
    match = None if given is None else _RANGE.fullmatch(given.strip())
    # Several ranges, and what can't be read, are answered with the whole (RFC 9110 section 14.2).
    if match is None or match.group() == b"bytes=-" or (condition is not None and condition.strip() != shown.etag):
        return Response(200, headers, shown.body)
    first, last = match[1], match[2]
    begin = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if begin >= size or end < begin or (not first and int(last) == 0):
        if first and last and int(last) < int(first):
            return Response(200, headers, shown.body)
        answer = problem(416)
        answer.headers.append((b"content-range", b"bytes */%d" % size))
        return answer
    headers.append((b"content-range", b"bytes %d-%d/%d" % (begin, end, size)))
    return Response(206, headers, shown.body[begin : end + 1])
