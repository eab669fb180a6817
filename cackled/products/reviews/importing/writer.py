"""Writes reviews that come from another system: in batches, unheard until their page is whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import partial
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
from cackled.importing import storable
from cackled.importing.formats import Parts, Ready, Spooled, Target, Written
from cackled.importing.html_text import to_markdown
from cackled.importing.records import Author, Change, Item, Left
from cackled.marks import cut
from cackled.products.reviews import answers
from cackled.products.reviews.importing.kept import kept_rest
from cackled.products.reviews.importing.record import KINDS, ImportedReview
from cackled.products.reviews.settings import ReviewSettings
from cackled.products.reviews.verdicts import STATES

PRODUCT_NAME = "reviews"
OWN_FORMAT = "reviews-jsonl"
# What was imported before, and of our own exports ($4) what is here itself.
COUNT_PRESENT = Query(
    "count_imported_reviews_present",
    """
    select count(*)::int from unnest($3::text[]) e (id)
    where exists (select from import_item i
        where i.site_id = $1 and i.product = 'reviews' and i.source = $2 and i.external_id = e.id)
      or $4 and e.id ~ '^[0-9]{1,18}$' and exists (select from review r
        where r.site_id = $1 and r.id = case when e.id ~ '^[0-9]{1,18}$' then e.id::bigint end)
    """,
    ("int", "text", "text[]", "boolean"),
)
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
_ENCODER = msgspec.json.Encoder()


def number_of_visitor(site: int, source: str, author: str) -> int:
    """The visitor here who is *author* of a source: the same each time, and nobody else."""
    digest = blake2b(f"{site}\0{source}\0{author}".encode("utf-8", "replace"), digest_size=8, person=b"cackled.import")
    return int.from_bytes(digest.digest(), "big") >> 2 | 1


def author_key(author: Author, item: str) -> str:
    """What a source's author is told apart by: their account; of guests mail and name; else what they wrote."""
    if author.id:
        return storable.name(f"account:{author.id}")[:300]
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
        self._choices = {one.id: one.values for one in site.product(ReviewSettings).chosen}

    def channel(self, key: str) -> int:
        """The channel of a page's key."""
        return self._site.channel(PRODUCT_NAME, key)

    def prepare(self, item: Item) -> Ready | Left:
        """A review with its text made as it is stored."""
        assert isinstance(item, ImportedReview)
        changes: list[Change] = []
        clean = partial(_clean, html=item.html, markdown=item.whole)
        text = clean(item.text, MOST_TEXT, changes)
        title = clean_words(clean(item.title, MOST_TEXT, []), answers.LONGEST_TITLE)
        pros = clean(item.pros, answers.LONGEST_LIST, changes)
        cons = clean(item.cons, answers.LONGEST_LIST, changes)
        if item.state == "deleted" and not item.own:
            return Left(reason="unwanted", id=item.id)
        if item.star is None and not (text or title or pros or cons) and not item.own:
            return Left(reason="empty", id=item.id)
        author = item.author
        name = clean_words(author.name) or ("" if item.own else NOBODY)
        if len(name) > MAX_NAME:
            name = cut(name, MAX_NAME).rstrip()
            changes.append("renamed")
        known = author_key(author, item.id)
        replied = storable.moment(item.replied)
        reply = clean(item.reply, MOST_TEXT, changes)
        stored: dict[str, Any] = {
            "v": author.id if item.own else str(number_of_visitor(self._site.id, self._source, known)),
            # Who it is if that one has reviewed the page already.
            "w": str(number_of_visitor(self._site.id, self._source, f"item:{item.id}")),
            "a": "" if known.startswith("item:") or (item.own and not author.email) else known, "name": name,
            "email": storable.mail(author.email), "url": page_url(author.url),
            "ip": _address(author.address), "star": item.star, "title": title, "pros": pros, "cons": cons,
            "src": text, "html": render(text) if text else "", "recommend": item.recommend,
            "criteria": {
                one if item.own else self._criteria[one.casefold()]: star for one, star in item.criteria
                if (item.own or one.casefold() in self._criteria) and 1 <= star <= 5
            },
            "variant": clean_words(item.variant, answers.LONGEST_VARIANT),
            "media": [{"url": "", "alt": "", "link": one} for one in dict.fromkeys(item.media) if page_url(one)],
            "verified": "source" if item.verified else "", "origin": item.origin, "incentivized": item.incentivized,
            "status": STATES.index(item.state), "up": storable.count(item.up), "down": storable.count(item.down),
            "reply": reply, "reply_html": render(reply) if reply else "", "reply_name": self._site.name,
            "replied": None if replied is None else datetime.fromtimestamp(replied, UTC).isoformat(),
            "given": item.whole,
        }  # fmt: skip
        if item.whole:
            stored |= self._more(item)
        return Ready(_ENCODER.encode(stored), item.state == "approved", tuple(dict.fromkeys(changes)))

    def _more(self, item: ImportedReview) -> dict[str, Any]:
        """What an export of ours has beside that. Of a line that is not as this server wrote it, only words."""
        made: dict[str, Any] = {
            "own": item.own, "k": KINDS.index(item.kind), "edited": storable.moment(item.edited),
            "experienced": item.experienced if is_day(item.experienced) else None,
            "attributes": {
                name: value for name, value in item.attributes if item.own or value in self._choices.get(name, ())
            },
        }  # fmt: skip
        if not item.own:
            return made
        return made | kept_rest(item.rest)

    def missing(self, id: str, page: str, created: float) -> Ready | None:
        """Nothing: no review answers another."""
        return None

    async def present(self, ids: Sequence[str]) -> int:
        """How many of these ids were imported before."""
        rows = await self._database.read(
            COUNT_PRESENT, self._site.id, self._source, list(ids), self._source.partition(":")[0] == OWN_FORMAT,
            preference=ReadPreference.PRIMARY,
        )  # fmt: skip
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
            {"id": one.id, "c": str(one.channel), "d": one.depth, "n": str(one.number), "t": one.created,
             "p": one.parent}
        )
        made.append(placed[:-1] + b"," + one.stored[1:])
    return (b"[" + b",".join(made) + b"]").decode()


def _clean(text: str, most: int, changes: list[Change], *, html: bool, markdown: bool = False) -> str:
    if not text.strip():
        return ""
    if markdown:
        made = text[: 4 * most]
    else:
        made = to_markdown(text, lines=True) if html else re.sub(r"[*_~`\[\]<]", r"\\\g<0>", text[: 4 * most])
    if len(made) > most:
        made = cut(made, most)
        changes.append("shortened")
    try:
        return clean_text(made, most)
    except Refused:
        return ""


def is_day(text: str) -> bool:
    """Whether it is a day, as 2026-10-31."""
    try:
        return len(text) == 10 and date.fromisoformat(text).year >= 1990
    except ValueError:
        return False


def _address(text: str) -> str | None:
    """An address of a connection; one of which a part was left out is no address any more."""
    try:
        return str(ip_address(text.strip().strip("[]").partition("%")[0]))
    except ValueError:
        return None
