"""What products hand files to that somebody sends; who keeps them is elsewhere (`cackled.media`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from cackled.domain.site import Site


class Uploads(Struct, frozen=True):
    """Takes pictures in.

    ``add`` keeps a picture (site, bytes, alternative text, visitor, account: one of both is None) and gives its id, as
    `cackled.domain.pictures` takes it. ``admit`` refuses by the site and the length (None: not known yet).
    ``fetched`` keeps a picture that nobody sent, whether or not visitors may send some, and gives its contents' SHA-256
    and what a product keeps of it; ``again`` gives the latter of contents that are there, or None.

    ``brought`` keeps a picture of a visitor that the site itself wants, as an import names it or to show the visitor
    (site, bytes, alternative text, visitor), whether or not visitors may send some, and gives its id.

    ``add_any`` keeps a picture, or another file of that name where the site takes files (site, bytes, alternative text,
    name, visitor, account).

    ``read`` gives the smallest still file of a picture, made anew by us, or None where there is none.

    ``square`` makes a still square WebP (bytes, points of a side) of a file that somebody else keeps, in a confined
    process; nothing is kept.

    ``portrait`` does the same with what a member of staff sends, as the picture of their account.

    Raises:
        Refused: the site takes none, or not this one.
        OSError: it can't be kept.
    """

    add: Callable[[Site, bytes, str, int | None, int | None], Awaitable[str]]
    admit: Callable[[Site, int | None], None]
    fetched: Callable[[Site, bytes], Awaitable[tuple[bytes, dict[str, Any]]]]
    again: Callable[[Site, bytes], Awaitable[dict[str, Any] | None]]
    add_any: Callable[[Site, bytes, str, str, int | None, int | None], Awaitable[str]]
    brought: Callable[[Site, bytes, str, int], Awaitable[str]]
    read: Callable[[Site, str], Awaitable[bytes | None]]
    square: Callable[[bytes, int], Awaitable[bytes]]
    portrait: Callable[[bytes, int], Awaitable[bytes]]
