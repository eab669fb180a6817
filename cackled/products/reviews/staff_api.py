"""The routes of reviews for a site's staff. None changes what a visitor wrote, nor their stars."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from cackled.api.answers import Count, Id, Time
from cackled.api.calls import Call
from cackled.api.own_address import own_address
from cackled.api.route import Caller, Route
from cackled.domain.channels import parse_id
from cackled.domain.staff import everywhere
from cackled.products.reviews import answers
from cackled.products.reviews.answers import CriterionMean
from cackled.products.reviews.api import written_json
from cackled.products.reviews.figures import Figures
from cackled.products.reviews.ratings_feed import FeedAddress
from cackled.products.reviews.service import Reviews
from cackled.transport.response import Response


async def reply(call: Call) -> bytes:
    """Set the site's reply to a review."""
    everywhere(call.colleague)
    sent: answers.ReplyBody = call.body
    return written_json(
        await call.service(Reviews).reply(call.colleague, call.number("review"), sent.text, sent.name)
    )


async def unreply(call: Call) -> bytes:
    """Delete the site's reply to a review."""
    everywhere(call.colleague)
    return written_json(await call.service(Reviews).unreply(call.colleague, call.number("review")))


class StatisticsQuery(Struct, frozen=True):
    """The page (empty: all), and the number of days."""

    channel: Annotated[str, Meta(max_length=2_000)] = ""
    days: Annotated[int, Meta(ge=1, le=3_650)] = 90


class Day(Struct, frozen=True):
    """The reviews of a day."""

    day: str
    count: Count
    average: float | None
    stars: list[Count]


class WordOfOneStar(Struct, frozen=True):
    """A word that is more frequent in reviews with one star."""

    word: str
    one: Count
    all: Count


class StatisticsAnswer(Struct, frozen=True):
    """Review statistics."""

    days: list[Day]
    criteria: dict[str, CriterionMean]
    names: Annotated[dict[str, str], Meta(description="The names of criteria, by their ids.")]
    words: list[WordOfOneStar]


class SignalsQuery(Struct, frozen=True):
    """The number of days."""

    days: Annotated[int, Meta(ge=1, le=365)] = 30


class Signal(Struct, frozen=True):
    """A sign of fraud for a person to check. Nothing follows from it automatically."""

    kind: Literal["burst", "network", "same-text", "deviation"]
    channel: Id
    key: str
    title: str
    reviews: list[Id]
    since: Time
    detail: dict[str, Any]


class SignalsAnswer(Struct, frozen=True):
    """Signs of fraud, newest first."""

    signals: list[Signal]


class ExportQuery(Struct, frozen=True):
    """Cursor of an export."""

    after: Annotated[str, Meta(description="From the header X-Cackled-Next of the part before.")] = ""


class FeedAnswer(Struct, frozen=True):
    """The address of the feed, packed with gzip; without ``.gz`` it is plain. null where ``reviews.feed`` is off."""

    url: str | None
    keyed: Annotated[bool, Meta(description="The address has a key, and opens nothing without it.")]


class ProductBody(Struct):
    """Details of a product. Members that are left out stay."""

    channel: Annotated[str, Meta(max_length=2_000)] = ""
    url: Annotated[str, Meta(max_length=2_000)] = ""
    name: Annotated[str, Meta(max_length=300)] | UnsetType = UNSET
    category: Annotated[str, Meta(max_length=300)] | UnsetType = UNSET
    brand: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    gtin: Annotated[str, Meta(max_length=14, pattern="^([0-9]{8}|[0-9]{12,14})?$")] | UnsetType = UNSET
    mpn: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    sku: Annotated[str, Meta(max_length=100)] | UnsetType = UNSET
    image: Annotated[str, Meta(max_length=1_000)] | UnsetType = UNSET
    price: Annotated[str, Meta(max_length=20, pattern="^([0-9]{1,12}([.][0-9]{1,4})?)?$")] | UnsetType = UNSET
    currency: Annotated[str, Meta(max_length=3, pattern="^([A-Z]{3})?$")] | UnsetType = UNSET


class ProductTold(Struct, frozen=True):
    """The details of a product."""

    key: str | None
    url: str | None
    name: str | None
    category: str
    brand: str
    gtin: str
    mpn: str
    sku: str
    image: str
    price: str
    currency: str


class ProductQuery(Struct, frozen=True):
    """The product."""

    channel: Annotated[str, Meta(min_length=1, max_length=2_000)]


async def statistics(call: Call) -> bytes:
    """Get review statistics: ratings over time, by criterion, and words typical of one-star reviews."""
    query: StatisticsQuery = call.query
    everywhere(call.colleague)
    return await call.service(Figures).statistics(call.site.key(query.channel.strip()), query.days)


