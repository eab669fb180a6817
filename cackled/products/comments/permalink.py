"""The address of a comment on its page. Visitors name the page's address, so only pages of the site are taken."""

from __future__ import annotations

from cackled.database.query import Query
from cackled.domain.page_links import site_page
from cackled.domain.shareable import Shareable
from cackled.domain.sites import Site

ANCHOR = "mc-"

# What was not shown, or is not for now, waits: it may be approved.
SHAREABLE = Shareable(
    kind="comment",
    find=Query(
        "select_shareable_comment",
        """
        select c.visitor_id, case when c.status = 1 and not c.shadow then 'shown' when c.status = 4 then 'gone'
          else 'held' end, c.html, h.key, h.url, extract(epoch from c.created_at)::float8
        from comment c join channel h on h.site_id = $1 and h.id = c.channel_id where c.site_id = $1 and c.id = $2
        """,
        ("int", "bigint"),
    ),
    anchor=ANCHOR,
)


def permalink(site: Site, url: str, comment: int) -> str:
    """The address of a comment on its page; empty where the page is none of the site's."""
    page = site_page(site, url)
    return f"{page}#{ANCHOR}{comment}" if page else ""
