"""What owners learn of their reviews: over time, by criterion, words of one star, signs of fraud; and all as a file."""

from __future__ import annotations

from typing import Any

import msgspec

from cackled.database.query import Query, ReadPreference
from cackled.domain.channels import ChannelRef, check_channel
from cackled.domain.page_facts import page_url
from cackled.domain.page_keys import fit
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.domain.text import clean_words
from cackled.products.reviews.settings import ReviewSettings

EXPORTED = 1_000

SELECT_STATISTICS = Query(
    "select_review_statistics", "select review_statistics($1, $2, $3)", ("int", "bigint", "int")
)
SELECT_SIGNALS = Query("select_review_signals", "select review_signals($1, $2)", ("int", "int"))
SELECT_EXPORT = Query(
    "select_review_export",
    """
    select r.id, review_export(r, h) from review r join channel h on h.site_id = $1 and h.id = r.channel_id
    where r.site_id = $1 and r.id > $2 order by r.id limit $3
    """,
    ("int", "bigint", "int"),
)
SAVE_PRODUCT = Query(
    "save_review_product",
    "select save_review_product($1, $2, $3, $4, $5)", ("int", "bigint", "text", "text", "text"),
)  # fmt: skip
SELECT_PRODUCT = Query(
    "select_review_product", "select review_product_json($1, $2)", ("int", "bigint")
)
SELECT_TOP = Query(
    "select_top_products", "select top_review_products($1, $2, $3, $4)", ("int", "text", "text", "int")
)


class Figures:
    """The figures and products of one site."""

    def __init__(self, parts: ServiceParts, site: Site) -> None:
        self._site = site
        self._database = parts.database.site(site.id)

    def _channel(self, key: str) -> int:
        return self._site.channel("reviews", key)

    async def statistics(self, key: str, days: int) -> bytes:
        """How stars went over the last *days*, of a page or (``""``) of all, as JSON."""
        channel = self._channel(key) if key else None
        rows = await self._database.read(
            SELECT_STATISTICS, self._site.id, channel, days, preference=ReadPreference.NEAREST
        )
        names = {one.id: one.name for one in self._site.product(ReviewSettings).rated}
        return str(rows.rows[0][0]).encode()[:-1] + b',"names":' + msgspec.json.encode(names) + b"}"

    async def signals(self, days: int) -> bytes:
        """Signs of fraud of the last *days*, for somebody to look at, as JSON. Nothing follows from them by itself."""
        rows = await self._database.read(SELECT_SIGNALS, self._site.id, days, preference=ReadPreference.NEAREST)
        return b'{"signals":' + str(rows.rows[0][0]).encode() + b"}"

    async def export(self, after: int) -> tuple[bytes, int | None]:
        """Reviews with numbers above *after*, one a line as JSON, removed ones too, and where to go on."""
        rows = await self._database.read(
            SELECT_EXPORT, self._site.id, after, EXPORTED, preference=ReadPreference.NEAREST
        )
        text = "".join(f"{row[1]}\n" for row in rows.rows)
        return text.encode(), rows.rows[-1][0] if len(rows.rows) == EXPORTED else None

    async def save(self, key: str, url: str, facts: dict[str, str]) -> bytes:
        """Note what the site says of a product; gives it as JSON."""
        key = check_channel(ChannelRef(self._site.key(fit(key.strip()), url))).key
        made = {name: clean_words(value, 300) for name, value in facts.items()}
        made |= {"image": page_url(facts["image"])} if facts.get("image") else {}
        channel = self._channel(key)
        text = msgspec.json.encode(made).decode()
        await self._database.write(SAVE_PRODUCT, self._site.id, channel, key, page_url(url), text)
        return await self.product(key)

    async def product(self, key: str) -> bytes:
        """What is known of a product, as JSON."""
        rows = await self._database.read(
            SELECT_PRODUCT, self._site.id, self._channel(key), preference=ReadPreference.PRIMARY
        )
        return str(rows.rows[0][0]).encode()

    async def top(self, category: str, order: str, size: int, keys: Any) -> list[dict[str, Any]]:
        """Products in the order of their score or of how many reviews they have; *keys* says which may be seen."""
        rows = await self._database.read(
            SELECT_TOP, self._site.id, category, order, size, preference=ReadPreference.NEAREST
        )
        found: list[dict[str, Any]] = msgspec.json.decode(rows.rows[0][0])
        return [one for one in found if keys(one["key"])]
