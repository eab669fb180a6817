"""The feed of a conversation, and of all of a site: the latest comments first."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from cackled.api.feed import Entry, Feed, FeedPage, FeedRender
from cackled.database.query import Query
from cackled.domain.page_links import site_page
from cackled.domain.site import Site
from cackled.products.comments.channels import comment_channel
from cackled.products.comments.permalink import permalink
from cackled.products.comments.thread import ThreadQuery, thread_key
from cackled.products.comments.thread.words import core_words, own_words, widget_words

SIZE = 50
# Of a site with locks so many are looked at for `SIZE` that may be read.
MOST_LOOKS = 5
_LAST = 2**63 - 1
_COLUMNS = """
    c.id, c.parent_id, c.author_name, c.html, h.key, h.url, h.title, h.seq,
    to_char(c.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    to_char(coalesce(c.edited_at, c.created_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
"""
# One row at least, so that the feed has the page's title and seq.
SELECT_OF_CHANNEL = Query(
    "select_feed_of_channel",
    f"""
    select {_COLUMNS}
    from channel h left join lateral (
      select * from comment x where x.site_id = $1 and x.channel_id = $2 and x.status = 1 and x.shown
      order by x.id desc limit $3
    ) c on true
    where h.site_id = $1 and h.id = $2 order by c.id desc
    """,
    ("int", "bigint", "int"),
)
SELECT_OF_SITE = Query(
    "select_feed_of_site",
    f"""
    select {_COLUMNS}
    from comment c join channel h on h.site_id = $1 and h.id = c.channel_id
    where c.site_id = $1 and c.status = 1 and c.shown and c.id < $2 order by c.id desc limit $3
    """,
    ("int", "bigint", "int"),
)


def feed_key(query: Any, site: Site) -> str:
    """The key of the channel that is asked for; ``""``: all of the site.

    Raises:
        BadField: it can't be one.
    """
    return thread_key(query, site) if query.channel.strip() or query.url else ""


async def page(render: FeedRender) -> FeedPage:
    """The latest comments."""
    site, words = render.site, own_words(render.language)
    database = render.context.service(Feeding, site)
    if render.key:
        rows = await database.of_channel(render)
        known = rows[0] if rows and rows[0][4] == render.key else None
        rows = [row for row in rows if row[0] is not None] if known else []
        name = (known[6] if known else "") or render.key
        url = site_page(site, known[5]) if known else ""
        return FeedPage(
            title=words("on", page=name), link=url or _thread(render, render.key), seq=known[7] if known else 0,
            entries=[_entry(render, row) for row in rows],
        )  # fmt: skip
    rows = await database.of_site(render)
    name = site.name or str(site.id)
    home = site_page(site, rows[0][5]) if rows else ""
    link = "/".join(home.split("/")[:3]) + "/" if home else f"{render.base}/"
    return FeedPage(title=words("on", page=name), link=link, entries=[_entry(render, row) for row in rows])


class Feeding:
    """Reads what feeds of one site have."""

    def __init__(self, site: Site, database: Any) -> None:
        self._site = site
        self._database = database.site(site.id)

    async def of_channel(self, render: FeedRender) -> list[tuple[Any, ...]]:
        """Of one channel; one row without a comment where there is none."""
        where = (self._site.id, comment_channel(self._site, render.key), SIZE)
        rows = await render.reading.rows(self._database, SELECT_OF_CHANNEL, *where)
        return render.reading.found(rows)

    async def of_site(self, render: FeedRender) -> list[tuple[Any, ...]]:
        """Of all channels that may be read."""
        found: list[tuple[Any, ...]] = []
        last = _LAST
        for _ in range(MOST_LOOKS):
            rows = await render.reading.rows(self._database, SELECT_OF_SITE, self._site.id, last, SIZE)
            some = render.reading.found(rows)
            found += [row for row in some if render.sees(row[4])]
            if len(found) >= SIZE or len(some) < SIZE:
                break
            last = some[-1][0]
        return found[:SIZE]


def _entry(render: FeedRender, row: tuple[Any, ...]) -> Entry:
    number, parent, name, html, key, url, title, _, created, edited = row
    name = name or core_words(render.language)("guest")
    link = permalink(render.site, url, number) or f"{_thread(render, key)}#mc-{number}"
    said = widget_words(render.language)("freshBy", name=name) if not title else f"{name}: {title}"
    above = None
    if parent is not None:
        above = (str(parent), permalink(render.site, url, parent))
    return Entry(
        id=str(number), title=said, author=name, html=html, published=created, updated=edited, link=link, answers=above
    )


def _thread(render: FeedRender, key: str) -> str:
    return f"{render.base}/threads/{render.site.id}?{urlencode({'channel': key})}"


FEED = Feed(name="comments", query=ThreadQuery, key=feed_key, page=page)
