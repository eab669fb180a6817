"""Pictures of new comments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cackled.database.routing import Database
from cackled.domain.errors import Unprocessable
from cackled.domain.pictures import own_pictures, was_posted
from cackled.domain.site import Site


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
        if await was_posted(database, site, visitor, channel, key):
            return []
        raise
