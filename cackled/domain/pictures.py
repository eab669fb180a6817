"""Pictures as products show them with what they have: a visitor adds them (`cackled.media`) and names them by id.

A product keeps a picture as JSON, with the words of that time. Whose it is and what shows it is the table's: a trigger
of the product's own table gives pictures to what shows them, and takes them from what does so no more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import Unprocessable
from cackled.domain.site import Site

# As an address has it: the site's number, and 128 random bits.
PICTURE_ID = re.compile(r"([1-9][0-9]{0,8})-([A-Za-z0-9_-]{22})", re.ASCII)
# The name at which each picture has its smallest file.
THUMB = "thumb.webp"
# The name of the only file of what is no picture; its own name stands where a picture has words.
FILE = "file"
# The width that a page shows first.
WIDTH = 800

SELECT_PICTURES = Query(
    "select_pictures",
    """
    select id, width, height, color, alt, files from media
    where site_id = $1 and id = any($2) and (visitor_id = $3 or account_id = $5) and item in ('', $4)
    """,
    ("int", "text[]", "bigint", "text", "bigint"),
)


# Whether what has this key was written before.
SELECT_POSTED = Query(
    "select_posted",
    "select 1 from post_key where site_id = $1 and visitor_id = $2 and channel_id = $3 and key = $4",
    ("int", "bigint", "bigint", "text"),
)


class _File(Struct, frozen=True):
    name: str
    type: str
    width: int
    bytes: int = 0


def is_picture(name: str) -> bool:
    """Whether *name* is a picture's id, and no address."""
    return PICTURE_ID.fullmatch(name) is not None


async def own_pictures(
    database: Database, site: Site, visitor: int | None, item: str, ids: list[str], account: int | None = None,
    *, files: bool = False,
) -> list[dict[str, Any]]:
    """What is kept of the pictures *ids* of a visitor, or of an *account*: with nothing yet, or with *item*.

    *item* names what shows them (``review:12``).

    ``url`` is an address on this server. With *files* others than pictures may be among them: these have a ``name``,
    and no address that is open to anybody.

    Raises:
        Unprocessable: one is not there, another's, or shown elsewhere.
    """
    if not ids:
        return []
    numbers = []
    for name in ids:
        match = PICTURE_ID.fullmatch(name)
        if match is None or int(match[1]) != site.id:
            raise _unknown()
        numbers.append(match[2])
    rows = await database.site(site.id).read(
        SELECT_PICTURES, site.id, numbers, visitor, item, account, preference=ReadPreference.PRIMARY
    )
    found = {row[0]: row for row in rows.rows}
    if len(set(numbers)) < len(numbers) or len(found) < len(numbers):
        raise _unknown()
    kept = [kept_picture(site.id, found[number]) for number in numbers]
    if not files and any("name" in one for one in kept):
        raise _unknown()
    return kept


async def was_posted(database: Database, site: Site, visitor: int, channel: int, key: str | None) -> bool:
    """Whether the visitor wrote something in the channel before, with the idempotency *key*."""
    if key is None:
        return False
    where = (site.id, visitor, channel, key)
    return bool((await database.site(site.id).read(SELECT_POSTED, *where, preference=ReadPreference.PRIMARY)).rows)


def check_same_pictures(written: str, member: str, ids: Sequence[str], count: int | None = None) -> None:
    """See that what was written before, with the same idempotency key, came with the pictures *ids* in this order.

    *written*: its JSON, as its author has it; *member*: where that has pictures, *count* of them (None: these and no
    others). What was changed or deleted since can't be compared any more.

    Raises:
        Unprocessable: it came with others.
    """
    was = msgspec.json.decode(written)
    if was.get("edited") or was.get("deleted"):
        return
    shown = was.get(member) or []
    wanted = len(ids) if count is None else count
    if len(shown) != wanted or [one["id"] for one in shown if one.get("id") in ids] != list(ids):
        raise Unprocessable("This idempotency key was used for another call.", slug="key-reused")


def kept_picture(site: int, row: tuple[Any, ...]) -> dict[str, Any]:
    """What a product keeps of a picture: *row* has its number, width, height, colour, words, and files as JSON."""
    number, width, height, color, alt, files = row
    known = msgspec.json.decode(files, type=list[_File])
    if known[0].name == FILE:
        return {
            "id": f"{site}-{number}", "url": "", "alt": "", "width": 0, "height": 0, "color": "", "name": alt,
            "type": known[0].type, "bytes": known[0].bytes,
        }  # fmt: skip
    webp = [one for one in known if one.type == "image/webp"]
    # The first that is wide enough; files stand in the order of their widths.
    file = next((one for one in webp if one.width >= WIDTH), None) or max(webp, key=lambda one: one.width)
    return {
        "id": f"{site}-{number}", "url": f"/media/{site}-{number}/{file.name}", "alt": alt, "width": width,
        "height": height, "color": color,
    }  # fmt: skip


def _unknown() -> Unprocessable:
    return Unprocessable("One of the pictures is not there any more.", field="media", slug="media-unknown")
