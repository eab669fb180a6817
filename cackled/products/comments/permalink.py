"""The address of a comment on its page. Visitors name the page's address, so only pages of the site are taken."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from cackled.domain.sites import Site


def permalink(site: Site, url: str, comment: int) -> str:
    """The address of a comment on its page; empty where the page is none of the site's."""
    try:
        parts = urlsplit(url)
        if not parts.netloc.isascii() or "@" in parts.netloc or not re.fullmatch(r"[\w.:\[\]-]+", parts.netloc):
            return ""
        origin = f"{parts.scheme}://{parts.netloc}".lower()
        if parts.scheme not in ("http", "https") or not site.allows_origin(origin):
            return ""
    except ValueError:
        return ""
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~-._")
    query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
    return f"{origin}{path}{query}#mc-{comment}"
