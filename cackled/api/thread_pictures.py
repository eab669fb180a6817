"""Pictures on pages for readers without scripts: their place is known before they are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

# Points of the longer side as it is shown; the picture itself is a link.
SIDE = 320


def pictures(shown: Iterable[Mapping[str, Any]] | None, base: str, name: str = "") -> str:
    """Pictures as HTML; those of ours (an address that begins with ``/``) stand below *base*.

    Each is a link, which needs words: of one whose author gave none, *name* and its place.
    """
    made = "".join(_one(one, base, f"{name} {n}".strip()) for n, one in enumerate(shown or (), 1))
    return f'<p class="mc-pics">{made}</p>' if made else ""


def _one(picture: Mapping[str, Any], base: str, words: str) -> str:
    url = str(picture.get("url") or "")
    if url.startswith("/") and not url.startswith("//"):
        url = base + url
    elif not url.startswith("https://"):
        return ""
    width, height = int(picture.get("width") or 0), int(picture.get("height") or 0)
    share = min(1.0, SIDE / max(width, height, 1))
    size = ""
    if width and height:
        size = f' width="{max(1, round(width * share))}" height="{max(1, round(height * share))}"'
    alt, place = escape(str(picture.get("alt") or words)), escape(url)
    return f'<a rel="nofollow ugc" href="{place}"><img src="{place}" alt="{alt}"{size} loading="lazy"></a> '
