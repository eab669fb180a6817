"""What other processes saw written lately: each notes its own in the database, and learns of the others' as it does."""

from __future__ import annotations

from collections import OrderedDict
from secrets import randbits

from twisted.logger import Logger

from cackled.database.errors import DatabaseError
from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.moderation.near_duplicates import MOST_SITES, MOST_TEXTS, Recent

log = Logger()

# Rows that may be committed after ones with a higher number are looked at again.
OVERLAP = 100
NOTE_RECENT_TEXT = Query(
    "note_recent_text",
    f"""
    with mine as (
      insert into recent_text (site_id, process, visitor_id, hashes) values ($1, $2, $3, $4) returning id
    )
    select mine.id, o.id, o.visitor_id, o.hashes, extract(epoch from now() - o.created_at)::float8
    from mine left join lateral (
      select x.id, x.visitor_id, x.hashes, x.created_at from recent_text x
      where x.site_id = $1 and x.id > $5 and x.process <> $2 and x.created_at > now() - interval '1 hour'
      order by x.id desc limit {MOST_TEXTS}
    ) o on true order by o.id
    """,
    ("int", "bigint", "bigint", "bigint[]", "bigint"),
)
FORGET_RECENT_TEXT = Query(
    "forget_recent_text", "delete from recent_text where site_id = $1 and id = $2 returning id", ("int", "bigint")
)
EXPIRE_RECENT_TEXTS = Query(
    "expire_recent_texts",
    """
    with gone as (
      delete from recent_text where ctid = any(array(
        select ctid from recent_text where created_at < now() - interval '1 hour' limit 5000)) returning 1
    )
    select count(*) from gone
    """,
)


class SharedTexts:
    """Puts into *recent* what the other processes wrote there."""

    def __init__(self, database: Database, recent: Recent) -> None:
        self._database = database
        self._recent = recent
        # Which process this is: nobody else draws the same number.
        self._process = randbits(62)
        # By site: the numbers that were seen, in their order.
        self._seen: OrderedDict[int, OrderedDict[int, None]] = OrderedDict()

    async def exchange(self, site: int, author: int, made: frozenset[int], now: float) -> int:
        """Note a text for the others, and learn of theirs; gives its number, 0 where the database is away.

        *now* is in seconds, as for `Recent.note`.
        """
        seen = self._seen.setdefault(site, OrderedDict())
        self._seen.move_to_end(site)
        if len(self._seen) > MOST_SITES:
            self._seen.popitem(last=False)
        last = next(reversed(seen), OVERLAP)
        try:
            rows = await self._database.site(site).write(
                NOTE_RECENT_TEXT, site, self._process, author, sorted(made), last - OVERLAP
            )
        except DatabaseError as error:
            # What this process saw itself has to do.
            log.debug("recent texts of site {site} are not shared: {reason}", site=site, reason=str(error))
            return 0
        for _, number, by, hashes, age in rows:
            if number is None or number in seen:
                continue
            seen[number] = None
            if len(seen) > MOST_TEXTS + OVERLAP:
                seen.popitem(last=False)
            self._recent.note(site, by, frozenset(hashes), now - age)
        return int(rows[0][0]) if rows else 0

    async def forget(self, site: int, number: int) -> None:
        """It was not written in the end."""
        try:
            await self._database.site(site).write(FORGET_RECENT_TEXT, site, number)
        except DatabaseError as error:
            log.debug("a text of site {site} stays counted: {reason}", site=site, reason=str(error))
