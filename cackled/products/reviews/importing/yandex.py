"""Feedback on goods as Yandex Market's partner API lists it (``goods-feedback``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cackled.importing.formats import Format
from cackled.importing.records import Author, Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.values import count_of, id_of, json_items, json_top, objects, text_of, time_of
from cackled.products.reviews.importing.record import ImportedReview
from cackled.products.reviews.importing.tables import star_of


def read(source: Source) -> Iterator[Record]:
    """The feedback of saved answers.

    Raises:
        BadFile: it is no JSON.
    """
    pages: set[str] = set()
    for row in _rows(source):
        if not isinstance(row, dict) or not id_of(row.get("feedbackId")):
            yield Left(reason="broken")
            continue
        page = text_of(_member(row, "identifiers").get("offerId") or _member(row, "identifiers").get("modelId"))
        if not page:
            yield Left(reason="no-page", id=id_of(row.get("feedbackId")))
            continue
        if page not in pages:
            pages.add(page)
            yield Page(id=page, key=page)
        yield _review(row, page, source)


def _rows(source: Source) -> Iterator[Any]:
    if "result" in json_top(source)[1]:
        yield from (row for _, row in json_items(source, "result.feedbacks.item"))
    else:
        yield from objects(source, "feedbacks")


def _member(row: dict[str, Any], name: str) -> dict[str, Any]:
    found = row.get(name)
    return found if isinstance(found, dict) else {}


def _review(row: dict[str, Any], page: str, source: Source) -> Record:
    words, figures = _member(row, "description"), _member(row, "statistics")
    id_ = id_of(row.get("feedbackId"))
    fine, star = star_of(text_of(figures.get("rating")))
    if not fine:
        return Left(reason="broken", id=id_, detail="rating")
    photos = _member(row, "media").get("photos")
    recommended = figures.get("recommended")
    return ImportedReview(
        id=id_, page=page, created=time_of(row.get("createdAt"), source.zone), origin="Yandex Market", star=star,
        author=Author(name=text_of(row.get("author"))), pros=text_of(words.get("advantages")),
        cons=text_of(words.get("disadvantages")), text=text_of(words.get("comment")),
        recommend=recommended if isinstance(recommended, bool) else None,
        # Who was paid for it says so.
        incentivized=count_of(figures.get("paidAmount")) > 0,
        media=tuple(
            one for one in map(text_of, photos if isinstance(photos, list) else []) if one.startswith("https://")
        )[:10],
    )  # fmt: skip


FORMAT = Format(
    name="yandex-market", title="Yandex Market (JSON of goods-feedback)", read=read, endings=(".json", ".jsonl")
)
