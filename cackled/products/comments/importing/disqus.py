"""Disqus: the XML of its export.

A page may have several threads (http and https, with a slash and without); they become one by their addresses. Exports
say neither who voted nor which comments wait.
"""

from __future__ import annotations

from collections.abc import Iterator

from cackled.importing.formats import Format
from cackled.importing.records import Author, Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.values import flag_of, time_of
from cackled.importing.xml_text import Element, elements
from cackled.products.comments.importing.record import ImportedComment, State

_WANTED = frozenset(("thread", "post"))


def read(source: Source) -> Iterator[Record]:
    """The pages and comments of an export."""
    for one in elements(source, _WANTED, root=("disqus",)):
        # A post has an element thread too, which names its own.
        if one.name == "thread":
            if one.above is None:
                yield _page(one)
            else:
                one.above.children.setdefault("thread", []).append(one)
        elif one.above is None:
            yield _comment(one, source)


def _page(one: Element) -> Page:
    return Page(
        id=one.attributes.get("dsq:id", ""), url=one.get("link"), key=one.get("id"), title=one.get("title"),
        closed=flag_of(one.get("isClosed")) or flag_of(one.get("isDeleted")),
    )  # fmt: skip


def _comment(one: Element, source: Source) -> Record:
    id = one.attributes.get("dsq:id", "") or one.get("id")
    if not id or one.cut:
        return Left(reason="broken", id=id)
    state: State = "approved"
    if flag_of(one.get("isDeleted")):
        state = "deleted"
    elif flag_of(one.get("isSpam")):
        if not source.everything:
            return Left(reason="unwanted", id=id)
        state = "spam"
    author = one.first("author")
    who = Author(address=one.get("ipAddress"))
    if author is not None:
        guest = flag_of(author.get("isAnonymous")) or not author.get("username")
        who = Author(
            id="" if guest else author.get("username"), name=author.get("name") or author.get("username"),
            email=author.get("email"), address=one.get("ipAddress"), url=author.get("link"),
        )  # fmt: skip
    text = one.first("message")
    return ImportedComment(
        id=id, page=one.attribute("thread", "dsq:id"), parent=one.attribute("parent", "dsq:id"),
        created=time_of(one.get("createdAt")), author=who, text="" if text is None else text.text, state=state,
    )  # fmt: skip


FORMAT = Format(name="disqus", title="Disqus (XML)", read=read, endings=(".xml", ".xml.gz"))
