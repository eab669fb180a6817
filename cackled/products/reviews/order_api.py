"""The routes of orders and requests: for a site's server and staff, and for who opens the link of a mail."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from cackled.api.answers import Count, Id, Time
from cackled.api.calls import Call, header
from cackled.api.route import Caller, Route
from cackled.domain.channels import parse_id
from cackled.domain.staff import everywhere
from cackled.languages import accepted
from cackled.products.reviews.answers import Nothing
from cackled.products.reviews.mail import WORDS, stop_page
from cackled.products.reviews.orders import FileNoted, Noted, Order, Orders, RequestFigures
from cackled.transport.response import Response

State = Literal["waiting", "sent", "reminded", "opened", "answered", "stopped", "failed"]


class TokenBody(Struct):
    """The token of an order link."""

    token: Annotated[str, Meta(max_length=4_000)]


class OrderedProduct(Struct, frozen=True):
    """A product of an order. ``used``: it was already reviewed with this link."""

    key: str
    url: str
    title: str
    used: bool


class OrderTold(Struct, frozen=True):
    """What an order link allows."""

    order: str
    name: str
    language: str
    products: list[OrderedProduct]
    expires: Time


class FileBody(Struct):
    """A CSV file of orders."""

    csv: Annotated[str, Meta(max_length=2_000_000)]


class RequestsQuery(Struct, frozen=True):
    """Filters and cursor of review requests."""

    state: Annotated[State | Literal[""], Meta(description="Empty: all.")] = ""
    size: Annotated[int, Meta(ge=1, le=200)] = 50
    before: Annotated[str, Meta(description="Of orders with lower ids.")] = ""


class RequestRow(Struct, frozen=True):
    """A review request. The address is masked."""

    id: Id
    order: str
    email: str
    state: State
    due: Time
    sent: Time | None
    reminded: Time | None
    opened: Time | None
    answered: Time | None
    note: str


class RequestsAnswer(Struct, frozen=True):
    """Review requests, newest order first, their number in each state, and what became of those sent."""

    requests: list[RequestRow]
    counts: dict[str, Count]
    figures: RequestFigures
    before: str | None


class BlocksQuery(Struct, frozen=True):
    """Cursor of the block list."""

    offset: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class BlockBody(Struct):
    """A mail address."""

    email: Annotated[str, Meta(max_length=250)]


class Blocked(Struct, frozen=True):
    """A blocked address, masked."""

    email: str
    why: str
    since: Time


class BlockList(Struct, frozen=True):
    """Blocked addresses, at most a thousand."""

    blocked: list[Blocked]


async def open_order(call: Call) -> Any:
    """Get what an order link allows: the products that can be reviewed with it."""
    return await call.service(Orders).told(call.body.token)


class StopQuery(Struct, frozen=True):
    """The signed values of the link in a review request. The name ``token`` is taken by the site's grants."""

    stop: Annotated[str, Meta(max_length=1_000)] = ""


def _page(call: Call, *, done: bool) -> Response:
    words = WORDS.words(accepted(header(call.request, "accept-language"), call.site.settings.language))
    return Response(
        200,
        [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ],
        stop_page(words, done=done),
    )


async def ask_to_stop(call: Call) -> Response:
    """Show the page on which a buyer stops review requests. Opening it changes nothing, as machines scan mail."""
    return _page(call, done=False)


async def stop(call: Call) -> Response:
    """Stop review requests to the recipient of the link (RFC 8058)."""
    await call.service(Orders).unsubscribe(call.query.stop)
    return _page(call, done=True)


async def note_order(call: Call) -> Any:
    """Register an order. The answer has the token with which its buyer writes reviews."""
    everywhere(call.colleague)
    return await call.service(Orders).note(call.body)


async def note_file(call: Call) -> Any:
    """Register the orders of a CSV file."""
    everywhere(call.colleague)
    return await call.service(Orders).note_file(call.body.csv)


