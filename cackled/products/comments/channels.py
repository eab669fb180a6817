"""The channels that hold comments."""

from __future__ import annotations

from cackled.domain.site import Site

PRODUCT_NAME = "comments"


def comment_channel(site: Site, key: str) -> int:
    """The id of the channel with the comments that *site* calls *key*."""
    return site.channel(PRODUCT_NAME, key)
