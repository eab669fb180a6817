"""Product ratings for Google: the XML feed of version 2.4, always whole, whatever the stars.

What was written here is in it, and nothing that was imported, that the site's own staff wrote, or that strangers can't
read. Of the schema
``product_reviews.xsd`` 2.4 the order of elements is kept. `cackled.products.reviews.feed` answers it at its address; a
command writes it to a file beside the old one, which it then replaces in one step: who reads meanwhile gets the one or
the other.
"""

from __future__ import annotations

import gzip
import hmac
import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from secrets import token_urlsafe
from typing import IO, Any
from xml.sax.saxutils import escape, quoteattr

import msgspec
from msgspec import Struct

from cackled.database.errors import DatabaseError
from cackled.database.query import Query, ReadPreference
from cackled.domain.commands import Command, CommandError, Data, Facts, OperatorParts, Usage
from cackled.domain.errors import NotFound
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.products.reviews.settings import ReviewSettings

VERSION = "2.4"
# What the file is called in its address.
NAME = "reviews.xml"
BATCH = 200
SELECT_RATED = Query(
    "select_rated_for_feed",
    """
    select r.id, r.author_name, r.verified = 'order', r.incentivized, milli_text(r.created_at), r.title, r.pros, r.cons,
      r.src, r.star, h.url, coalesce(nullif(p.name, ''), h.title), coalesce(p.gtin, ''), coalesce(p.mpn, ''),
      coalesce(p.sku, ''), coalesce(p.brand, ''),
      array(select m ->> 'url' from jsonb_array_elements(r.media) m where m ->> 'url' <> ''),
      exists (select from review_request q where q.site_id = $1 and q.order_id = r.order_id and q.sent_at is not null),
      h.key
    from review r join channel h on h.site_id = $1 and h.id = r.channel_id
    left join review_product p on p.site_id = $1 and p.channel_id = r.channel_id
    where r.site_id = $1 and r.id > $2 and r.status = 1 and r.kind = 0 and r.star is not null and r.source = ''
      and not r.staff and h.url <> ''
    order by r.id limit $3
    """,
    ("int", "bigint", "int"),
)
FEED_KEY = Query(
    "review_feed_key", "select review_feed_key($1, $2, $3, $4)", ("int", "text", "text", "boolean")
)
# What XML 1.0 can't hold.
_BAD = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Rated(Struct, frozen=True, array_like=True):
    """A review as it is read for the feed."""

    id: int
    author: str
    verified: bool
    incentivized: bool
    created: str
    title: str
    pros: str
    cons: str
    text: str
    star: int
    url: str
    product: str
    gtin: str
    mpn: str
    sku: str
    brand: str
    images: list[str]
    asked: bool
    key: str


def _xml(text: str) -> str:
    return escape(_BAD.sub("", text))


def _lines(outer: str, inner: str, text: str) -> str:
    found = [one.strip("-*• \t") for one in text.splitlines()]
    made = "".join(f"<{inner}>{_xml(one)}</{inner}>" for one in found if one)
    return f"<{outer}>{made}</{outer}>" if made else ""


def review_xml(one: Rated, base: str) -> str:
    """A review as an element; ``""`` of one that says nothing, which the schema has no place for.

    Pictures are at whole addresses: *base* is where our own begin; where it is ``""``, ours are left out.
    """
    content = one.text or one.title or "\n".join(part for part in (one.pros, one.cons) if part)
    if not content:
        return ""
    ids = ""
    if one.gtin:
        ids += f"<gtins><gtin>{_xml(one.gtin)}</gtin></gtins>"
    if one.mpn and one.brand:
        # A manufacturer's number says nothing without the manufacturer.
        ids += f"<mpns><mpn>{_xml(one.mpn)}</mpn></mpns>"
    if one.sku:
        ids += f"<skus><sku>{_xml(one.sku)}</sku></skus>"
    if one.brand:
        ids += f"<brands><brand>{_xml(one.brand)}</brand></brands>"
    whole = [f"{base}{url}" if url.startswith("/") else url for url in one.images if base or not url.startswith("/")]
    images = "".join(f"<reviewer_image><url>{_xml(url)}</url></reviewer_image>" for url in whole)
    anonymous = ' is_anonymous="true"' if not one.author or one.author == "Anonymous" else ""
    page = one.url.partition("#")[0]
    parts = (
        f"<review_id>{one.id}</review_id>",
        f"<reviewer><name{anonymous}>{_xml(one.author or 'Anonymous')}</name></reviewer>",
        "<is_verified_purchase>true</is_verified_purchase>" if one.verified else "",
        "<is_incentivized_review>true</is_incentivized_review>" if one.incentivized else "",
        f"<review_timestamp>{one.created}</review_timestamp>",
        f"<title>{_xml(one.title)}</title>" if one.title else "",
        f"<content>{_xml(content)}</content>",
        _lines("pros", "pro", one.pros),
        _lines("cons", "con", one.cons),
        # The anchor is on the page of all reviews.
        f'<review_url type="group">{_xml(page)}#cr-{one.id}</review_url>',
        f"<reviewer_images>{images}</reviewer_images>" if images else "",
        f'<ratings><overall min="1" max="5">{one.star}</overall></ratings>',
        "<products><product>",
        f"<product_ids>{ids}</product_ids>" if ids else "",
        f"<product_name>{_xml(one.product)}</product_name>" if one.product else "",
        f"<product_url>{_xml(page)}</product_url></product></products>",
        f"<collection_method>{'post_fulfillment' if one.asked else 'unsolicited'}</collection_method>",
    )
    return f"<review>{''.join(parts)}</review>\n"


