"""The outbox's work of kind ``review-videos``: titles of the videos that a review names are asked for, and shown."""

from __future__ import annotations

from hashlib import md5

import msgspec

from cackled.database.query import Query, ReadPreference
from cackled.domain.outbox import Work
from cackled.domain.video_titles import VideoTitles, videos_in
from cackled.products.product import OutboxParts

SELECT_TEXT = Query(
    "select_review_with_videos",
    "select html from review where site_id = $1 and id = $2 and status = 1 and not shadow and videos = ''",
    ("int", "bigint"),
)
SET_VIDEOS = Query(
    "set_review_videos", "select channel, seq from set_review_videos($1, $2, $3, $4)", ("int", "bigint", "text", "text")
)


class ReviewVideos:
    """Handles work for reviews of all sites."""

    def __init__(self, parts: OutboxParts) -> None:
        self._parts = parts
        self._titles = VideoTitles(parts.database, parts.http, parts.clock)

    async def deliver(self, work: Work) -> None:
        """Ask for the titles of a review's videos, where they are still to be shown."""
        number = msgspec.json.decode(work.body, type=dict[str, int], strict=False)["review"]
        database = self._parts.database.site(work.site)
        rows = (await database.read(SELECT_TEXT, work.site, number, preference=ReadPreference.PRIMARY)).rows
        if not rows:
            return
        found = [(url, await self._titles.find(work.site, video)) for url, video in videos_in(rows[0][0])]
        shown = [{"url": url, "title": title} for url, title in found if title]
        if shown:
            text = md5(rows[0][0].encode(), usedforsecurity=False).hexdigest()
            await database.write(SET_VIDEOS, work.site, number, text, msgspec.json.encode(shown).decode())
