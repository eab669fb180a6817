"""What products tell the queue: items, how they are looked for, and what can be done with them.

A product declares a `Moderated` for each kind of item. It alone knows its tables; the queue knows kinds, numbers,
states and versions.
"""

from __future__ import annotations

import re
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import msgspec
from msgspec import Struct

from cackled.database.query import ReadPreference
from cackled.domain.errors import BadField, NotFound, Unprocessable
from cackled.events import Position

State = Literal["pending", "flagged", "spam", "approved", "rejected", "deleted", "unseen", "all"]
Action = Literal[
    "approve", "reject", "spam", "delete", "thread", "childless", "restore", "hold", "seen", "unflag", "pin", "unpin",
    "feature", "unfeature", "incentivize", "unincentivize", "lock", "unlock", "close", "open", "hush",
]  # fmt: skip
STATES = get_args(State)
_AVATAR = re.compile(r'"avatar":"(/avatar/[\w/-]{1,60})"', re.ASCII)
# What hides an item without saying why by its name.
HIDING = frozenset(("reject", "delete", "thread", "childless"))
ACTIONS = get_args(Action)


class Found(Struct, frozen=True, kw_only=True):
    """What is looked for, understood: `cackled.moderation.search` makes it.

    ``ban`` (kind, value): what a ban of that would be about. ``days``: of so many days. ``after``: newer than that
    item.
    """

    state: State = "all"
    words: str = ""
    phrases: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    visitor: int | None = None
    addresses: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    mark: str = ""
    since: str = ""
    until: str = ""
    ban: tuple[str, str] | None = None
    days: int | None = None
    after: int | None = None


class Mark(Struct, frozen=True, omit_defaults=True):
    """A reason why an item is in the queue: ``mark``; from the spam filter also the score and the words that
    decided.
    """

    mark: str
    score: float | None = None
    words: tuple[str, ...] = ()


class Report(Struct, frozen=True):
    """A visitor's report. Of the ``made`` reports of this visitor, ``agreed`` led to a removal."""

    visitor: str
    reason: str
    at: str
    made: int
    agreed: int


class Author(Struct, frozen=True, omit_defaults=True):
    """The author of an item; ``avatar`` is an address on this server, there where they show a picture."""

    id: str
    name: str
    address: str | None
    avatar: str | None = None


class ItemPage(Struct, frozen=True):
    """The page that an item belongs to."""

    channel: str
    key: str
    url: str
    title: str
    closed: bool


class ItemPicture(Struct, frozen=True):
    """A picture of an item, with addresses that open it for its moderators: ``thumb`` is small, ``url`` large.

    ``waits``: it is in an edit that waits for approval. A photo at another server has no id.
    """

    id: str
    thumb: str
    url: str
    alt: str
    width: int
    height: int
    color: str
    waits: bool = False


class Claim(Struct, frozen=True):
    """Who claimed an item, and until when."""

    by: str
    name: str
    until: str


