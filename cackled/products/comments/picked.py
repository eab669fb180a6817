"""Some of a conversation: one's own comments, those of staff, and people who may be meant by a name."""

from __future__ import annotations

import re

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain import text
from cackled.domain.names import skeleton
from cackled.domain.read_options import Reading
from cackled.domain.sessions import Session
from cackled.domain.site import Site
from cackled.products.comments.channels import comment_channel

# Comments of a channel by themselves, the latest first: a visitor's own, as they see them; or those of staff.
SELECT_OWN_HERE = Query(
    "select_own_here",
    """
    select c.id, own_comment_json(c) from comment c
    where c.site_id = $1 and c.channel_id = $2 and c.visitor_id = $3 and c.id < $4
      and (c.status in (0, 1, 2) or c.shadow) order by c.id desc limit $5
    """,
    ("int", "bigint", "bigint", "bigint", "int"),
)
SELECT_STAFF_HERE = Query(
    "select_staff_here",
    """
    select x.id, x.json from (
      (select c.id, comment_json(c) as json from comment c
       where c.site_id = $1 and c.channel_id = $2 and c.parent_id is null and c.shown and c.status = 1 and c.id < $3
         and strpos(c.author_extra, '"staff"') > 0 order by c.id desc limit $4)
      union all
      (select c.id, comment_json(c) from comment c
       where c.site_id = $1 and c.channel_id = $2 and c.parent_id is not null and c.shown and c.status = 1 and c.id < $3
         and strpos(c.author_extra, '"staff"') > 0 order by c.id desc limit $4)
    ) x order by x.id desc limit $4
    """,
    ("int", "bigint", "bigint", "int"),
)
# Who may be meant by a beginning of a name: who wrote here lately, then who signed in ever and is not private. $4: the
# beginning as a pattern of LIKE; of the second word too. $5: the same as a skeleton.
SELECT_MENTIONABLE = Query(
    "select_mentionable",
    """
    with here as (
      select c.visitor_id, c.author_name, c.id from (
        (select x.visitor_id, x.author_name, x.id from comment x
         where x.site_id = $1 and x.channel_id = $2 and x.parent_id is null and x.shown and x.status = 1
         order by x.id desc limit 300)
        union all
        (select x.visitor_id, x.author_name, x.id from comment x
         where x.site_id = $1 and x.channel_id = $2 and x.parent_id is not null and x.shown and x.status = 1
         order by x.root_id desc, x.id desc limit 300)
      ) c where c.author_name ilike $4 or c.author_name ilike '% ' || $4
    ), found as (
      (select 0 as far, h.visitor_id, h.author_name as name, max(h.id) as rank from here h
       group by h.visitor_id, h.author_name)
      union all
      (select 1, p.visitor_id, p.name, 0 from person p
       where p.site_id = $1 and p.skeleton >= $5 and p.skeleton < $5 || chr(1114111) and not p.private
       order by p.skeleton limit 50)
    )
    select visitor_id, name from (
      select distinct on (visitor_id) visitor_id, name, far, rank from found where visitor_id <> $3
      order by visitor_id, far, rank desc
    ) x order by far, rank desc, name limit 8
    """,
    ("int", "bigint", "bigint", "text", "text"),
)


class Picked:
    """Some of the conversations of one site."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database.site(site.id)

    async def filtered(
        self, key: str, author: int | None, before: int, size: int, preference: ReadPreference | Reading
    ) -> tuple[list[str], int | None]:
        """Comments of a channel as JSON texts, the latest first: of *author* as they see them, or (None) of staff.

        With them the cursor of the next page.
        """
        reading = Reading.of(preference)
        where = (self._site.id, comment_channel(self._site, key))
        question = (
            (SELECT_STAFF_HERE, *where, before, size + 1) if author is None
            else (SELECT_OWN_HERE, *where, author, before, size + 1)
        )  # fmt: skip
        rows = reading.found(await reading.rows(self._database, *question))
        found = rows[:size]
        return [row[1] for row in found], found[-1][0] if len(rows) > size else None

    async def mentionable(self, session: Session, key: str, start: str) -> list[tuple[int, str]]:
        """Visitors and names that begin with *start*: who wrote in the channel, then who signed in ever."""
        start = text.clean_words(start, text.MAX_NAME)
        if not start:
            return []
        pattern = re.sub(r"([\\%_])", r"\\\1", start) + "%"
        rows = await self._database.read(
            SELECT_MENTIONABLE, self._site.id, comment_channel(self._site, key), session.visitor, pattern,
            skeleton(start), preference=ReadPreference.NEAREST,
        )  # fmt: skip
        return [(row[0], row[1]) for row in rows.rows]
