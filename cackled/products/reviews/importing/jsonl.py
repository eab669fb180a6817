"""Our own export of reviews, a JSON object a line: a line that this server signed comes back as it was.

Of a line that it did not, its author is one of the source's, it is shown as imported, and what it says of purchases is
the source's word.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from cackled.importing.formats import Format
from cackled.importing.records import Author, Left, Page, Record
from cackled.importing.signed_lines import own_lines
from cackled.importing.source import Source
from cackled.importing.values import count_of, flag_of, is_number, text_of, time_of
from cackled.products.reviews.importing.record import KINDS, ImportedReview, State
from cackled.products.reviews.importing.tables import star_of

STATES = ("pending", "approved", "spam", "rejected", "deleted")
MOST_NAMED = 20
# What only a line that was signed can say.
_REST = {"reason", "verified", "source", "staff", "featured", "wiped", "extra", "media", "votes", "flags", "marks",
         "revision", "changes", "answer", "seen",
         "reported"}  # fmt: skip


def read(source: Source) -> Iterator[Record]:
    """The pages and reviews of an export.

    Raises:
        BadFile: it is none.
    """
    pages: set[str] = set()
    lines = own_lines(source, "reviews")
    head, _ = next(lines)
    origin = text_of(head.get("name"))[:100] or "cackled"
    for one, own in lines:
        if not isinstance(one, dict) or one.get("type") not in KINDS:
            yield Left(reason="broken" if not isinstance(one, dict) or one.get("type") is None else "kind")
            continue
        key = text_of(one.get("page"))
        if not key:
            yield Left(reason="no-page", id=text_of(one.get("id"))[:100])
            continue
        if key not in pages:
            pages.add(key)
            url, title = text_of(one.get("url")), text_of(one.get("title_of_page"))
            yield Page(id=key, key=key, url=url, title=title, exact=True)
        yield _review(one, key, own, origin)


def _review(one: dict[str, Any], page: str, own: bool, origin: str) -> Record:
    id = text_of(one.get("id"))
    author = _member(one, "author")
    who, state = text_of(author.get("id")), text_of(one.get("state"))
    fine, star = star_of(text_of(one.get("star")))
    if not is_number(id) or not is_number(who) or state not in STATES or not fine:
        return Left(reason="broken", id=id[:100])
    kind = one["type"]
    recommend, reply = one.get("recommend"), _member(one, "reply")
    media = one.get("media") if isinstance(one.get("media"), list) else []
    assert isinstance(media, list)
    links = [text_of(each.get("link") or each.get("url")) for each in media if isinstance(each, dict)]
    rest = {name: one[name] for name in _REST & one.keys()} if own else {}
    if own:
        rest["answer"] = reply
    return ImportedReview(
        id=id, page=page, parent=text_of(one.get("parent")) if kind == "answer" else "", number=int(id), whole=True,
        own=own, created=time_of(one.get("created")), edited=time_of(one.get("edited")), origin=origin, kind=kind,
        star=star if kind == "review" else None,
        author=Author(
            id=who, name=text_of(author.get("name")), email=text_of(author.get("email")),
            address=text_of(one.get("address")),
        ),
        title=text_of(one.get("title")), pros=text_of(one.get("pros")), cons=text_of(one.get("cons")),
        text=text_of(one.get("text")), recommend=recommend if isinstance(recommend, bool) else None,
        criteria=tuple(
            (name, star_of(text_of(value))[1] or 0)
            for name, value in list(_member(one, "criteria").items())[:MOST_NAMED]
        ),
        attributes=tuple(
            (name, text_of(value)) for name, value in list(_member(one, "attributes").items())[:MOST_NAMED]
        ),
        variant=text_of(one.get("variant")), experienced=text_of(one.get("experienced")),
        media=tuple(link for link in links if link.startswith("https://"))[:10],
        verified=text_of(one.get("verified")) in ("order", "source"), incentivized=flag_of(one.get("incentivized")),
        state=cast(State, state), up=count_of(one.get("up")), down=count_of(one.get("down")),
        reply=text_of(reply.get("text")), replied=time_of(reply.get("created")), rest=rest,
    )  # fmt: skip


def _member(one: dict[str, Any], name: str) -> dict[str, Any]:
    found = one.get(name)
    return found if isinstance(found, dict) else {}


FORMAT = Format(
    name="reviews-jsonl", title="cackled's reviews (JSON lines)", read=read, endings=(".jsonl", ".jsonl.gz"),
    signed=True,
)
