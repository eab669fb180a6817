"""What was in the way of a decision: an item that a colleague changed meanwhile, is gone, or has answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import Conflict
from cackled.moderation.items import Change, Outcome

SELECT_COLLEAGUES = Query(
    "select_colleagues",
    """
    select 'account:' || a.id, coalesce(nullif(a.name, ''), split_part(a.email, '@', 1))
    from catalog.account a where a.id = any($2)
    union all select 'key:' || k.id, k.name from catalog.site_key k where k.site_id = $1 and k.id = any($3)
    """,
    ("int", "bigint[]", "bigint[]"),
)


class Collision(Struct, frozen=True):
    """An item that changed since the moderator saw it: its present state, and who (``by``, ``name``) did what to it."""

    item: str
    reason: Literal["conflict", "gone", "replies"]
    version: int
    state: str
    by: str = ""
    deed: str = ""
    at: str = ""
    name: str = ""


_WORDS = {
    "conflict": "It was changed since you looked at it.",
    "gone": "It is not there any more, or its text was forgotten.",
    "replies": "It has answers.",
}


def collision(item: str, outcome: Outcome) -> Collision:
    """What was in the way of *outcome*."""
    last: Change | None = outcome.last
    reason: Any = outcome.outcome
    if last is None:
        return Collision(item, reason, outcome.version, outcome.state)
    return Collision(item, reason, outcome.version, outcome.state, last.who, last.deed, last.at)


def happened(failed: Sequence[Collision]) -> Conflict:
    """The refusal of a decision of which nothing could be done; it says of each item why."""
    first = failed[0]
    made = Conflict(_WORDS[first.reason], slug="changed" if first.reason == "conflict" else first.reason)
    made.extra = {
        "item": first.item, "state": first.state, "version": str(first.version), "by": first.by, "deed": first.deed,
        "at": first.at, "name": first.name, "failed": msgspec.to_builtins(failed),
    }  # fmt: skip
    return made


async def colleagues(database: Database, site: int, actors: Iterable[str]) -> dict[str, str]:
    """The names of those of *actors* (``account:7``, ``key:3``) that there are still."""
    numbers: dict[str, set[int]] = {"account": set(), "key": set()}
    for actor in actors:
        kind, _, number = actor.partition(":")
        if kind in numbers and number.isascii() and number.isdigit():
            numbers[kind].add(int(number))
    if not numbers["account"] and not numbers["key"]:
        return {}
    rows = await database.system.read(
        SELECT_COLLEAGUES, site, sorted(numbers["account"]), sorted(numbers["key"]), preference=ReadPreference.NEAREST
    )
    return dict(rows.rows)


async def named(database: Database, site: int, failed: Iterable[Collision]) -> list[Collision]:
    """*failed*, with the names of those who were first."""
    failed = list(failed)
    names = await colleagues(database, site, (one.by for one in failed))
    return [replace(one, name=names.get(one.by, "")) for one in failed]
