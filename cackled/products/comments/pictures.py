"""Pictures of new comments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import Unprocessable
from cackled.domain.pictures import own_pictures
from cackled.domain.site import Site

# Whether what has this key was written before.
SELECT_POSTED = Query(
    "select_posted",
    "select 1 from post_key where site_id = $1 and visitor_id = $2 and channel_id = $3 and key = $4",
    ("int", "bigint", "bigint", "text"),
)


async def posted_pictures(
    database: Database, site: Site, visitor: int, channel: int, ids: Sequence[str], key: str | None
) -> list[dict[str, Any]]:
    """What is kept of the pictures *ids* of a new comment, which has the idempotency key *key*.

    Raises:
        Unprocessable: one is not the visitor's to show.
    """
    try:
        return await own_pictures(database, site, visitor, "", list(ids))
    except Unprocessable:
        # Written before, and its pictures are with it: the same again is answered with the first one.
        if key is not None:
            where = (site.id, visitor, channel, key)
            if (await database.site(site.id).read(SELECT_POSTED, *where, preference=ReadPreference.PRIMARY)).rows:
                return []
        raise
