"""The outbox's work of kind ``import-pictures``: pictures that imports name are fetched, and kept here.

Those of comments take the place of their links; those of authors are shown at ``/avatar/``. Until then, and where that
can't be done, links stay: nobody's browser loads from another server unasked. A server is asked one thing at a time.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.logger import Logger

from cackled.database.errors import QueryFailed
from cackled.database.query import Query
from cackled.database.routing import SiteDatabase
from cackled.domain.errors import Refused, TooFast
from cackled.domain.fetching import Unfetched, fetch_picture, within
from cackled.domain.outbox import Work
from cackled.domain.pictures import own_pictures
from cackled.domain.site import Site
from cackled.domain.text import clean_text, render
from cackled.importing.pictures import without_mark
from cackled.products.comments.settings import CommentSettings
from cackled.products.product import OutboxParts

log = Logger()

# Servers that are asked at once, and seconds from one picture of a server to its next.
TOGETHER, PACE = 4, 0.25
# Seconds that a piece of work goes on to new addresses, and those for one: together less than an outbox's claim.
LONGEST, SECONDS = 20.0, 20.0
MOST_BYTES = 10_000_000
# Comments and authors of one address that are seen to at once.
PLACES = 50
# Seconds until the next try of what may come yet; after the last one it stays a link.
WAITS = (60.0, 3_600.0, 6 * 3_600.0)
# As often in a row a server may be slow before all else there waits, too.
SLOW = 3
# Seconds until the next look where an import is still being written.
HELD = 15.0
# Points a side: what is smaller is a smiley, or a dot that counts readers.
LEAST = 32
MOST_TEXT = 20_000
SPREAD = 200
# Why a picture can't be shown, by what refused it; `Unfetched.why` are the others.
_WHY = {
    "media-room": "room", **{f"media-{one}": "type" for one in ("type", "broken", "harmful")},
    **{f"media-{one}": "large" for one in ("pixels", "frames", "memory", "time", "large")},
}  # fmt: skip
# What may be otherwise after a while.
_PASSING = frozenset(("away", "slow"))

TAKE = Query(
    "take_import_pictures", "select address, link, host, tries from take_import_pictures($1, $2)", ("int", "int")
)
PLACES_OF = Query(
    "import_picture_places",
    "select comment, author, visitor, alt, mark, src, own from import_picture_places($1, $2, $3)",
    ("int", "bytea", "int"),
)
KEEP = Query(
    "keep_comment_picture", "select ok, channel, seq from keep_comment_picture($1, $2, $3, $4, $5, $6, $7)",
    ("int", "bytea", "bigint", "text", "text", "text", "text"),
)  # fmt: skip
KEEP_AUTHOR = Query(
    "keep_author_picture", "select keep_author_picture($1, $2, $3, $4)", ("int", "bytea", "bigint", "text")
)
SPREAD_AUTHOR = Query(
    "spread_author_picture", "select channel, seq from spread_author_picture($1, $2, $3)", ("int", "bigint", "int")
)
DROP = Query(
    "drop_import_pictures", "select drop_import_pictures($1, $2, $3, $4, $5)",
    ("int", "bytea", "text", "int", "text"),
)  # fmt: skip
PUT_OFF = Query(
    "put_import_pictures_off", "select put_import_pictures_off($1, $2, $3, $4)", ("int", "bytea", "text", "float8")
)
WAKE = Query("wake_import_pictures", "select wake_import_pictures($1, $2)", ("int", "float8"))


class _Place(Struct, frozen=True):
    """Where a picture is shown: with a comment, whose text *source* has *mark* for it; *comment* 0: by an author."""

    comment: int
    author: int
    visitor: int
    alt: str
    mark: str
    source: str
    mentions: bool


class _Unshown(Exception):
    """It can't be shown, whoever's it is; the message says why in a word."""


class ImportedPictures:
    """Handles work of all sites."""

    def __init__(self, parts: OutboxParts) -> None:
        self._parts = parts

    async def deliver(self, work: Work) -> None:
        """Fetch pictures of a site that are due; where there are more, there will be more work."""
        site = self._parts.sites.find(work.site)
        if site is None or self._parts.http is None or self._parts.uploads is None:
            return
        database, clock = self._parts.database.site(site.id), self._parts.clock
        end = clock.seconds() + LONGEST
        slow: Counter[str] = Counter()
        some = False
        while clock.seconds() < end:
            begun = clock.seconds()
            rows = await database.write(TAKE, site.id, TOGETHER)
            if not rows:
                break
            some = True
            await gatherResults(
                [Deferred.fromCoroutine(self._one(site, database, slow, *row)) for row in rows], consumeErrors=True
            )  # fmt: skip
            rest = begun + PACE - clock.seconds()
            if rest > 0:
                await deferLater(clock, rest)
        await database.write(WAKE, site.id, 0.0 if some else HELD)

    async def _one(
        self, site: Site, database: SiteDatabase, slow: Counter[str], address: bytes, link: str, host: str, tries: int
    ) -> None:
        try:
            places = await database.write(PLACES_OF, site.id, address, PLACES)
            if places:
                raw = await within(SECONDS, self._parts.clock, fetch_picture(self._parts.http, link, MOST_BYTES))
                slow.pop(host, None)
                if not raw:
                    raise Unfetched("it is empty")
                await self._places(site, database, address, raw, places)
        except Unfetched as error:
            log.debug("no picture from {link!r}: {reason}", link=link, reason=str(error))
            slow[host] += error.why == "slow"
            # Where nobody is, nobody is asked for the next one at once.
            all_there = error.why == "away" or slow[host] >= SLOW
            if error.why in _PASSING and tries <= len(WAITS):
                await database.write(PUT_OFF, site.id, address, host if all_there else "", WAITS[tries - 1])
            else:
                gone = host if all_there and error.why in _PASSING else ""
                await database.write(DROP, site.id, address, gone, len(WAITS), error.why)
        except _Unshown as error:
            await database.write(DROP, site.id, address, "", 0, str(error))
        except (TooFast, OSError, QueryFailed) as error:
            # Our own workers or disks have no time.
            log.debug("a picture from {link!r} is not kept: {reason}", link=link, reason=str(error))
            if tries <= len(WAITS):
                await database.write(PUT_OFF, site.id, address, "", WAITS[tries - 1])
            else:
                await database.write(DROP, site.id, address, "", 0, "away")

    async def _places(self, site: Site, database: SiteDatabase, address: bytes, raw: bytes, places: Any) -> None:
        """Show the picture wherever it is named; of what changes under our hands the rest comes with the next try."""
        while True:
            done = 0
            for place in places:
                one = _Place(*place)
                show = self._show if one.comment else self._portray
                done += await show(site, database, address, raw, one)
            if done < len(places) or len(places) < PLACES:
                return
            places = await database.write(PLACES_OF, site.id, address, PLACES)

    async def _show(self, site: Site, database: SiteDatabase, address: bytes, raw: bytes, place: _Place) -> bool:
        """A comment shows it where its link stood; False: the comment is another by now."""
        (kept,) = await own_pictures(
            self._parts.database, site, place.visitor, "", [await self._kept(site, raw, place.alt, place.visitor)]
        )
        if max(kept["width"], kept["height"]) < LEAST:
            raise _Unshown("small")
        text = without_mark(place.source, place.mark)
        text = clean_text(text, MOST_TEXT, bare=True)
        math = site.product(CommentSettings).math
        html = render(text, math=math, mentions=place.mentions) if text else ""
        rows = await database.write(
            KEEP, site.id, address, place.comment, place.source, text, html, msgspec.json.encode(kept).decode()
        )
        return bool(rows[0][0])

    async def _portray(self, site: Site, database: SiteDatabase, address: bytes, raw: bytes, place: _Place) -> bool:
        """An author has it, and what they wrote shows it."""
        number = (await self._kept(site, raw, "", place.author)).partition("-")[2]
        if (await database.write(KEEP_AUTHOR, site.id, address, place.author, number))[0][0]:
            while True:
                rows = await database.write(SPREAD_AUTHOR, site.id, place.author, SPREAD)
                if not rows or rows[-1][0] is not None:
                    break
        return True

    async def _kept(self, site: Site, raw: bytes, alt: str, visitor: int) -> str:
        """The id of the picture, made anew.

        Raises:
            _Unshown: it can't be shown.
            TooFast, OSError: not now.
        """
        assert self._parts.uploads is not None
        try:
            return await self._parts.uploads().brought(site, raw, alt, visitor)
        except TooFast:
            raise
        except Refused as error:
            why = _WHY.get(error.slug)
            if why is None:
                raise OSError(str(error)) from None
            raise _Unshown(why) from None