def _head(site: Site) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns:vc="http://www.w3.org/2007/XMLSchema-versioning" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation='
        + quoteattr("http://www.google.com/shopping/reviews/schema/product/2.4/product_reviews.xsd")
        + f">\n<version>{VERSION}</version>\n<publisher><name>{_xml(site.name)}</name></publisher>\n<reviews>\n"
    )


class Feed:
    """The feed of *site*, read once: ``sees`` says of a channel's key whether it is in it; *base* is where our own
    addresses begin (``https://host``), or ``""``."""

    def __init__(
        self, database: Any, site: Site, base: str = "", sees: Callable[[str], bool] = lambda key: True
    ) -> None:
        self._database = database
        self._site = site
        self._base = base.rstrip("/")
        self._sees = sees
        self.written = 0
        self.left = 0

    async def parts(self) -> AsyncIterator[bytes]:
        """The document, a batch of reviews at a time.

        Raises:
            DatabaseError: it can't be read to its end.
        """
        yield _head(self._site).encode()
        after = 0
        while True:
            rows = (
                await self._database.read(
                    SELECT_RATED, self._site.id, after, BATCH, preference=ReadPreference.SECONDARY_PREFERRED
                )
            ).rows
            made = [
                review_xml(one, self._base) for row in rows if self._sees((one := msgspec.convert(row, Rated)).key)
            ]
            said = sum(map(bool, made))
            self.written, self.left = self.written + said, self.left + len(made) - said
            if said:
                yield "".join(made).encode()
            if len(rows) < BATCH:
                break
            after = rows[-1][0]
        yield b"</reviews>\n</feed>\n"


class FeedAddress:
    """Where the feed of one site is, as its settings have it."""

    def __init__(self, parts: ServiceParts, site: Site) -> None:
        self._site = site
        self._database = parts.database.site(site.id)
        self.state = site.product(ReviewSettings).feed

    @property
    def keyed(self) -> bool:
        """Whether the address has a key: always where the site's pages are not for everybody."""
        return self.state == "private" or self._site.settings.private

    async def path(self, *, renew: bool = False) -> str | None:
        """The path with its query; None where there is none. *renew*: the key that there was opens nothing any more."""
        if self.state == "off":
            return None
        path = f"/feeds/{self._site.id}/{NAME}.gz"
        return f"{path}?key={await self._key(renew)}" if self.keyed else path

    async def _key(self, renew: bool) -> str:
        rows = await self._database.write(FEED_KEY, self._site.id, token_urlsafe(32), token_urlsafe(24), renew)
        return str(rows[0][0])

    async def feed(self, key: str, base: str, sees: Callable[[str], bool]) -> Feed:
        """The feed, for whoever asks with *key*; *base* is where our own addresses begin.

        Raises:
            NotFound: there is none, or none for them.
        """
        if self.state == "off" or (self.keyed and not hmac.compare_digest(
            key.encode(), (await self._key(renew=False)).encode()
        )):
            raise NotFound()
        return Feed(self._database, self._site, base, sees)


async def write_feed(parts: OperatorParts, site: Site, path: Path) -> tuple[int, int]:
    """Write the whole feed to *path* (gzip where it ends in ``.gz``); gives how many reviews, and how many say nothing.

    Raises:
        OSError: it can't be written; what was there stays.
        DatabaseError: it can't be read; what was there stays.
    """
    feed = Feed(parts.database.site(site.id), site, parts.own_url)
    # On the same file system, so that it is replaced in one step.
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with _opened(fresh, packed=path.suffix == ".gz") as file:
            async for part in feed.parts():
                file.write(part)
        with open(fresh, "rb") as done:
            os.fsync(done.fileno())
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    return feed.written, feed.left


def _opened(path: Path, *, packed: bool) -> IO[bytes]:
    opened: Any = gzip.open(path, "wb") if packed else open(path, "wb")  # noqa: SIM115 - the caller closes it
    made: IO[bytes] = opened
    return made


async def ratings_feed(parts: OperatorParts, words: Sequence[str]) -> Data:
    """Write the feed of a site."""
    match list(words):
        case [number, name] if number.isascii() and number.isdigit() and len(number) < 10:
            site, path = parts.site(int(number)), Path(name)
        case _:
            raise Usage
    if not path.is_absolute() or path.is_dir():
        raise CommandError("FILE is the whole path of a file")
    try:
        written, left = await write_feed(parts, site, path)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    except DatabaseError as error:
        raise CommandError(str(error)) from None
    facts: Facts = {"site": site.id, "file": str(path), "reviews": written, "without_words": left}
    return facts


COMMANDS = (
    Command(
        "ratings-feed", "SITE FILE",
        "write a site's reviews as a feed of product ratings (Google, 2.4); FILE.gz is packed", ratings_feed,
    ),
)  # fmt: skip
