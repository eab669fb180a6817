"""Addresses of a site's own pages. Visitors name the address of a page, so only pages of the site are linked to."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit

from cackled.domain.site import Site

_HOST = re.compile(r"[\w.:\[\]-]+")


def site_page(site: Site, url: str) -> str:
    """The address *url* without its fragment, safe to link to; empty where the page is none of the site's."""
    try:
        parts = urlsplit(url)
        if not parts.netloc.isascii() or "@" in parts.netloc or not _HOST.fullmatch(parts.netloc):
            return ""
        origin = f"{parts.scheme}://{parts.netloc}".lower()
        if parts.scheme not in ("http", "https") or not site.allows_origin(origin):
            return ""
    except ValueError:
        return ""
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~-._")
    query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
    return f"{origin}{path}{query}"
