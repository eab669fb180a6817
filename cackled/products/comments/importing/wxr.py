"""WordPress: its own export (WXR), and what others write in that form (Disqus' import).

Trackbacks are no comments, notes of a shop are nobody else's business, reviews are for the reviews. What lies in the
trash comes as a stone, so that answers keep their place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from cackled.importing.formats import Format
from cackled.importing.records import Author, Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.values import time_of
from cackled.importing.xml_text import Element, elements
from cackled.products.comments.importing.record import ImportedComment, State

_WANTED = frozenset(("item", "wp:comment"))
_SKIPPED = frozenset(("content:encoded", "excerpt:encoded", "wp:postmeta", "category", "description"))
_STATES: dict[str, State] = {
    "1": "approved", "approve": "approved", "approved": "approved", "0": "pending", "hold": "pending", "spam": "spam",
    "trash": "deleted", "post-trashed": "deleted",
}  # fmt: skip
# Posts that nobody but their author sees.
_UNSEEN = frozenset(("draft", "auto-draft", "pending", "future", "private", "trash"))
_BASE = re.compile(rb"<wp:base_blog_url>\s*([^<\s]{1,500})|<link>\s*([^<\s]{1,500})")


def read(source: Source) -> Iterator[Record]:
    """The pages and comments of an export."""
    current: Element | None = None
    for one in elements(source, _WANTED, skipped=_SKIPPED, root=("rss",)):
        if one.name != "wp:comment":
            continue
        item = one.above
        if item is None or item.name != "item":
            yield Left(reason="broken", id=one.get("wp:comment_id"))
            continue
        page = item.get("wp:post_id") or item.get("link") or item.get("guid")
        if item is not current:
            current = item
            yield Page(
                id=page, url=item.get("link") or item.get("guid"), title=item.get("title"),
                key=item.get("dsq:thread_identifier"), closed=item.get("wp:comment_status") == "closed",
            )  # fmt: skip
        yield _comment(one, page, item, source)


def _comment(one: Element, page: str, item: Element, source: Source) -> Record:
    # Posts of another system's export may have no number, and then ids are theirs.
    id = one.get("wp:comment_id") or _remote(one, "dsq:id")
    if not id or one.cut:
        return Left(reason="broken", id=id)
    kind = one.get("wp:comment_type")
    if kind in ("order_note", "webhook_delivery", "action_log") or item.get("wp:status") in _UNSEEN:
        return Left(reason="private", id=id)
    if kind not in ("", "comment"):
        return Left(reason="kind", id=id, detail=kind[:40])
    state = _STATES.get(one.get("wp:comment_approved") or "1", "pending")
    if state == "spam" and not source.everything:
        return Left(reason="unwanted", id=id)
    user = one.get("wp:comment_user_id")
    parent = one.get("wp:comment_parent")
    text = one.first("wp:comment_content")
    return ImportedComment(
        id=id, page=page, parent="" if parent == "0" else parent,
        created=time_of(one.get("wp:comment_date_gmt")) or time_of(one.get("wp:comment_date"), source.zone),
        author=Author(
            id="" if user in ("", "0") else user, name=one.get("wp:comment_author"),
            email=one.get("wp:comment_author_email"), url=one.get("wp:comment_author_url"),
            address=one.get("wp:comment_author_IP") or one.get("wp:comment_author_ip"),
            avatar=_remote(one, "dsq:avatar"),
        ),
        text="" if text is None else text.text, markup="html-lines", state=state,
    )  # fmt: skip


def _remote(one: Element, name: str) -> str:
    remote = one.first("dsq:remote")
    return "" if remote is None else remote.get(name)


def namespace(source: Source) -> str:
    """The blog's host: numbers of comments are unique within a blog."""
    with source.open() as file:
        head = file.read(1 << 16)
    found = _BASE.search(head)
    address = "" if found is None else (found[1] or found[2]).decode("utf-8", "replace")
    try:
        return (urlsplit(address).hostname or "").removeprefix("www.")[:100]
    except ValueError:
        return ""


FORMAT = Format(name="wxr", title="WordPress (WXR)", read=read, endings=(".xml", ".xml.gz"), namespace=namespace)
