"""Cackle's calls that have to do with comments, at their old addresses: servers that keep a copy, counters, feeds.

Keys are ours: ``siteApiKey`` is a key of the site for ``read`` (lists) or ``sync`` (what brings comments here).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

import msgspec

from cackled.api.old_calls import OldCall, OldRequest
from cackled.database.query import ReadPreference
from cackled.domain.channels import ChannelRef, check_channel
from cackled.domain.errors import BadField, Forbidden, NotFound, Refused
from cackled.domain.page_keys import fit
from cackled.domain.site import Site
from cackled.products.comments.channels import comment_channel
from cackled.products.comments.old_import import MOST_POSTED, OldImport
from cackled.products.comments.old_rows import OldRows, addresses
from cackled.products.comments.pages import Wanted
from cackled.products.comments.service import Comments
from cackled.products.comments.settings import CommentSettings
from cackled.transport.response import Response

MOST = 100
# Rows that are passed over at most: whoever is further behind asks from a later change on.
MOST_PAGES = 10_000
MOST_COUNTED = 500
# What moderators did by GET in Cackle's panel.
DEEDS = (
    "approve", "reject", "recovery", "spam", "removeByAdmin", "removeAll", "editByAdmin", "banUser", "unbanUser",
    "banIp", "unbanIp",
)  # fmt: skip


def channel_of(site: Site, named: str) -> int | None:
    """The channel that a call names; None: it names none."""
    if not named:
        return None
    return comment_channel(site, check_channel(ChannelRef(site.key(fit(named.strip())))).key)


async def _rows(asked: OldRequest, site: Site) -> tuple[list[dict[str, Any]], int, int]:
    """The comments that are asked for, the page, and how many of them a page has."""
    size = max(1, min(MOST, asked.number("size", MOST)))
    page = asked.number("page", 0, MOST_PAGES)
    channel = channel_of(site, asked.text("chan", "channel"))
    rows = asked.context.service(OldRows, site)
    if asked.text("modified"):
        # In whole milliseconds: what changed at that one was read.
        since = (asked.number("modified", 0, 10**15) + 1) / 1000
        return await rows.modified(channel, since, size, page * size), page, size
    return await rows.after(channel, asked.number("commentId", 0), size), page, size


async def list_comments(asked: OldRequest) -> Response:
    """3.0: what is new on a page (``chan``, ``commentId``), or what changed (``modified``, ``page``)."""
    site = asked.site("id", "siteId")
    await asked.server(site, "read")
    found, _, _ = await _rows(asked, site)
    return asked.answer({"comments": asked.whole(found)})


async def list_paged(asked: OldRequest) -> Response:
    """2.0: the same, with the number of pages."""
    site = asked.site("id", "siteId")
    await asked.server(site, "read")
    found, page, size = await _rows(asked, site)
    since = (asked.number("modified", 0, 10**15) + 1) / 1000 if asked.text("modified") else 0.0
    total = await asked.context.service(OldRows, site).count(channel_of(site, asked.text("chan")), since)
    pages = -(-total // size)
    return asked.answer({"comments": {
        "content": asked.whole(found), "totalPages": pages, "totalElements": total, "size": size, "number": page,
        "numberOfElements": len(found), "firstPage": page == 0, "lastPage": page + 1 >= pages,
    }})  # fmt: skip


async def list_old(mutable: bool, asked: OldRequest) -> Response:
    """Before that: by the key alone, which names the site; ``id`` is the last comment, ``modified`` the last change."""
    key = asked.text("siteApiKey")
    number = key.removeprefix("cackled_").partition("_")[0]
    asked.fields["siteId"] = asked.text("siteId") or number
    site = asked.site("siteId")
    await asked.server(site, "read")
    rows = asked.context.service(OldRows, site)
    if mutable:
        found = await rows.modified(None, (asked.number("modified", 0, 10**15) + 1) / 1000, MOST, 0)
    else:
        found = await rows.after(None, asked.number("id", 0), MOST)
    return asked.answer({"comments": asked.whole(found)})


async def list_channels(asked: OldRequest) -> Response:
    """Pages where something happened after ``gtModify``."""
    site = asked.site("id", "siteId")
    await asked.server(site, "read")
    size = max(1, min(MOST, asked.number("size", MOST)))
    since = (asked.number("gtModify", 0, 10**15) + 1) / 1000
    page = asked.number("page", 0, MOST_PAGES)
    found = await asked.context.service(OldRows, site).channels(since, size, page * size)
    return asked.answer({"chans": found})


async def site_info(asked: OldRequest) -> Response:
    """Whether keys are right; what is refused is answered by `wrong_keys`."""
    site = asked.site("id", "siteId")
    await asked.server(site, "read")
    language = str(site.settings.language)
    return asked.answer({"siteInfo": {"correctKey": True, "lang": language, "whitelabel": True, "sso": True}})


def wrong_keys(asked: OldRequest, error: Refused) -> Response:
    """The answer to keys that are not right."""
    return asked.answer({"siteInfo": {"correctKey": False}, "error": error.detail})


async def check_keys(asked: OldRequest) -> Response:
    """The same before that, in a word."""
    site = asked.site("siteId", "id")
    await asked.server(site, "read")
    return Response(200, [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")], b"success")


def check_failed(asked: OldRequest, error: Refused) -> Response:
    """The answer to keys that are not right."""
    return Response(200, [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")], b"fail")


async def setup(asked: OldRequest) -> Response:
    """Which pages there are, as the first plugins told it: nothing has to be known before somebody writes there."""
    number = asked.text("siteApiKey").removeprefix("cackled_").partition("_")[0]
    asked.fields["siteId"] = asked.text("siteId") or number
    await asked.server(asked.site("siteId"), "sync")
    return asked.answer({"responseApi": {"status": "ok"}})


async def post_comments(asked: OldRequest) -> Response:
    """Comments of a page that were written elsewhere."""
    site = asked.site("id", "siteId")
    staff = await asked.server(site, "sync")
    try:
        given = msgspec.json.decode(asked.text("comments"), type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        raise BadField("comments is JSON: an object with chan, url, title and comments.", field="comments") from None
    listed = given.get("comments")
    if not isinstance(listed, list) or len(listed) > MOST_POSTED:
        raise BadField(f"comments has a list of at most {MOST_POSTED} comments.", field="comments")
    added, present, left = await asked.context.service(OldImport, site).take(given, staff.actor)
    return asked.answer({"responseApi": {"status": "ok", "added": added, "present": present, "left": left}})


def post_failed(asked: OldRequest, error: Refused) -> Response:
    """The answer to what can't be taken."""
    return asked.answer({"responseApi": {"status": "fail", "error": error.detail}}, error.status)