class Item(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item of the queue.

    ``text`` is its source, ``revision`` an edit that waits for approval; ``facts`` are details of its product.
    ``media`` are its pictures, those of such an edit too.
    """

    id: str
    version: int
    state: str
    product: str
    author: Author
    page: ItemPage
    text: str
    html: str
    created: str
    edited: str | None = None
    parent: str | None = None
    shadow: bool = False
    seen: bool = True
    locked: bool = False
    featured: bool = False
    pinned: bool = False
    replies: int = 0
    flags: int = 0
    up: int = 0
    down: int = 0
    revision: str | None = None
    revision_html: str | None = None
    marks: tuple[Mark, ...] = ()
    reports: tuple[Report, ...] = ()
    claim: Claim | None = None
    media: tuple[ItemPicture, ...] = ()
    facts: dict[str, Any] = {}


class Change(Struct, frozen=True):
    """A line of an item's history; *name* is that of a colleague. *before* and *after* hold a state or a text."""

    at: str
    who: str
    deed: str
    why: str
    before: dict[str, Any]
    after: dict[str, Any]
    name: str = ""


class Detail(Struct, frozen=True):
    """An item with its context and history."""

    item: Item
    parents: tuple[Item, ...]
    siblings: tuple[Item, ...]
    history: tuple[Change, ...]


class Deed(Struct, frozen=True, kw_only=True):
    """What is to be done, by whom, as a part of which action of the log."""

    action: str
    number: int
    who: str
    name: str
    why: str = ""


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of it: ``done``, ``same``, ``conflict``, ``gone``, ``replies``; ``last`` is who did what before."""

    id: int
    outcome: str
    version: int = 0
    state: str = ""
    position: Position | None = None
    last: Change | None = None


class Moderated(Protocol):
    """One product's items of one kind, on one site.

    ``reasons``: what hides an item says one of these first, alone or before a colon; empty: it need not say why.
    """

    actions: frozenset[str]
    product: str
    reasons: tuple[str, ...]

    async def ids(
        self, found: Found, *, before: int | None = None, size: int = 50,
        preference: ReadPreference = ReadPreference.PRIMARY,
    ) -> list[int]:  # fmt: skip
        """The newest that match, by number, older than *before*."""

    async def count(
        self, found: Found, most: int, preference: ReadPreference = ReadPreference.PRIMARY
    ) -> int:
        """How many match, at most *most*."""

    async def items(self, ids: list[int], preference: ReadPreference = ReadPreference.PRIMARY) -> list[Item]:
        """Those items, in that order; what is not there is left out."""

    async def detail(self, id: int) -> Detail:
        """One, with everything.

        Raises:
            NotFound: there is none.
        """

    async def below(self, id: int) -> list[int]:
        """What hangs on it, what hangs on that and so on, the deepest first."""

    async def decide(self, id: int, version: int | None, deed: Deed) -> Outcome:
        """Do it in one transaction, if it still has that version (None: whatever it has)."""

    async def undo(self, id: int, deed: Deed) -> Outcome:
        """Undo what the action ``deed.number`` did to it, if nothing was done since."""

    async def author(self, visitor: int, sections: tuple[str, ...] = ()) -> dict[str, Any]:
        """What is known of an author, from what they wrote in *sections* alone where there are some; empty: nothing."""


@runtime_checkable
class Hushing(Protocol):
    """A product whose visitors vote or report: what those did who are banned unnoticed is counted for nobody else."""

    async def hush(self, ban: int) -> list[Position]:
        """Take what those did whom a ban is about out of the counts; gives where channels stand then."""

    async def unhush(self, ban: int) -> list[Position]:
        """Put it back."""


def avatar_in(extra: str) -> str | None:
    """The picture of an author, of what is kept of them with what they wrote (the database's ``author_extra``)."""
    found = _AVATAR.search(extra)
    return None if found is None else found[1]


def pictures_of(shown: str | None, waiting: str | None = None) -> tuple[ItemPicture, ...]:
    """The pictures that JSON of a product names: those that are shown, then those that only a *waiting* edit has."""
    found = {one.id or one.url: one for one in _read(shown, waits=False)}
    for one in _read(waiting, waits=True):
        found.setdefault(one.id or one.url, one)
    return tuple(found.values())


def _read(text: str | None, *, waits: bool) -> list[ItemPicture]:
    listed: list[dict[str, Any]] = msgspec.json.decode(text) if text else []
    return [
        ItemPicture(
            one.get("id", ""), url, url, one.get("alt", ""), one.get("width", 0), one.get("height", 0),
            one.get("color", ""), waits,
        )
        for one in listed
        if isinstance(one, dict) and isinstance(url := one.get("url") or one.get("link"), str)
    ]  # fmt: skip


def item_id(text: str) -> tuple[str, int]:
    """Kind and number of ``comment:123``.

    Raises:
        BadField: it is no such thing.
    """
    kind, _, number = text.partition(":")
    if not (kind and number.isascii() and number.isdigit() and len(number) < 20 and int(number) < 2**63):
        raise BadField("An item is named as comment:123.", field="items")
    return kind, int(number)


def one_of(kinds: dict[str, Moderated], kind: str) -> Moderated:
    """The items of a kind.

    Raises:
        NotFound: there is no such kind.
    """
    found = kinds.get(kind)
    if found is None:
        raise NotFound(f"There are no items of kind {kind[:20]}.", field="items")
    return found


def check_reason(kinds: Moderated, action: str, why: str) -> None:
    """See that what hides an item gives a reason where its product asks for one.

    Raises:
        Unprocessable: it gives none.
    """
    if action in HIDING and kinds.reasons and why.partition(":")[0].strip() not in kinds.reasons:
        raise Unprocessable(f"Say why: one of {', '.join(kinds.reasons)}.", field="why", slug="reason")
