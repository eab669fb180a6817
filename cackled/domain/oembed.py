"""Asks the site of a video for its title (oEmbed 1.0, https://oembed.com/)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from cackled.domain.fetching import ASKED, Unfetched, follow
from cackled.domain.text import clean_words
from cackled.marks import cut

# Bytes of an answer; that of a title has about a thousand.
MOST_BYTES = 32_768
MOST_TITLE = 150
_JSON = [(b"Accept", b"application/json"), *ASKED]
# By provider: its name, where it is asked, and the address of a video there.
PROVIDERS = {
    "youtube": ("YouTube", "https://www.youtube.com/oembed?format=json&url=", "https://www.youtube.com/watch?v="),
    "vimeo": ("Vimeo", "https://vimeo.com/api/oembed.json?url=", "https://vimeo.com/"),
}


class _Answer(Struct, frozen=True):
    title: str = ""


_answer = msgspec.json.Decoder(_Answer).decode


async def fetch_title(http: Any, video: str) -> str:
    """What the site of a *video* (as `cackled.domain.videos.canonical` names it) calls it. Only the title is used: what
    else the answer has, HTML among it, is left. *http*: `cackled.outbound.post.GuardedHttp`.

    Raises:
        Unfetched: it can't be asked, or says no title.
    """
    provider, _, name = video.partition(":")
    _, endpoint, page = PROVIDERS[provider]
    url = endpoint + quote(page + name.replace(":", "/"), safe="")
    _, answer = await follow(http, url, _JSON, MOST_BYTES, cut=False)
    try:
        title = clean_words(_answer(answer.body).title)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Unfetched("it says nothing that can be read") from None
    if not title:
        raise Unfetched("it says no title")
    return cut(title, MOST_TITLE)
