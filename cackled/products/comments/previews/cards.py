"""The outbox's work of kind ``comment-links``: a comment's links are looked at, and what was found is shown with it.

What a page said is kept for the site for some days, and so is that it said nothing; a site learns nothing of another's.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from hashlib import md5, sha256
from html import unescape
from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database, SiteDatabase
from cackled.domain import links
from cackled.domain.errors import Refused
from cackled.domain.fetching import Unfetched, fetch_picture, within
from cackled.domain.housekeeping import BATCH
from cackled.domain.outbox import Work
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.domain.uploads import Uploads
from cackled.domain.videos import canonical
from cackled.products.comments.previews.fetching import fetch_facts
from cackled.products.comments.previews.oembed import fetch_title
from cackled.products.comments.settings import CommentSettings
from cackled.token_bucket import TokenBucket

log = Logger()

# Of one comment.
MOST = 3
# Seconds for a page, and for its picture; together less than an outbox's claim.
SECONDS, PICTURE_SECONDS = 20.0, 20.0
# Seconds that what was found is kept; a failure that often doubled, at most a day.
KEPT, FAILED, LONGEST_FAILED = 7 * 86_400, 900, 86_400
# Requests a second to one host, and at once; hosts that are remembered.
RATE, BURST, HOSTS = 0.5, 20.0, 1_000
# Smaller pictures are drawn for something else.
LEAST = 100

_LINK = re.compile(r'<a href="(https?://[^"<>]{1,2000})"')
# Links to videos there have a player (web/videos.js), whose title is asked for; other links there have nothing.
_PLAYED = re.compile(r"((www|m)\.)?youtu(be(-nocookie)?\.com|\.be)|((www|player)\.)?vimeo\.com")

SELECT_LINKED = Query(
    "select_linked_comment",
    "select html from comment where site_id = $1 and id = $2 and status = 1 and not shadow and links = ''",
    ("int", "bigint"),
)
SELECT_CARDS = Query(
    "select_link_cards",
    """
    select k.hash, k.card, k.picture, k.failures, k.expires_at > now() from link_card k
    where k.site_id = $1 and k.hash = any($2)
    """,
    ("int", "bytea[]"),
)
KEEP_CARD = Query(
    "keep_link_card",
    """
    insert into link_card as k (site_id, hash, card, picture, failures, expires_at)
    values ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
    on conflict (site_id, hash) do update set card = excluded.card, picture = excluded.picture,
      failures = excluded.failures, expires_at = excluded.expires_at
    """,
    ("int", "bytea", "text", "bytea", "int", "float8"),
)
SET_LINKS = Query(
    "set_comment_links", "select channel, seq from set_comment_links($1, $2, $3, $4)", ("int", "bigint", "text", "text")
)
# A failure is remembered a day longer, so that the next one waits longer.
EXPIRE_CARDS = Query(
    "expire_link_cards",
    f"""
    with gone as (
      delete from link_card where ctid = any(array(
        select ctid from link_card
        where expires_at < now() - case when failures > 0 then interval '1 day' else interval '0' end limit {BATCH}
      )) returning 1
    )
    select count(*) from gone
    """,
)


class _About(Struct, frozen=True):
    comment: str


class Shown(Struct, frozen=True, omit_defaults=True):
    """A preview as it is given out; of a video only its title, which stands on its player."""

    url: str
    title: str
    text: str = ""
    site: str = ""
    picture: dict[str, Any] | None = None
    video: bool = False


_about = msgspec.json.Decoder(_About).decode
_shown = msgspec.json.Decoder(Shown).decode


def links_of(html: str) -> list[str]:
    """The addresses in a comment that have previews, at most `MOST`."""
    found = dict.fromkeys(unescape(one) for one in _LINK.findall(html))
    return [url for url in found if canonical(url) or _PLAYED.fullmatch(links.host_of(url)) is None][:MOST]


class LinkCards:
    """Handles work for comments of all sites. *uploads* gives who takes pictures, once it is there."""

    def __init__(
        self, sites: SiteDirectory, database: Database, http: Any, uploads: Callable[[], Uploads], clock: Any
    ) -> None:
        self._sites = sites
        self._database = database
        self._http = http
        self._uploads = uploads
        self._clock = clock
        self._hosts: OrderedDict[str, TokenBucket] = OrderedDict()

    async def deliver(self, work: Work) -> None:
        """Look at the links of a comment, where they are still to be shown."""
        site = self._sites.find(work.site)
        if site is None or not site.product(CommentSettings).previews:
            return
        number = int(_about(work.body).comment)
        database = self._database.site(site.id)
        rows = (await database.read(SELECT_LINKED, site.id, number, preference=ReadPreference.PRIMARY)).rows
        urls = links_of(rows[0][0]) if rows else []
        if not urls:
            return
        hashes = [sha256(url.encode()).digest() for url in urls]
        known = {
            bytes(row[0]): row
            for row in (await database.read(SELECT_CARDS, site.id, hashes, preference=ReadPreference.PRIMARY)).rows
        }
        cards = await gatherResults(
            [Deferred.fromCoroutine(self._card(site, database, url, key, known.get(key)))
             for url, key in zip(urls, hashes, strict=True)],
            consumeErrors=True,
        )  # fmt: skip
        shown = [one for one in cards if one is not None]
        if shown:
            text = md5(rows[0][0].encode(), usedforsecurity=False).hexdigest()
            await database.write(SET_LINKS, site.id, number, text, msgspec.json.encode(shown).decode())

    async def _card(self, site: Site, database: SiteDatabase, url: str, key: bytes, row: Any) -> Shown | None:
        """The preview of *url*, as it is known or found now; None: there is nothing to show."""
        card, kept, failures, holds = row[1:] if row else ("", None, 0, False)
        if holds:
            if not card:
                return None
            shown = _shown(card)
            if kept is None:
                return shown
            return msgspec.structs.replace(shown, picture=await self._uploads().again(site, bytes(kept)))
        if not self._may_ask(links.host_of(url)):
            return None
        video = canonical(url)
        asking = fetch_title(self._http, video) if video else fetch_facts(self._http, url)
        try:
            facts = await within(SECONDS, self._clock, asking)
        except Unfetched as error:
            log.debug("no preview of {url!r}: {reason}", url=url, reason=str(error))
            wait = min(LONGEST_FAILED, FAILED * 2.0 ** min(failures, 10))
            await database.write(KEEP_CARD, site.id, key, "", None, failures + 1, wait)
            return None
        shown = Shown(url, facts.title, facts.text, facts.site, video=video is not None)
        digest: bytes | None = None
        picture: dict[str, Any] | None = None
        if facts.picture:
            try:
                digest, picture = await within(PICTURE_SECONDS, self._clock, self._picture(site, facts.picture))
            except (Unfetched, Refused, OSError) as error:
                log.debug("no picture of {url!r}: {reason}", url=url, reason=str(error))
        await database.write(KEEP_CARD, site.id, key, msgspec.json.encode(shown).decode(), digest, 0, KEPT)
        return msgspec.structs.replace(shown, picture=picture)

    async def _picture(self, site: Site, url: str) -> tuple[bytes, dict[str, Any]]:
        raw = await fetch_picture(self._http, url)
        if not raw:
            raise Unfetched("it is empty")
        digest, picture = await self._uploads().fetched(site, raw)
        if min(picture["width"], picture["height"]) < LEAST:
            raise Unfetched("it is too small")
        return digest, picture

    def _may_ask(self, host: str) -> bool:
        """Whether *host* may be asked now, for a page that a comment names.

        Where that page leads to, and its picture, are not counted: what is written on a site bounds those.
        """
        now = self._clock.seconds()
        bucket = self._hosts.pop(host, None) or TokenBucket(RATE, BURST, now)
        self._hosts[host] = bucket
        if len(self._hosts) > HOSTS:
            self._hosts.popitem(last=False)
        return bucket.take(now)
