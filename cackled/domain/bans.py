"""Who may not write on a site: visitors, networks, and texts with certain words."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain import text
from cackled.domain.addresses import stored_network
from cackled.domain.errors import BadField
from cackled.domain.signed_links import SignedLink
from cackled.domain.site import Site
from cackled.domain.words import fold

INSERT_BAN = Query(
    "insert_ban",
    """
    insert into ban (site_id, kind, value, network, until, folded) values ($1, $2, $3, $4, $5, $6)
    on conflict (site_id, kind, value)
    do update set until = excluded.until, network = excluded.network, folded = excluded.folded
    returning id
    """,
    ("int", "text", "text", "inet", "timestamptz", "text"),
)
SELECT_BANS = Query(
    "select_bans",
    """
    select id, kind, value, until::text, created_at::text from ban
    where site_id = $1 and (until is null or until > now()) order by id desc limit 500
    """,
    ("int",),
)
DELETE_BAN = Query(
    "delete_ban",
    "delete from ban where site_id = $1 and kind = $2 and (value = $3 or folded = $4) returning id",
    ("int", "text", "text", "text"),
)
ONCE = """
    with used as materialized (
      insert into used_link (site_id, id, expires_at) values ($1, $2, to_timestamp($3))
      on conflict do nothing returning 1
    )
"""
BAN_BY_LINK = Query(
    "ban_by_link",
    ONCE
    + """
    insert into ban (site_id, kind, value) select $1, 'visitor', $4 from used
    on conflict (site_id, kind, value) do update set until = null
    returning id, site_id
    """,
    ("int", "bigint", "float8", "text"),
)


class Ban(Struct, frozen=True):
    """A ban of a site; times as text, in UTC."""

    id: int
    kind: str
    value: str
    until: str | None
    created: str


class Bans:
    """The bans of one site."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database.site(site.id)

    async def ban(self, kind: str, value: str, until: float | None = None) -> int:
        """Ban a ``visitor`` (id), an ``ip`` (address or network) or a ``word``; *until* is in seconds since 1970.

        Raises:
            BadField: the kind or value can't be used.
        """
        network: str | None = None
        folded: str | None = None
        value = text.clean_line(value).strip()
        if kind == "ip":
            try:
                value = network = stored_network(value)
            except ValueError:
                raise BadField(f"{value!r} is no address or network.", field="value") from None
        elif kind == "visitor":
            if not (value.isascii() and value.isdigit()):
                raise BadField(f"{value!r} is no visitor id.", field="value")
        elif kind != "word" or not (2 <= len(value) <= 100 and len(folded := fold(value)) >= 2):
            raise BadField("Ban a visitor, an ip, or a word of 2 to 100 characters.", field="kind")
        end = None if until is None else datetime.fromtimestamp(until, UTC).isoformat()
        rows = await self._database.write(INSERT_BAN, self._site.id, kind, value, network, end, folded)
        return int(rows[0][0])

    async def bans(self, preference: ReadPreference = ReadPreference.PRIMARY) -> list[Ban]:
        """The newest 500 bans."""
        rows = await self._database.read(SELECT_BANS, self._site.id, preference=preference)
        return [Ban(*row) for row in rows.rows]

    async def unban(self, kind: str, value: str) -> bool:
        """Lift a ban, however it is spelt; False when there was none."""
        value = text.clean_line(value).strip()
        if kind == "ip":
            try:
                value = stored_network(value)
            except ValueError:
                return False
        folded = fold(value) if kind == "word" else None
        return bool(await self._database.write(DELETE_BAN, self._site.id, kind, value, folded))

    async def by_link(self, link: SignedLink) -> bool:
        """Ban the visitor that a signed link names; False where the link was used before."""
        used = (self._site.id, link.id, float(link.expires))
        return bool(await self._database.write(BAN_BY_LINK, *used, str(link.target)))
