"""Pictures of comments in our own lines."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from cackled.domain.page_facts import page_url
from cackled.domain.text import clean_words
from cackled.importing.values import count_of, text_of
from cackled.products.comments.importing.record import ImportedPicture

# Of one comment.
MOST = 20
MOST_ALT = 1_500
_PATH = re.compile(r"/media/([1-9][0-9]{0,8}-[A-Za-z0-9_-]{22})/[0-9a-z]{1,20}\.webp\Z", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_COLOR = re.compile(r"#[0-9a-f]{6}", re.ASCII)
MOST_WIDE = 100_000


def given_pictures(value: object, own: bool) -> tuple[tuple[ImportedPicture, ...], list[str]]:
    """The pictures of a line, and the addresses of those that come as links; *own*: this server wrote the line."""
    found: list[ImportedPicture] = []
    links: list[str] = []
    for one in value[:MOST] if isinstance(value, list) else ():
        if not isinstance(one, dict):
            continue
        address = text_of(one.get("url"))
        kept = _kept(one, address) if own else None
        if kept is not None:
            digest = text_of(one.get("sha256"))
            found.append(ImportedPicture(
                msgspec.json.encode(kept).decode(), page_url(address), digest if _DIGEST.fullmatch(digest) else ""
            ))  # fmt: skip
        elif page_url(address):
            links.append(page_url(address))
    return tuple(found), links


def _kept(one: dict[str, Any], address: str) -> dict[str, Any] | None:
    path = _PATH.search(address)
    width, height, color = count_of(one.get("width")), count_of(one.get("height")), text_of(one.get("color"))
    if path is None or path[1] != one.get("id") or not (0 < width <= MOST_WIDE and 0 < height <= MOST_WIDE):
        return None
    return {
        "id": path[1], "url": path[0], "alt": clean_words(text_of(one.get("alt")))[:MOST_ALT], "width": width,
        "height": height, "color": color if _COLOR.fullmatch(color) else "",
    }  # fmt: skip


def with_links(text: str, links: list[str]) -> str:
    """*text*, Markdown, with links to pictures below it."""
    return "\n\n".join([*([text] if text.strip() else []), *(f"<{one}>" for one in links)])
