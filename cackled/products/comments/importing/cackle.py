"""Cackle: answers of its ``comment/list.json``, one after the other in a file, wrapped in a callback or not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Any

from cackled.importing.formats import Format
from cackled.importing.jsonp import unwrapped
from cackled.importing.records import Author, Left, Page, Record
from cackled.importing.source import Source
from cackled.importing.values import count_of, id_of, json_items, shelf, text_of, time_of
from cackled.products.comments.importing.record import ImportedComment, State

_STATES: dict[str, State] = {
    "approved": "approved", "1": "approved", "pending": "pending", "0": "pending", "rejected": "rejected",
    "2": "rejected", "spam": "spam", "3": "spam", "deleted": "deleted", "4": "deleted",
}  # fmt: skip
_PREFIXES = ("comments.item", "comments.content.item", "item.comments.item", "item")
_IMAGE = re.compile(r"https?://\S+")


def read(source: Source) -> Iterator[Record]:
    """The pages and comments of saved answers."""
    with unwrapped(source) as plain, shelf() as known:
        for _, one in json_items(plain, *_PREFIXES):
            if not isinstance(one, dict) or "comments" in one or not id_of(one.get("id")):
                if not isinstance(one, dict) or "comments" not in one:
                    yield Left(reason="broken")
                continue
            chan = one.get("chan") if isinstance(one.get("chan"), dict) else {}
            assert isinstance(chan, dict)
            channel = text_of(chan.get("channel") or one.get("channel") or one.get("url"))
            page = id_of(chan.get("id")) or channel
            if known.get(page) is None:
                known.put(page, True)
                url = text_of(chan.get("url") or one.get("url"))
                yield Page(id=page, url=url, key=channel, title=text_of(chan.get("title")))
            yield _comment(one, page, source)


def _comment(one: dict[str, Any], page: str, source: Source) -> Record:
    return comment_of(one, page, everything=source.everything, zone=source.zone)


def comment_of(
    one: dict[str, Any], page: str, *, everything: bool = True, zone: int = 0
) -> ImportedComment | Left:
    """One comment of a list; without *everything* not what was spam. *zone*: of times that name none."""
    id = id_of(one["id"])
    state = _STATES.get(text_of(one.get("status")).lower() or "approved", "pending")
    if state == "spam" and not everything:
        return Left(reason="unwanted", id=id)
    known = one.get("author") if isinstance(one.get("author"), dict) else one.get("user")
    guest = one.get("anonym")
    who = known if isinstance(known, dict) else guest if isinstance(guest, dict) else one
    name = id_of(who.get("openId") or who.get("id")) if isinstance(known, dict) else ""
    parent = id_of(one.get("parentId") or one.get("parent"))
    rating = one.get("rating")
    score = int(rating) if isinstance(rating, int | float) else 0
    return ImportedComment(
        id=id, page=page, parent="" if parent == "0" else parent, created=time_of(one.get("created"), zone),
        author=Author(
            id=f"{text_of(who.get('provider'))}:{name}" if name else "", name=text_of(who.get("name")),
            email=text_of(who.get("email")), url=text_of(who.get("www")), avatar=text_of(who.get("avatar")),
            address=text_of(one.get("ip")),
        ),
        text=_text(one), markup="html-lines", state=state, up=count_of(one.get("up")) or max(score, 0),
        down=count_of(one.get("down")) or max(-score, 0),
    )  # fmt: skip


def _text(one: dict[str, Any]) -> str:
    """The message, and its pictures as links below it."""
    message = text_of(one.get("message") or one.get("msg") or one.get("comment"))
    media = one.get("media")
    links = media if isinstance(media, list) else text_of(media).split()
    addresses = [text_of(link) for link in links if _IMAGE.fullmatch(text_of(link))]
    return message + "".join(f'\n\n<img src="{escape(address)}">' for address in addresses[:20])


FORMAT = Format(name="cackle", title="Cackle (answers of its API)", read=read, endings=(".json",))
