"""Where pages of a conversation begin, and which conversations of a site there are."""

from __future__ import annotations

from typing import Any

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.read_options import Reading
from cackled.domain.site import Site
from cackled.products.comments.channels import comment_channel
from cackled.products.comments.pages import next_cursor

# When the conversation began, and where the page before one begins: $4 comments before the comment $3.
SELECT_BEFORE = Query(
    "select_thread_before",
    """
    select (select to_char(b.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') from comment b
            where b.site_id = $1 and b.channel_id = $2 and b.parent_id is null and b.shown order by b.id limit 1),
      (select min(x.id) from (
         select c.id from comment c where c.site_id = $1 and c.channel_id = $2 and c.parent_id is null and c.shown
           and c.id < $3 order by c.id desc limit $4 + 1) x having count(*) > $4)
    """,
    ("int", "bigint", "bigint", "int"),
)
COUNT_CONVERSATIONS = Query(
    "count_conversations",
    "select count(*) from comment_channel where site_id = $1 and n_visible > 0",
    ("int",),
)
SELECT_CONVERSATIONS = Query(
    "select_conversations_range",
    """
    select h.key, h.url, to_char(c.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    from comment_channel k join channel h on h.site_id = $1 and h.id = k.channel_id
      join comment c on c.site_id = $1 and c.id = k.last_comment_id
    where k.site_id = $1 and k.channel_id >= $2 and k.channel_id < $3 and k.n_visible > 0 and h.url <> ''
    order by k.channel_id limit 50000
    """,
    ("int", "bigint", "bigint"),
)
_LAST = 2**63 - 1


class Places:
    """The conversations of one site."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database.site(site.id)

    async def before(self, key: str, first: str, size: int, reading: Reading) -> tuple[str, str]:
        """When a conversation began, and the cursor of the page before the one that begins with the comment *first*;
        ``""``: that is the first page."""
        where = (self._site.id, comment_channel(self._site, key), int(first) if first else _LAST, size)
        rows = await reading.rows(self._database, SELECT_BEFORE, *where)
        begun, last = rows.rows[0]
        # A page begins behind its cursor.
        cursor = "" if last is None else next_cursor("", last)
        return begun or "", cursor

    async def count(self, preference: ReadPreference) -> int:
        """How many conversations have comments."""
        found = await self._database.read(COUNT_CONVERSATIONS, self._site.id, preference=preference)
        return int(found.rows[0][0])

    async def conversations(self, first: int, below: int, preference: ReadPreference) -> list[tuple[Any, ...]]:
        """Key, address of the page and time of the last comment of those with channels in a range of ids."""
        found = await self._database.read(
            SELECT_CONVERSATIONS, self._site.id, first, min(below, _LAST), preference=preference
        )
        return found.rows
