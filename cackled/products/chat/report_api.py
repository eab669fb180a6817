"""The routes of the live board and of reports."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from cackled.api.answers import Id
from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.domain.channels import parse_id
from cackled.domain.errors import BadField
from cackled.products.chat.invitations import Invitations
from cackled.products.chat.report import Report, Reports, table
from cackled.transport.response import Response

MOST_DAYS = 400


class BoardOperator(Struct, frozen=True):
    """An operator. ``waiting``: conversations of theirs that wait for an answer; ``longest``: seconds of one.

    ``avatar`` is the address of their picture on this server, or ``""``.
    """

    id: str
    name: str
    state: str
    avatar: str
    capacity: int
    chats: int
    waiting: int
    longest: int | None


class BoardDepartment(Struct, frozen=True):
    """A department, how many wait there, and for how many seconds the first has."""

    id: Id
    name: str
    waiting: int
    longest: int | None


class Board(Struct, frozen=True):
    """How it stands at this moment; times in seconds."""

    waiting: int
    longest: int | None
    open: int
    operators: list[BoardOperator]
    departments: list[BoardDepartment]


class ReportQuery(Struct, frozen=True):
    """Of which days, and how. Without days: the last 30."""

    from_: Annotated[str, Meta(max_length=30, description="A date (UTC) or a time.")] = msgspec.field(
        default="", name="from"
    )
    to: Annotated[str, Meta(max_length=30, description="A date, which is within the span, or a time.")] = ""
    department: Annotated[str, Meta(max_length=20, description="Conversations of this department alone.")] = ""


def moment(words: str, field: str, *, last: bool = False) -> float:
    """A date or a time as seconds since 1970. *last*: of a date, its end.

    Raises:
        BadField: it is neither.
    """
    try:
        if len(words) == 10:
            day = datetime.combine(datetime.fromisoformat(words).date(), time(), UTC)
            return (day + timedelta(1) if last else day).timestamp()
        found = datetime.fromisoformat(words)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        if not 1970 < found.year < 9000:
            raise ValueError(words)
        return found.timestamp()
    except (ValueError, OverflowError):
        raise BadField(f"{field} is a date such as 2026-12-25.", field=field) from None


async def get_board(call: Call) -> bytes:
    """Get who waits and who answers at this moment."""
    return (await call.service(Reports).board()).encode()


async def get_report(call: Call) -> Report:
    """Get figures of the conversations that began in a span of days."""
    query: ReportQuery = call.query
    ends = moment(query.to, "to", last=True) if query.to else datetime.now(UTC).timestamp()
    begins = moment(query.from_, "from") if query.from_ else ends - 30 * 86_400
    if not 0 < ends - begins <= MOST_DAYS * 86_400:
        raise BadField(f"from comes before to, by at most {MOST_DAYS} days.", field="from")
    department = parse_id(query.department, "department") if query.department else 0
    made = await call.service(Reports).report(begins, ends, department)
    return replace(made, invitations=await call.service(Invitations).figures(begins, ends))


async def export_report(call: Call) -> Response:
    """Export figures of the conversations of a span of days as CSV."""
    return Response(
        200,
        [
            (b"content-type", b"text/csv; charset=utf-8"),
            (b"content-disposition", b'attachment; filename="chat-report.csv"'),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ],
        table(await get_report(call)).encode(),
    )


_STAFF: dict[str, Any] = {"caller": Caller.STAFF, "role": "operator", "limit": "chat.staff", "scope": "read"}

ROUTES = (
    Route(
        method="GET", path="/sites/{site}/chats/board", name="getChatBoard",
        summary="Get who waits and who answers at this moment.", handler=get_board, answer=Board, **_STAFF,
    ),
    Route(
        method="GET", path="/sites/{site}/chats/report", name="getChatReport",
        summary="Get figures of the conversations that began in a span of days.",
        handler=get_report, query=ReportQuery, answer=Report, **_STAFF,
    ),
    Route(
        method="GET", path="/sites/{site}/chats/report/csv", name="exportChatReport",
        summary="Export figures of the conversations of a span of days as CSV.",
        handler=export_report, query=ReportQuery, answer=str, media="text/csv", **_STAFF,
    ),
)  # fmt: skip
