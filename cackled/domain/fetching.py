"""Asks servers that strangers name for a page or a picture: each hop guarded, bounded in bytes, hops and time."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urljoin

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as Late

from cackled.domain import links

# Requests for one thing: the first one, and redirects.
HOPS = 4
MOST_PICTURE = 2_000_000
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_PLAIN = ("", "identity")
ASKED = [(b"Accept-Encoding", b"identity")]
_PICTURE = [(b"Accept", b"image/webp, image/avif, image/*"), *ASKED]


Why = Literal[
    "refused",  # our guard asks no such address
    "away",  # the server can't be reached, or has no time
    "slow",  # it takes too long
    "gone",  # there is nothing at the address
    "large",  # there are more bytes than are wanted
    "type",  # the answer is none that can be read
]


class Unfetched(Exception):
    """There is nothing to show; the message says why, *why* in a word."""

    def __init__(self, text: str, why: Why = "type") -> None:
        super().__init__(text)
        self.why = why


async def fetch_picture(http: Any, url: str, most: int = MOST_PICTURE) -> bytes:
    """The picture at *url*, as it is there, of *most* bytes. *http*: `cackled.outbound.post.GuardedHttp`.

    Raises:
        Unfetched: there is none, or it is too large.
    """
    return bytes((await follow(http, url, _PICTURE, most, cut=False))[1].body)


async def within(seconds: float, clock: Any, work: Any) -> Any:
    """What the coroutine *work* gives in so many seconds.

    Raises:
        Unfetched: it takes longer.
    """
    try:
        return await Deferred.fromCoroutine(work).addTimeout(seconds, clock)
    except (Late, CancelledError):
        raise Unfetched("it takes too long", "slow") from None


async def follow(http: Any, url: str, headers: list[tuple[bytes, bytes]], most: int, *, cut: bool) -> tuple[str, Any]:
    """Where *url* leads to, and the answer there.

    Raises:
        Unfetched: it leads nowhere, or the answer is none that can be read.
    """
    for _ in range(HOPS):
        url = url.partition("#")[0]
        try:
            answer = await http.ask(b"GET", url, headers, most=most, cut=cut)
        except ValueError as error:
            raise Unfetched(str(error), "refused") from None
        except OSError as error:
            raise Unfetched(str(error), getattr(error, "why", "away")) from None
        if answer.status in _REDIRECTS:
            try:
                to = links.target(urljoin(url, answer.headers.get("location", "")))
            except ValueError:
                to = None
            if not to or not to.startswith("http"):
                raise Unfetched("it leads nowhere", "gone")
            url = to
            continue
        if answer.status != 200:
            away = answer.status >= 500 or answer.status in (408, 425, 429)
            raise Unfetched(f"it answers {answer.status}", "away" if away else "gone")
        if answer.headers.get("content-encoding", "").strip().lower() not in _PLAIN:
            raise Unfetched("it is packed")
        return url, answer
    raise Unfetched("it leads on and on", "gone")
