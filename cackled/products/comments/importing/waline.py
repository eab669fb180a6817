"""Waline: its JSON export. Its users' secrets are in there, and are not read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cackled.importing.formats import Format
from cackled.importing.records import Author, BadFile, Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.values import count_of, flag_of, id_of, json_items, json_top, shelf, text_of, time_of
from cackled.products.comments.importing.record import ImportedComment, State

_STATES: dict[str, State] = {"approved": "approved", "waiting": "pending", "spam": "spam"}
# What answers begin with: whom they answer, which their place says.
_WHOM = re.compile(r"\s*+\[@[^\]\n]{0,200}\]\(#[^)\n]{0,200}\)\s*[:,]?\s*")
_WHOM_HTML = re.compile(
    r"\s*+(<p>)?\s*+<a\b[^>]{0,300}\bclass=[\"']?at[\"']?[^>]{0,300}>[^<]{0,200}</a>\s*[:,]?\s*", re.IGNORECASE
)


def read(source: Source) -> Iterator[Record]:
    """The pages and comments of an export."""
    kind, names = json_top(source)
    if kind != "map" or "data" not in names:
        raise BadFile("The file is no export of Waline: it has no data.")
    with shelf() as known:
        for _, one in json_items(source, "data.Comment.item"):
            if not isinstance(one, dict) or not id_of(one.get("objectId")):
                yield Left(reason="broken")
                continue
            url = text_of(one.get("url"))
            if known.get(url) is None:
                known.put(url, True)
                yield Page(id=url, url=url)
            yield comment(one, source, markup_html=False)


def comment(one: dict[str, Any], source: Source, *, markup_html: bool) -> Record:
    """A comment of Waline or Valine."""
    id = id_of(one.get("objectId") or one.get("_id"))
    state = _STATES.get(text_of(one.get("status")) or "approved", "pending")
    if flag_of(one.get("isSpam")) and not one.get("status"):
        state = "spam"
    if state == "spam" and not source.everything:
        return Left(reason="unwanted", id=id)
    text = text_of(one.get("comment"))
    text = _WHOM_HTML.sub(lambda found: found[1] or "", text, count=1) if _WHOM_HTML.match(text) else text
    if _WHOM.match(text):
        text = _WHOM.sub("", text, count=1)
    created = time_of(one.get("insertedAt"), source.zone)
    user = id_of(one.get("user_id"))
    return ImportedComment(
        id=id, page=text_of(one.get("url")), parent=id_of(one.get("pid")) or id_of(one.get("rid")),
        created=time_of(one.get("createdAt"), source.zone) if created is None else created,
        author=Author(
            id="" if user == "0" else user, name=text_of(one.get("nick")), email=text_of(one.get("mail")),
            url=text_of(one.get("link")), address=text_of(one.get("ip")),
        ),
        text=text, markup="html" if markup_html else "markdown", state=state, up=count_of(one.get("like")),
        pinned=flag_of(one.get("sticky")),
    )  # fmt: skip


FORMAT = Format(name="waline", title="Waline (JSON)", read=read, endings=(".json",))
