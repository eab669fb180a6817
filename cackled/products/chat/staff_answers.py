"""What operators' calls of the chat API take and give, as Structs."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from cackled.api.answers import Id
from cackled.products.chat.answers import Row, Text
from cackled.products.chat.hours import Hours


class DepartmentSetup(Struct, frozen=True):
    """A department. ``hours``: null for those of the site; ``skills``: what its operators have to know; ``version``:
    its ETag."""

    id: Id
    name: str
    hours: Hours | None
    skills: list[str]
    version: int


class ListQuery(Struct, frozen=True):
    """Which conversations."""

    state: Literal["waiting", "mine", "open", "offline", "closed", "snoozed", "spam", "all"] = "all"
    q: Annotated[str, Meta(max_length=100, description="Part of a name, a mail address or a message.")] = ""
    department: Annotated[str, Meta(max_length=20, description="Conversations of this department.")] = ""
    label: Annotated[str, Meta(max_length=40, description="Conversations with this label.")] = ""
    cursor: Annotated[str, Meta(max_length=60, description="From the page before.")] = ""
    size: Annotated[int, Meta(ge=1, le=100)] = 50


class ChatCounts(Struct, frozen=True):
    """How many conversations there are."""

    waiting: int
    mine: int
    open: int


class Chats(Struct, frozen=True):
    """Conversations, the latest changed first (those that wait: the longest waiting first)."""

    chats: list[Row]
    cursor: str
    counts: ChatCounts


class TransferBody(Struct, frozen=True):
    """Whom to hand a conversation to: an operator, or a department's queue."""

    member: Annotated[str, Meta(max_length=30)] = ""
    department: Annotated[str, Meta(max_length=20)] = ""
    note: Text = ""


class TakeBody(Struct, frozen=True):
    """``over``: take it from a colleague."""

    over: bool = False


class MemberBody(Struct, frozen=True):
    """An operator."""

    member: Annotated[str, Meta(min_length=1, max_length=30)]


class BlockBody(Struct, frozen=True):
    """By what to ban the visitor, and for how many seconds (null: for good)."""

    kinds: Annotated[list[Literal["visitor", "address", "mail"]], Meta(min_length=1, max_length=3)]
    seconds: Annotated[int, Meta(ge=60, le=315_360_000)] | None = None


class SnoozeBody(Struct, frozen=True):
    """For how many seconds to put a conversation aside."""

    seconds: Annotated[int, Meta(ge=60, le=31_536_000)]


class LabelsBody(Struct, frozen=True):
    """All labels of a conversation."""

    labels: Annotated[list[Annotated[str, Meta(min_length=1, max_length=40)]], Meta(max_length=20)]


class DeskBody(Struct, frozen=True):
    """The operator's own state. Members that are left out stay."""

    state: Literal["online", "away", "invisible"] | None = None
    capacity: Annotated[int, Meta(ge=0, le=100)] | None = None
    departments: Annotated[list[Annotated[str, Meta(max_length=20)]], Meta(max_length=100)] | None = None
    languages: Annotated[list[Annotated[str, Meta(max_length=20)]], Meta(max_length=50)] | None = None
    skills: Annotated[list[Annotated[str, Meta(max_length=40)]], Meta(max_length=50)] | None = None


class Desk(Struct, frozen=True):
    """An operator at their desk.

    ``chats``: how many open conversations they have; ``chosen``: they chose a state themselves;
    ``avatar``: the address of their picture on this server, or ``""``.
    """

    id: str
    name: str
    state: str
    capacity: int
    departments: list[str]
    languages: list[str]
    skills: list[str]
    chosen: bool
    chats: int
    avatar: str = ""


class DeskAnswer(Struct, frozen=True):
    """The caller's desk, and those of colleagues. ``translate``: whether the site has a translator."""

    me: Desk
    colleagues: list[Desk]
    departments: list[DepartmentSetup]
    translate: bool


class BeatBody(Struct, frozen=True):
    """Which conversation the operator is looking at."""

    viewing: Annotated[str, Meta(max_length=20)] | None = None


class BeatAnswer(Struct, frozen=True):
    """The operator's state, and where their live channel stood before this call (0: there is none yet).

    ``token``: as of the live channel, a newer one; ``""`` where there is no channel yet.
    """

    state: str
    seq: int
    token: str = ""


class LivePlace(Struct, frozen=True):
    """The operators' live channel. With ``token`` the caller listens there and in conversations, for some minutes."""

    position: str
    token: str


class DepartmentBody(Struct, frozen=True):
    """A department. ``hours``: null for those of the site. Members that are left out stay, in a change."""

    name: Annotated[str, Meta(min_length=1, max_length=60)]
    hours: Hours | UnsetType | None = UNSET
    skills: Annotated[list[Annotated[str, Meta(max_length=40)]], Meta(max_length=20)] | UnsetType = UNSET


class DepartmentsAnswer(Struct, frozen=True):
    """The site's departments."""

    departments: list[DepartmentSetup]
