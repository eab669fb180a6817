"""Writes reviews that come from another system: in batches, unheard until their page is whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from ipaddress import ip_address
from typing import Any

import msgspec

from cackled.database.query import Query, ReadPreference
from cackled.domain.errors import Refused
from cackled.domain.page_facts import page_url
from cackled.domain.site import Site
from cackled.domain.text import MAX_NAME, clean_text, clean_words, render
from cackled.events import Position
from cackled.importing.formats import Parts, Ready, Spooled, Target, Written
from cackled.importing.html_text import to_markdown
from cackled.importing.records import Author, Change, Item, Left
from cackled.importing.store import COUNT_PRESENT
from cackled.marks import cut
from cackled.products.reviews import answers
from cackled.products.reviews.importing.record import ImportedReview
from cackled.products.reviews.settings import ReviewSettings
from cackled.products.reviews.verdicts import STATES

PRODUCT_NAME = "reviews"
IMPORT_REVIEWS = Query(
    "import_reviews", "select added, present from import_reviews($1, $2, $3, $4, $5, $6)",
    ("int", "bigint", "text", "boolean", "text", "text"),
)  # fmt: skip
SETTLE_REVIEWS = Query("settle_reviews", "select channel, seq from settle_reviews($1, $2)", ("int", "bigint[]"))
UNDO_REVIEWS = Query(
    "undo_import_of_reviews", "select channel, seq from undo_import_of_reviews($1, $2, $3)", ("int", "bigint", "int")
)

# What somebody wrote elsewhere may be longer than what can be written here.
MOST_TEXT = 20_000
NOBODY = "Anonymous"
_MAIL = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{1,190}")
_ENCODER = msgspec.json.Encoder()


def number_of_visitor(site: int, source: str, author: str) -> int:
    """The visitor here who is *author* of a source: the same each time, and nobody else."""
    digest = blake2b(f"{site}\0{source}\0{author}".encode("utf-8", "replace"), digest_size=8, person=b"cackled.import")
    return int.from_bytes(digest.digest(), "big") >> 2 | 1


def author_key(author: Author, item: str) -> str:
    """What a source's author is told apart by: their account; of guests mail and name; else what they wrote."""
    if author.id:
        return f"account:{author.id}"[:300]
    if author.email:
        told = blake2b(f"{author.email.lower()}\0{author.name}".encode("utf-8", "replace"), digest_size=12).hexdigest()
        return f"guest:{told}"
    return f"item:{item}"[:300]


