"""Comentario: its export, version 3, and version 1, which is Commento's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cackled.importing.formats import Format
from cackled.importing.records import Author, BadFile, Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.values import Shelf, flag_of, json_items, shelf, text_of, time_of
from cackled.products.comments.importing.commento import read_first, version_of
from cackled.products.comments.importing.record import ImportedComment, State


def read(source: Source) -> Iterator[Record]:
    """The pages and comments of an export."""
    version = version_of(source)
    if version == "1":
        yield from read_first(source)
        return
    if version != "3":
        raise BadFile(f"The export is of version {version[:20]}, which is not known.")
    with shelf() as known:
        for _, one in json_items(source, "commenters.item"):
            if isinstance(one, dict):
                author = {
                    "name": text_of(one.get("name")), "email": text_of(one.get("email")),
                    "url": text_of(one.get("websiteUrl")),
                }  # fmt: skip
                known.put(text_of(one.get("id")), author)
        for _, one in json_items(source, "pages.item"):
            if isinstance(one, dict):
                yield Page(id=text_of(one.get("id")), url=text_of(one.get("path")), title=text_of(one.get("title")),
                           closed=flag_of(one.get("isReadonly")))  # fmt: skip
        for _, one in json_items(source, "comments.item"):
            yield _comment(one, known) if isinstance(one, dict) else Left(reason="broken")


def _comment(one: dict[str, Any], known: Shelf) -> Record:
    id = text_of(one.get("id"))
    if not id:
        return Left(reason="broken")
    who = text_of(one.get("userCreated"))
    found = known.get(who) if who.strip("0-") else None
    address = text_of(one.get("authorIP"))
    author = Author(name=text_of(one.get("authorName")), address=address)
    if isinstance(found, dict):
        author = Author(id=who, address=address, **found)
    # What is false is left out.
    state: State = "rejected"
    if flag_of(one.get("isDeleted")):
        state = "deleted"
    elif flag_of(one.get("isPending")):
        state = "pending"
    elif flag_of(one.get("isApproved")):
        state = "approved"
    score = int(one["score"]) if isinstance(one.get("score"), int | float) else 0
    markdown = text_of(one.get("markdown"))
    return ImportedComment(
        id=id, page=text_of(one.get("pageId")), parent=text_of(one.get("parentId")),
        created=time_of(one.get("createdTime")), edited=time_of(one.get("editedTime")), author=author,
        text=markdown or text_of(one.get("html")), markup="markdown" if markdown else "html", state=state,
        up=max(score, 0), down=max(-score, 0), pinned=flag_of(one.get("isSticky")),
    )  # fmt: skip


FORMAT = Format(name="comentario", title="Comentario (JSON)", read=read, endings=(".json.gz", ".gz", ".json"))
