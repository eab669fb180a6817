"""``/files/{id}/{signature}``: files that are no pictures, to be saved, never to be shown.

There are signed addresses alone (`cackled.domain.signed_media`), each for some minutes. Browsers save what is here:
it can't be part of a page, nothing in it runs, and its type is what it was found to be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from cackled.database.errors import DatabaseError
from cackled.database.routing import Database
from cackled.domain.errors import Refused, TooFast
from cackled.domain.limits import CallLimits
from cackled.domain.pictures import FILE
from cackled.domain.signed_media import SignedMedia
from cackled.domain.sites import SiteDirectory
from cackled.media.attachments import TEXT, disposition, name_of
from cackled.media.resource import LIMIT, Gallery
from cackled.media.service import ID, find_media
from cackled.transport.http import Request
from cackled.transport.problems import problem
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response

log = Logger()


class AttachmentResource(AsyncResource):
    """The address."""

    takes_rest = True

    def __init__(
        self, sites: SiteDirectory, database: Database, gallery: Gallery, limits: CallLimits,
        client_address: Callable[[Any], str], signer: SignedMedia,
    ) -> None:  # fmt: skip
        super().__init__(self.answer, (b"GET", b"HEAD"))
        self._sites = sites
        self._database = database
        self._gallery = gallery
        self._limits = limits
        self._client_address = client_address
        self._signer = signer

    async def answer(self, request: Request) -> Response:
        """The file, or 404."""
        path = [one.decode("ascii", "replace") for one in request.postpath or ()]
        known = ID.fullmatch(path[0]) if len(path) == 2 else None
        if known is None or not self._signer.opens(path[0], path[1]):
            return problem(404)
        site = self._sites.find(int(known[1]))
        if site is None:
            return problem(404)
        try:
            self._limits.take(LIMIT, self._client_address(request), site.id)
            found = await self._gallery.find(site, known[2], FILE, signed=True)
            named = (await find_media(self._database, site.id, [known[2]])).get(known[2])
            if found is None or named is None:
                return problem(404)
            body = await self._gallery.body(
                site, found, 0, found.known.bytes - 1, request.method == b"HEAD"
            )
        except TooFast as error:
            answer = problem(429, "too-fast")
            answer.headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after or 1))))
            return answer
        except (DatabaseError, OSError, Refused) as error:
            log.warn("a file can't be read: {reason}", reason=str(error)[:200])
            return problem(503, "unavailable")
        kind = found.known.type + ("; charset=utf-8" if found.known.type == TEXT else "")
        # As it was sent; its words can't be relied on.
        name = name_of(named.alt, found.known.type)
        headers = [
            (b"content-type", kind.encode("ascii")), (b"content-disposition", disposition(name)),
            (b"cache-control", b"private, no-store"), (b"x-content-type-options", b"nosniff"),
            (b"content-security-policy", b"default-src 'none'; sandbox"), (b"x-frame-options", b"DENY"),
            (b"cross-origin-resource-policy", b"same-origin"), (b"referrer-policy", b"no-referrer"),
        ]  # fmt: skip
        made = Response(200, headers)
        made.stream = body
        return made
