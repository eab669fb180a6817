"""Reviews as CSV tables: which of the known systems a file is of is told from the names of its columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from typing import Literal

from msgspec import Struct

from cackled.clock import wall_time
from cackled.importing.formats import Format
from cackled.importing.records import Ambiguous, Author, BadFile, Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.values import csv_rows, time_of
from cackled.products.reviews.importing.record import ImportedReview, State

Order = Literal["", "dmy", "mdy"]
_SLASHED = re.compile(r"\s*(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?\s*", re.ASCII)
_YES = frozenset(("yes", "true", "1", "y", "t", "verified"))
_IMAGE = re.compile(r"https://[^\s,;\"'<>]{4,900}")
MOST_IMAGES = 10
DAY = 86_400


class Table(Struct, frozen=True, kw_only=True):
    """A system's table: names of columns, in small letters, the first that is there counts.

    ``needs``: the columns by which it is known. ``states``: what values of ``state`` mean; others mean ``held``.
    """

    name: str
    needs: frozenset[str]
    rating: tuple[str, ...]
    text: tuple[str, ...]
    date: tuple[str, ...]
    author: tuple[str, ...]
    email: tuple[str, ...] = ()
    page: tuple[str, ...]
    url: tuple[str, ...] = ()
    page_title: tuple[str, ...] = ()
    id: tuple[str, ...] = ()
    title: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    states: tuple[tuple[str, State], ...] = ()
    held: State = "pending"
    verified: tuple[str, ...] = ()
    reply: tuple[str, ...] = ()
    replied: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    address: tuple[str, ...] = ()
    variant: tuple[str, ...] = ()
    html: bool = False


_DONE: tuple[tuple[str, State], ...] = (
    ("1", "approved"), ("true", "approved"), ("yes", "approved"), ("approved", "approved"), ("published", "approved"),
    ("active", "approved"), ("ok", "approved"), ("0", "pending"), ("hold", "pending"), ("pending", "pending"),
    ("false", "pending"), ("no", "pending"), ("spam", "spam"), ("trash", "rejected"), ("rejected", "rejected"),
    ("hidden", "rejected"), ("unpublished", "rejected"), ("", "approved"),
)  # fmt: skip
# The more particular first.
TABLES = (
    Table(
        name="WooCommerce", needs=frozenset(("comment_id", "comment_post_id", "comment_content", "rating")),
        id=("comment_id",), rating=("rating",), text=("comment_content",), title=("title",),
        date=("comment_date_gmt", "comment_date"), author=("comment_author",), email=("comment_author_email",),
        page=("comment_post_id",), page_title=("product_title",), state=("comment_approved",), states=_DONE,
        verified=("verified",), address=("comment_author_ip",), html=True,
    ),
    Table(
        name="Judge.me", needs=frozenset(("title", "body", "rating", "review_date", "reviewer_name")),
        rating=("rating",), text=("body",), title=("title",), date=("review_date",), author=("reviewer_name",),
        email=("reviewer_email",), page=("product_handle", "product_id"), state=("curated",), states=_DONE,
        reply=("reply",), replied=("reply_date",), images=("picture_urls",), address=("ip_address",),
    ),
    Table(
        name="Site Reviews", needs=frozenset(("date", "rating", "content", "assigned_posts")),
        rating=("rating",), text=("content",), title=("title",), date=("date_gmt", "date"), author=("name",),
        email=("email",), page=("assigned_posts",), state=("is_approved",), states=_DONE, address=("ip_address",),
    ),
    Table(
        name="Shopify Product Reviews", needs=frozenset(("product_handle", "state", "rating", "author", "created_at")),
        rating=("rating",), text=("body",), title=("title",), date=("created_at",), author=("author",),
        email=("email",), page=("product_handle",), state=("state",), states=_DONE, reply=("reply",),
        replied=("replied_at",),
    ),
    Table(
        name="Loox", needs=frozenset(("rating", "review", "nickname", "handle")), id=("id",),
        rating=("rating",), text=("review",), date=("date",), author=("nickname", "full_name"), email=("email",),
        page=("handle", "productid"), state=("status",), states=_DONE, verified=("verified_purchase",),
        images=("img",), variant=("variant",),
    ),
    Table(
        name="Stamped", needs=frozenset(("product_id", "rating", "author", "body", "created_at")),
        rating=("rating",), text=("body",), title=("title",), date=("created_at",), author=("author",),
        email=("email",), page=("product_handle", "producthandle", "product_id"),
        page_title=("producttitle", "product_title"), state=("published",), states=_DONE, reply=("reply",),
    ),
    Table(
        name="Yotpo", needs=frozenset(("review content", "review score", "display name")),
        id=("review id",), rating=("review score",), text=("review content",), title=("review title",),
        date=("date",), author=("display name",), email=("email",), page=("product id", "product url"),
        url=("product url",), page_title=("product title",), verified=("verified purchase",),
    ),
    Table(
        name="PowerReviews", needs=frozenset(("review id", "page id", "text", "rating")),
        id=("review id",), rating=("rating",), text=("text",), title=("title", "headline"), date=("date",),
        author=("review display", "nickname"), page=("page id",), state=("status",), states=_DONE,
        verified=("verified buyer",),
    ),
    Table(
        name="Okendo", needs=frozenset(("review id", "product id", "rating", "body", "reviewer name")),
        id=("review id",), rating=("rating",), text=("body",), title=("title",), date=("date created",),
        author=("reviewer name",), page=("product id",), page_title=("product name",), state=("status",),
        states=_DONE, verified=("is verified buyer",),
    ),
    Table(
        name="Okendo", needs=frozenset(("name", "body", "rating", "datecreated")),
        rating=("rating",), text=("body",), title=("title",), date=("datecreated",), author=("name",),
        email=("email",), page=("handle", "productid", "sku"), images=("imageurls",),
    ),
)  # fmt: skip


def table_of(names: set[str]) -> Table:
    """The system whose table has these columns.

    Raises:
        BadFile: it is none that is known.
    """
    for one in TABLES:
        if one.needs <= names:
            return one
    raise BadFile("The columns are none of a system that is known: " + ", ".join(sorted(names))[:200] + ".")


def _cell(row: dict[str, str], columns: tuple[str, ...]) -> str:
    return next((row[one].strip() for one in columns if row.get(one, "").strip()), "")


def order_of(source: Source, columns: tuple[str, ...], given: Order) -> Order:
    """In which order days and months of a file stand; ``""`` where it has no such dates.

    Raises:
        BadFile: they could be read in two ways, and it was not said in which.
    """
    day_first = month_first = slashed = False
    for row in csv_rows(source):
        found = _SLASHED.fullmatch(_cell(row, columns))
        if found is not None:
            slashed = True
            day_first = day_first or int(found[1]) > 12
            month_first = month_first or int(found[2]) > 12
    if not slashed:
        return ""
    if given:
        return given
    if day_first != month_first:
        return "dmy" if day_first else "mdy"
    raise Ambiguous(
        "Dates like 03/04/2024 can be read in two ways. Which is the day? Choose reviews-dmy (the first) or "
        "reviews-mdy (the second).",
        ("reviews-dmy", "reviews-mdy"),
    )


def moment(text: str, order: Order, zone: int) -> float | None:
    """Seconds since 1970 of a date in a table."""
    found = _SLASHED.fullmatch(text)
    if found is None:
        return time_of(text, zone)
    first, second, year, *clock = found.groups()
    day, month = (first, second) if order == "dmy" else (second, first)
    hour, minute, seconds = (int(one or 0) for one in clock)
    return time_of(f"{year}-{month}-{day} {hour}:{minute:02}:{seconds:02}", zone)


def star_of(text: str) -> tuple[bool, int | None]:
    """Whether a rating can be used, and the stars; none of an empty one or 0: unrated is not no stars."""
    text = text.strip().replace(",", ".")
    if text in ("", "0", "0.0"):
        return True, None
    try:
        number = float(text)
    except ValueError:
        return False, None
    return (True, int(number)) if 1 <= number <= 5 and number == int(number) else (False, None)


def read(source: Source, order: Order = "") -> Iterator[Record]:
    """The reviews of a table; each row that can't be used is told by its number.

    Raises:
        BadFile: it is none, or its dates can be read in two ways.
    """
    first = next(iter(csv_rows(source)), None)
    if first is None:
        raise BadFile("The file has no rows.")
    table = table_of(set(first))
    known = order_of(source, table.date, order)
    states = dict(table.states)
    # A day may have begun already where the shop is.
    now = wall_time() + DAY
    pages: set[str] = set()
    for number, row in enumerate(csv_rows(source), 2):
        page = _cell(row, table.page)
        if not page:
            yield Left(reason="no-page", detail=f"row {number}")
            continue
        fine, star = star_of(_cell(row, table.rating))
        text, title, told = _cell(row, table.text), _cell(row, table.title), _cell(row, table.date)
        created = moment(told, known, source.zone) if told else None
        if not fine or (told and created is None):
            yield Left(reason="broken", detail=f"row {number}: {'date' if fine else 'rating'}")
            continue
        if created is not None and created > now:
            yield Left(reason="broken", detail=f"row {number}: date in the future")
            continue
        if star is None and not (text or title):
            yield Left(reason="empty", detail=f"row {number}")
            continue
        if page not in pages:
            # Many pages are few beside many reviews.
            pages.add(page)
            yield Page(id=page, key=page, url=_cell(row, table.url), title=_cell(row, table.page_title))
        author = Author(
            name=_cell(row, table.author), email=_cell(row, table.email), address=_cell(row, table.address)
        )
        state = states.get(_cell(row, table.state).lower(), table.held) if table.state else "approved"
        if state == "spam" and not source.everything:
            yield Left(reason="unwanted", detail=f"row {number}")
            continue
        yield ImportedReview(
            id=_cell(row, table.id) or _hash(table.name, page, author, told, str(star), title, text), page=page,
            created=created, author=author, origin=table.name, star=star, title=title, text=text, html=table.html,
            state=state, verified=_cell(row, table.verified).lower() in _YES, variant=_cell(row, table.variant),
            media=tuple(_IMAGE.findall(_cell(row, table.images))[:MOST_IMAGES]), reply=_cell(row, table.reply),
            replied=moment(_cell(row, table.replied), known, source.zone) if _cell(row, table.replied) else None,
        )  # fmt: skip


def _hash(*parts: object) -> str:
    """The id of a row that has none: the same row read once more has the same."""
    return blake2b("\0".join(map(str, parts)).encode("utf-8", "replace"), digest_size=12).hexdigest()


def _format(name: str, title: str, order: Order) -> Format:
    reader: Callable[[Source], Iterator[Record]] = partial(read, order=order)
    return Format(name=name, title=title, read=reader, endings=(".csv", ".tsv", ".txt"))


_TITLE = "Reviews as a table (Judge.me, WooCommerce, Shopify, Loox, Stamped, Yotpo, Okendo, PowerReviews, Site Reviews)"
FORMATS = (
    _format("reviews", _TITLE, ""),
    _format("reviews-dmy", "The same with the day first in dates", "dmy"),
    _format("reviews-mdy", "The same with the month first in dates", "mdy"),
)
