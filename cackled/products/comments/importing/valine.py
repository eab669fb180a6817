"""Valine, and Twikoo: comments in LeanCloud or MongoDB, as an array, as ``results``, or one a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cackled.importing.formats import Format
from cackled.importing.records import Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.values import id_of, shelf, text_of
from cackled.importing.values import objects as all_objects
from cackled.products.comments.importing.waline import comment


def read(source: Source) -> Iterator[Record]:
    """The pages and comments of an export."""
    with shelf() as known:
        for one in all_objects(source, "results", "data"):
            if not isinstance(one, dict) or not id_of(one.get("objectId") or one.get("_id")):
                yield Left(reason="broken")
                continue
            url = text_of(one.get("url") or one.get("href"))
            if known.get(url) is None:
                known.put(url, True)
                yield Page(id=url, url=url)
            yield comment(_plain(one, url), source, markup_html=True)


def _plain(one: dict[str, Any], url: str) -> dict[str, Any]:
    """Twikoo calls some things otherwise."""
    return {"insertedAt": one.get("created"), **one, "url": url}


FORMAT = Format(name="valine", title="Valine, Twikoo (JSON)", read=read, endings=(".json", ".jsonl"))
