"""The routes of operators' browsers that are told by web push."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import Annotated, Any

from msgspec import Meta, Struct

from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.domain.errors import BadField
from cackled.outbound.push import check_keys
from cackled.products.chat.push import DeskBrowsers, DeskKeys

Base64Url = Annotated[str, Meta(min_length=1, max_length=200, pattern="^[A-Za-z0-9_-]+$")]


class DeskPushKeys(Struct, frozen=True):
    """The keys of a push subscription (RFC 8291)."""

    p256dh: Base64Url
    auth: Base64Url


class DeskPushBody(Struct, frozen=True):
    """A browser's push subscription, as ``PushSubscription.toJSON()`` gives it, and the language to tell it in."""

    endpoint: Annotated[str, Meta(max_length=1_000, pattern=r"^https?://[!-~]+$")]
    keys: DeskPushKeys
    language: Annotated[str, Meta(max_length=20)] = ""


class DeskPushGone(Struct, frozen=True):
    """The address of the push subscription to end."""

    endpoint: Annotated[str, Meta(max_length=1_000)]


class DeskPushKey(Struct, frozen=True):
    """The public key, as ``PushManager.subscribe`` takes it (base64url)."""

    key: str


async def get_key(call: Call) -> Any:
    """Get the key that a browser subscribes with."""
    return DeskPushKey(await call.shared(DeskKeys).public())


async def add_browser(call: Call) -> None:
    """Tell a browser of the operator's by web push."""
    sent: DeskPushBody = call.body
    try:
        p256dh, auth = (urlsafe_b64decode(one + "=" * (-len(one) % 4)) for one in (sent.keys.p256dh, sent.keys.auth))
        check_keys(p256dh, auth)
        call.shared(DeskKeys).check(sent.endpoint)
    except ValueError as error:
        raise BadField(f"That subscription can't be used: {error}.", field="endpoint") from None
    await call.service(DeskBrowsers).add(call.colleague.account, sent.endpoint, p256dh, auth, sent.language)


async def drop_browser(call: Call) -> None:
    """Tell a browser no more."""
    await call.service(DeskBrowsers).drop(call.colleague.account, call.body.endpoint)


_PUSH = "/sites/{site}/chats/desk/push"
_STAFF: dict[str, Any] = {"caller": Caller.STAFF, "role": "operator", "limit": "chat.staff"}

ROUTES = (
    Route(
        method="GET", path=_PUSH, name="getDeskPushKey", summary="Get the key that a browser subscribes with.",
        handler=get_key, answer=DeskPushKey, **_STAFF,
    ),
    Route(
        method="PUT", path=_PUSH, name="addDeskPush", summary="Tell a browser of the operator's by web push.",
        handler=add_browser, body=DeskPushBody, status=204, refusals=("conflict",), **_STAFF,
    ),
    Route(
        method="POST", path=_PUSH + "/gone", name="dropDeskPush", summary="Tell a browser no more.",
        handler=drop_browser, body=DeskPushGone, status=204, **_STAFF,
    ),
)  # fmt: skip
