"""Cusdis: its SQLite database, and JSON of projects with pages with comments, or of flat tables.

What waits there stays waiting; what was deleted comes as a stone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cackled.importing.formats import Format
from cackled.importing.records import Author, BadFile, Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.sqlite_file import chosen, is_sqlite, opened, rows, tables
from cackled.importing.values import (
    flag_of,
    id_of,
    json_children,
    json_items,
    json_parents,
    json_top,
    shelf,
    text_of,
    time_of,
)
from cackled.products.comments.importing.record import ImportedComment, State

# What is read of its tables.
_PAGE = ("id", "slug", "url", "title")
_COMMENT = ("id", "page_id", "created_at", "deleted_at", "moderator_id", "by_nickname", "by_email", "content",
            "approved", "parent_id")  # fmt: skip
_PREFIXES = {
    # Pages, and the comments that lie beside them.
    "projects": ("projects.item.pages.item", ""), "pages": ("pages.item", "comments.item"),
    "data": ("data.projects.item.pages.item", ""), "project": ("project.pages.item", ""),
}  # fmt: skip


def read(source: Source) -> Iterator[Record]:
    """The pages and comments of a database or an export."""
    if is_sqlite(source):
        yield from _read_database(source)
        return
    kind, names = json_top(source)
    if kind == "array":
        prefix, beside = "item.pages.item", ""
    else:
        found = next((prefixes for name, prefixes in _PREFIXES.items() if name in names), None)
        if found is None:
            raise BadFile("The file has no projects and no pages.")
        prefix, beside = found
    with shelf() as known:
        for number, raw in json_parents(source, prefix, "comments"):
            if not isinstance(raw, dict):
                yield Left(reason="broken")
                continue
            page = _named(raw)
            known.put(str(number), id_of(page.get("id")))
            yield _page(page)
        for number, one in json_children(source, prefix, "comments"):
            if not isinstance(one, dict):
                yield Left(reason="broken")
                continue
            yield from _thread(one, known.get(str(number)) or "")
    if beside and "comments" in names:
        for _, one in json_items(source, beside):
            yield _comment(_named(one), "") if isinstance(one, dict) else Left(reason="broken")


def _thread(one: dict[str, Any], page: str) -> Iterator[Record]:
    """A comment and the answers that may lie in it, without going deep into Python's stack."""
    waiting = [(one, "")]
    while waiting:
        raw, parent = waiting.pop()
        named = _named(raw)
        yield _comment(named, page, parent)
        for name in ("replies", "children", "comments"):
            inner = named.get(name)
            if isinstance(inner, dict):
                inner = inner.get("data")
            if isinstance(inner, list):
                waiting.extend((reply, id_of(named.get("id"))) for reply in inner if isinstance(reply, dict))


def _named(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name).lower().replace("_", ""): value for name, value in raw.items()}


def _page(page: Mapping[str, Any]) -> Page:
    slug = text_of(page.get("slug"))
    return Page(id=id_of(page.get("id")), url=text_of(page.get("url")) or (slug if slug.startswith("/") else ""),
                key=slug, title=text_of(page.get("title")))  # fmt: skip


def _comment(one: Mapping[str, Any], page: str, parent: str = "") -> Record:
    id = id_of(one.get("id"))
    if not id:
        return Left(reason="broken")
    state: State = "approved" if flag_of(one.get("approved")) else "pending"
    if one.get("deletedat"):
        state = "deleted"
    moderator = id_of(one.get("moderatorid"))
    return ImportedComment(
        id=id, page=id_of(one.get("pageid")) or page, parent=id_of(one.get("parentid")) or parent,
        created=time_of(one.get("createdat")),
        author=Author(
            id=f"moderator {moderator}" if moderator else "", name=text_of(one.get("bynickname")),
            email=text_of(one.get("byemail")),
        ),
        text=text_of(one.get("content")), markup="markdown", state=state,
    )  # fmt: skip


def _read_database(source: Source) -> Iterator[Record]:
    with opened(source) as db:
        there = tables(db)
        known = {name.lower(): name for name in there}
        pages = known.get("pages") or known.get("page")
        comments = known.get("comments") or known.get("comment")
        if pages is None or comments is None:
            raise BadFile("The database has no tables pages and comments.")
        of_pages, of_comments = chosen(there[pages], *_PAGE), chosen(there[comments], *_COMMENT)
        if not of_pages or not of_comments:
            raise BadFile("The tables pages and comments have no columns that are known.")
        for row in rows(db, source, f'select {of_pages} from "{pages}"'):
            yield _page(_named({name: row[name] for name in row.keys()}))  # noqa: SIM118 - a Row's values are iterated
        for row in rows(db, source, f'select {of_comments} from "{comments}"'):
            yield _comment(_named({name: row[name] for name in row.keys()}), "")  # noqa: SIM118


FORMAT = Format(name="cusdis", title="Cusdis (SQLite or JSON)", read=read, endings=(".db", ".sqlite", ".json"))
