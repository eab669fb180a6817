"""Titles of videos of other sites, each asked for once and kept for the site for some days.

A site learns nothing of another's. Workers ask, never who reads a page.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from twisted.logger import Logger

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.fetching import Unfetched, within
from cackled.domain.housekeeping import BATCH
from cackled.domain.oembed import fetch_title
from cackled.domain.videos import canonical
from cackled.token_bucket import TokenBucket

log = Logger()

# Of one text; as many have a player (`cackled/web/lib/videos.js`).
MOST = 3
SECONDS = 20.0
# Seconds that a title is kept; a failure that often doubled, at most a day.
KEPT, FAILED, LONGEST_FAILED = 7 * 86_400, 900, 86_400
# Requests a second to one of their sites, and at once.
RATE, BURST = 0.5, 20.0

_LINK = re.compile(r'<a href="(https?://[^"<>]{1,2000})"')

SELECT_TITLE = Query(
    "select_video_title",
    "select title, failures, expires_at > now() from video_title where site_id = $1 and video = $2",
    ("int", "text"),
)
KEEP_TITLE = Query(
    "keep_video_title",
    """
    insert into video_title as v (site_id, video, title, failures, expires_at)
    values ($1, $2, $3, $4, now() + make_interval(secs => $5))
    on conflict (site_id, video) do update set title = excluded.title, failures = excluded.failures,
      expires_at = excluded.expires_at
    """,
    ("int", "text", "text", "int", "float8"),
)
# A failure is remembered a day longer, so that the next one waits longer.
EXPIRE_TITLES = Query(
    "expire_video_titles",
    f"""
    with gone as (
      delete from video_title where ctid = any(array(
        select ctid from video_title
        where expires_at < now() - case when failures > 0 then interval '1 day' else interval '0' end limit {BATCH}
      )) returning 1
    )
    select count(*) from gone
    """,
)


def videos_in(html: str) -> list[tuple[str, str]]:
    """The addresses in a text that lead to videos, with what `canonical` calls these; at most `MOST`."""
    found = dict.fromkeys(unescape(one) for one in _LINK.findall(html))
    return [(url, video) for url in found if (video := canonical(url)) is not None][:MOST]


class VideoTitles:
    """Finds titles for all sites. *http*: `cackled.outbound.post.GuardedHttp`."""

    def __init__(self, database: Database, http: Any, clock: Any) -> None:
        self._database = database
        self._http = http
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}

    async def find(self, site: int, video: str) -> str:
        """The title of a *video*, as it is known or found now; ``""``: there is none to be had."""
        database = self._database.site(site)
        rows = (await database.read(SELECT_TITLE, site, video, preference=ReadPreference.PRIMARY)).rows
        title, failures, holds = rows[0] if rows else ("", 0, False)
        if holds:
            return str(title)
        if not self._may_ask(video.partition(":")[0]):
            return ""
        try:
            title = await within(SECONDS, self._clock, fetch_title(self._http, video))
        except Unfetched as error:
            log.debug("no title of {video}: {reason}", video=video, reason=str(error))
            wait = min(LONGEST_FAILED, FAILED * 2.0 ** min(failures, 10))
            await database.write(KEEP_TITLE, site, video, "", failures + 1, wait)
            return ""
        await database.write(KEEP_TITLE, site, video, title, 0, float(KEPT))
        return title

    def _may_ask(self, provider: str) -> bool:
        now = self._clock.seconds()
        bucket = self._buckets.setdefault(provider, TokenBucket(RATE, BURST, now))
        return bucket.take(now)
