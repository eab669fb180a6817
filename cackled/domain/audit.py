"""The log of what staff did on a site: who, what, when, to what. Rows are added and never changed.

It holds no words of visitors: what they wrote may have to be forgotten, and this is kept. A target is named by what it
is and its number (``comment:123``). A database function that does a deed writes its row itself, with ``record_audit``
in the same transaction; `Audit.record` is for what no such function does.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.read_options import Reading
from cackled.domain.site import Site
from cackled.domain.staff import Staff

RECORD_AUDIT = Query(
    "record_audit", "select record_audit($1, $2, $3, $4, $5, $6::jsonb)",
    ("int", "text", "text", "text", "text", "text"),
)  # fmt: skip
SELECT_AUDIT = Query(
    "select_audit",
    """
    select id, to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), actor, name, action, target,
      detail::text
    from audit
    where site_id = $1 and ($2::bigint is null or id < $2) and ($3 = '' or actor = $3)
      and ($4 = '' or action = $4 or starts_with(action, $4 || '.'))
      and ($5 = '' or target = $5)
    order by id desc limit $6
    """,
    ("int", "bigint", "text", "text", "text", "int"),
)


class Entry(Struct, frozen=True):
    """One row. ``actor`` is ``account:7``, ``key:3`` or a part of the daemon; ``name`` is its name at that time."""

    id: str
    at: str
    actor: str
    name: str
    action: str
    target: str
    detail: dict[str, Any]


class Audit:
    """The log of one site."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database.site(site.id)

    async def record(self, who: Staff | str, action: str, target: str = "", **detail: Any) -> int:
        """Add a row: *action* as ``member.added``, *target* as ``account:7``; *detail* is JSON without words of
        visitors and without secrets. *who* is the colleague, or the name of a part of the daemon."""
        actor, name = (who, "") if isinstance(who, str) else (who.actor, who.name)
        text = msgspec.json.encode(detail).decode()
        rows = await self._database.write(RECORD_AUDIT, self._site.id, actor, name, action, target, text)
        return int(rows[0][0])

    async def entries(
        self, reading: Reading | ReadPreference = ReadPreference.PRIMARY, *, before: int | None = None,
        actor: str = "", action: str = "", target: str = "", size: int = 50,
    ) -> list[Entry]:
        """The newest rows, those before the row *before*; *action* may be the first part of one (``member``)."""
        how = Reading.of(reading)
        found = await how.rows(self._database, SELECT_AUDIT, self._site.id, before, actor, action, target, size)
        return [
            Entry(str(id_), at, by, name, what, to, msgspec.json.decode(more))
            for id_, at, by, name, what, to, more in how.found(found)
        ]
