"""Asks a page what it is, and for its picture: each hop guarded, all of it bounded in bytes, hops and time."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

from cackled.domain import links
from cackled.products.comments.previews.opengraph import MOST_BYTES, Facts, facts_of

# Requests for one thing: the first one, and redirects.
HOPS = 4
MOST_PICTURE = 2_000_000
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_PLAIN = ("", "identity")
_ASKED = [(b"Accept-Encoding", b"identity")]
_PAGE = [(b"Accept", b"text/html, application/xhtml+xml;q=0.9"), *_ASKED]
_PICTURE = [(b"Accept", b"image/webp, image/avif, image/*"), *_ASKED]


class Unfetched(Exception):
    """There is nothing to show; the message says why."""


async def fetch_facts(http: Any, url: str) -> Facts:
    """What the page at *url* says of itself. *http*: `cackled.outbound.post.GuardedHttp`.

    Raises:
        Unfetched: it can't be asked, or says nothing.
    """
    url, answer = await _follow(http, url, _PAGE, MOST_BYTES, cut=True)
    facts = facts_of(answer.body, answer.headers.get("content-type", ""), url)
    if facts is None:
        raise Unfetched("it says nothing of itself")
    return facts


async def fetch_picture(http: Any, url: str) -> bytes:
    """The picture at *url*, as it is there.

    Raises:
        Unfetched: there is none, or it is too large.
    """
    return bytes((await _follow(http, url, _PICTURE, MOST_PICTURE, cut=False))[1].body)


async def _follow(http: Any, url: str, headers: list[tuple[bytes, bytes]], most: int, *, cut: bool) -> tuple[str, Any]:
    """Where *url* leads to, and the answer there."""
    for _ in range(HOPS):
        url = url.partition("#")[0]
        try:
            answer = await http.ask(b"GET", url, headers, most=most, cut=cut)
        except (ValueError, OSError) as error:
            # Refused by the guard, or failed.
            raise Unfetched(str(error)) from None
        if answer.status in _REDIRECTS:
            try:
                to = links.target(urljoin(url, answer.headers.get("location", "")))
            except ValueError:
                to = None
            if not to or not to.startswith("http"):
                raise Unfetched("it leads nowhere")
            url = to
            continue
        if answer.status != 200:
            raise Unfetched(f"it answers {answer.status}")
        if answer.headers.get("content-encoding", "").strip().lower() not in _PLAIN:
            raise Unfetched("it is packed")
        return url, answer
    raise Unfetched("it leads on and on")
