"""The address of a comment on its page. Visitors name the page's address, so only pages of the site are taken."""

from __future__ import annotations

from cackled.domain.page_links import site_page
from cackled.domain.sites import Site


def permalink(site: Site, url: str, comment: int) -> str:
    """The address of a comment on its page; empty where the page is none of the site's."""
    page = site_page(site, url)
    return f"{page}#mc-{comment}" if page else ""
