"""Conversations as pages for readers without scripts, oldest first: their order never changes, so pages stay."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from cackled.api.context import ApiContext
from cackled.api.thread import Conversation, Thread, ThreadPage, ThreadRender
from cackled.database.query import ReadPreference
from cackled.domain.channels import ChannelRef, check_channel, parse_id
from cackled.domain.errors import BadField, NotFound
from cackled.domain.page_keys import fit
from cackled.domain.page_links import site_page
from cackled.domain.site import Site
from cackled.products.comments.pages import Wanted, check_cursor
from cackled.products.comments.service import Comments
from cackled.products.comments.thread import data, html
from cackled.products.comments.thread.form import FORM
from cackled.products.comments.thread.places import Places
from cackled.products.comments.thread.words import own_words, widget_words

__all__ = ["THREAD"]

SIZE = 50


class ThreadQuery(Struct, frozen=True):
    """Which page of which conversation."""

    channel: Annotated[str, Meta(description="The channel's key.")] = ""
    url: Annotated[str, Meta(description="The page's address, of which the key is made where none is given.")] = ""
    host: Annotated[int, Meta(ge=0, le=1, description="1: the host belongs to the key that is made.")] = 0
    cursor: Annotated[str, Meta(description="From the page before.")] = ""
    root: Annotated[str, Meta(description="A comment whose answers are wanted.")] = ""


def thread_key(query: Any, site: Site) -> str:
    """The key of the channel that is asked for.

    Raises:
        BadField: there is none, or it can't be one.
    """
    key = site.key(fit(query.channel.strip()), query.url, host=query.host > 0)
    if not key:
        raise BadField("Name the channel or the url.", field="channel")
    return check_channel(ChannelRef(key)).key


async def page(render: ThreadRender) -> ThreadPage:
    """One page: comments with their answers, or the answers to one of them."""
    query: ThreadQuery = render.query
    comments, places = render.service(Comments), render.service(Places)
    root = parse_id(query.root, "root") if query.root else None
    wanted = Wanted("old", SIZE, check_cursor(query.cursor), root)
    loaded = await comments.page(render.key, wanted, preference=render.reading)
    found = msgspec.json.decode(b"{" + loaded.value + b"}")
    channel, shown = found["channel"], found["page"]["comments"]
    if root is not None and not shown:
        raise NotFound("There is nothing of that number.", field="root")
    url = site_page(render.site, channel["url"]) or site_page(render.site, query.url)
    words, widget = own_words(render.language), widget_words(render.language)
    name = channel["title"] or (render.key if not url else url.partition("://")[2])
    title = words("on", page=name) if name else widget("title")
    frame = html.Frame(render, words, widget, url, locked=channel["locked"])
    begun = shown[0]["created"] if shown else ""
    previous = None
    if query.cursor and root is None:
        begun, before = await places.before(render.key, shown[0]["id"] if shown else "", SIZE, render.reading)
        previous = {"cursor": before}
    after = found["page"]["cursor"]
    return ThreadPage(
        title=title,
        html=frame.conversation(shown, channel["comments"], root),
        seq=loaded.seq,
        url=url,
        data=data.posting(render, title, url, begun, channel, shown, widget("deleted")) if shown and begun else None,
        next=None if after is None else {"cursor": after, "root": query.root},
        previous=previous,
        empty=not shown,
    )


async def count(context: ApiContext, site: Site) -> int:
    """How many conversations of a site have comments."""
    return await context.service(Places, site).count(ReadPreference.NEAREST)


async def conversations(context: ApiContext, site: Site, first: int, below: int) -> list[Conversation]:
    """Those with comments whose channels' ids are from *first* to *below*."""
    rows = await context.service(Places, site).conversations(first, below, ReadPreference.NEAREST)
    return [Conversation(*row) for row in rows]


THREAD = Thread(
    name="Comment", query=ThreadQuery, key=thread_key, page=page, form=FORM, count=count, conversations=conversations
)
