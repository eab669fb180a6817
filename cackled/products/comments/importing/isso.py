"""Isso: its SQLite database, and the JSON that it imports itself.

Who voted can't be known (a Bloom filter), only how many. What was deleted there keeps an address of mail, which is not
taken.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from cackled.importing.formats import Format
from cackled.importing.records import Author, Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.sqlite_file import chosen, is_sqlite, need, opened, rows
from cackled.importing.values import count_of, id_of, json_children, json_parents, shelf, text_of, time_of
from cackled.products.comments.importing.record import ImportedComment, State

_COLUMNS = ("tid", "id", "parent", "created", "modified", "mode", "remote_addr", "text", "author", "email", "website",
            "likes", "dislikes")  # fmt: skip
_STATES: dict[int, State] = {1: "approved", 2: "pending", 4: "deleted"}


def read(source: Source) -> Iterator[Record]:
    """The pages and comments of a database, or of the generic JSON."""
    if not is_sqlite(source):
        yield from _read_json(source)
        return
    with opened(source) as db:
        need(db, "threads", "id", "uri", "title")
        # Older releases had fewer.
        there = chosen(need(db, "comments", "tid", "id", "created", "text"), *_COLUMNS)
        for thread in rows(db, source, "select id, uri, title from threads"):
            yield Page(id=str(thread["id"]), url=_address(text_of(thread["uri"])), key=text_of(thread["uri"]),
                       title=text_of(thread["title"]))  # fmt: skip
        for one in rows(db, source, f"select {there} from comments order by id"):
            yield _comment(one)


def _address(uri: str) -> str:
    """A page's address or path; ``""`` where it is a name that the site chose."""
    return uri if uri.startswith(("/", "http://", "https://")) else ""


def _comment(one: sqlite3.Row) -> Record:
    names = set(one.keys())

    def said(name: str) -> object:
        return one[name] if name in names else None

    state = _STATES.get(count_of(said("mode") if "mode" in names else 1), "pending")
    deleted = state == "deleted"
    parent = id_of(said("parent"))
    return ImportedComment(
        id=id_of(one["id"]), page=id_of(one["tid"]), parent="" if parent == "0" else parent,
        created=time_of(one["created"]), edited=None if deleted else time_of(said("modified")),
        author=Author() if deleted else Author(
            name=text_of(said("author")), email=text_of(said("email")), url=text_of(said("website")),
            address=text_of(said("remote_addr")),
        ),
        text=text_of(one["text"]), markup="markdown", state=state,
        up=count_of(said("likes")), down=count_of(said("dislikes")),
    )  # fmt: skip


def _read_json(source: Source) -> Iterator[Record]:
    with shelf() as known:
        for number, thread in json_parents(source, "item", "comments"):
            if not isinstance(thread, dict):
                yield Left(reason="broken")
                continue
            page = text_of(thread.get("id"))
            known.put(str(number), page)
            yield Page(id=page, url=_address(page), key=page, title=text_of(thread.get("title")))
        for number, one in json_children(source, "item", "comments"):
            page = known.get(str(number))
            if not isinstance(one, dict) or not id_of(one.get("id")) or page is None:
                yield Left(reason="broken")
                continue
            # There ids are unique within a thread only.
            yield ImportedComment(
                id=f"{page[:150]}#{id_of(one['id'])}", page=page, created=time_of(one.get("created"), source.zone),
                parent=f"{page[:150]}#{id_of(one['parent'])}" if one.get("parent") else "",
                author=Author(
                    name=text_of(one.get("author")), email=text_of(one.get("email")), url=text_of(one.get("website")),
                    address=text_of(one.get("remote_addr")),
                ),
                text=text_of(one.get("text")), markup="markdown",
            )  # fmt: skip


FORMAT = Format(name="isso", title="Isso (SQLite or JSON)", read=read, endings=(".db", ".sqlite", ".json"))
