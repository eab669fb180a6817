"""Where and what a page says it is: facts that nobody typed, so that none of them refuses a comment.

They come from page scripts, whose types are never trusted. What can be made sense of is kept, the rest is left out.
"""

from __future__ import annotations

import re
from urllib.parse import urljoin

from cackled.domain import text
from cackled.marks import cut

MAX_URL = 1000
MAX_TITLE = 300

# Browsers take these out of an address, or never put them in.
_GONE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SPACE = re.compile(r"\s")
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?:[^/?#]*@)?(?P<host>[^/?#@\s\\<>\"%]+)(?P<rest>(?:[/?#].*)?)", re.IGNORECASE
)


def page_url(raw: object, base: str = "") -> str:
    """The address of a page, as it was given or relative to *base*; "" where it is none that a browser could open.

    One that is too long loses its fragment, then its query. A user and password are no part of it.
    """
    if not isinstance(raw, str):
        return ""
    url = _GONE.sub("", raw[: 64 * MAX_URL]).strip()
    if not url:
        return ""
    if base:
        try:
            url = urljoin(base, url)
        except ValueError:
            return ""
    parts = _ADDRESS.fullmatch(url)
    if parts is None:
        return ""
    url = f"{parts['scheme'].lower()}://{parts['host']}{_SPACE.sub(_percent, parts['rest'])}"
    for end in "#?":
        if len(url) > MAX_URL:
            url = url.partition(end)[0]
    return url if len(url) <= MAX_URL else ""


def _percent(space: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in space[0].encode())


def page_title(raw: object) -> str:
    """The title of a page: one line, cut at a whole character; "" where it is no text."""
    if not isinstance(raw, str):
        return ""
    return cut(" ".join(text.clean_line(raw).split()), MAX_TITLE).rstrip()
