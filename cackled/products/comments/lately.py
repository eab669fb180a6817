"""Comments of a whole site: the latest, and the best voted of some days."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cackled.cache.soft import SoftCache
from cackled.cache.types import Loaded
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.site import Site
from cackled.products.comments.by_author import Written
from cackled.products.comments.permalink import permalink

# Seconds that an answer is shared: each page of a site asks.
TTL = 15.0
MOST_DAYS = 366
# So many are looked for, as some may stand where the reader sees nothing; and among so many latest changes.
FOUND = 60
_LATEST, _TOP = 300, 3_000

# No index has a site's comments by when they were written; that of their last change has them among the latest changes.
_CHANGED = """
    select c.id, comment_json(c), h.key, h.title, h.url
    from (
      select x.id from comment x where x.site_id = $1 and x.modified_at > now() - make_interval(days => $2)
      order by x.modified_at desc, x.id desc limit $3
    ) y
    join comment c on c.site_id = $1 and c.id = y.id
    join channel h on h.site_id = $1 and h.id = c.channel_id
    where c.shown and c.status = 1 {more}
    order by {order}, c.id desc limit $4
"""
_TYPES = ("int", "int", "int", "int")
SELECT_LATEST = Query("select_latest_of_site", _CHANGED.format(more="", order="c.created_at desc"), _TYPES)
SELECT_TOP = Query(
    "select_top_of_site",
    _CHANGED.format(
        more="and c.created_at > now() - make_interval(days => $2) and c.up > c.down",
        order="c.up - c.down desc, c.rank desc",
    ),
    _TYPES,
)


class Lately:
    """The latest and the best of one site."""

    def __init__(self, site: Site, database: Database, cache: SoftCache) -> None:
        self._site = site
        self._database = database.site(site.id)
        self._cache = cache

    async def find(self, size: int, days: int, sees: Callable[[str], bool]) -> list[Written]:
        """At most *size* comments in conversations that the reader sees, by their keys.

        The best voted of the last *days*; with 0 the latest. It may be some seconds old.
        """

        async def load(fresh: bool) -> Loaded:
            query, within, most = (SELECT_TOP, days, _TOP) if days else (SELECT_LATEST, 36_500, _LATEST)
            where = ReadPreference.PRIMARY if fresh else ReadPreference.NEAREST
            rows = await self._database.read(query, self._site.id, within, most, FOUND, preference=where)
            made = [
                Written(json, key, title, permalink(self._site, url, number))
                for number, json, key, title, url in rows.rows
            ]
            return Loaded(msgspec.json.encode(made), 0)

        found = await self._cache.get(("lately", self._site.id), (days, self._site.origins), load, ttl=TTL)
        return [one for one in msgspec.json.decode(found.value, type=list[Written]) if sees(one.key)][:size]
