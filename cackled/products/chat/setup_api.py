"""The routes of hours, forms and ready answers."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from cackled.api.answers import Id
from cackled.api.calls import Call, etag, json_response, version_matched
from cackled.api.route import VERSIONED, Caller, Route
from cackled.domain.channels import parse_id
from cackled.products.chat.forms import Setup
from cackled.products.chat.hours import Hours
from cackled.products.chat.refusals import TEXT
from cackled.products.chat.setup import Setups, no_reply
from cackled.transport.response import Response


class ReplyBody(Struct, frozen=True):
    """A ready answer. ``short``: what an operator types to find it; ``language`` and ``department``: whom it is for."""

    short: Annotated[str, Meta(min_length=1, max_length=60)]
    text: Annotated[str, Meta(min_length=1, max_length=4_000)]
    language: Annotated[str, Meta(max_length=20)] = ""
    department: Annotated[str, Meta(max_length=20)] | None = None


class ReplyChange(Struct, frozen=True):
    """Changes of a ready answer. Members that are left out stay; an empty department: for all."""

    short: Annotated[str, Meta(min_length=1, max_length=60)] | None = None
    text: Annotated[str, Meta(min_length=1, max_length=4_000)] | None = None
    language: Annotated[str, Meta(max_length=20)] | None = None
    department: Annotated[str, Meta(max_length=20)] | None = None


class Reply(Struct, frozen=True):
    """A ready answer, and how often it was sent. ``version``: its ETag."""

    id: Id
    short: str
    text: str
    language: str
    department: Id | None
    uses: int
    version: int


class Replies(Struct, frozen=True):
    """Ready answers, the most used first."""

    replies: list[Reply]


def _department(value: str | None) -> int | None:
    return parse_id(value, "department") if value else None


async def list_replies(call: Call) -> bytes:
    """List the ready answers, the most used first."""
    return b'{"replies":[%b]}' % ",".join(await call.service(Setups).replies()).encode()


async def add_reply(call: Call) -> bytes:
    """Create a ready answer."""
    body: ReplyBody = call.body
    made = await call.service(Setups).add_reply(body.short, body.text, body.language, _department(body.department))
    return made.encode()


async def change_reply(call: Call) -> Response:
    """Change a ready answer. Requires If-Match."""
    version = version_matched(call.request)
    setups, number, body = call.service(Setups), call.number("reply"), call.body
    there = await setups.replies(number)
    if not there:
        raise no_reply()
    old = msgspec.json.decode(there[0], type=Reply)
    department = old.department if body.department is None else body.department
    made = await setups.change_reply(
        number, old.short if body.short is None else body.short, old.text if body.text is None else body.text,
        old.language if body.language is None else body.language, _department(department), version,
    )  # fmt: skip
    return json_response(made.encode(), 200, etag(msgspec.json.decode(made, type=Reply).version))


async def remove_reply(call: Call) -> Any:
    """Delete a ready answer."""
    await call.service(Setups).remove_reply(call.number("reply"))


async def used_reply(call: Call) -> Any:
    """Count that a ready answer was sent."""
    await call.service(Setups).used_reply(call.number("reply"))


async def get_hours(call: Call) -> Any:
    """Get the opening hours, with an ETag."""
    hours, version = (await call.service(Setups).now())[0]
    return json_response(hours, 200, etag(version))


async def change_hours(call: Call) -> Any:
    """Replace the opening hours. Requires If-Match."""
    version = await call.service(Setups).save_hours(call.body, version_matched(call.request))
    return json_response(call.body, 200, etag(version))


async def get_setup(call: Call) -> Any:
    """Get the greeting, the forms and the invitations, with an ETag."""
    setup, version = (await call.service(Setups).now())[1]
    return json_response(setup, 200, etag(version))


async def change_setup(call: Call) -> Any:
    """Replace the greeting, the forms and the invitations. Requires If-Match."""
    setup, version = await call.service(Setups).save(call.body, version_matched(call.request))
    return json_response(setup, 200, etag(version))


_REPLIES = "/sites/{site}/chats/replies"
_REPLY = _REPLIES + "/{reply}"
_HOURS = "/sites/{site}/chats/hours"
_SETUP = "/sites/{site}/chats/setup"
_STAFF: dict[str, Any] = {"caller": Caller.STAFF, "role": "operator", "limit": "chat.staff", "scope": "chat"}
# Bots read what there is; what changes it takes a key for all that the site has.
_CHANGE: dict[str, Any] = {**_STAFF, "scope": "sync"}
_ADMIN: dict[str, Any] = {"caller": Caller.STAFF, "role": "admin", "limit": "chat.staff", "scope": "sync"}

ROUTES = (
    Route(
        method="GET", path=_REPLIES, name="listChatReplies", summary="List the ready answers, the most used first.",
        handler=list_replies, answer=Replies, **_STAFF,
    ),
    Route(
        method="POST", path=_REPLIES, name="addChatReply", summary="Create a ready answer.", handler=add_reply,
        body=ReplyBody, answer=Reply, status=201, mend=True, refusals=(*TEXT,), **_CHANGE,
    ),
    Route(
        method="PATCH", path=_REPLY, name="changeChatReply", handler=change_reply,
        summary="Change a ready answer. Requires If-Match.",
        body=ReplyChange, answer=Reply, mend=True, refusals=("reply", *VERSIONED, *TEXT), **_CHANGE,
    ),
    Route(
        method="DELETE", path=_REPLY, name="removeChatReply", summary="Delete a ready answer.", handler=remove_reply,
        status=204, refusals=("reply",), **_CHANGE,
    ),
    Route(
        method="POST", path=_REPLY + "/used", name="countChatReply", summary="Count that a ready answer was sent.",
        handler=used_reply, status=204, refusals=("reply",), **_STAFF,
    ),
    Route(
        method="GET", path=_HOURS, name="getChatHours", summary="Get the opening hours, with an ETag.",
        handler=get_hours, answer=Hours, **_STAFF,
    ),
    Route(
        method="PUT", path=_HOURS, name="changeChatHours", summary="Replace the opening hours. Requires If-Match.",
        handler=change_hours, body=Hours, answer=Hours, refusals=VERSIONED, **_ADMIN,
    ),
    Route(
        method="GET", path=_SETUP, name="getChatSetup",
        summary="Get the greeting, the forms and the invitations, with an ETag.",
        handler=get_setup, answer=Setup, **_STAFF,
    ),
    Route(
        method="PUT", path=_SETUP, name="changeChatSetup",
        summary="Replace the greeting, the forms and the invitations. Requires If-Match.",
        handler=change_setup, body=Setup, answer=Setup, mend=True, refusals=VERSIONED, **_ADMIN,
    ),
)  # fmt: skip
