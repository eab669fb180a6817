"""The routes of reviews for visitors. Handlers only translate; the rules are in the service."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urljoin

import msgspec

from cackled.api.calls import Call, json_response, tokens
from cackled.api.route import Caller, Reach, Route
from cackled.api.widget import FirstPage, FirstRender, Widget
from cackled.database.errors import DatabaseError
from cackled.database.query import ReadPreference
from cackled.domain.channels import ChannelRef, check_channel, parse_id
from cackled.domain.errors import BadField
from cackled.domain.page_facts import page_title, page_url
from cackled.domain.page_keys import fit, is_address
from cackled.domain.site import Site
from cackled.domain.text import clean_words
from cackled.moderation.verdict import Signs
from cackled.products.reviews import answers
from cackled.products.reviews.checks import Checks
from cackled.products.reviews.figures import Figures
from cackled.products.reviews.pages import NOBODY, Wanted, parse_cursor
from cackled.products.reviews.service import Reviews, Written
from cackled.products.reviews.settings import ReviewSettings
from cackled.transport.response import Response


def wanted(query: answers.PageQuery, settings: ReviewSettings) -> Wanted:
    """The page that a query asks for.

    Raises:
        BadField, NotFound: the cursor is not one of ours, or the parent can't be an id.
    """
    value, id_ = parse_cursor(query.cursor)
    words = clean_words(query.q, 200)
    sort: answers.Sort = query.sort or settings.sort
    if query.kind != "review":
        sort = query.sort if query.sort in ("new", "old", "helpful") else "new"
    return Wanted(
        kind=query.kind, sort="new" if words else sort, size=query.size, stars=tuple(sorted(set(query.star))),
        media=query.media > 0, verified=query.verified > 0, words=words,
        parent=parse_id(query.parent, "parent") if query.parent else None, value=value, id=id_,
    )  # fmt: skip


def first_key(query: answers.SummaryQuery, site: Site) -> str:
    """The channel that a query names: ``channel``, else that of the page at ``url``.

    Raises:
        BadField: neither is given, or it can't be one.
    """
    key = site.key(fit(query.channel.strip()), query.url, host=query.host > 0)
    if not key:
        raise BadField("Name the channel or the url.", field="channel")
    return check_channel(ChannelRef(key)).key


def query_channel(call: Call) -> str:
    """The key in the query, as it is stored.

    Raises:
        BadField: there is none, or it can't be one.
    """
    return first_key(call.query, call.site)


def sent_channel(call: Call) -> str:
    """The key of the channel in the body; of the page's address, which may be relative to the page, where it has none.

    Raises:
        BadField: there is none, or it can't be one.
    """
    sent: answers.ChannelBody = call.body.channel
    address = sent.url if isinstance(sent.url, str) else ""
    if address and not is_address(address):
        with suppress(ValueError):
            address = urljoin(call.page, address)
    return check_channel(ChannelRef(call.site.key(sent.key.strip(), address, host=sent.host))).key


async def list_reviews(call: Call) -> bytes:
    """List a channel's reviews or questions."""
    asked = wanted(call.query, call.site.product(ReviewSettings))
    page = await call.service(Reviews).page(query_channel(call), asked, call.reading)
    return b"{" + page.value + b"}"


async def get_summary(call: Call) -> bytes:
    """Get the rating summary of a channel."""
    position, summary = await call.service(Reviews).summary(query_channel(call), call.reading)
    return summary[:-1] + b',"position":' + msgspec.json.encode(str(position)) + b"}"


async def get_ratings(call: Call) -> Any:
    """Get the ratings of up to 100 channels."""
    query: answers.RatingsQuery = call.query
    if not 1 <= len(query.channel) + len(query.url) <= answers.MOST_CHANNELS:
        raise BadField(f"Ask for 1 to {answers.MOST_CHANNELS} channels.", field="channel")
    named = {key: check_channel(ChannelRef(call.site.key(fit(key.strip())))).key for key in query.channel}
    made = {url: check_channel(ChannelRef(call.site.key("", url, host=query.host > 0))).key for url in query.url}
    keys = {**made, **named}
    for key in keys.values():
        call.see(key)
    found = await call.service(Reviews).ratings(list(dict.fromkeys(keys.values())), call.reading)
    ratings = {
        asked: answers.Rating(found[key].count, found[key].mean, found[key].total, found[key].score)
        for asked, key in keys.items()
    }
    return answers.Ratings(ratings, made) if made else answers.Ratings(ratings)


