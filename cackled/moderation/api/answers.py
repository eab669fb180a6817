"""What the routes of the queue take and give."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from cackled.api.answers import Count
from cackled.moderation.authors import Note, Warning_
from cackled.moderation.collisions import Collision
from cackled.moderation.items import Claim, Item, State
from cackled.moderation.queue import ActionRow

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
    """Filters and cursor of the queue."""

    cursor: Annotated[str, Meta(max_length=20)] = ""
    size: Annotated[int, Meta(ge=1, le=100)] = 50


class CountQuery(FoundQuery, frozen=True):
    """Filters of a count."""

    newer: Annotated[str, Meta(max_length=60, description="Than the item of this number: comment:123.")] = ""


class ItemsAnswer(Struct, frozen=True):
    """Items, newest first."""

    items: tuple[Item, ...]
    cursor: str | None


class CountAnswer(Struct, frozen=True):
    """The number of matching items. ``more``: there are more than were counted."""

    count: Count
    more: bool


class FilterBody(Struct):
    """A filter of items."""

    state: State = "pending"
    product: Annotated[str, Meta(max_length=40)] = ""
    q: Annotated[str, Meta(max_length=400)] = ""
    author: Annotated[str, Meta(max_length=100)] = ""
    ip: Annotated[str, Meta(max_length=60)] = ""
    channel: Annotated[str, Meta(max_length=500)] = ""
    mark: Annotated[str, Meta(max_length=40)] = ""


class ActionBody(Struct):
    """The action, for ``items`` or for everything that ``filter`` matches.

    ``versions``: the versions that the moderator saw.
    """

    action: Annotated[str, Meta(max_length=40)]
    items: Annotated[list[str], Meta(max_length=500)] = []
    filter: FilterBody | None = None
    versions: Annotated[dict[str, Annotated[int, Meta(ge=0, lt=2**31)]], Meta(max_length=500)] = {}
    why: Text = ""


class DecidedAnswer(Struct, frozen=True):
    """The result of an action. ``state`` is ``running`` where it continues in the background."""

    id: str
    done: tuple[str, ...]
    failed: tuple[Collision, ...] = ()
    state: str = "done"
    total: int = 0


class ActionsQuery(Struct, frozen=True):
    """Filters and cursor of actions."""

    before: Annotated[str, Meta(max_length=20)] = ""
    mine: Annotated[int, Meta(ge=0, le=1)] = 0
    size: Annotated[int, Meta(ge=1, le=100)] = 50


class ActionsAnswer(Struct, frozen=True):
    """Actions, newest first."""

    actions: list[ActionRow]


class ClaimBody(Struct):
    """How many seconds the claim lasts."""

    seconds: Annotated[int, Meta(ge=10, le=900)] = 120


class ClaimAnswer(Struct, frozen=True):
    """Who holds the claim."""

    claim: Claim | None


class AuthorAnswer(Struct, frozen=True):
    """What is known about an author."""

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
    picture: Annotated[str | None, Meta(description="The address of a picture that they uploaded.")] = None


class WarningsAnswer(Struct, frozen=True):
    """Unread warnings."""

    warnings: list[Warning_]


class NoteBody(Struct):
    """The text of a note or warning."""

    text: Text


class Made(Struct, frozen=True):
    """The id of what was created."""

    id: str


class BanBody(Struct):
    """A ban.

    It ends at ``until`` (a time) or after ``days``; with neither it does not end. ``take``: the action for what the
    banned wrote in the last ``take_days``.
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
    """The ban to preview."""

    kind: str
    value: Annotated[str, Meta(max_length=200)]
    days: Annotated[int, Meta(ge=1, le=365)] = 30


class BansQuery(Struct, frozen=True):
    """Filters and cursor of bans."""

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
    """Bans, newest first."""

    bans: list[BanRow]


class BanPreview(Struct, frozen=True):
    """How many items a ban would affect in so many days, and under which names."""

    count: Count
    days: int
    names: list[str]


class BannedAnswer(Struct, frozen=True):
    """The id of the ban, and of the action on what the banned wrote."""

    id: str
    action: str | None
    total: int


class LiftQuery(Struct, frozen=True):
    """``restore``: also restore what the ban removed."""

    restore: Annotated[int, Meta(ge=0, le=1)] = 0


class LiftedAnswer(Struct, frozen=True):
    """What was restored."""

    restored: tuple[str, ...]
    state: str