async def count(asked: OldRequest) -> Response:
    """Numbers for links: of each page its place in the question, comments, ratings and stars."""
    site = asked.site("site")
    asked.limit("reads", site)
    if site.settings.private:
        raise Forbidden("The site is private.", slug="not-granted")
    most = min(asked.number("len", 0, MOST_COUNTED), MOST_COUNTED)
    named = {place: asked.text(str(place)) for place in range(most)}
    keys: dict[int, str] = {}
    for place, name in named.items():
        try:
            keys[place] = check_channel(ChannelRef(site.key(fit(name.strip())))).key
        except BadField:
            continue
    doors = asked.context.doors
    seen = [key for key in dict.fromkeys(keys.values()) if doors.refused(site, key, "read", None, ()) is None]
    found = await asked.context.service(Comments, site).counts(seen, ReadPreference.NEAREST)
    counts = ",".join(f"{place}:{found.get(key, 0)}:0:0" for place, key in keys.items())
    words = {"noComment": "{num}", "oneComment": "{num}", "numComment": "{num}"}
    return asked.answer({"commentCount": {"lang": str(site.settings.language), "setting": words, "counts": counts}})


async def bootstrap(asked: OldRequest) -> Response:
    """The first page of a conversation (``chan``, else ``url``), oldest first with ``order=asc``."""
    site = asked.site("site")
    asked.limit("reads", site)
    if site.settings.private:
        raise Forbidden("The site is private.", slug="not-granted")
    named = asked.text("chan", "channel", "url").strip()
    key = check_channel(ChannelRef(site.key(fit(named)))).key
    refused = asked.context.doors.refused(site, key, "read", None, ())
    if refused is not None:
        raise refused
    wanted = Wanted(sort="old" if asked.text("order") == "asc" else "new", size=MOST)
    comments = asked.context.service(Comments, site)
    page = msgspec.json.decode(b"{" + (await comments.page(key, wanted)).value + b"}")
    channel = page["channel"]
    rows: list[dict[str, Any]] = []
    below = list(reversed(page["page"]["comments"]))
    while below:
        row = below.pop()
        rows.append(_public_row(row))
        below += reversed(row.get("replies") or [])
    words = {"avatarSize": 36, "pagination": MOST, "maxCommentLen": site.product(CommentSettings).max_length}
    return asked.answer({"commentBootstrap": {
        "setting": {"setting": words, "media": False, "modified": 0, "messages": {}}, "auth": None,
        "sitePageId": channel.get("id"), "siteForumId": None, "title": channel.get("title"),
        "close": bool(channel.get("locked")), "comments": asked.whole(rows),
    }})  # fmt: skip


