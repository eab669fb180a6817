"""Search for moving pictures at the address that a site's owner names: a server of theirs, which asks whom they chose.

What it gives is bounded and kept for some minutes, and leads to that server alone: no visitor's browser asks anybody
else, and a picture that is taken is fetched by us, made anew and kept as one that the visitor sent.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urljoin

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cackled.domain import links
from cackled.domain.errors import NotFound, Refused, Unprocessable
from cackled.domain.site import Site
from cackled.domain.text import clean_words
from cackled.products.comments.settings import CommentSettings
from cackled.shared_calls import SharedCalls

log = Logger()

MOST = 24
LONGEST_ALT = 200
# Bytes of a list; searches that are kept, and for how many seconds.
MOST_BYTES = 131_072
MOST_PICTURE = 10 * 1_048_576
KEPT, SECONDS = 500, 600.0
_PLACE = "{q}"


class Gif(Struct, frozen=True):
    """One that was found: a small moving picture to look at, and the one to take."""

    preview: str
    url: str
    alt: str = ""


class GifsAway(Refused):
    """The site's server does not answer, or says nothing that makes sense."""

    status = 503
    slug = "unavailable"
    title = "The search can't be reached now"


_decode = msgspec.json.Decoder(list[Gif]).decode


class Gifs:
    """Searches of all sites. *http*: `cackled.outbound.post.GuardedHttp`; *now* gives seconds."""

    def __init__(self, http: Any, now: Callable[[], float]) -> None:
        self._http = http
        self._now = now
        self._known: OrderedDict[tuple[int, str, str], tuple[float, list[Gif]]] = OrderedDict()
        self._calls: SharedCalls[list[Gif]] = SharedCalls()

    async def search(self, site: Site, words: str) -> list[Gif]:
        """What there is for *words*; ``""``: what many take.

        Raises:
            NotFound: the site has no such search.
            GifsAway: its server can't be asked.
        """
        address = _address(site)
        words = clean_words(words)
        key = (site.id, address, words.lower())
        found = self._known.get(key)
        if found is not None and found[0] > self._now():
            return found[1]
        gifs = await self._calls.ask(
            f"{site.id} {address} {words.lower()}", lambda: Deferred.fromCoroutine(self._ask(site, address, words))
        )
        self._known[key] = (self._now() + SECONDS, gifs)
        self._known.move_to_end(key)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return gifs

    async def _ask(self, site: Site, address: str, words: str) -> list[Gif]:
        url = address.replace(_PLACE, quote(words, safe=""))
        try:
            answer = await self._http.ask(b"GET", url, [(b"Accept", b"application/json")], most=MOST_BYTES)
            if answer.status != 200:
                raise ValueError(f"it answers {answer.status}")
            gifs = _decode(answer.body)
        except (ValueError, OSError, RecursionError) as error:
            # Refused by the guard, failed, or no list of pictures. The address may hold a key: it is not for the log.
            log.info("the search for GIFs of site {site} fails: {reason}", site=site.id, reason=str(error)[:200])
            raise GifsAway() from None
        made = []
        for one in gifs[:MOST]:
            preview, full = _own(one.preview, url), _own(one.url, url)
            if preview and full:
                made.append(Gif(preview, full, clean_words(one.alt, LONGEST_ALT)))
        return made

    async def fetch(self, site: Site, url: str) -> bytes:
        """The picture at *url*, from the site's server.

        Raises:
            NotFound: the site has no such search.
            Unprocessable: it is no address there.
            GifsAway: it can't be fetched.
        """
        address = _address(site)
        if _own(url, address) != url:
            raise Unprocessable("That is no picture of this search.", field="url", slug="media-unknown")
        try:
            answer = await self._http.ask(b"GET", url, [(b"Accept", b"image/*")], most=MOST_PICTURE)
            if answer.status != 200:
                raise ValueError(f"it answers {answer.status}")
        except (ValueError, OSError) as error:
            log.info("a GIF of site {site} can't be fetched: {reason}", site=site.id, reason=str(error)[:200])
            raise GifsAway() from None
        return bytes(answer.body)


def _address(site: Site) -> str:
    address = site.product(CommentSettings).gifs
    if not address:
        raise NotFound("This site has no search for GIFs.")
    return address


def _own(url: str, base: str) -> str:
    """*url* in full, where it is on the server of *base*; else ``""``."""
    try:
        address = links.target(urljoin(base, url)) or ""
    except ValueError:
        return ""
    # Owners write names of hosts in capitals, too.
    return address if address.split("/")[:3] == base.lower().split("/")[:3] else ""