async def get_checks(call: Call) -> Any:
    """Get the statement on how reviews are checked, generated from the settings in force."""
    return answers.ChecksAnswer(
        [answers.StatementTold(one.code, one.values) for one in await call.service(Checks).statements()]
    )


async def get_top(call: Call) -> Any:
    """List the products of a category, best rated first."""
    query: answers.TopQuery = call.query

    def sees(key: str) -> bool:
        return call.context.doors.refused(call.site, key, "read", call.session, tokens(call.request)) is None

    category = clean_words(query.category, 300)
    return {"products": await call.service(Figures).top(category, query.order, query.size, sees)}


async def post_review(call: Call) -> Response:
    """Write a review, a question, or an answer to a question."""
    sent: answers.PostBody = call.body
    written = await call.service(Reviews).post(
        call.visitor,
        ChannelRef(sent_channel(call), page_url(sent.channel.url, call.page), page_title(sent.channel.title)),
        sent,
        address=call.address,
        idempotency_key=call.idempotency_key,
        signs=Signs(sent.website, sent.seconds, sent.proof),
    )
    answer = json_response(written_json(written), 201)
    if written.replayed:
        answer.headers.append((b"idempotent-replayed", b"true"))
    return answer


async def get_review(call: Call) -> bytes:
    """Get a review and its position; its author also gets what is theirs alone."""
    await _seen(call)
    one = await call.service(Reviews).one(call.number("review"), call.session, call.reading)
    place = msgspec.json.encode({"channel": str(one.channel), "key": one.key, "position": str(one.position)})
    return b'{"review":' + one.json + b"," + place[1:]


async def list_versions(call: Call) -> bytes:
    """List earlier versions of a review, where the site shows them."""
    review = await _seen(call)
    return b'{"versions":' + await call.service(Reviews).versions(review, call.session) + b"}"


async def edit_review(call: Call) -> bytes:
    """Edit the caller's own review."""
    review = await _seen(call)
    return written_json(await call.service(Reviews).edit(call.visitor, review, call.body, address=call.address))


async def delete_review(call: Call) -> bytes:
    """Delete the caller's own review."""
    review = await _seen(call)
    return written_json(await call.service(Reviews).delete(call.visitor, review))


async def vote(call: Call) -> Any:
    """Vote on whether a review was helpful. 0 removes the vote."""
    review = await _seen(call)
    voted = await call.service(Reviews).vote(call.visitor, review, call.body.value, address=call.address)
    return answers.Votes(
        call.parameters["review"], voted.up, voted.down, _value(voted.value), str(voted.position)
    )


def _value(value: int) -> Any:
    return value


async def flag(call: Call) -> Any:
    """Report a review."""
    review = await _seen(call)
    await call.service(Reviews).flag(call.visitor, review, call.body.reason or "", address=call.address)
    return answers.Nothing()


async def _seen(call: Call) -> int:
    """The review of the path, in a channel that the caller may see: before each call that names a review alone."""
    review = call.number("review")
    await call.see_channel_of(partial(call.service(Reviews).channel_of, review))
    return review


def written_json(written: Written) -> bytes:
    """The answer to a write."""
    review = b'"review":' + written.review + b"," if written.review else b""
    summary = b'"summary":' + written.summary + b"," if written.summary else b""
    return b"{" + review + summary + b'"position":"' + str(written.position).encode() + b'"}'


async def first_page(render: FirstRender) -> FirstPage:
    """The first page of reviews, and what is the visitor's own there."""
    reviews, key = render.service(Reviews), first_key(render.query, render.site)
    page = await reviews.page(key, wanted(render.query, render.site.product(ReviewSettings)), render.reading)
    me = NOBODY
    if render.session is not None:
        try:
            # A vote just counted in the page must not be missing here: both are read from a copy as new.
            render.context.count_read(render.site.id, ReadPreference.PRIMARY_PREFERRED)
            me = await reviews.mine(key, render.session, ReadPreference.PRIMARY_PREFERRED)
        except DatabaseError:
            # The page is readable without it; the widget asks again when it is back.
            me = b"null"
    return FirstPage(page.value, page.seq, me)


