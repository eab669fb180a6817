"""Notes about authors among colleagues, and warnings that an author has to read before they write again."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain import text
from cackled.domain.errors import BadField, NotFound
from cackled.domain.site import Site
from cackled.domain.staff import Staff

LONGEST = 1_000
_TIME = "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'"

INSERT_NOTE = Query(
    "insert_author_note",
    "insert into author_note (site_id, visitor_id, who, name, body) values ($1, $2, $3, $4, $5) returning id",
    ("int", "bigint", "text", "text", "text"),
)
DELETE_NOTE = Query(
    "delete_author_note", "delete from author_note where site_id = $1 and visitor_id = $2 and id = $3 returning id",
    ("int", "bigint", "bigint"),
)  # fmt: skip
SELECT_NOTES = Query(
    "select_author_notes",
    f"""
    select id::text, name, body, to_char(created_at at time zone 'UTC', {_TIME}) from author_note
    where site_id = $1 and visitor_id = $2 order by id desc limit 100
    """,
    ("int", "bigint"),
)
INSERT_WARNING = Query(
    "insert_author_warning",
    """
    with made as (
      insert into author_warning (site_id, visitor_id, who, body) values ($1, $2, $3, $5) returning id
    )
    select made.id, record_audit($1, $3, $4, 'author.warned', 'visitor:' || $2) from made
    """,
    ("int", "bigint", "text", "text", "text"),
)
SELECT_WARNINGS = Query(
    "select_author_warnings",
    f"""
    select id::text, body, to_char(created_at at time zone 'UTC', {_TIME}),
      to_char(read_at at time zone 'UTC', {_TIME}) from author_warning
    where site_id = $1 and visitor_id = $2 and (not $3 or read_at is null) order by id desc limit 50
    """,
    ("int", "bigint", "boolean"),
)
READ_WARNING = Query(
    "read_author_warning",
    """
    update author_warning set read_at = coalesce(read_at, now())
    where site_id = $1 and visitor_id = $2 and id = $3 returning id
    """,
    ("int", "bigint", "bigint"),
)


class Note(Struct, frozen=True):
    """A note of a colleague."""

    id: str
    by: str
    body: str
    at: str


class Warning_(Struct, frozen=True):
    """A warning to an author; ``read`` is when they acknowledged it."""

    id: str
    body: str
    at: str
    read: str | None


class Authors:
    """Notes and warnings of one site."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database.site(site.id)

    @staticmethod
    def _body(body: str) -> str:
        made = text.clean_text(body, LONGEST)
        if not made.strip():
            raise BadField("Write something.", field="text")
        return made

    async def note(self, staff: Staff, visitor: int, body: str) -> str:
        """Note something about an author; gives the note's number.

        Raises:
            Unprocessable: it is empty, or too long.
        """
        rows = await self._database.write(
            INSERT_NOTE, self._site.id, visitor, staff.actor, staff.name, self._body(body)
        )
        return str(rows[0][0])

    async def forget_note(self, visitor: int, number: int) -> None:
        """Take a note away.

        Raises:
            NotFound: there is none.
        """
        if not await self._database.write(DELETE_NOTE, self._site.id, visitor, number):
            raise NotFound("There is no such note.")

    async def notes(self, visitor: int) -> list[Note]:
        """The newest 100 notes about an author."""
        rows = await self._database.read(
            SELECT_NOTES, self._site.id, visitor, preference=ReadPreference.PRIMARY
        )
        return [Note(*row) for row in rows.rows]

    async def warn(self, staff: Staff, visitor: int, body: str) -> str:
        """Tell an author something that they have to read before they write again; gives its number."""
        rows = await self._database.write(
            INSERT_WARNING, self._site.id, visitor, staff.actor, staff.name, self._body(body)
        )
        return str(rows[0][0])

    async def warnings(self, visitor: int, *, unread: bool = False) -> list[Warning_]:
        """What an author was told; *unread*: and has not read."""
        rows: Any = await self._database.read(
            SELECT_WARNINGS, self._site.id, visitor, unread, preference=ReadPreference.PRIMARY
        )
        return [Warning_(*row) for row in rows.rows]

    async def read(self, visitor: int, number: int) -> None:
        """The author says that they have read it.

        Raises:
            NotFound: they were told no such thing.
        """
        if not await self._database.write(READ_WARNING, self._site.id, visitor, number):
            raise NotFound("There is no such message.")
