"""Which pages of a site have reviews, and what the site says of a product."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.read_options import Reading
from cackled.domain.site import Site

SELECT_THREAD_PRODUCT = Query(
    "select_review_thread_product",
    "select name, brand, gtin, mpn, sku, image from review_product where site_id = $1 and channel_id = $2",
    ("int", "bigint"),
)
COUNT_REVIEWED = Query(
    "count_reviewed_pages",
    "select count(*) from review_summary where site_id = $1 and n > 0",
    ("int",),
)
SELECT_REVIEWED = Query(
    "select_reviewed_range",
    """
    select h.key, h.url, to_char(k.changed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    from review_summary k join channel h on h.site_id = $1 and h.id = k.channel_id
    where k.site_id = $1 and k.channel_id >= $2 and k.channel_id < $3 and k.n > 0 and h.url <> ''
    order by k.channel_id limit 50000
    """,
    ("int", "bigint", "bigint"),
)
_LAST = 2**63 - 1


class Facts(Struct, frozen=True):
    """What the site says of a product; ``""`` where it says nothing."""

    name: str = ""
    brand: str = ""
    gtin: str = ""
    mpn: str = ""
    sku: str = ""
    image: str = ""


class ReviewPlaces:
    """The pages with reviews of one site."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database.site(site.id)

    async def product(self, channel: int, reading: Reading) -> Facts:
        """What the site says of the product of a channel."""
        found = await reading.rows(self._database, SELECT_THREAD_PRODUCT, self._site.id, channel)
        return Facts(*found.rows[0]) if found.rows else Facts()

    async def count(self, preference: ReadPreference) -> int:
        """How many pages have reviews."""
        found = await self._database.read(COUNT_REVIEWED, self._site.id, preference=preference)
        return int(found.rows[0][0])

    async def conversations(self, first: int, below: int, preference: ReadPreference) -> list[tuple[Any, ...]]:
        """Key, address of the page and time of the last change of those with channels in a range of ids."""
        found = await self._database.read(
            SELECT_REVIEWED, self._site.id, first, min(below, _LAST), preference=preference
        )
        return found.rows
