"""The routes of bans."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.clock import wall_time
from cackled.database.query import ReadPreference
from cackled.domain.bans import Bans
from cackled.domain.channels import parse_id
from cackled.domain.errors import BadField
from cackled.moderation.api.answers import (
    BanBody,
    BannedAnswer,
    BanPreview,
    BanQuery,
    BanRow,
    BansAnswer,
    BansQuery,
    LiftedAnswer,
    LiftQuery,
)
from cackled.moderation.banning import Banning

DAY = 86_400.0
# As many as the member days may hold: about a hundred years.
LONGEST_DAYS = 36_500


def until_of(body: BanBody) -> float | None:
    """When a ban ends, in seconds since 1970.

    Raises:
        BadField: it is no time, or over already.
    """
    if body.until is None:
        return None if body.days is None else wall_time() + body.days * DAY
    try:
        end = datetime.fromisoformat(body.until)
    except ValueError:
        raise BadField("A time is written as 2026-11-29T12:00:00Z.", field="until") from None
    made = end.replace(tzinfo=end.tzinfo or UTC).timestamp()
    if made <= wall_time():
        raise BadField("That time is over.", field="until")
    if made > wall_time() + LONGEST_DAYS * DAY:
        raise BadField(f"A ban ends within {LONGEST_DAYS} days, or not at all.", field="until")
    return made


async def list_bans(call: Call) -> Any:
    """List the bans in force."""
    query: BansQuery = call.query
    before = parse_id(query.before, "before") if query.before else None
    found = await call.service(Bans).bans(
        call.reading.options.preference, before=before, search=query.q.strip(), most=100
    )
    return BansAnswer([
        BanRow(str(one.id), one.kind, one.value, one.until, one.shadow, one.note, one.who, one.created) for one in found
    ])  # fmt: skip


async def preview(call: Call) -> Any:
    """Preview how many items a ban would affect."""
    query: BanQuery = call.query
    found = await call.service(Banning).preview(query.kind, query.value, query.days)
    return BanPreview(found.count, found.days, found.names)


async def add_ban(call: Call) -> Any:
    """Create a ban, optionally acting on what the banned wrote."""
    sent: BanBody = call.body
    made = await call.service(Banning).ban(
        call.colleague, sent.kind, sent.value, until_of(sent), shadow=sent.shadow, note=sent.note,
        take=sent.take or "", days=sent.take_days,
    )  # fmt: skip
    return BannedAnswer(str(made.ban), None if made.action is None else str(made.action), made.total)


async def lift_ban(call: Call) -> Any:
    """Lift a ban, optionally restoring what it removed."""
    query: LiftQuery = call.query
    done, more = await call.service(Banning).lift(call.colleague, call.number("ban"), restore=bool(query.restore))
    return LiftedAnswer(tuple(done), "undoing" if more else "done")


# A ban holds on the whole site, and its list names addresses of the whole site.
_STAFF: dict[str, Any] = {
    "caller": Caller.STAFF, "role": "moderator", "scope": "moderate", "limit": "", "whole": True,
}  # fmt: skip
ROUTES = (
    Route(
        method="GET", path="/sites/{site}/bans", name="listBans", summary="List the bans in force.",
        handler=list_bans, query=BansQuery, answer=BansAnswer, preference=ReadPreference.PRIMARY, **_STAFF,
    ),
    Route(
        method="GET", path="/sites/{site}/bans/preview", name="previewBan",
        summary="Preview how many items a ban would affect.",
        handler=preview, query=BanQuery, answer=BanPreview, **_STAFF,
    ),
    Route(
        method="POST", path="/sites/{site}/bans", name="addBan",
        summary="Create a ban, optionally acting on what the banned wrote.",
        handler=add_ban, body=BanBody, answer=BannedAnswer, status=201, **_STAFF,
    ),
    Route(
        method="DELETE", path="/sites/{site}/bans/{ban}", name="liftBan",
        summary="Lift a ban, optionally restoring what it removed.",
        handler=lift_ban, query=LiftQuery, answer=LiftedAnswer, refusals=("state",), **_STAFF,
    ),
)  # fmt: skip
