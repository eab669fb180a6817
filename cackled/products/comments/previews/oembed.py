"""The title of a video as a preview."""

from __future__ import annotations

from typing import Any

from cackled.domain import oembed
from cackled.products.comments.previews.opengraph import Facts


async def fetch_title(http: Any, video: str) -> Facts:
    """What the site of a *video* calls it.

    Raises:
        Unfetched: it can't be asked, or says no title.
    """
    return Facts(await oembed.fetch_title(http, video), "", oembed.PROVIDERS[video.partition(":")[0]][0])