async def list_requests(call: Call) -> Any:
    """List review requests."""
    everywhere(call.colleague)
    query: RequestsQuery = call.query
    before = parse_id(query.before, "before") if query.before else None
    found, counts, figures = await call.service(Orders).requests(query.state, before, query.size)
    last = found[-1]["id"] if len(found) == query.size else None
    return {"requests": found, "counts": counts, "figures": figures, "before": last}


async def stop_request(call: Call) -> Any:
    """Cancel the review request of an order."""
    everywhere(call.colleague)
    await call.service(Orders).stop(call.number("order"))
    return Nothing()


async def list_blocked(call: Call) -> Any:
    """List the addresses that get no review requests."""
    everywhere(call.colleague)
    return BlockList([Blocked(*row) for row in await call.service(Orders).blocked(call.query.offset)])


async def block(call: Call) -> Any:
    """Add an address to the block list of review requests."""
    everywhere(call.colleague)
    await call.service(Orders).block(call.body.email)
    return Nothing()


async def unblock(call: Call) -> Any:
    """Remove an address from the block list of review requests."""
    everywhere(call.colleague)
    await call.service(Orders).unblock(call.body.email)
    return Nothing()


_ALL = "/sites/{site}/reviews"
_STAFF: dict[str, Any] = {"caller": Caller.STAFF, "role": "moderator", "scope": "moderate", "limit": "reviews.staff"}
ROUTES = (
    Route(
        method="POST", path=_ALL + "/order", name="openOrder",
        summary="Get what an order link allows: the products that can be reviewed with it.",
        handler=open_order, body=TokenBody, answer=OrderTold, limit="reviews.order", refusals=("order-token",),
    ),
    Route(
        method="GET", path=_ALL + "/unsubscribe", name="askToStopRequests",
        summary="Show the page on which a buyer stops review requests.",
        handler=ask_to_stop, query=StopQuery, answer=str,
        media="text/html", limit="reviews.order",
    ),
    Route(
        method="POST", path=_ALL + "/unsubscribe", name="stopRequests",
        summary="Stop review requests to the recipient of the link (RFC 8058).",
        handler=stop, query=StopQuery, answer=str,
        media="text/html", limit="reviews.order", refusals=("order-token",),
    ),
    Route(
        method="POST", path=_ALL + "/orders", name="noteOrder",
        summary="Register an order. The answer has the token with which its buyer writes reviews.",
        handler=note_order, body=Order, answer=Noted, status=201, refusals=("section",), **_STAFF,
    ),
    Route(
        method="POST", path=_ALL + "/orders/csv", name="noteOrders", summary="Register the orders of a CSV file.",
        handler=note_file, body=FileBody, answer=FileNoted, refusals=("section",), **_STAFF,
    ),
    Route(
        method="GET", path=_ALL + "/requests", name="listReviewRequests", summary="List review requests.",
        handler=list_requests, query=RequestsQuery, answer=RequestsAnswer, refusals=("section",), **_STAFF,
    ),
    Route(
        method="DELETE", path=_ALL + "/requests/{order}", name="stopReviewRequest",
        summary="Cancel the review request of an order.",
        handler=stop_request, answer=Nothing, refusals=("section",), **_STAFF,
    ),
    Route(
        method="GET", path=_ALL + "/blocklist", name="listReviewBlocks",
        summary="List the addresses that get no review requests.",
        handler=list_blocked, query=BlocksQuery, answer=BlockList, refusals=("section",), **_STAFF,
    ),
    Route(
        method="POST", path=_ALL + "/blocklist", name="blockReviewMail",
        summary="Add an address to the block list of review requests.",
        handler=block, body=BlockBody, answer=Nothing, status=201, refusals=("section",), **_STAFF,
    ),
    Route(
        method="POST", path=_ALL + "/blocklist/remove", name="unblockReviewMail",
        summary="Remove an address from the block list of review requests.",
        handler=unblock, body=BlockBody, answer=Nothing, refusals=("section",), **_STAFF,
    ),
)  # fmt: skip
