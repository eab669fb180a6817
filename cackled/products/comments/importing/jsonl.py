"""Our own export, a JSON object a line: everything comes back as it was, with its number where nobody else has that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cackled.importing.formats import Format
from cackled.importing.records import Author, BadFile, Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.values import count_of, flag_of, lines_with_values, text_of, time_of
from cackled.products.comments.importing.pictures import given_pictures, with_links
from cackled.products.comments.importing.record import ImportedComment
from cackled.products.comments.importing.writer import STATES


def read(source: Source) -> Iterator[Record]:
    """The pages and comments of an export."""
    first = True
    for one, line in lines_with_values(source):
        kind = one.get("type") if isinstance(one, dict) else None
        if first and kind != "export":
            raise BadFile("The file is no export of cackled: its first line does not say so.")
        first = False
        if kind == "page" and one.get("product", "comments") == "comments":
            yield Page(id=text_of(one.get("id")), key=text_of(one.get("key")), url=text_of(one.get("url")),
                       title=text_of(one.get("title")), closed=flag_of(one.get("closed")), exact=True)  # fmt: skip
        elif kind == "comment":
            own = source.trusted or (source.key is not None and source.key.genuine(line))
            yield _comment(one, own)
        elif kind is None:
            yield Left(reason="broken")
    if first:
        raise BadFile("The file is empty.")


def _comment(one: dict[str, Any], own: bool) -> Record:
    id = text_of(one.get("id"))
    author = one.get("author") if isinstance(one.get("author"), dict) else {}
    assert isinstance(author, dict)
    who = text_of(author.get("id"))
    state = text_of(one.get("state"))
    if not _is_number(id) or not _is_number(who) or state not in STATES:
        return Left(reason="broken", id=id[:100])
    votes = one.get("votes") if isinstance(one.get("votes"), list) else []
    # Whoever wrote a line of their own could name a picture that somebody else added.
    pictures, links = given_pictures(one.get("media"), own)
    return ImportedComment(
        id=id, page=text_of(one.get("page")), parent=text_of(one.get("parent")), created=time_of(one.get("created")),
        edited=time_of(one.get("edited")), number=int(id), own=True,
        author=Author(
            id=who, name=text_of(author.get("name")), email=text_of(author.get("email")),
            url=text_of(author.get("url")), avatar=text_of(author.get("avatar")), address=text_of(one.get("address")),
        ),
        text=with_links(text_of(one.get("text")), links), pictures=pictures, linked=tuple(links), markup="markdown",
        state=state,  # type: ignore[arg-type]
        up=count_of(one.get("up")), down=count_of(one.get("down")),
        votes=tuple(
            (text_of(vote[0]), 1 if vote[1] == 1 else -1) for vote in votes or ()
            if isinstance(vote, list) and len(vote) == 2 and _is_number(text_of(vote[0]))
        ),
        pinned=flag_of(one.get("pinned")), featured=flag_of(one.get("featured")), locked=flag_of(one.get("locked")),
    )  # fmt: skip


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) < 2**63


FORMAT = Format(name="jsonl", title="cackled (JSON lines)", read=read, endings=(".jsonl", ".jsonl.gz"), signed=True)
