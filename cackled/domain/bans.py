"""Who may not write on a site: visitors, networks, and texts with certain words."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_network

from msgspec import Struct

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain import text
from cackled.domain.addresses import stored_network
from cackled.domain.errors import BadField
from cackled.domain.signed_links import SignedLink
from cackled.domain.site import Site
from cackled.domain.word_matching import fold

INSERT_BAN = Query(
    "insert_ban",
    """
    insert into ban (site_id, kind, value, network, until, folded, shadow, note, who)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    on conflict (site_id, kind, value)
    do update set until = excluded.until, network = excluded.network, folded = excluded.folded,
      shadow = excluded.shadow, note = excluded.note, who = excluded.who
    returning id
    """,
    ("int", "text", "text", "inet", "timestamptz", "text", "boolean", "text", "text"),
)
SELECT_BANS = Query(
    "select_bans",
    """
    select id, kind, value, iso(until), iso(created_at), shadow, note, who from ban
    where site_id = $1 and (until is null or until > now()) and ($2::bigint is null or id < $2)
      and ($3 = '' or strpos(lower(concat_ws(' ', kind, value, note, who)), lower($3)) > 0)
    order by id desc limit $4
    """,
    ("int", "bigint", "text", "int"),
)
LIFT_BAN = Query(
    "lift_ban", "delete from ban where site_id = $1 and id = $2 returning kind, value", ("int", "bigint")
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
    """A ban of a site; times as RFC 3339 writes them, in UTC. ``shadow``: nobody is to notice it; ``who`` made it."""

    id: int
    kind: str
    value: str
    until: str | None
    created: str
    shadow: bool = False
    note: str = ""
    who: str = ""


class Banned(Struct, frozen=True):
    """What a ban is about, as it is stored and compared."""

    kind: str
    value: str
    network: str | None = None
    folded: str | None = None


def banned(kind: str, value: str) -> Banned:
    """What a ban of *kind* is about, however it was written.

    A ``visitor`` or an ``account`` is a visitor's number; an ``ip`` an address or a network, an ``address`` of IPv6
    stands for its /64, as whoever has one has all of that; a ``mail`` is compared without what follows a plus sign; a
    ``domain`` is that of mail; a ``name`` and a ``word`` are compared by `cackled.domain.word_matching.fold`.

    Raises:
        BadField: the kind or value can't be used.
    """
    value = text.clean_line(value).strip()
    if kind in ("ip", "address", "network"):
        try:
            network = stored_network(value)
        except ValueError:
            raise BadField(f"{value!r} is no address or network.", field="value") from None
        if kind == "address" and network.endswith("/128"):
            network = str(ip_network(f"{network.removesuffix('/128')}/64", strict=False))
        return Banned("ip", network, network)
    if kind in ("visitor", "account"):
        if not (value.isascii() and value.isdigit() and len(value) < 20 and int(value) < 2**63):
            raise BadField(f"{value!r} is no visitor id.", field="value")
        return Banned(kind, str(int(value)))
    if kind in ("mail", "domain"):
        name, at, domain = value.lower().rpartition("@")
        name = name.partition("+")[0]
        if not domain or not domain.isprintable() or " " in value or len(value) > 250 or (kind == "mail") != bool(name):
            raise BadField(f"{value!r} is no {'address' if kind == 'mail' else 'domain'} of mail.", field="value")
        return Banned(kind, f"{name}{at}{domain}" if kind == "mail" else domain)
    folded = fold(value)
    if kind == "name" and 1 <= len(value) <= 100 and folded:
        return Banned(kind, value, None, folded)
    if kind == "word" and 2 <= len(value) <= 100 and len(folded) >= 2:
        return Banned(kind, value, None, folded)
    kinds = "a visitor, account, address, network, mail, domain or name, or a word of 2 to 100 characters"
    raise BadField(f"Ban {kinds}.", field="kind")


class Bans:
    """The bans of one site."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database.site(site.id)

    async def ban(
        self, kind: str, value: str, until: float | None = None, *, shadow: bool = False, note: str = "", who: str = ""
    ) -> int:
        """Ban what `banned` understands; *until* is in seconds since 1970. Gives the ban's number.

        With *shadow* those who are banned don't notice: what they write is shown to them alone. *note* and *who* are
        for colleagues.

        Raises:
            BadField: the kind or value can't be used.
        """
        about = banned(kind, value)
        end = None if until is None else datetime.fromtimestamp(until, UTC).isoformat()
        rows = await self._database.write(
            INSERT_BAN, self._site.id, about.kind, about.value, about.network, end, about.folded, shadow,
            text.clean_line(note)[:1_000], who[:100],
        )  # fmt: skip
        return int(rows[0][0])

    async def bans(
        self, preference: ReadPreference = ReadPreference.PRIMARY, *, before: int | None = None, search: str = "",
        most: int = 500,
    ) -> list[Ban]:  # fmt: skip
        """The newest bans; those before the number *before*, with *search* in them."""
        rows = await self._database.read(SELECT_BANS, self._site.id, before, search, most, preference=preference)
        return [Ban(*row) for row in rows.rows]

    async def lift(self, number: int) -> tuple[str, str] | None:
        """Lift the ban of that number; gives its kind and value, None where there was none."""
        rows = await self._database.write(LIFT_BAN, self._site.id, number)
        return (rows[0][0], rows[0][1]) if rows else None

    async def unban(self, kind: str, value: str) -> bool:
        """Lift a ban, however it is spelt; False when there was none."""
        try:
            about = banned(kind, value)
        except BadField:
            return False
        folded = about.folded if kind == "word" else None
        return bool(await self._database.write(DELETE_BAN, self._site.id, about.kind, about.value, folded))

    async def by_link(self, link: SignedLink) -> bool:
        """Ban the visitor that a signed link names; False where the link was used before."""
        used = (self._site.id, link.id, float(link.expires))
        return bool(await self._database.write(BAN_BY_LINK, *used, str(link.target)))
