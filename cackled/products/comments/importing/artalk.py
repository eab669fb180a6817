"""Artalk: its Artrans JSON, in which every value is a text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cackled.importing.formats import Format
from cackled.importing.records import Author, Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.values import count_of, flag_of, id_of, json_items, shelf, text_of, time_of
from cackled.products.comments.importing.record import ImportedComment


def read(source: Source) -> Iterator[Record]:
    """The pages and comments of a file."""
    with shelf() as known:
        for _, one in json_items(source, "item"):
            if not isinstance(one, dict) or not id_of(one.get("id")):
                yield Left(reason="broken")
                continue
            key = text_of(one.get("page_key"))
            site = next((part.strip() for part in text_of(one.get("site_urls")).split(",") if part.strip()), "")
            page = f"{site} {key}"
            if known.get(page) is None:
                known.put(page, True)
                yield Page(id=page, url=_address(key, site), key=key, title=text_of(one.get("page_title")),
                           closed=flag_of(one.get("page_admin_only")))  # fmt: skip
            yield _comment(one, page, source)


def _address(key: str, site: str) -> str:
    if key.startswith(("http://", "https://")) or not key.startswith("/"):
        return key if key.startswith("http") else ""
    return f"{site.rstrip('/')}{key}" if site.startswith("http") else key


def _comment(one: dict[str, Any], page: str, source: Source) -> Record:
    parent = id_of(one.get("rid"))
    created = time_of(one.get("created_at"), source.zone)
    updated = time_of(one.get("updated_at"), source.zone)
    return ImportedComment(
        id=id_of(one["id"]), page=page, parent="" if parent == "0" else parent, created=created,
        edited=updated if created is not None and updated is not None and updated > created + 60 else None,
        author=Author(
            name=text_of(one.get("nick")), email=text_of(one.get("email")), url=text_of(one.get("link")),
            address=text_of(one.get("ip")),
        ),
        text=text_of(one.get("content")), markup="markdown",
        state="pending" if flag_of(one.get("is_pending")) else "approved",
        up=count_of(one.get("vote_up")), down=count_of(one.get("vote_down")), pinned=flag_of(one.get("is_pinned")),
    )  # fmt: skip


FORMAT = Format(name="artalk", title="Artalk (Artrans)", read=read, endings=(".artrans", ".json"))
