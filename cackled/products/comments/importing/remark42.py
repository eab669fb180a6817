"""Remark42: its backup, a line of what there is beside comments, and then a comment a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cackled.importing.formats import Format
from cackled.importing.records import Author, BadFile, Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.values import Shelf, count_of, flag_of, json_items, json_lines, shelf, text_of, time_of
from cackled.products.comments.importing.record import ImportedComment


def read(source: Source) -> Iterator[Record]:
    """The pages and comments of a backup."""
    with shelf() as known:
        # The first line has all users and pages, and may be as long as the rest.
        for prefix, value in json_items(source, "users.item", "posts.item"):
            if not isinstance(value, dict):
                continue
            if prefix == "posts.item":
                known.put(f"page {text_of(value.get('url'))}", flag_of(value.get("read_only")))
            else:
                details = value.get("details")
                mail = text_of(details.get("email")) if isinstance(details, dict) else ""
                known.put(f"user {text_of(value.get('id'))}", mail)
        yield from _comments(source, known)


def _comments(source: Source, known: Shelf) -> Iterator[Record]:
    some = False
    for one in json_lines(source, skip_first=True):
        if not isinstance(one, dict) or not isinstance(one.get("locator"), dict):
            yield Left(reason="broken")
            continue
        some = True
        url = text_of(one["locator"].get("url"))
        if known.get(f"told {url}") is None:
            known.put(f"told {url}", True)
            yield Page(id=url, url=url, title=text_of(one.get("title")), closed=bool(known.get(f"page {url}")))
        yield _comment(one, url, known)
    if not some and known.get("told ") is None:
        first = next(json_lines(source), None)
        if not isinstance(first, dict) or "version" not in first:
            raise BadFile("The file is no backup of Remark42: its first line has no version.")


def _comment(one: dict[str, Any], url: str, known: Shelf) -> Record:
    id = text_of(one.get("id"))
    if not id:
        return Left(reason="broken")
    user = one.get("user") if isinstance(one.get("user"), dict) else {}
    assert isinstance(user, dict)
    who = text_of(user.get("id"))
    # Those of anonymous are made of the name alone: two people may have the same.
    anonymous = who.startswith("anonymous_") or who == "deleted"
    votes = one.get("votes") if isinstance(one.get("votes"), dict) else {}
    assert isinstance(votes, dict)
    given = tuple((str(voter), 1 if value else -1) for voter, value in votes.items())
    up = sum(value > 0 for _, value in given)
    down = len(given) - up
    score = one.get("score")
    if isinstance(score, int | float):
        up += max(0, int(score) - (up - down))
        down += max(0, (up - down) - int(score))
    edit = one.get("edit")
    original = text_of(one.get("orig"))
    return ImportedComment(
        id=id, page=url, parent=text_of(one.get("pid")), created=time_of(one.get("time")),
        edited=time_of(edit.get("time")) if isinstance(edit, dict) else None,
        author=Author(
            id="" if anonymous else who, name=text_of(user.get("name")),
            email=text_of(known.get(f"user {who}")) if who else "", avatar=text_of(user.get("picture")),
        ),
        text=original or text_of(one.get("text")), markup="markdown" if original else "html",
        state="deleted" if flag_of(one.get("delete")) else "approved", up=count_of(up), down=count_of(down),
        votes=given, pinned=flag_of(one.get("pin")),
    )  # fmt: skip


FORMAT = Format(name="remark42", title="Remark42 (backup)", read=read, endings=(".gz", ".json"))
