"""The outbox's work of kind ``review-photos``: photos of imported reviews are fetched, and kept here.

Until then, and where that can't be done, readers see a link: nobody's browser loads from another server unasked.
"""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from cackled.database.errors import QueryFailed
from cackled.database.query import Query
from cackled.domain.errors import Refused
from cackled.domain.fetching import Unfetched, fetch_picture, within
from cackled.domain.outbox import Work
from cackled.domain.pictures import own_pictures
from cackled.domain.site import Site
from cackled.products.product import OutboxParts

log = Logger()

# Photos that are fetched at once, and steps of one piece of work; together less time than an outbox's claim.
TOGETHER, STEPS = 4, 2
SECONDS = 20.0
MOST_BYTES = 10_000_000
# Seconds until the next try; after the last one it stays a link.
WAITS = (60.0, 3_600.0, 6 * 3_600.0)

TAKE_PHOTOS = Query(
    "take_review_photos", "select review, visitor, link, tries from take_review_photos($1, $2)", ("int", "int")
)
KEEP_PHOTO = Query(
    "keep_review_photo", "select channel, seq from keep_review_photo($1, $2, $3, $4)",
    ("int", "bigint", "text", "text"),
)  # fmt: skip
PUT_OFF = Query(
    "put_review_photo_off", "select put_review_photo_off($1, $2, $3, $4)", ("int", "bigint", "text", "float8")
)
WAKE = Query("wake_review_photos", "select wake_review_photos($1)", ("int",))


class ReviewPhotos:
    """Handles work of all sites."""

    def __init__(self, parts: OutboxParts) -> None:
        self._parts = parts

    async def deliver(self, work: Work) -> None:
        """Fetch some photos of a site that are due; where there are more, there will be more work."""
        site = self._parts.sites.find(work.site)
        if site is None or self._parts.http is None or self._parts.uploads is None:
            return
        database = self._parts.database.site(site.id)
        for _ in range(STEPS):
            rows = await database.write(TAKE_PHOTOS, site.id, TOGETHER)
            if not rows:
                break
            await gatherResults(
                [Deferred.fromCoroutine(self._one(site, *row)) for row in rows], consumeErrors=True
            )  # fmt: skip
        await database.write(WAKE, site.id)

    async def _one(self, site: Site, review: int, visitor: int, link: str, tries: int) -> None:
        database = self._parts.database.site(site.id)
        try:
            photo = await self._photo(site, review, visitor, link)
            rows = await database.write(KEEP_PHOTO, site.id, review, link, msgspec.json.encode(photo).decode())
            log.debug("a photo of review {review} is here: {changed}", review=review, changed=bool(rows))
        except (Unfetched, Refused, OSError, QueryFailed) as error:
            again = tries <= len(WAITS) and not (isinstance(error, Refused) and not error.passing)
            log.debug("no photo from {link!r}: {reason}", link=link, reason=str(error))
            if again:
                await database.write(PUT_OFF, site.id, review, link, WAITS[tries - 1])
            else:
                await database.write(KEEP_PHOTO, site.id, review, link, None)

    async def _photo(self, site: Site, review: int, visitor: int, link: str) -> dict[str, Any]:
        """What is kept of the picture at *link*.

        Raises:
            Unfetched, Refused, OSError: it can't be had, or not be shown.
        """
        assert self._parts.uploads is not None
        raw = await within(SECONDS, self._parts.clock, fetch_picture(self._parts.http, link, MOST_BYTES))
        if not raw:
            raise Unfetched("it is empty")
        name = await self._parts.uploads().brought(site, raw, "", visitor)
        kept = await own_pictures(self._parts.database, site, visitor, f"review:{review}", [name])
        return kept[0]
