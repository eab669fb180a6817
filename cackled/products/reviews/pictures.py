"""Pictures of reviews."""

from __future__ import annotations

from typing import Any

from cackled.database.routing import Database
from cackled.domain.errors import Unprocessable
from cackled.domain.pictures import check_same_pictures, own_pictures, was_posted
from cackled.domain.site import Site


async def look_up_pictures(
    database: Database, site: Site, visitor: int, members: dict[str, Any], item: str = ""
) -> None:
    """Put what is kept of pictures in the place of their ids; *item* names the review that has them.

    Raises:
        Unprocessable: one is not the visitor's to show.
    """
    photos: list[dict[str, Any]] = members.get("media") or []
    ids = [one["id"] for one in photos if "id" in one]
    if ids:
        found = {one["id"]: one for one in await own_pictures(database, site, visitor, item, ids)}
        members["media"] = [found[one["id"]] if "id" in one else one for one in photos]


async def look_up_posted(
    database: Database, site: Site, visitor: int, members: dict[str, Any], channel: int, key: str | None
) -> None:
    """The same of what is new, with the idempotency *key*. Written before, its pictures are with it: ids stay.

    Raises:
        Unprocessable: one is not the visitor's to show.
    """
    try:
        await look_up_pictures(database, site, visitor, members)
    except Unprocessable:
        if not await was_posted(database, site, visitor, channel, key):
            raise


def check_same_photos(written: str, members: dict[str, Any]) -> None:
    """See that a review that was written before came with the same pictures.

    Raises:
        Unprocessable: it came with others.
    """
    photos = members.get("media") or []
    # Pictures at addresses may have become ours since.
    check_same_pictures(written, "media", [one["id"] for one in photos if "id" in one], len(photos))
