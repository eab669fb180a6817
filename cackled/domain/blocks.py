"""The authors whose comments a visitor does not want to see."""

from __future__ import annotations

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.errors import Unprocessable
from cackled.domain.read_options import Reading
from cackled.domain.sessions import Session
from cackled.domain.site import Site

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


class Blocks:
    """The blocks of one site's visitors."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database.site(site.id)

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
        """The authors that this visitor blocks."""
        reading = Reading.of(preference)
        rows = await reading.rows(self._database, SELECT_BLOCKS, self._site.id, session.visitor)
        return [str(row[0]) for row in reading.found(rows)]
