"""Files of imports and exports, kept in the database in pieces: any node can go on with what another one began."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database

Kind = Literal["import", "export"]
# Bytes of a file, and of a piece.
MOST_FILE = 2 * 1024**3
MOST_PIECE = 8 * 1024**2

PUT_PIECE = Query(
    "put_transfer_piece",
    """
    insert into transfer_piece (site_id, kind, number, at, data) values ($1, $2, $3, $4, $5)
    on conflict (site_id, kind, number, at) do update set data = excluded.data
    """,
    ("int", "text", "bigint", "bigint", "bytea"),
)
NEXT_PIECE = Query(
    "next_transfer_piece",
    """
    select p.at, p.data from transfer_piece p
    where p.site_id = $1 and p.kind = $2 and p.number = $3 and p.at >= $4 order by p.at limit 1
    """,
    ("int", "text", "bigint", "bigint"),
)
DROP_PIECES = Query(
    "drop_transfer_pieces", "delete from transfer_piece p where p.site_id = $1 and p.kind = $2 and p.number = $3",
    ("int", "text", "bigint"),
)  # fmt: skip


class Pieces:
    """The files of one site."""

    def __init__(self, database: Database, site: int) -> None:
        self._site = site
        self._database = database.site(site)

    async def put(self, kind: Kind, number: int, at: int, data: bytes) -> None:
        """Keep a piece; the same again changes nothing."""
        await self._database.write(PUT_PIECE, self._site, kind, number, at, data)

    async def piece(self, kind: Kind, number: int, at: int) -> bytes:
        """The piece that begins at *at*; ``b""``: there is none."""
        rows = (
            await self._database.read(NEXT_PIECE, self._site, kind, number, at, preference=ReadPreference.PRIMARY)
        ).rows
        return bytes(rows[0][1]) if rows and rows[0][0] == at else b""

    async def read(self, kind: Kind, number: int) -> AsyncIterator[bytes]:
        """The file, a piece at a time."""
        at = 0
        while data := await self.piece(kind, number, at):
            yield data
            at += len(data)

    async def drop(self, kind: Kind, number: int) -> None:
        """Remove a file."""
        await self._database.write(DROP_PIECES, self._site, kind, number)
