"""What a product declares of a feed that is a whole file, streamed: `/feeds/{site}/NAME` and, packed, `NAME.gz`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from msgspec import Struct

from cackled.api.context import ApiContext
from cackled.domain.site import Site

_T = TypeVar("_T")


class FileRender(Struct, frozen=True, kw_only=True):
    """One answer: of which site. ``key`` is what the address has as ``key=``, cut to 200 characters.

    ``base`` is where our own addresses begin (``https://host``). ``sees`` says whether a stranger may read a channel,
    by its key.
    """

    context: ApiContext
    site: Site
    key: str
    base: str
    sees: Callable[[str], bool]

    def service(self, kind: type[_T]) -> _T:
        """The service of *kind* for the site."""
        return self.context.service(kind, self.site)


class FileFeed(Struct, frozen=True, kw_only=True):
    """A product's feed as a file. ``open`` raises `cackled.domain.errors.Refused` where it is not given, and gives the
    parts otherwise, each at most some hundred kilobytes; ``media`` is its media type."""

    name: str
    media: str
    open: Callable[[FileRender], Awaitable[AsyncIterator[bytes]]]
    # The product that declares it; said by `cackled.products.registry.Registry`.
    product: str = ""