def _public_row(row: dict[str, Any]) -> dict[str, Any]:
    """A comment as every reader may have it: without address and mail."""
    by = row.get("author")
    person = by and {"id": by["id"], "name": by["name"], "avatar": by.get("avatar"), "www": by.get("url")}
    guest = by is None or "badges" not in by
    return {
        "id": row["id"], "parentId": row.get("parent"), "message": row.get("html", ""),
        "media": addresses(row.get("media") or ()),
        "rating": row.get("score", 0), "up": row.get("up", 0), "down": row.get("down", 0),
        "status": "deleted" if row.get("deleted") else "approved",
        "created": round(datetime.fromisoformat(row["created"]).timestamp() * 1000),
        "author": None if guest else person, "anonym": person if guest else None,
    }  # fmt: skip


async def feed(asked: OldRequest) -> Response:
    """The feed has another address here."""
    site = asked.site("site")
    named = asked.text("chan", "channel")
    target = f"/feeds/{site.id}/comments.atom" + (f"?{urlencode({'channel': named})}" if named else "")
    return Response(308, [(b"location", target.encode("ascii")), (b"access-control-allow-origin", b"*")])


async def moved(detail: str, asked: OldRequest) -> Response:
    """What has another shape here is refused, with *detail*."""
    raise NotFound(detail)


async def by_get(asked: OldRequest) -> Response:
    """Never called: what these did by GET is refused."""
    raise NotFound()


def _call(path: str, handler: Callable[[OldRequest], Awaitable[Response]], **more: Any) -> OldCall:
    return OldCall(path=path, handler=handler, **more)


_FOLLOW: dict[str, Any] = {
    "methods": (b"POST",),
    "hint": "What changes something is never done by GET: PUT /api/v1/sites/{site}/follows/conversation/{id} follows a "
    "conversation, DELETE ends it.",
}
_BANS = "Who is banned is told to staff alone: GET /api/v1/sites/{site}/bans."
_UPLOAD = "Files are uploaded by POST /api/v1/sites/{site}/media, the file as the body."
_POST: dict[str, Any] = {"methods": (b"POST",), "refused": post_failed}
CALLS = (
    _call("/api/3.0/comment/list.json", list_comments),
    _call("/api/3.0/comment/chan/list.json", list_channels),
    _call("/api/3.0/comment/post.json", post_comments, **_POST),
    _call("/api/2.0/comment/list.json", list_paged),
    _call("/api/2.0/comment/post.json", post_comments, **_POST),
    _call("/api/2.0/site/info.json", site_info, refused=wrong_keys),
    _call("/api/comment/list", partial(list_old, False)),
    _call("/api/comment/mutable_list", partial(list_old, True)),
    _call("/api/keys/check", check_keys, refused=check_failed),
    _call("/api/wp115/setup", setup, methods=(b"POST",)),
    _call("/widget/{site}/bootstrap", bootstrap),
    _call("/widget/{site}/count", count, methods=(b"POST",), hint="Counts are asked for by POST."),
    _call("/widget/{zero}/comments.rss", feed),
    _call("/widget/{page}/subscription", by_get, **_FOLLOW),
    _call("/widget/{page}/unsubscription", by_get, **_FOLLOW),
    _call("/comment/{comment}/isBanned", partial(moved, _BANS)),
    _call("/upload2", partial(moved, _UPLOAD), methods=(b"GET", b"POST")),
    *(
        _call(f"/comment/{{comment}}/{deed}", by_get, methods=(b"POST",),
              hint="What changes something is never done by GET: POST /api/v1/sites/{site}/moderation/actions does it.")
        for deed in DEEDS
    ),
)  # fmt: skip

