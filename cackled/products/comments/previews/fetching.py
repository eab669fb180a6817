"""Asks a page what it is."""

from __future__ import annotations

from typing import Any

from cackled.domain.fetching import ASKED, Unfetched, follow
from cackled.products.comments.previews.opengraph import MOST_BYTES, Facts, facts_of

_PAGE = [(b"Accept", b"text/html, application/xhtml+xml;q=0.9"), *ASKED]


async def fetch_facts(http: Any, url: str) -> Facts:
    """What the page at *url* says of itself. *http*: `cackled.outbound.post.GuardedHttp`.

    Raises:
        Unfetched: it can't be asked, or says nothing.
    """
    url, answer = await follow(http, url, _PAGE, MOST_BYTES, cut=True)
    facts = facts_of(answer.body, answer.headers.get("content-type", ""), url)
    if facts is None:
        raise Unfetched("it says nothing of itself")
    return facts
