"""Routes of following and of notices. Handlers only translate; the rules are in the service."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from cackled.api.calls import Call, tokens
from cackled.api.own_address import own_address
from cackled.api.route import Caller, Reach, Route
from cackled.database.query import ReadPreference
from cackled.domain.channels import parse_id
from cackled.domain.errors import BadField, NotFound, Unprocessable
from cackled.outbound.push import PushKeys, check_keys
from cackled.products.comments.notices import answers
from cackled.products.comments.notices.links import NoticeLink, NoticeLinks
from cackled.products.comments.notices.service import KINDS, NOBODY, Follower, Followers
from cackled.products.comments.notices.settings import Sender

# Seconds that the link to the page of all settings works.
PAGE_SECONDS = 3_600


async def list_notices(call: Call) -> bytes:
    """List the visitor's notifications and the number of unread ones."""
    query: answers.NoticesQuery = call.query
    followers, visitor = call.service(Followers), call.visitor.visitor
    before = parse_id(query.cursor, "cursor") if query.cursor else 0
    given = tokens(call.request)

    def sees(key: str) -> bool:
        if call.site.settings.private:
            granted = call.context.grants.channels(call.site, given)
            if granted is not None and call.site.channel(call.product, key) not in granted:
                return False
        return call.context.doors.refused(call.site, key, "read", call.session, given) is None

    follower = await followers.find(visitor, call.reading.options.preference)
    if follower is NOBODY:
        return msgspec.json.encode({"unread": 0, "live": None, "notices": [], "cursor": None})
    found, after = await followers.notices(visitor, before, query.size, call.reading, sees)
    unread, seq = await followers.unread(visitor, call.reading)
    rows = [
        msgspec.json.encode({
            "id": str(one.id), "reason": one.reason, "key": one.key, "title": one.title, "permalink": one.permalink,
            "read": one.read, "comment": msgspec.Raw(one.comment.encode()),
        })
        for one in found
    ]  # fmt: skip
    head = {"unread": unread, "live": str(followers.live(follower.channel, seq)),
            "cursor": None if after is None else str(after)}  # fmt: skip
    return msgspec.json.encode(head)[:-1] + b',"notices":[' + b",".join(rows) + b"]}"


async def read_notices(call: Call) -> None:
    """Mark notifications up to a given one as read."""
    await call.service(Followers).read(call.visitor.visitor, parse_id(call.body.upto, "upto"))


async def list_follows(call: Call) -> Any:
    """List what the visitor follows."""
    found = await call.service(Followers).followed(call.visitor.visitor, call.reading)
    return {
        "follows": [
            {"kind": one.kind, "id": str(one.target), "name": one.name, "url": one.url, "key": one.key}
            for one in found if call.context.doors.refused(
                call.site, one.key or None, "read", call.session, tokens(call.request)) is None or one.kind == "person"
        ]
    }  # fmt: skip


def _target(call: Call) -> tuple[str, int]:
    kind = call.parameters["kind"]
    if kind not in KINDS:
        raise NotFound(f"One follows a {' or a '.join(KINDS)}.", field="kind")
    return kind, call.number("target")


async def follow(call: Call) -> None:
    """Follow a conversation (by channel id) or a person (by visitor id)."""
    kind, target = _target(call)

    async def channel() -> int | None:
        return target if kind == "conversation" else None

    if kind == "conversation":
        await call.see_channel_of(channel)
    elif target == call.visitor.visitor:
        raise Unprocessable("Nobody follows themselves.", field="target")
    language = "" if call.body.language is UNSET else call.body.language
    await call.service(Followers).follow(call.visitor.visitor, kind, target, language)


async def leave(call: Call) -> None:
    """Stop following a conversation or a person."""
    kind, target = _target(call)
    await call.service(Followers).leave(call.visitor.visitor, kind, target)


async def show_settings(call: Call) -> Any:
    """Get the visitor's notification settings."""
    follower = await call.service(Followers).find(call.visitor.visitor, call.reading.options.preference)
    return await _settings(call, follower)


async def _settings(call: Call, follower: Follower) -> Any:
    keys = await call.shared(PushKeys).public()
    link = NoticeLink(call.site.id, call.visitor.visitor, "settings")
    token = await call.shared(NoticeLinks).token(link, PAGE_SECONDS)
    base = own_address(call.context.own_url, call.request)[0]
    return {
        "email": follower.email, "state": follower.email_state, "digest": follower.digest,
        "replies": follower.replies, "language": follower.language, "zone": follower.zone,
        "quiet": [follower.quiet_from, follower.quiet_to], "push": keys, "mail": call.shared(Sender).able,
        "page": f"{base}/notices/{call.site.id}/settings?token={token}",
    }  # fmt: skip