WIDGETS = (
    Widget(
        name="Review", query=answers.FirstQuery, key=first_key, page=first_page, answer=answers.Page, me=answers.Mine
    ),
)
_ALL = "/sites/{site}/reviews"
_ONE = _ALL + "/{review}"
_WRITE = (
    "text-empty", "text-too-long", "star-missing", "criteria", "attribute", "experienced", "media", "media-unknown",
    "banned", "locked", "rule", "proof-needed", "warned", "nudge",
)  # fmt: skip

ROUTES = (
    Route(
        method="GET", path=_ALL, name="listReviews", summary="List a channel's reviews or questions.",
        handler=list_reviews, query=answers.PageQuery, answer=answers.Page,
        reach=Reach.CHANNEL, channel=query_channel, limit="reads", preference=ReadPreference.PRIMARY,
    ),
    Route(
        method="POST", path=_ALL, name="postReview", summary="Write a review, a question, or an answer to a question.",
        handler=post_review, body=answers.PostBody, answer=answers.Written, status=201, mend=True,
        caller=Caller.SESSION, reach=Reach.CHANNEL, channel=sent_channel, limit="reviews.post", idempotent=True,
        writes=True,
        refusals=(
            *_WRITE, "key", "name-taken", "reviewed", "question", "order-token", "order-used", "order-product",
            "buyers-only", "sign-in",
        ),
    ),
    Route(
        method="GET", path=_ALL + "/summary", name="getReviewSummary", summary="Get the rating summary of a channel.",
        handler=get_summary, query=answers.SummaryQuery, answer=answers.PlacedSummary,
        reach=Reach.CHANNEL, channel=query_channel, limit="reads", preference=ReadPreference.NEAREST,
    ),
    Route(
        method="GET", path=_ALL + "/ratings", name="listRatings", summary="Get the ratings of up to 100 channels.",
        handler=get_ratings, query=answers.RatingsQuery, answer=answers.Ratings, caller=Caller.VISITOR,
        limit="reads", preference=ReadPreference.NEAREST,
    ),
    Route(
        method="GET", path=_ALL + "/checks", name="getReviewChecks",
        summary="Get the statement on how reviews are checked, generated from the settings in force.",
        handler=get_checks,
        answer=answers.ChecksAnswer, limit="reads",
    ),
    Route(
        method="GET", path=_ALL + "/top", name="listTopProducts",
        summary="List the products of a category, best rated first.",
        handler=get_top, query=answers.TopQuery, answer=answers.TopAnswer, caller=Caller.VISITOR, reach=Reach.ALL,
        limit="reads",
    ),
    Route(
        method="GET", path=_ONE, name="getReview", summary="Get a review.", handler=get_review,
        answer=answers.OneReview, caller=Caller.VISITOR, reach=Reach.ALL, limit="reads",
        preference=ReadPreference.PRIMARY,
    ),
    Route(
        method="GET", path=_ONE + "/versions", name="listReviewVersions",
        summary="List earlier versions of a review, where the site shows them.", handler=list_versions,
        answer=answers.VersionsAnswer, caller=Caller.VISITOR, reach=Reach.ALL, limit="reads",
    ),
    Route(
        method="PATCH", path=_ONE, name="editReview", summary="Edit the caller's own review.",
        handler=edit_review, body=answers.Members, answer=answers.Written, mend=True, caller=Caller.SESSION,
        reach=Reach.THING, limit="reviews.change", writes=True, refusals=(*_WRITE, "author", "review"),
    ),
    Route(
        method="DELETE", path=_ONE, name="deleteReview", summary="Delete the caller's own review.",
        handler=delete_review, answer=answers.Deleted, caller=Caller.SESSION, reach=Reach.THING,
        limit="reviews.change", writes=True, refusals=("author", "review"),
    ),
    Route(
        method="PUT", path=_ONE + "/vote", name="voteReview",
        summary="Vote on whether a review was helpful. 0 removes the vote.",
        handler=vote, body=answers.VoteBody, answer=answers.Votes, caller=Caller.SESSION, reach=Reach.THING,
        limit="reviews.vote", writes=True, refusals=("banned", "review"),
    ),
    Route(
        method="POST", path=_ONE + "/flags", name="flagReview", summary="Report a review.",
        handler=flag, body=answers.FlagBody, answer=answers.Nothing, status=201, caller=Caller.SESSION,
        reach=Reach.THING, limit="reviews.flag", refusals=("banned", "review"),
    ),
)  # fmt: skip
