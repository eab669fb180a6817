"""Hyvor Talk: comments as its console gives them, and its JSON export, which has no mails and no votes.

The shape of the export is written nowhere: pages may stand beside comments, in them, or around them.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import msgspec

from cackled.importing.formats import Format
from cackled.importing.records import Author, Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.values import (
    count_of,
    flag_of,
    id_of,
    json_children,
    json_parents,
    json_top,
    shelf,
    text_of,
    time_of,
)
from cackled.importing.values import objects as all_objects
from cackled.products.comments.importing.record import ImportedComment, Markup, State

_STATES: dict[str, State] = {"published": "approved", "pending": "pending", "spam": "spam", "deleted": "deleted"}
# Rich texts lie no deeper.
DEEPEST = 30
# Of one text, and marks of it.
MOST_TEXT, MOST_MARKS = 100_000, 20


def read(source: Source) -> Iterator[Record]:
    """The pages and comments of an export."""
    kind, names = json_top(source)
    with shelf() as known:
        if kind == "map" and "pages" in names:
            for number, page in json_parents(source, "pages.item", "comments"):
                if isinstance(page, dict):
                    yield _page(page)
                    known.put(id_of(page.get("id")), True)
                    known.put(f"place {number}", id_of(page.get("id")))
            for number, one in json_children(source, "pages.item", "comments"):
                yield _comment(one, known.get(f"place {number}") or "", source)
            if "comments" not in names:
                return
        for one in all_objects(source, "comments", "data"):
            if not isinstance(one, dict):
                yield Left(reason="broken")
                continue
            inner = one.get("page") if isinstance(one.get("page"), dict) else {}
            assert isinstance(inner, dict)
            page_id = id_of(one.get("page_id") or inner.get("id") or one.get("page_identifier") or one.get("page_url"))
            if known.get(page_id) is None:
                known.put(page_id, True)
                named = {"identifier": one.get("page_identifier"), "url": one.get("page_url")}
                yield _page({"id": page_id, **named, **inner})
            yield _comment(one, page_id, source)


def _page(page: dict[str, Any]) -> Page:
    key = text_of(page.get("identifier"))
    url = text_of(page.get("url")) or (key if key.startswith(("http", "/")) else "")
    return Page(id=id_of(page.get("id")), url=url, key=key, title=text_of(page.get("title")),
                closed=flag_of(page.get("is_closed")))  # fmt: skip


def _comment(one: Any, page: str, source: Source) -> Record:
    if not isinstance(one, dict) or not id_of(one.get("id")):
        return Left(reason="broken")
    user = one.get("user") if isinstance(one.get("user"), dict) else one
    assert isinstance(user, dict)
    state = _STATES.get(text_of(one.get("status")) or "published", "pending")
    if state == "spam" and not source.everything:
        return Left(reason="unwanted", id=id_of(one["id"]))
    text, markup = _text(one)
    known = user is not one and text_of(user.get("type")) != "guest"
    parent = one.get("parent") if isinstance(one.get("parent"), dict) else {}
    assert isinstance(parent, dict)
    return ImportedComment(
        id=id_of(one["id"]), page=page, parent=id_of(one.get("parent_id") or parent.get("id")),
        created=time_of(one.get("created_at"), source.zone),
        author=Author(
            id=id_of(user.get("id")) if known else "",
            name=text_of(user.get("name") or one.get("user_name") or one.get("guest_name")),
            email=text_of(user.get("email") or one.get("guest_email")), url=text_of(user.get("website_url")),
            avatar=text_of(user.get("picture_url")), address=text_of(one.get("ip")),
        ),
        text=text, markup=markup, state=state, up=count_of(one.get("upvotes")), down=count_of(one.get("downvotes")),
        featured=flag_of(one.get("is_featured")),
    )  # fmt: skip


def _text(one: dict[str, Any]) -> tuple[str, Markup]:
    for name in ("body_html", "html", "content_html"):
        if text_of(one.get(name)):
            return text_of(one[name]), "html"
    body = one.get("body", one.get("content"))
    if isinstance(body, str) and body.lstrip().startswith("{"):
        try:
            body = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            return str(body), "plain"
    if isinstance(body, dict):
        return rich_html(body), "html"
    return text_of(body), "html"


_ELEMENTS = {
    "paragraph": "p", "blockquote": "blockquote", "code_block": "pre", "bullet_list": "ul", "ordered_list": "ol",
    "list_item": "li", "heading": "p", "codeBlock": "pre", "bulletList": "ul", "orderedList": "ol", "listItem": "li",
}  # fmt: skip
_MARKS = {"strong": "strong", "bold": "strong", "em": "em", "italic": "em", "strike": "s", "code": "code"}


def rich_html(node: object, depth: int = 0) -> str:
    """A rich text (ProseMirror's JSON) as HTML."""
    if not isinstance(node, dict) or depth > DEEPEST:
        return ""
    kind = text_of(node.get("type"))
    attributes = node.get("attrs") if isinstance(node.get("attrs"), dict) else {}
    assert isinstance(attributes, dict)
    if kind == "text":
        html = escape(text_of(node.get("text"))[:MOST_TEXT])
        for mark in node["marks"][:MOST_MARKS] if isinstance(node.get("marks"), list) else ():
            if not isinstance(mark, dict):
                continue
            name = text_of(mark.get("type"))
            if name in _MARKS:
                html = f"<{_MARKS[name]}>{html}</{_MARKS[name]}>"
            elif name == "link" and isinstance(mark.get("attrs"), dict):
                html = f'<a href="{escape(text_of(mark["attrs"].get("href")))}">{html}</a>'
        return html
    if kind in ("hard_break", "hardBreak"):
        return "<br>"
    if kind == "image":
        alt = escape(text_of(attributes.get("alt")))
        return f'<img src="{escape(text_of(attributes.get("src") or attributes.get("url")))}" alt="{alt}">'
    if kind == "embed":
        return f'<a href="{escape(text_of(attributes.get("src") or attributes.get("url")))}"></a>'
    if kind == "mention":
        return escape(text_of(attributes.get("name") or attributes.get("label")))
    content = node.get("content")
    inner = "".join(rich_html(one, depth + 1) for one in content) if isinstance(content, list) else ""
    name = _ELEMENTS.get(kind, "")
    return f"<{name}>{inner}</{name}>" if name else inner


FORMAT = Format(name="hyvor", title="Hyvor Talk (JSON)", read=read, endings=(".json",))