async def change_settings(call: Call) -> Any:
    """Change the notification settings. A new mail address has to be confirmed first."""
    sent: answers.SettingsBody = call.body
    followers, visitor = call.service(Followers), call.visitor
    before = await followers.make(visitor.visitor, "" if sent.language is UNSET else sent.language)
    given = {name: value for name in ("digest", "replies", "language", "zone") if
             (value := getattr(sent, name)) is not UNSET}  # fmt: skip
    if not isinstance(sent.quiet, msgspec.UnsetType):
        given |= {"quiet_from": sent.quiet[0], "quiet_to": sent.quiet[1]}
    if given:
        await followers.change(visitor.visitor, replace(before, **given))
    if not isinstance(sent.email, msgspec.UnsetType):
        if sent.email and not call.shared(Sender).able:
            raise Unprocessable("This server sends no mail.", field="email")
        await followers.set_email(visitor, sent.email)
    return await _settings(call, await followers.find(visitor.visitor))


async def add_push(call: Call) -> None:
    """Subscribe a browser to web push."""
    sent: answers.PushBody = call.body
    try:
        keys = [urlsafe_b64decode(one + "=" * (-len(one) % 4)) for one in (sent.keys.p256dh, sent.keys.auth)]
        check_keys(*keys)
        call.shared(PushKeys).check(sent.endpoint)
    except ValueError as error:
        raise BadField(f"That subscription can't be used: {error}.", field="endpoint") from None
    await call.service(Followers).add_browser(call.visitor.visitor, sent.endpoint, *keys)


async def drop_push(call: Call) -> None:
    """Unsubscribe a browser from web push."""
    await call.service(Followers).drop_browser(call.visitor.visitor, call.body.endpoint)


_NOTICES, _FOLLOW = "/sites/{site}/notices", "/sites/{site}/follows/{kind:text}/{target}"

ROUTES = (
    Route(
        method="GET", path=_NOTICES, name="listNotices",
        summary="List the visitor's notifications and the number of unread ones.",
        handler=list_notices, query=answers.NoticesQuery, answer=answers.NoticesAnswer, caller=Caller.SESSION,
        limit="reads", preference=ReadPreference.PRIMARY,
    ),
    Route(
        method="PUT", path=f"{_NOTICES}/read", name="readNotices",
        summary="Mark notifications up to a given one as read.",
        handler=read_notices, body=answers.ReadBody, status=204, caller=Caller.SESSION, limit="comments.change",
    ),
    Route(
        method="GET", path=f"{_NOTICES}/settings", name="showNoticeSettings",
        summary="Get the visitor's notification settings.",
        handler=show_settings, answer=answers.SettingsAnswer, caller=Caller.SESSION, limit="reads",
        preference=ReadPreference.PRIMARY,
    ),
    Route(
        method="PATCH", path=f"{_NOTICES}/settings", name="changeNoticeSettings",
        summary="Change the notification settings. A new mail address has to be confirmed first.",
        handler=change_settings, body=answers.SettingsBody, answer=answers.SettingsAnswer, caller=Caller.SESSION,
        limit="comments.follow", refusals=("conflict", "unprocessable"),
    ),
    Route(
        method="PUT", path=f"{_NOTICES}/push", name="addPush", summary="Subscribe a browser to web push.",
        handler=add_push, body=answers.PushBody, status=204, caller=Caller.SESSION, limit="comments.follow",
        refusals=("conflict",),
    ),
    Route(
        method="POST", path=f"{_NOTICES}/push/gone", name="dropPush", summary="Unsubscribe a browser from web push.",
        handler=drop_push, body=answers.PushGoneBody, status=204, caller=Caller.SESSION, limit="comments.change",
    ),
    Route(
        method="GET", path="/sites/{site}/follows", name="listFollows", summary="List what the visitor follows.",
        handler=list_follows, answer=answers.FollowsAnswer, caller=Caller.SESSION, limit="reads",
        preference=ReadPreference.PRIMARY,
    ),
    Route(
        method="PUT", path=_FOLLOW, name="follow",
        summary="Follow a conversation (by channel id) or a person (by visitor id).",
        handler=follow, body=answers.FollowBody, bodiless=True, status=204, caller=Caller.SESSION, reach=Reach.THING,
        limit="comments.follow", refusals=("conflict", "unprocessable", "not-found"),
    ),
    Route(
        method="DELETE", path=_FOLLOW, name="unfollow", summary="Stop following a conversation or a person.",
        handler=leave, status=204, caller=Caller.SESSION, limit="comments.change", refusals=("not-found",),
    ),
)  # fmt: skip
