"""Channels: the pages of a site, as their own pages name them, and ids as clients write them."""

from __future__ import annotations

import re

from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import BadField, NotFound
from cackled.domain.page_facts import page_title, page_url

MAX_KEY = 500
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
SELECT_KEYS = Query(
    "select_channel_keys", "select id, key from channel where site_id = $1 and id = any($2)", ("int", "bigint[]")
)
_ID = re.compile("[0-9]{1,19}", re.ASCII)


class ChannelRef(Struct, frozen=True):
    """The channel a page names: its key, and where and what the page is."""

    key: str
    url: str = ""
    title: str = ""


async def page_keys(database: Database, site: int, channels: list[int]) -> dict[int, str]:
    """The page keys of channels that somebody wrote on."""
    rows = await database.site(site).read(SELECT_KEYS, site, channels, preference=ReadPreference.NEAREST)
    return dict(rows.rows)


def parse_id(value: str, field: str = "id") -> int:
    """An id as clients write it.

    Raises:
        NotFound: it can't be the id of anything.
    """
    if _ID.fullmatch(value) is None or int(value) >= 2**63:
        raise NotFound("There is nothing of that number.", field=field)
    return int(value)


def check_channel(ref: ChannelRef) -> ChannelRef:
    """*ref* as it is stored.

    Raises:
        BadField: the key is missing or can't be used.
    """
    key = ref.key.strip()
    if not key or len(key) > MAX_KEY or _CONTROLS.search(key) is not None:
        raise BadField(f"A channel key has 1 to {MAX_KEY} characters, none of them a control.", field="channel.key")
    return ChannelRef(key, page_url(ref.url), page_title(ref.title))
