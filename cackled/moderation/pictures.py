"""Pictures of items as their moderators see them."""

from __future__ import annotations

import re

from msgspec.structs import replace

from cackled.domain.pictures import THUMB
from cackled.domain.signed_media import SignedMedia
from cackled.moderation.items import Item, ItemPicture

_LARGE = re.compile(r"/media/([0-9]{1,9}-[A-Za-z0-9_-]{22})/[0-9a-z]{1,10}\.webp", re.ASCII)


def opened(item: Item, signer: SignedMedia) -> Item:
    """*item* with addresses that open its pictures, whether everybody may see them or not."""
    if not item.media:
        return item
    return replace(item, media=tuple(_opened(one, signer) for one in item.media))


def _opened(one: ItemPicture, signer: SignedMedia) -> ItemPicture:
    match = _LARGE.fullmatch(one.url)
    if match is None:
        return one
    return replace(one, thumb=signer.address(f"/media/{match[1]}/{THUMB}"), url=signer.address(one.url))
