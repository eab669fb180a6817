"""Exports of a site that staff begin: made by a node in pieces, kept for a day, fetched at an address that runs out."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any, Literal

from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import BadField, Conflict, NotFound, Unprocessable
from cackled.domain.site import Site
from cackled.importing.exports import Export
from cackled.transfers.file_store import Pieces

# Exports of a site that are kept or under way; hours that they are kept; seconds that an address holds.
MOST_KEPT = 10
KEPT_HOURS = 24
LIFETIME = 600

INSERT_EXPORT = Query(
    "insert_export",
    """
    insert into export_run (site_id, product, format, who) select $1, $2, $3, $4
    where (select count(*) from export_run r where r.site_id = $1 and r.state in ('waiting', 'writing', 'done')) < $5
    returning id
    """,
    ("int", "text", "text", "text", "int"),
)
_COLUMNS = """
    r.id, r.product, r.format, r.who, r.state, r.wish, r.error, r.done, r.size,
    to_char(r.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    to_char(r.ended_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
"""
SELECT_EXPORT = Query(
    "select_export", f"select {_COLUMNS} from export_run r where r.site_id = $1 and r.id = $2", ("int", "bigint")
)
SELECT_EXPORTS = Query(
    "select_exports",
    f"""
    select {_COLUMNS} from export_run r where r.site_id = $1 and ($2::bigint is null or r.id < $2)
    order by r.id desc limit $3
    """,
    ("int", "bigint", "int"),
)
STOP_EXPORT = Query(
    "stop_export",
    """
    update export_run r set wish = 'stop', state = case when r.state = 'writing' then r.state else 'gone' end,
      ended_at = coalesce(r.ended_at, now())
    where r.site_id = $1 and r.id = $2 and r.state in ('waiting', 'writing', 'done')
    returning r.state
    """,
    ("int", "bigint"),
)

# By product, then by name.
Known = dict[str, dict[str, Export]]


class ExportRun(Struct, frozen=True):
    """One export. States: waiting, writing, done, failed, stopped, gone (its file was removed).

    ``done``: bytes that were written; ``size``: bytes of the file, which is packed (gzip).
    """

    id: str
    product: str
    format: str
    who: str
    state: Literal["waiting", "writing", "done", "failed", "stopped", "gone"]
    error: str
    done: int
    size: int
    created: str
    ended: str | None
    actions: list[Literal["stop", "download"]]


def _shown(row: tuple[Any, ...]) -> ExportRun:
    id_, product, format, who, state, wish, error, done, size, created, ended = row
    actions: list[Literal["stop", "download"]] = []
    if state == "done":
        actions = ["download", "stop"]
    elif state in ("waiting", "writing") and not wish:
        actions = ["stop"]
    return ExportRun(str(id_), product, format, who, state, error, done, size, created, ended, actions)


class ExportList:
    """The exports of one site."""

    def __init__(self, site: Site, database: Database, known: Known) -> None:
        self._site = site
        self._database = database.site(site.id)
        self._pieces = Pieces(database, site.id)
        self._known = known

    async def list(self, before: int | None, most: int) -> list[ExportRun]:
        """The newest, or those before one."""
        rows = await self._database.read(
            SELECT_EXPORTS, self._site.id, before, most, preference=ReadPreference.PRIMARY
        )
        return [_shown(row) for row in rows.rows]

    async def get(self, number: int) -> ExportRun:
        """One of them.

        Raises:
            NotFound: there is none of that number.
        """
        rows = await self._database.read(SELECT_EXPORT, self._site.id, number, preference=ReadPreference.PRIMARY)
        if not rows.rows:
            raise NotFound("There is no such export.")
        return _shown(rows.rows[0])

    async def ready(self, number: int) -> ExportRun:
        """One whose file can be fetched.

        Raises:
            NotFound: there is none of that number.
            Conflict: its file is not there yet, or no more.
        """
        one = await self.get(number)
        if one.state != "done":
            raise Conflict("There is no file of that export.", slug="export-state")
        return one

    async def begin(self, product: str, format: str, who: str) -> ExportRun:
        """Have a file made.

        Raises:
            BadField: the product is not exported in that format.
            Unprocessable: too many are kept.
        """
        if format not in self._known.get(product, {}):
            raise BadField("That product can't be exported in that format.", field="format")
        made = await self._database.write(INSERT_EXPORT, self._site.id, product, format, who, MOST_KEPT)
        if not made:
            raise Unprocessable(f"At most {MOST_KEPT} exports are kept; remove one.", slug="exports-many")
        return await self.get(made[0][0])

    async def stop(self, number: int) -> ExportRun:
        """Stop one that is under way, or remove the file of one that is done.

        Raises:
            Conflict: it has ended otherwise.
        """
        await self.get(number)
        rows = await self._database.write(STOP_EXPORT, self._site.id, number)
        if not rows:
            raise Conflict("That export has ended.", slug="export-state")
        if rows[0][0] == "gone":
            await self._pieces.drop("export", number)
        return await self.get(number)


class DownloadLinks:
    """Addresses of files that hold for `LIFETIME` seconds, for whoever has them.

    A token is ``site.export.expires.mac`` under a key derived from the one that all nodes share.
    """

    def __init__(self, secret: Callable[[str], Awaitable[bytes]], wall_time: Callable[[], float]) -> None:
        self._secret = secret
        self._wall_time = wall_time

    async def _mac(self, told: str) -> str:
        key = blake2b(await self._secret("session"), person=b"cackled.export").digest()
        return blake2b(told.encode(), key=key, digest_size=20).hexdigest()

    async def token(self, site: int, number: int) -> tuple[str, int]:
        """A token, and when it runs out."""
        expires = int(self._wall_time()) + LIFETIME
        told = f"{site}.{number}.{expires}"
        return f"{told}.{await self._mac(told)}", expires

    async def read(self, token: str) -> tuple[int, int] | None:
        """The site and export of a token; None where it is not genuine or has run out."""
        told, _, mac = token.rpartition(".")
        parts = told.split(".")
        if len(token) > 120 or not token.isascii() or len(parts) != 3 or not all(one.isdecimal() for one in parts):
            return None
        if not hmac.compare_digest(mac, await self._mac(told)) or int(parts[2]) < self._wall_time():
            return None
        return int(parts[0]), int(parts[1])
