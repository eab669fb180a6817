"""Pictures of comments as exports have them: each by its address on this server, with its words and size."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import msgspec

Row = Mapping[str, Any]


def pictures(one: Row, base: str) -> list[dict[str, Any]]:
    """The pictures of a comment for our own lines.

    What is kept of each, its address below *base*, and in ``sha256`` the hash of what was sent, by which the same
    picture is found where this one is gone; none of one that is gone already.
    """
    hashes = msgspec.json.decode(one["hashes"]) if one["hashes"] else {}
    return [
        {**picture, "url": base + picture["url"]}
        | ({"sha256": known} if (known := hashes.get(picture["id"].partition("-")[2])) else {})
        for picture in _kept(one)
    ]


def images(one: Row, base: str) -> str:
    """They as HTML that stands below the comment's text."""
    return "".join(
        f'<p><img src="{escape(base + picture["url"])}" alt="{escape(picture["alt"])}" width="{picture["width"]}" '
        f'height="{picture["height"]}"></p>'
        for picture in _kept(one)
    )


def addresses(one: Row, base: str) -> str:
    """Their addresses, with a space between two."""
    return " ".join(base + picture["url"] for picture in _kept(one))


def _kept(one: Row) -> list[dict[str, Any]]:
    return msgspec.json.decode(one["media"]) if one["media"] else []
