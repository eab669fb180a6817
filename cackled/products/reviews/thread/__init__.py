"""Reviews as pages for search engines and for readers without scripts, the newest first."""

from __future__ import annotations

from typing import Any

import msgspec

from cackled.api.context import ApiContext
from cackled.api.thread import Conversation, Thread, ThreadPage, ThreadRender
from cackled.database.query import ReadPreference
from cackled.domain.page_links import site_page
from cackled.domain.site import Site
from cackled.products.reviews import answers
from cackled.products.reviews.api import first_key
from cackled.products.reviews.pages import Wanted, parse_cursor
from cackled.products.reviews.service import Reviews, review_channel
from cackled.products.reviews.thread import data, html
from cackled.products.reviews.thread.places import ReviewPlaces
from cackled.products.reviews.thread.words import widget_words

__all__ = ["THREAD"]

SIZE = 25


class ThreadQuery(answers.SummaryQuery, frozen=True):
    """Which page of the reviews of which page of the site."""

    cursor: str = ""


async def page(render: ThreadRender) -> ThreadPage:
    """One page of reviews; the first has the figures and says in the words of schema.org what it shows."""
    query: ThreadQuery = render.query
    value, number = parse_cursor(query.cursor)
    wanted = Wanted(kind="review", sort="new", size=SIZE, value=value, id=number)
    loaded = await render.service(Reviews).page(render.key, wanted, render.reading)
    found = msgspec.json.decode(b"{" + loaded.value + b"}")
    channel, shown, summary = found["channel"], found["page"]["reviews"], found["summary"]
    places = render.service(ReviewPlaces)
    product = await places.product(review_channel(render.site, render.key), render.reading)
    url = site_page(render.site, channel["url"]) or site_page(render.site, query.url)
    words = widget_words(render.language)
    name = product.name or channel["title"] or (render.key if not url else url.partition("://")[2])
    first = not query.cursor
    frame = html.Frame(render, url, summary)
    after = found["page"]["cursor"]
    return ThreadPage(
        title=f"{words('reviewTitle')} · {name}",
        html=frame.page(shown, first=first),
        seq=loaded.seq,
        url=url,
        data=data.product(render, name, url, product, summary, shown) if first else None,
        next=None if after is None else {"cursor": after},
        previous={"cursor": ""} if query.cursor else None,
        empty=not shown,
    )


def thread_key(query: Any, site: Site) -> str:
    """The key of the channel that is asked for.

    Raises:
        BadField: there is none, or it can't be one.
    """
    return first_key(query, site)


async def count(context: ApiContext, site: Site) -> int:
    """How many pages of a site have reviews."""
    return await context.service(ReviewPlaces, site).count(ReadPreference.NEAREST)


async def conversations(context: ApiContext, site: Site, first: int, below: int) -> list[Conversation]:
    """Those with reviews whose channels' ids are from *first* to *below*."""
    rows = await context.service(ReviewPlaces, site).conversations(first, below, ReadPreference.NEAREST)
    return [Conversation(*row) for row in rows]


THREAD = Thread(name="Review", query=ThreadQuery, key=thread_key, page=page, count=count, conversations=conversations)
