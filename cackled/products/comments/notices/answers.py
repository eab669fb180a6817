"""What the API of notices takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from cackled.api.answers import Count, Id, PositionText
from cackled.languages import Language
from cackled.products.comments.answers import Comment

Hour = Annotated[int, Meta(ge=0, le=23)]
Digest = Literal["off", "soon", "hourly", "daily"]
EMAIL = r"^[^\s@<>(),;:\\\"\[\]\x00-\x1f\x7f]+@[^\s@<>(),;:\\\"\[\]\x00-\x1f\x7f]+$"
Base64Url = Annotated[str, Meta(max_length=200, pattern=r"^[A-Za-z0-9_-]+=*$")]


class NoticesQuery(Struct, frozen=True):
    """Cursor of notifications."""

    size: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Annotated[str, Meta(description="From the page before.")] = ""


class NoticeAnswer(Struct, frozen=True):
    """A notification about a comment."""

    id: Id
    reason: Literal["reply", "conversation", "person", "mention"]
    key: str
    title: str
    permalink: Annotated[str, Meta(description="Its place on the site's page; empty where that is not known.")]
    read: bool
    comment: Comment


class NoticesAnswer(Struct, frozen=True):
    """Notifications, newest first."""

    unread: Annotated[Count, Meta(description="100: or more.")]
    live: Annotated[PositionText | None, Meta(description="Where their pages listen for notice.created.")]
    notices: list[NoticeAnswer]
    cursor: Id | None


class ReadBody(Struct):
    """The last notification that was read."""

    upto: Id


class FollowedAnswer(Struct, frozen=True):
    """One thing that is followed."""

    kind: Literal["conversation", "person"]
    id: Id
    name: str
    url: str
    key: str


class FollowsAnswer(Struct, frozen=True):
    """What the visitor follows."""

    follows: list[FollowedAnswer]


class FollowBody(Struct):
    """The language of mail, and the key of the conversation where nobody has written yet."""

    language: Language | UnsetType = UNSET


class SettingsAnswer(Struct, frozen=True):
    """Notification settings."""

    email: str
    state: Literal["none", "asked", "confirmed", "bounced", "complained"]
    digest: Digest
    replies: Annotated[bool, Meta(description="Whether answers to oneself are told of.")]
    language: Language
    zone: Annotated[str, Meta(description="An IANA time zone.")]
    quiet: Annotated[list[Hour], Meta(min_length=2, max_length=2, description="No letters from, to; the same: always.")]
    push: Annotated[str, Meta(description="The public key for push; empty: this server can't.")]
    mail: Annotated[bool, Meta(description="Whether this server sends mail.")]
    page: Annotated[str, Meta(description="A page with all settings and what is followed; the link works for an hour.")]


class SettingsBody(Struct):
    """The notification settings to change."""

    email: Annotated[str, Meta(max_length=250, pattern=rf"^$|{EMAIL}")] | UnsetType = UNSET
    digest: Digest | UnsetType = UNSET
    replies: bool | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    zone: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")] | UnsetType = UNSET
    quiet: Annotated[list[Hour], Meta(min_length=2, max_length=2)] | UnsetType = UNSET


class PushKeys(Struct):
    """The keys of a push subscription (RFC 8291)."""

    p256dh: Base64Url
    auth: Base64Url


class PushBody(Struct):
    """A browser's push subscription, as ``PushSubscription.toJSON()`` gives it."""

    endpoint: Annotated[str, Meta(max_length=1_000, pattern=r"^https?://[!-~]+$")]
    keys: PushKeys


class PushGoneBody(Struct):
    """The address of the push subscription to end."""

    endpoint: Annotated[str, Meta(max_length=1_000)]


class NoticeTold(Struct, frozen=True):
    """How many notices are not read now."""

    unread: Count
