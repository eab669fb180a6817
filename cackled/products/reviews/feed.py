"""The feed of product ratings, for whoever may have it, at ``/feeds/{site}/reviews.xml``."""

from __future__ import annotations

from collections.abc import AsyncIterator

from cackled.api.file_feed import FileFeed, FileRender
from cackled.products.reviews.ratings_feed import NAME, FeedAddress


async def open_feed(render: FileRender) -> AsyncIterator[bytes]:
    """The parts of the feed.

    Raises:
        NotFound: there is none, or none for who asks.
    """
    return (await render.service(FeedAddress).feed(render.key, render.base, render.sees)).parts()


FEED = FileFeed(name=NAME, media="application/xml; charset=utf-8", open=open_feed)
