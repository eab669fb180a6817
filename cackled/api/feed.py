"""What a product declares of a feed, which `/feeds` answers as Atom (RFC 4287)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from msgspec import Struct

from cackled.api.context import ApiContext
from cackled.domain.read_options import Reading
from cackled.domain.site import Site
from cackled.languages import Language

_T = TypeVar("_T")


class FeedRender(Struct, frozen=True, kw_only=True):
    """One answer: of which site, of which channel (``key``, ``""``: of all), in which language.

    ``sees`` says whether whoever asks may read a channel, by its key; ``base`` is where our own addresses begin.
    """

    context: ApiContext
    site: Site
    query: Any
    key: str
    reading: Reading
    sees: Callable[[str], bool]
    base: str
    language: Language

    def service(self, kind: type[_T]) -> _T:
        """The service of *kind* for the site."""
        return self.context.service(kind, self.site)


class Entry(Struct, frozen=True, kw_only=True):
    """One entry; times as RFC 3339 has them, ``html`` safe. ``id`` is a number of its product, never given again.

    ``answers``: the id of the entry that it answers, and where that is (``""``: nowhere).
    """

    id: str
    title: str
    author: str
    html: str
    published: str
    updated: str
    link: str
    answers: tuple[str, str] | None = None


class FeedPage(Struct, frozen=True, kw_only=True):
    """A feed; ``link`` is the page that it is about. ``seq``: of its channel."""

    title: str
    link: str
    entries: list[Entry]
    seq: int = 0


class Feed(Struct, frozen=True, kw_only=True):
    """A product's feed, at ``/feeds/{site}/NAME.atom``.

    ``query`` describes its arguments, ``key`` gives the channel's key of these (``""``: all channels of the site),
    ``page`` its entries, the latest first.
    """

    name: str
    query: type[Struct]
    key: Callable[[Any, Site], str]
    page: Callable[[FeedRender], Awaitable[FeedPage]]
    # The product that declares it; said by `cackled.products.registry.Registry`.
    product: str = ""
