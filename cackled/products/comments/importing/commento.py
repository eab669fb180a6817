"""Commento, and Commento++: the packed JSON of its export, version 1.

Pages are known by host and path. Votes come as their sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cackled.importing.formats import Format
from cackled.importing.records import Author, BadFile, Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.values import Shelf, flag_of, json_items, json_top, shelf, text_of, time_of
from cackled.products.comments.importing.record import ImportedComment, State

_STATES: dict[str, State] = {"approved": "approved", "unapproved": "pending", "flagged": "spam"}


def version_of(source: Source) -> str:
    """Which version an export says it is of.

    Raises:
        BadFile: none.
    """
    kind, names = json_top(source)
    if kind == "map" and "version" in names:
        for _, value in json_items(source, "version"):
            return text_of(value)
    raise BadFile("The file is no export of Commento or Comentario: it has no version.")


def read(source: Source) -> Iterator[Record]:
    """The pages and comments of an export."""
    version = version_of(source)
    if version != "1":
        raise BadFile(f"The export is of version {version[:20]}: import it as comentario.")
    yield from read_first(source)


def read_first(source: Source) -> Iterator[Record]:
    """Those of version 1."""
    with shelf() as known:
        # One who wrote often comes once for each comment.
        for _, one in json_items(source, "commenters.item"):
            if isinstance(one, dict):
                known.put(text_of(one.get("commenterHex")), _author(one))
        for _, one in json_items(source, "comments.item"):
            if not isinstance(one, dict):
                yield Left(reason="broken")
                continue
            host = text_of(one.get("domain") or one.get("host"))
            path = text_of(one.get("url") or one.get("path"))
            page = path if path.startswith(("http://", "https://")) else f"https://{host}/{path.lstrip('/')}"
            if not host and not path.startswith("http"):
                page = path
            if known.get(f"page {page}") is None:
                known.put(f"page {page}", True)
                yield Page(id=page, url=page)
            yield _comment(one, page, known)


def _author(one: dict[str, Any]) -> dict[str, str]:
    def said(*names: str) -> str:
        value = next((text_of(one[name]) for name in names if one.get(name)), "")
        return "" if value == "undefined" else value

    return {
        "id": said("commenterHex"), "name": said("name"), "email": said("email"),
        "url": said("link", "websiteUrl"), "avatar": said("photo", "avatarUrl"),
    }  # fmt: skip


def _comment(one: dict[str, Any], page: str, known: Shelf) -> Record:
    id = text_of(one.get("commentHex"))
    if not id:
        return Left(reason="broken")
    who = text_of(one.get("commenterHex"))
    nobody = who in ("", "anonymous") or not who.strip("0")
    found = None if nobody else known.get(who)
    author = Author(name=text_of(one.get("authorName"))) if not isinstance(found, dict) else Author(**found)
    score = int(one["score"]) if isinstance(one.get("score"), int | float) else 0
    markdown = text_of(one.get("markdown"))
    parent = text_of(one.get("parentHex"))
    deleted = flag_of(one.get("deleted")) or (markdown == "[deleted]" and nobody)
    return ImportedComment(
        id=id, page=page, parent="" if parent == "root" else parent, created=time_of(one.get("creationDate")),
        author=author, text=markdown or text_of(one.get("html")), markup="markdown" if markdown else "html",
        state="deleted" if deleted else _STATES.get(text_of(one.get("state")), "pending"),
        up=max(score, 0), down=max(-score, 0),
    )  # fmt: skip


FORMAT = Format(name="commento", title="Commento (JSON)", read=read, endings=(".json.gz", ".gz", ".json"))
