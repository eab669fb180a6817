"""What the routes of the queue take and give."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from cackled.api.answers import Count
from cackled.moderation.authors import Note, Warning_
from cackled.moderation.items import Claim, Item, State
from cackled.moderation.queue import ActionRow, Collision

ItemName = Annotated[str, Meta(pattern="^[a-z]+:[0-9]{1,19}$", description="comment:123")]
Text = Annotated[str, Meta(max_length=1_000)]


class FoundQuery(Struct, frozen=True):
    """What is looked for."""

    state: State = "pending"
    product: Annotated[str, Meta(max_length=40)] = ""
    q: Annotated[
        str,
        Meta(max_length=400, description='Words, "a phrase", author:, page:, ip:, mark:, on:, since:, until:.'),
    ] = ""
    author: Annotated[str, Meta(max_length=100, description="A visitor's number, or a name.")] = ""
    ip: Annotated[str, Meta(max_length=60, description="An address, or a network.")] = ""
    channel: Annotated[str, Meta(max_length=500, description="A channel's key, or the address of a page.")] = ""
    mark: Annotated[str, Meta(max_length=40, description="Why it is here.")] = ""


class ItemsQuery(FoundQuery, frozen=True):
    """A page of what is looked for."""

    cursor: Annotated[str, Meta(max_length=20)] = ""
    size: Annotated[int, Meta(ge=1, le=100)] = 50


class CountQuery(FoundQuery, frozen=True):
    """How many there are."""

    newer: Annotated[str, Meta(max_length=20, description="Than the item of this number: comment:123.")] = ""


class ItemsAnswer(Struct, frozen=True):
    """Items, the newest first."""

    items: tuple[Item, ...]
    cursor: str | None


class CountAnswer(Struct, frozen=True):
    """How many match; ``more``: there are more than were counted."""

    count: Count
    more: bool


class FilterBody(Struct):
    """All that matches."""

    state: State = "pending"
    product: Annotated[str, Meta(max_length=40)] = ""
    q: Annotated[str, Meta(max_length=400)] = ""
    author: Annotated[str, Meta(max_length=100)] = ""
    ip: Annotated[str, Meta(max_length=60)] = ""
    channel: Annotated[str, Meta(max_length=500)] = ""
    mark: Annotated[str, Meta(max_length=40)] = ""


class ActionBody(Struct):
    """What to do, to ``items`` or to all that ``filter`` matches; ``versions``: as what they were seen."""

    action: Annotated[str, Meta(max_length=40)]
    items: Annotated[list[str], Meta(max_length=500)] = []
    filter: FilterBody | None = None
    versions: Annotated[dict[str, Annotated[int, Meta(ge=0, lt=2**31)]], Meta(max_length=500)] = {}
    why: Text = ""


class DecidedAnswer(Struct, frozen=True):
    """What was done; ``state`` is ``running`` where it goes on in the background."""

    id: str
    done: tuple[str, ...]
    failed: tuple[Collision, ...] = ()
    state: str = "done"
    total: int = 0


class ActionsQuery(Struct, frozen=True):
    """Which actions: those before one, ``mine``."""

    before: Annotated[str, Meta(max_length=20)] = ""
    mine: Annotated[int, Meta(ge=0, le=1)] = 0
    size: Annotated[int, Meta(ge=1, le=100)] = 50


class ActionsAnswer(Struct, frozen=True):
    """Actions, the newest first."""

    actions: list[ActionRow]


class ClaimBody(Struct):
    """For how many seconds."""

    seconds: Annotated[int, Meta(ge=10, le=900)] = 120


class ClaimAnswer(Struct, frozen=True):
    """Who is at it."""

    claim: Claim | None


class AuthorAnswer(Struct, frozen=True):
    """What is known of an author."""

    id: str
    name: str
    first_seen: str
    last_seen: str
    first_address: str | None
    address: str | None
    counts: dict[str, int]
    other_names: list[str]
    trust: Annotated[int, Meta(ge=0, le=100)]
    notes: list[Note]
    warnings: list[Warning_]
    bans: list[dict[str, Any]]


class WarningsAnswer(Struct, frozen=True):
    """What an author has to read."""

    warnings: list[Warning_]


class NoteBody(Struct):
    """What to note, or to tell."""

    text: Text


class Made(Struct, frozen=True):
    """Its number."""

    id: str


class BanBody(Struct):
    """Whom to ban; ``until``: a time, ``days``: so many from now, neither: until it is lifted.

    ``take``: what to do with what they wrote in the last ``take_days``.
    """

    kind: str
    value: Annotated[str, Meta(max_length=200)]
    until: str | None = None
    days: Annotated[float, Meta(gt=0, le=36_500)] | None = None
    shadow: bool = False
    note: Text = ""
    take: Literal["reject", "spam", "delete"] | None = None
    take_days: Annotated[int, Meta(ge=1, le=365)] = 30


class BanQuery(Struct, frozen=True):
    """What a ban would be about."""

    kind: str
    value: Annotated[str, Meta(max_length=200)]
    days: Annotated[int, Meta(ge=1, le=365)] = 30


class BansQuery(Struct, frozen=True):
    """Which bans."""

    q: Annotated[str, Meta(max_length=100)] = ""
    before: Annotated[str, Meta(max_length=20)] = ""


class BanRow(Struct, frozen=True):
    """A ban; times as text, in UTC."""

    id: str
    kind: str
    value: str
    until: str | None
    shadow: bool
    note: str
    by: str
    created: str


class BansAnswer(Struct, frozen=True):
    """Bans, the newest first."""

    bans: list[BanRow]


class BanPreview(Struct, frozen=True):
    """How much somebody wrote who is to be banned, in so many days, under which names."""

    count: Count
    days: int
    names: list[str]


class BannedAnswer(Struct, frozen=True):
    """The ban's number, and that of the action that takes along what they wrote."""

    id: str
    action: str | None
    total: int


class LiftQuery(Struct, frozen=True):
    """``restore``: with what it took along."""

    restore: Annotated[int, Meta(ge=0, le=1)] = 0


class LiftedAnswer(Struct, frozen=True):
    """What came back."""

    restored: tuple[str, ...]
    state: str
