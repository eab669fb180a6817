"""The routes of reviews for a site's staff. None changes what a visitor wrote, nor their stars."""

from __future__ import annotations

from typing import Any

from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.domain.staff import everywhere
from cackled.products.reviews import answers
from cackled.products.reviews.api import written_json
from cackled.products.reviews.service import Reviews


async def reply(call: Call) -> bytes:
    """Answer a review for the site."""
    everywhere(call.colleague)
    sent: answers.ReplyBody = call.body
    return written_json(
        await call.service(Reviews).reply(call.colleague, call.number("review"), sent.text, sent.name)
    )


async def unreply(call: Call) -> bytes:
    """Take the site's answer away."""
    everywhere(call.colleague)
    return written_json(await call.service(Reviews).unreply(call.colleague, call.number("review")))


_ONE = "/sites/{site}/reviews/{review}"
_STAFF: dict[str, Any] = {"caller": Caller.STAFF, "role": "moderator", "scope": "moderate", "limit": "reviews.staff"}

ROUTES = (
    Route(
        method="PUT", path=_ONE + "/reply", name="replyReview", summary="Answer a review for the site, once.",
        handler=reply, body=answers.ReplyBody, answer=answers.Replied, writes=True,
        refusals=("review", "text-empty", "text-too-long", "section"), **_STAFF,
    ),
    Route(
        method="DELETE", path=_ONE + "/reply", name="unreplyReview", summary="Take the site's answer away.",
        handler=unreply, answer=answers.Replied, writes=True, refusals=("review", "section"), **_STAFF,
    ),
)  # fmt: skip