async def signals(call: Call) -> bytes:
    """List signs of fraud for a person to check."""
    everywhere(call.colleague)
    return await call.service(Figures).signals(call.query.days)


async def export(call: Call) -> Response:
    """Export reviews as JSON Lines, including removed ones with the reason."""
    everywhere(call.colleague)
    after = parse_id(call.query.after, "after") if call.query.after else 0
    text, more = await call.service(Figures).export(after)
    headers = [
        (b"content-type", b"application/jsonl; charset=utf-8"),
        (b"content-disposition", b'attachment; filename="reviews.jsonl"'),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if more is not None:
        headers.append((b"x-cackled-next", str(more).encode()))
    return Response(200, headers, text)


async def feed_address(call: Call) -> Any:
    """Get the address of the feed of product ratings."""
    everywhere(call.colleague)
    return await _feed(call, renew=False)


async def renew_feed(call: Call) -> Any:
    """Replace the key in the address of the feed of product ratings. The old address stops working."""
    everywhere(call.colleague)
    return await _feed(call, renew=True)


async def _feed(call: Call, *, renew: bool) -> FeedAnswer:
    address = call.service(FeedAddress)
    path = await address.path(renew=renew)
    base, _ = own_address(call.context.own_url, call.request)
    return FeedAnswer(None if path is None else base + path, address.keyed)


async def put_product(call: Call) -> bytes:
    """Set a product's details."""
    everywhere(call.colleague)
    sent: ProductBody = call.body
    facts = {
        name: value for name in ProductBody.__struct_fields__[2:] if (value := getattr(sent, name)) is not UNSET
    }
    return await call.service(Figures).save(sent.channel, sent.url, facts)


async def get_product(call: Call) -> bytes:
    """Get a product's details."""
    everywhere(call.colleague)
    return await call.service(Figures).product(call.site.key(call.query.channel.strip()))


_ALL = "/sites/{site}/reviews"
_ONE = "/sites/{site}/reviews/{review}"
_STAFF: dict[str, Any] = {"caller": Caller.STAFF, "role": "moderator", "scope": "moderate", "limit": "reviews.staff"}

ROUTES = (
    Route(
        method="PUT", path=_ONE + "/reply", name="replyReview", summary="Set the site's reply to a review.",
        handler=reply, body=answers.ReplyBody, answer=answers.Replied, writes=True,
        refusals=("review", "text-empty", "text-too-long", "section"), **_STAFF,
    ),
    Route(
        method="DELETE", path=_ONE + "/reply", name="unreplyReview", summary="Delete the site's reply to a review.",
        handler=unreply, answer=answers.Replied, writes=True, refusals=("review", "section"), **_STAFF,
    ),
    Route(
        method="GET", path=_ALL + "/statistics", name="getReviewStatistics",
        summary="Get review statistics: ratings over time, by criterion, and words typical of one-star reviews.",
        handler=statistics,
        query=StatisticsQuery, answer=StatisticsAnswer, refusals=("section",), **_STAFF,
    ),
    Route(
        method="GET", path=_ALL + "/signals", name="listReviewSignals",
        summary="List signs of fraud for a person to check.", handler=signals, query=SignalsQuery, answer=SignalsAnswer,
        refusals=("section",), **_STAFF,
    ),
    Route(
        method="GET", path=_ALL + "/export", name="exportReviews",
        summary="Export reviews as JSON Lines, including removed ones with the reason.",
        handler=export, query=ExportQuery, answer=str,
        media="application/jsonl", refusals=("section",), **_STAFF,
    ),
    Route(
        method="GET", path=_ALL + "/feed", name="getReviewFeed",
        summary="Get the address of the feed of product ratings.", handler=feed_address, answer=FeedAnswer,
        refusals=("section",), **(_STAFF | {"role": "admin"}),
    ),
    Route(
        method="POST", path=_ALL + "/feed/renewal", name="renewReviewFeed",
        summary="Replace the key in the address of the feed of product ratings.", handler=renew_feed,
        answer=FeedAnswer, refusals=("section",), **(_STAFF | {"role": "admin"}),
    ),
    Route(
        method="PUT", path="/sites/{site}/products", name="putProduct", summary="Set a product's details.",
        handler=put_product, body=ProductBody, answer=ProductTold, refusals=("section", "key", "locked"), **_STAFF,
    ),
    Route(
        method="GET", path="/sites/{site}/products", name="getProduct", summary="Get a product's details.",
        handler=get_product, query=ProductQuery, answer=ProductTold, refusals=("section",), **_STAFF,
    ),
)  # fmt: skip
