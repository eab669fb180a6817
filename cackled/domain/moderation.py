"""Keeping the peace: flags, a visitor's own blocks, a site's bans."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct

from cackled.database.errors import QueryFailed
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain import text
from cackled.domain.addresses import stored_address, stored_network
from cackled.domain.errors import BadField, NotFound, Unprocessable, from_sqlstate
from cackled.domain.reading import Reading
from cackled.domain.sessions import Session
from cackled.domain.signed_links import SignedLink
from cackled.domain.sites import Site
from cackled.domain.words import fold
from cackled.events import Position

FLAG_COMMENT = Query(
    "flag_comment",
    "select flag_comment($1, $2, $3, $4, $5, $6)",
    ("int", "bigint", "bigint", "inet", "text", "boolean"),
)
INSERT_BLOCK = Query(
    "insert_block",
    """
    insert into block (site_id, visitor_id, author_id)
    select $1, $2, $3 where (select count(*) from block b where b.site_id = $1 and b.visitor_id = $2) < 500
    on conflict do nothing
    """,
    ("int", "bigint", "bigint"),
)
DELETE_BLOCK = Query(
    "delete_block",
    "delete from block where site_id = $1 and visitor_id = $2 and author_id = $3",
    ("int", "bigint", "bigint"),
)
SELECT_BLOCKS = Query(
    "select_blocks",
    "select author_id from block where site_id = $1 and visitor_id = $2 order by created_at limit 1000",
    ("int", "bigint"),
)
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

LOCK_CHANNEL = Query("lock_channel", "select lock_channel($1, $2, $3)", ("int", "bigint", "boolean"))
REMOVE_COMMENT = Query(
    "remove_comment",
    "select seq, channel from delete_comment($1, $2, null, $3)",
    ("int", "bigint", "boolean"),
)
# What a signed link does, and that it was used, in one statement: it is used only where it was done.
_USED = """
    with used as materialized (
      insert into used_link (site_id, id, expires_at) values ($1, $2, to_timestamp($3))
      on conflict do nothing returning 1
    )
"""
REMOVE_BY_LINK = Query(
    "remove_by_link",
    _USED + "select d.seq, d.channel from used, lateral delete_comment($1, $4, null, $5) d",
    ("int", "bigint", "float8", "bigint", "boolean"),
)
BAN_BY_LINK = Query(
    "ban_by_link",
    _USED
    + """
    insert into ban (site_id, kind, value) select $1, 'visitor', $4 from used
    on conflict (site_id, kind, value) do update set until = null
    returning id, site_id
    """,
    ("int", "bigint", "float8", "text"),
)

MAX_REASON = 500


class Ban(Struct, frozen=True):
    """A ban of a site; times as text, in UTC."""

    id: int
    kind: str
    value: str
    until: str | None
    created: str


class Moderation:
    """Flags, blocks and bans of one site."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database.site(site.id)

    async def flag(
        self, session: Session, comment_id: int, reason: str, *, address: str | None = None
    ) -> int:
        """Report a comment; each visitor counts once. Gives the number of reports."""
        reason = text.clean_line(reason).strip()
        if len(reason) > MAX_REASON:
            raise Unprocessable(f"At most {MAX_REASON} characters.", field="reason")
        try:
            who = session.visitor, stored_address(address)
            told = self._site.settings.mails_flags
            rows = await self._database.write(FLAG_COMMENT, self._site.id, comment_id, *who, reason, told)
        except QueryFailed as error:
            raise from_sqlstate(error.sqlstate, error.message) or error from None
        return int(rows[0][0])

    async def block(self, session: Session, author: int) -> None:
        """Stop showing an author to this visitor (at most 500 authors)."""
        if author == session.visitor:
            raise Unprocessable("You can't block yourself.", field="author")
        await self._database.write(INSERT_BLOCK, self._site.id, session.visitor, author)

    async def unblock(self, session: Session, author: int) -> None:
        """Show the author again."""
        await self._database.write(DELETE_BLOCK, self._site.id, session.visitor, author)

    async def blocked(
        self, session: Session, preference: ReadPreference | Reading = ReadPreference.PRIMARY
    ) -> list[str]:
        """Whom this visitor blocks."""
        reading = Reading.of(preference)
        rows = await reading.rows(self._database, SELECT_BLOCKS, self._site.id, session.visitor)
        return [str(row[0]) for row in reading.found(rows)]

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

    async def lock(self, channel: int, locked: bool) -> Position:
        """Close a conversation to new comments, or open it again; everybody on the page is told.

        Raises:
            NotFound: nobody has written there yet.
        """
        rows = await self._database.write(LOCK_CHANNEL, self._site.id, channel, locked)
        if rows[0][0] is None:
            raise NotFound("Nobody has written there yet.")
        return self._site.position(channel, rows[0][0])

    async def remove(self, comment_id: int) -> Position:
        """Delete anybody's comment, as its author would.

        Raises:
            NotFound: there is none that can be seen.
        """
        try:
            hooked = bool(self._site.settings.webhook_url)
            rows = await self._database.write(REMOVE_COMMENT, self._site.id, comment_id, hooked)
        except QueryFailed as error:
            raise from_sqlstate(error.sqlstate, error.message) or error from None
        return self._site.position(rows[0][1], rows[0][0])

    async def by_link(self, link: SignedLink) -> tuple[bool, Position | None]:
        """Do what a signed link is for: whether it was done now (False: the link was used before), and where.

        Raises:
            NotFound: the comment to remove is not there any more; the link stays unused.
        """
        used = (self._site.id, link.id, float(link.expires))
        if link.deed == "ban":
            return bool(await self._database.write(BAN_BY_LINK, *used, str(link.target))), None
        try:
            hooked = bool(self._site.settings.webhook_url)
            rows = await self._database.write(REMOVE_BY_LINK, *used, link.target, hooked)
        except QueryFailed as error:
            raise from_sqlstate(error.sqlstate, error.message) or error from None
        return bool(rows), self._site.position(rows[0][1], rows[0][0]) if rows else None
