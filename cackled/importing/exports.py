"""What a product declares about taking its data out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Protocol

import msgspec
from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.site import Site
from cackled.importing.signed_lines import LineKey, line_key


class Writes(Protocol):
    """Gives a file of a site in pieces of some hundred kilobytes, read from the database as they are asked for.

    *base* is what addresses on this server begin with, ``""`` where nobody said how it is called.
    """

    def __call__(self, database: Database, site: Site, base: str = "", /) -> AsyncIterator[bytes]:
        """The pieces, one after the other."""
        ...


class Export(Struct, frozen=True, kw_only=True):
    """A format that a product is exported in.

    ``ending`` is what its name ends in, ``media`` its media type.
    """

    name: str
    title: str
    ending: str
    media: str
    write: Writes


# Rows that are read at once.
STEP = 500


async def export_lines(
    database: Database, site: Site, product: str, parts: Iterable[tuple[Query, str]],
    change: Callable[[LineKey, bytes], bytes] = lambda key, line: line,
) -> AsyncIterator[bytes]:
    """JSON lines: a head, then what each query gives, one after the other; each signed.

    A query takes the site, the key after which it goes on (at first the text beside it) and how many rows; it gives
    keys as text, in their order, and lines. *change* makes a line of what the query gave.
    """
    head = {"type": "export", "version": 1, "product": product, "site": site.id, "name": site.name}
    key = await line_key(database, site.id)
    yield key.signed(msgspec.json.encode(head)) + b"\n"
    own = database.site(site.id)
    for query, last in parts:
        while True:
            rows = (await own.read(query, site.id, last, STEP, preference=ReadPreference.SECONDARY_PREFERRED)).rows
            if not rows:
                break
            yield b"".join(key.signed(change(key, line.encode())) + b"\n" for _, line in rows)
            last = rows[-1][0]
