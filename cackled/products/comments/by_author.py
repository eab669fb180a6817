"""What one visitor wrote on a site, the latest first."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.domain.activity import Activity
from cackled.domain.people import People
from cackled.domain.read_options import Reading
from cackled.domain.site import Site
from cackled.products.comments.permalink import ANCHOR, permalink

SELECT_BY_AUTHOR = Query(
    "select_comments_by_author",
    """
    select c.id, comment_json(c), h.key, h.title, h.url
    from comment c join channel h on h.site_id = c.site_id and h.id = c.channel_id
    where c.site_id = $1 and c.visitor_id = $2 and c.id < $3 and c.shown and c.status = 1
    order by c.id desc limit $4
    """,
    ("int", "bigint", "bigint", "int"),
)

ACTIVITY = Activity(
    find=Query(
        "select_comment_activity",
        """
        select (select count(*) from (select from comment x where x.site_id = $1 and x.visitor_id = $2 and x.shown
          and x.status = 1 and not x.shadow limit $3) n), c.id, c.src, h.url,
          to_char(c.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        from comment c join channel h on h.site_id = c.site_id and h.id = c.channel_id
        where c.site_id = $1 and c.visitor_id = $2 and c.shown and c.status = 1 and not c.shadow
        order by c.id desc limit $4
        """,
        ("int", "bigint", "int", "int"),
    ),
    anchor=ANCHOR,
)


class Written(Struct, frozen=True):
    """A comment (JSON text), the key and title of its conversation, and its address."""

    json: str
    key: str
    title: str
    permalink: str


class ByAuthor:
    """What the visitors of one site wrote."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database.site(site.id)
        self._people = People(site, database)

    async def page(
        self, author: int, own: bool, before: int, size: int, reading: Reading, sees: Callable[[str], bool]
    ) -> tuple[list[Written], int | None]:
        """At most *size* comments that are older than *before*, and where the next page begins (None: nowhere).

        What stands in a conversation that the reader does not see (by its key) is left out. Of a person who keeps it
        private there is nothing, but for themselves (*own*).
        """
        if not own:
            person = await self._people.find(author, reading.options.preference)
            if person is not None and person.private:
                return [], None
        rows = reading.found(
            await reading.rows(self._database, SELECT_BY_AUTHOR, self._site.id, author, before, size + 1)
        )
        found = [
            Written(json, key, title, permalink(self._site, url, number))
            for number, json, key, title, url in rows[:size] if sees(key)
        ]  # fmt: skip
        return found, rows[size - 1][0] if len(rows) > size else None
