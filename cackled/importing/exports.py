"""What a product declares about taking its data out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from msgspec import Struct

from cackled.database.routing import Database
from cackled.domain.site import Site


class Export(Struct, frozen=True, kw_only=True):
    """A format that a product is exported in.

    ``write`` gives the file in pieces of some hundred kilobytes, read from the database as they are asked for.
    ``ending`` is what its name ends in, ``media`` its media type.
    """

    name: str
    title: str
    ending: str
    media: str
    write: Callable[[Database, Site], AsyncIterator[bytes]]
