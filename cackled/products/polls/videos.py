"""The outbox's work of kind ``poll-videos``: titles of the videos of a poll's options are asked for, and shown."""

from __future__ import annotations

import msgspec

from cackled.database.errors import QueryFailed
from cackled.database.query import Query, ReadPreference
from cackled.domain.outbox import Work
from cackled.domain.video_titles import VideoTitles
from cackled.products.product import OutboxParts

SELECT_UNTITLED = Query(
    "select_untitled_videos",
    """
    select distinct o.video from poll_option o
    where o.site_id = $1 and o.poll_id = $2 and o.video <> '' and o.video_title = '' order by o.video
    """,
    ("int", "bigint"),
)
SET_VIDEOS = Query(
    "set_poll_videos", "select channel, seq from set_poll_videos($1, $2, $3, $4)", ("int", "bigint", "text[]", "text[]")
)


class PollVideos:
    """Handles work for polls of all sites."""

    def __init__(self, parts: OutboxParts) -> None:
        self._parts = parts
        self._titles = VideoTitles(parts.database, parts.http, parts.clock)

    async def deliver(self, work: Work) -> None:
        """Ask for the titles that a poll lacks."""
        poll = msgspec.json.decode(work.body, type=dict[str, int], strict=False)["poll"]
        database = self._parts.database.site(work.site)
        rows = await database.read(SELECT_UNTITLED, work.site, poll, preference=ReadPreference.PRIMARY)
        found = {row[0]: await self._titles.find(work.site, row[0]) for row in rows.rows}
        known = {video: title for video, title in found.items() if title}
        if not known:
            return
        try:
            await database.write(SET_VIDEOS, work.site, poll, list(known), list(known.values()))
        except QueryFailed as error:
            # It was deleted with its site meanwhile.
            if error.sqlstate != "CK404":
                raise
