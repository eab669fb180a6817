"""Cackle's calls that have to do with reviews, at their old addresses.

Visitors' calls speak for the session of the page (``Authorization``), or for a new guest. Keys of servers are ours:
``siteApiKey`` is a key of the site for ``read`` or ``sync``. The links of Cackle's mail grant nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import UNSET

from cackled.api.calls import bearer
from cackled.api.old_calls import OldCall, OldRequest
from cackled.database.query import ReadPreference
from cackled.domain.channels import ChannelRef, check_channel, parse_id
from cackled.domain.errors import BadField, Forbidden, Refused
from cackled.domain.page_facts import page_title, page_url
from cackled.domain.page_keys import fit
from cackled.domain.read_options import Reading
from cackled.domain.sessions import Session
from cackled.domain.site import Site
from cackled.products.reviews import answers
from cackled.products.reviews.old_rows import ORDERS, OldReviews
from cackled.products.reviews.pages import Wanted
from cackled.products.reviews.service import Reviews, review_channel
from cackled.transport.response import Response

MOST = 100
MOST_PAGES = 10_000
MOST_RATED = 500
# Cackle's words for what is refused.
ERRORS = {
    "star-missing": "starError", "reviewed": "existError", "banned": "banError", "rule": "badWordsError",
    "sign-in": "loginError", "buyers-only": "loginError", "bad-field": "anonymError",
    "text-too-long": "commentMaxError",
}  # fmt: skip


def _key(site: Site, named: str, url: str = "") -> str:
    return check_channel(ChannelRef(site.key(fit(named.strip()), url))).key


def _open(asked: OldRequest, key: str, kind: str = "read", session: Session | None = None) -> None:
    """See that the caller may read or write there.

    Raises:
        Refused
    """
    site = asked.site("site")
    if site.settings.private:
        raise Forbidden("The site is private.", slug="not-granted")
    refused = asked.context.doors.refused(site, key, "write" if kind == "write" else "read", session, ())
    if refused is not None:
        raise refused


def _visitor(asked: OldRequest, site: Site) -> Session:
    """Whose call it is.

    Raises:
        Refused: the page is none of the site's, or the token does not hold.
    """
    origin = asked.request.getHeader(b"origin")
    if origin is not None and not site.allows_origin(origin.decode("latin-1")):
        raise Forbidden("Pages of that origin can't speak for this site.", slug="origin")
    token = bearer(asked.request)
    if token is not None:
        return asked.context.sessions.check(site, token)
    asked.limit("sessions.open", site)
    return asked.context.sessions.check(site, asked.context.sessions.guest(site).token)


async def rating(asked: OldRequest) -> Response:
    """Of each channel its place in the question, reviews, votes (0) and the sum of stars."""
    site = asked.site("site")
    asked.limit("reads", site)
    keys: dict[int, str] = {}
    for place in range(min(asked.number("len", 0, MOST_RATED), MOST_RATED)):
        try:
            key = _key(site, asked.text(str(place)))
            _open(asked, key)
        except BadField:
            continue
        keys[place] = key
    found = await asked.context.service(Reviews, site).ratings(
        list(dict.fromkeys(keys.values())), Reading.of(ReadPreference.NEAREST)
    )
    told = ",".join(f"{place}:{found[key].count}:0:{found[key].total}" for place, key in keys.items())
    return asked.answer({"res": told})


async def list_reviews(asked: OldRequest) -> Response:
    """A page of reviews."""
    site = asked.site("site")
    asked.limit("reads", site)
    key = _key(site, asked.text("chan", "channel", "chanId"), asked.text("url"))
    _open(asked, key)
    size, page = max(1, min(MOST, asked.number("size", 10))), asked.number("page", 0, 9)
    prop, order = asked.text("prop") or "id", asked.text("order") or "desc"
    sort = ORDERS.get((prop, order.lower()))
    if sort is None:
        raise BadField("prop is id, star or up, order is asc or desc.", field="prop")
    wanted = Wanted(kind="review", sort=_sort(sort), size=min(MOST, size * (page + 1)))
    found = await asked.context.service(Reviews, site).page(key, wanted, Reading.of(ReadPreference.NEAREST))
    shown = msgspec.json.decode(b"{" + found.value + b"}")["page"]["reviews"][size * page :][:size]
    rows = await asked.context.service(OldReviews, site).rows([int(one["id"]) for one in shown])
    return asked.answer({"reviewMiniDtoList": asked.whole(rows)})


def _sort(name: str) -> Any:
    return name


async def submit(asked: OldRequest) -> Response:
    """Write a review."""
    site = asked.site("site")
    key = _key(site, asked.text("chan", "channel"), asked.text("url"))
    visitor = _visitor(asked, site)
    _open(asked, key, "write", visitor)
    asked.limit("reviews.post", site)
    stars = asked.text("star")
    body = answers.PostBody(
        channel=answers.ChannelBody(key), name=asked.text("name", "anonymName"),
        star=int(stars) if stars in ("1", "2", "3", "4", "5") else None, pros=asked.text("pros"),
        cons=asked.text("cons"), text=asked.text("comment"),
        recommend={"true": True, "false": False}.get(asked.text("recom"), UNSET),
    )  # fmt: skip
    address = asked.context.client_address(asked.request)
    service = asked.context.service(Reviews, site)
    ref = ChannelRef(key, page_url(asked.text("url")), page_title(asked.text("title")))
    written = await service.post(visitor, ref, body, address=address)
    review, summary = msgspec.json.decode(written.review), msgspec.json.decode(written.summary)
    rows = await asked.context.service(OldReviews, site).rows([int(review["id"])])
    return asked.answer({"reviewResponse": {
        "review": asked.whole(rows)[0]
        if rows
        else {"id": int(review["id"]), "status": review.get("state", "approved")},
        "rate": {"stars": summary["sum"], "count": summary["count"]},
        "stat": {
            "breakdwn": {str(n): count for n, count in enumerate(summary["histogram"], 1)},
            "detail": {name: one["average"] for name, one in summary["criteria"].items()},
        },
        **({} if "state" not in review else {"error": {"code": "pending"}}),
    }})  # fmt: skip


def submit_failed(asked: OldRequest, error: Refused) -> Response:
    """What is refused, in Cackle's words."""
    return asked.answer({"reviewResponse": {"error": {"code": ERRORS.get(error.slug, error.slug), "banInfo": {}}}})


