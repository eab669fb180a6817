"""Reviews as Cackle's API lists them (``/api/3.0/review/list.json``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cackled.importing.formats import Format
from cackled.importing.records import Author, Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.values import count_of, flag_of, id_of, objects, text_of, time_of
from cackled.products.reviews.importing.record import ImportedReview, State
from cackled.products.reviews.importing.tables import star_of

_STATES: dict[str, State] = {"approved": "approved", "pending": "pending", "rejected": "rejected", "spam": "spam"}


def read(source: Source) -> Iterator[Record]:
    """The reviews of saved answers, one after the other.

    Raises:
        BadFile: it is no JSON.
    """
    pages: set[str] = set()
    for row in objects(source, "reviews", "reviewMiniDtoList"):
        if not isinstance(row, dict):
            yield Left(reason="broken")
            continue
        chan = row.get("chan")
        channel = chan if isinstance(chan, dict) else {"channel": chan}
        key, id_ = text_of(channel.get("channel")), id_of(row.get("id"))
        if not key or not id_:
            yield Left(reason="no-page" if id_ else "broken", id=id_)
            continue
        if key not in pages:
            pages.add(key)
            yield Page(id=key, key=key, url=text_of(channel.get("url")), title=text_of(channel.get("title")))
        yield review_of(row, key, id_, source.zone)


def review_of(row: dict[str, Any], page: str, id_: str, zone: int) -> ImportedReview | Left:
    """One of Cackle's reviews."""
    fine, star = star_of(text_of(row.get("star")))
    if not fine:
        return Left(reason="broken", id=id_, detail="star")
    status = text_of(row.get("status")).lower() or "approved"
    if status == "deleted":
        return Left(reason="unwanted", id=id_)
    media = row.get("media")
    links = media if isinstance(media, list) else text_of(media).split()
    found = row.get("author") or row.get("user") or row.get("anonym") or {}
    author: dict[str, Any] = found if isinstance(found, dict) else {}
    details = row.get("details")
    recommend = row.get("recom")
    return ImportedReview(
        id=id_, page=page, created=time_of(row.get("created"), zone), origin="Cackle", star=star,
        author=Author(
            id=id_of(author.get("id")) if row.get("author") or row.get("user") else "",
            name=text_of(author.get("name") or row.get("name")), email=text_of(author.get("email") or row.get("email")),
            url=text_of(author.get("www")), avatar=text_of(author.get("avatar")), address=text_of(row.get("ip")),
        ),
        pros=text_of(row.get("pros")), cons=text_of(row.get("cons")), text=text_of(row.get("comment")), html=True,
        recommend=None if recommend is None else flag_of(recommend), state=_STATES.get(status, "pending"),
        up=count_of(row.get("up")), down=count_of(row.get("down")), verified=flag_of(row.get("vb")),
        media=tuple(one for one in map(text_of, links) if one.startswith("https://"))[:10],
        criteria=tuple(
            (text_of(one.get("name")), star_of(text_of(one.get("star")))[1] or 0)
            for one in (details if isinstance(details, list) else []) if isinstance(one, dict)
        ),
    )  # fmt: skip


FORMAT = Format(name="cackle-reviews", title="Cackle's reviews (JSON of its API)", read=read, endings=(".json",))
