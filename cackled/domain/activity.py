"""What a visitor did on a site that everybody may see: declared by each product, shown beside a conversation."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.page_links import site_page
from cackled.domain.site import Site

# Things that are counted of a product, at most, and those that are named, the latest first.
MOST_COUNTED, MOST_LAST = 1_000, 5
MOST_TEXT = 200


class Activity(Struct, frozen=True, kw_only=True):
    """How a product says what a visitor did.

    ``find`` is called with ``(site, visitor, counted, named)`` and gives the latest *named* things, each with their
    number in all (at most *counted*), a number of its own, its words, the address of its page, and when it was
    (ISO 8601). Only what anybody may see: what waits, was removed or is secret is left out. ``anchor`` and the
    number are the fragment of its address; ``""``: the page alone.
    """

    find: Query
    anchor: str = ""


class Deed(Struct, frozen=True):
    """One thing; ``url`` is empty where its page is none of the site's."""

    text: str
    url: str
    created: str


class Doings(Struct, frozen=True):
    """What a visitor did in one product. A ``count`` of 1000 is that or more."""

    product: str
    count: int
    last: list[Deed]


async def doings(
    database: Database, site: Site, visitor: int, declared: Mapping[str, Activity], *, words: bool
) -> list[Doings]:
    """What *visitor* did, by product; those with nothing are left out. Without *words* it is counted alone."""
    own, found = database.site(site.id), []
    for product, one in declared.items():
        rows = (await own.read(
            one.find, site.id, visitor, MOST_COUNTED, MOST_LAST, preference=ReadPreference.PRIMARY_PREFERRED
        )).rows  # fmt: skip
        last = []
        for _, number, text, url, created in rows if words else ():
            page = site_page(site, url)
            where = f"{page}#{one.anchor}{number}" if page and one.anchor else page
            last.append(Deed(text[:MOST_TEXT], where, created))
        if rows:
            found.append(Doings(product, int(rows[0][0]), last))
    return found