class ReviewWriter:
    """The `cackled.importing.formats.Writer` of reviews."""

    def __init__(self, parts: Parts, site: Site) -> None:
        self._site = site
        self._source = parts.source
        self._photos = parts.photos
        self._database = parts.database.site(site.id)
        named = {one.name.casefold(): one.id for one in site.product(ReviewSettings).rated}
        self._criteria = named | {one: one for one in named.values()}

    def channel(self, key: str) -> int:
        """The channel of a page's key."""
        return self._site.channel(PRODUCT_NAME, key)

    def prepare(self, item: Item) -> Ready | Left:
        """A review with its text made as it is stored."""
        assert isinstance(item, ImportedReview)
        changes: list[Change] = []
        text = _clean(item.text, MOST_TEXT, changes, html=item.html)
        title = clean_words(_clean(item.title, MOST_TEXT, [], html=item.html), answers.LONGEST_TITLE)
        pros = _clean(item.pros, answers.LONGEST_LIST, changes, html=item.html)
        cons = _clean(item.cons, answers.LONGEST_LIST, changes, html=item.html)
        if item.star is None and not (text or title or pros or cons):
            return Left(reason="empty", id=item.id)
        author = item.author
        name = clean_words(author.name) or NOBODY
        if len(name) > MAX_NAME:
            name = cut(name, MAX_NAME).rstrip()
            changes.append("renamed")
        known, email = author_key(author, item.id), author.email.strip()
        reply = _clean(item.reply, MOST_TEXT, changes, html=item.html)
        stored: dict[str, Any] = {
            "v": str(number_of_visitor(self._site.id, self._source, known)),
            # Who it is if that one has reviewed the page already.
            "w": str(number_of_visitor(self._site.id, self._source, f"item:{item.id}")),
            "a": "" if known.startswith("item:") else known, "name": name,
            "email": email if _MAIL.fullmatch(email) else "", "url": page_url(author.url),
            "ip": _address(author.address), "star": item.star, "title": title, "pros": pros, "cons": cons,
            "src": text, "html": render(text) if text else "", "recommend": item.recommend,
            "criteria": {
                self._criteria[one.casefold()]: star for one, star in item.criteria
                if one.casefold() in self._criteria and 1 <= star <= 5
            },
            "variant": clean_words(item.variant, answers.LONGEST_VARIANT),
            "media": [{"url": "", "alt": "", "link": one} for one in dict.fromkeys(item.media) if page_url(one)],
            "verified": "source" if item.verified else "", "origin": item.origin, "incentivized": item.incentivized,
            "status": STATES.index(item.state), "up": item.up, "down": item.down, "reply": reply,
            "reply_html": render(reply) if reply else "", "reply_name": self._site.name,
            "replied": None if item.replied is None else datetime.fromtimestamp(item.replied, UTC).isoformat(),
        }  # fmt: skip
        return Ready(_ENCODER.encode(stored), item.state == "approved", tuple(dict.fromkeys(changes)))

    def missing(self, id: str, page: str, created: float) -> Ready | None:
        """Nothing: no review answers another."""
        return None

    async def present(self, ids: Sequence[str]) -> int:
        """How many of these ids were imported before."""
        rows = await self._database.read(
            COUNT_PRESENT, self._site.id, PRODUCT_NAME, self._source, list(ids), preference=ReadPreference.PRIMARY
        )
        return int(rows.rows[0][0])

    async def write(self, run: int, pages: Sequence[Target], items: Sequence[Spooled]) -> Written:
        """Store *items* in one transaction."""
        told = _ENCODER.encode([msgspec.to_builtins(page) | {"channel": str(page.channel)} for page in pages]).decode()
        rows = await self._database.write(
            IMPORT_REVIEWS, self._site.id, run, self._source, self._photos, told, _joined(items)
        )
        return Written(*rows[0])

    async def settle(self, run: int, channels: Sequence[int]) -> Sequence[Position]:
        """Tell readers of *channels* once what they have now."""
        rows = await self._database.write(SETTLE_REVIEWS, self._site.id, list(channels))
        return [self._site.position(channel, seq) for channel, seq in rows]

    async def undo(self, run: int, most: int) -> tuple[Sequence[Position], bool]:
        """Take some of a run back."""
        rows = await self._database.write(UNDO_REVIEWS, self._site.id, run, most)
        more = bool(rows) and rows[-1][0] is None
        return [self._site.position(channel, seq) for channel, seq in rows[: len(rows) - more]], more


def _joined(items: Sequence[Spooled]) -> str:
    """The items as JSON: what the spool knows of each, before what was stored of it."""
    made = []
    for one in items:
        placed = _ENCODER.encode(
            {"id": one.id, "c": str(one.channel), "d": one.depth, "n": str(one.number), "t": one.created}
        )
        made.append(placed[:-1] + b"," + one.stored[1:])
    return (b"[" + b",".join(made) + b"]").decode()


def _clean(text: str, most: int, changes: list[Change], *, html: bool) -> str:
    if not text.strip():
        return ""
    made = to_markdown(text, lines=True) if html else re.sub(r"[*_~`\[\]<]", r"\\\g<0>", text[: 4 * most])
    if len(made) > most:
        made = cut(made, most)
        changes.append("shortened")
    try:
        return clean_text(made, most)
    except Refused:
        return ""


def _address(text: str) -> str | None:
    """An address of a connection; one of which a part was left out is no address any more."""
    try:
        return str(ip_address(text.strip().strip("[]").partition("%")[0]))
    except ValueError:
        return None
