"""``/threads/{site}/sitemap.xml``: the pages of a site that have conversations (sitemaps.org, 0.9).

The pages are the site's own, so its robots.txt has to name this address ("Sitemap: ..."): that is how a search engine
knows that the site wants it. Sites with many conversations have an index of parts; a part has those whose channels' ids
lie in a range, and ids are spread evenly.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from cackled.api.calls import number
from cackled.api.context import ApiContext
from cackled.api.thread import Thread
from cackled.domain.errors import NotFound
from cackled.domain.page_links import site_page
from cackled.domain.site import Site
from cackled.transport.http import Request
from cackled.transport.response import Response

# Conversations of a part, about; a sitemap may have 50,000 addresses.
EACH = 10_000
MOST_PARTS = 4_096
_IDS = 2**63
# Seconds that one is kept.
TTL = 600.0
_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


async def answer(context: ApiContext, site: Site, thread: Thread, request: Request, base: str) -> Response:
    """The sitemap of *site*, or its index; ``part`` and ``of`` name a part.

    Raises:
        NotFound: the site is for some people alone, or there are no such conversations.
    """
    locks = context.doors.locks(site)
    if site.settings.private or not locks.readers.open or thread.count is None or thread.conversations is None:
        raise NotFound()
    of = number(request, "of", 0, 1, MOST_PARTS)
    if not of:
        found = await thread.count(context, site)
        of = 1
        while found > of * EACH and of < MOST_PARTS:
            of *= 2
        if of > 1:
            address = f"{base}/threads/{site.id}/sitemap.xml?widget={thread.name}&of={of}&part="
            rows = [f"<sitemap><loc>{escape(address)}{part}</loc></sitemap>" for part in range(of)]
            return _xml("sitemapindex", rows)
    part = number(request, "part", 0, 0, of - 1)
    rows = []
    for one in await thread.conversations(context, site, part * _IDS // of, (part + 1) * _IDS // of):
        page = site_page(site, one.url)
        if page and locks.rule(one.key, "read").open:
            rows.append(f"<url><loc>{escape(page)}</loc><lastmod>{one.changed}</lastmod></url>")
    return _xml("urlset", sorted(set(rows)))


def _xml(element: str, rows: list[str]) -> Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{element} xmlns="{_NAMESPACE}">\n'
    text += "".join(f"{row}\n" for row in rows) + f"</{element}>\n"
    headers = [(b"content-type", b"application/xml; charset=utf-8"), (b"cache-control", b"public, max-age=600"),
               (b"x-robots-tag", b"noindex")]  # fmt: skip
    return Response(200, headers, text.encode(), ttl=TTL)