async def vote(asked: OldRequest) -> Response:
    """Say whether a review helped."""
    site = asked.site("site")
    review, value = parse_id(asked.text("review")), {"1": 1, "-1": -1, "0": 0}.get(asked.text("value"))
    if value is None:
        raise BadField("A vote is 1, -1 or 0.", field="value")
    service = asked.context.service(Reviews, site)
    one = await service.one(review, None, Reading.of(ReadPreference.PRIMARY))
    visitor = _visitor(asked, site)
    _open(asked, one.key, "write", visitor)
    asked.limit("reviews.vote", site)
    voted = await service.vote(visitor, review, value, address=asked.context.client_address(asked.request))
    return asked.answer({"reviewSmallDto": {"up": voted.up, "down": voted.down}})


async def list_replies(asked: OldRequest) -> Response:
    """The owner's answer."""
    site = asked.site("site")
    asked.limit("reads", site)
    one = await asked.context.service(Reviews, site).one(
        parse_id(asked.text("reviewId")), None, Reading.of(ReadPreference.NEAREST)
    )
    _open(asked, one.key)
    rows = await asked.context.service(OldReviews, site).rows([int(msgspec.json.decode(one.json)["id"])])
    return asked.answer({"reviewCommentDtoList": rows[0]["comments"] if rows else []})


async def reply(asked: OldRequest) -> Response:
    """Never done: a review has one answer, which the owner gives in the panel."""
    return asked.answer({"commentResponse": {"error": {"code": "deny"}}})


async def changed(asked: OldRequest) -> Response:
    """What changed after ``modified`` (milliseconds), for servers that keep a copy."""
    site = asked.site("id", "siteId")
    await asked.server(site, "read")
    size, page = max(1, min(MOST, asked.number("size", MOST))), asked.number("page", 0, MOST_PAGES)
    named = asked.text("chan", "channel")
    channel = review_channel(site, _key(site, named)) if named else None
    since = (asked.number("modified", 0, 10**15) + 1) / 1000 if asked.text("modified") else 0.0
    rows = await asked.context.service(OldReviews, site).changed(channel, since, size, page * size)
    return asked.answer({"reviews": asked.whole(rows)})


async def post_reviews(asked: OldRequest) -> Response:
    """Reviews of a page that were written elsewhere."""
    site = asked.site("id", "siteId")
    staff = await asked.server(site, "sync")
    try:
        given = msgspec.json.decode(asked.text("reviews"), type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        raise BadField("reviews is JSON: an object with chan, url, title and reviews.", field="reviews") from None
    listed = given.get("reviews")
    if not isinstance(listed, list) or len(listed) > MOST:
        raise BadField(f"reviews has a list of at most {MOST} reviews.", field="reviews")
    added, present, left = await asked.context.service(OldReviews, site).take(given, staff.actor)
    return asked.answer({"responseApi": {"status": "ok", "added": added, "present": present, "left": left}})


def post_failed(asked: OldRequest, error: Refused) -> Response:
    """The answer to what can't be taken."""
    return asked.answer({"responseApi": {"status": "fail", "error": error.detail}}, error.status)


def _call(path: str, handler: Callable[[OldRequest], Awaitable[Response]], **more: Any) -> OldCall:
    return OldCall(path=path, handler=handler, **more)


_FORM: dict[str, Any] = {"methods": (b"POST",), "hint": "What changes something is sent by POST."}
CALLS = (
    _call("/review/{site}/rating", rating, methods=(b"GET", b"POST")),
    _call("/review/{site}/list", list_reviews),
    _call("/review/{site}/submit", submit, refused=submit_failed, **_FORM),
    _call("/review/{site}/vote/{review}/{value}", vote, **_FORM),
    _call("/review/{site}/comment/list", list_replies),
    _call("/review/{site}/comment/submit", reply, **_FORM),
    _call("/api/3.0/review/list.json", changed),
    _call("/api/3.0/review/post.json", post_reviews, refused=post_failed, **_FORM),
)  # fmt: skip
