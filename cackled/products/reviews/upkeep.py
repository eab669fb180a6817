"""How reviews forget a visitor and follow one who signs in, and what keeps their counts right."""

from __future__ import annotations

from cackled.database.query import Query
from cackled.domain.erasure import Erasable
from cackled.domain.people import Authored
from cackled.products.reviews.events import REVIEW

ERASE_REVIEWS = Query(
    "erase_reviews", "select channel, seq from erase_reviews($1, $2, $3)", ("int", "bigint", "int")
)
SELECT_CHANNELS = Query(
    "select_review_channels_of_visitor",
    "select distinct channel_id from review where site_id = $1 and visitor_id = $2",
    ("int", "bigint"),
)
ERASABLE = Erasable(steps=(ERASE_REVIEWS,), channels=SELECT_CHANNELS, subjects=(REVIEW,))

AUTHORED = Authored(
    carry=Query(
        "carry_reviews", "select channel, seq from carry_reviews($1, $2, $3, $4)", ("int", "bigint", "bigint", "int")
    ),
    spread=Query("spread_reviews", "select channel, seq from spread_reviews($1, $2, $3)", ("int", "bigint", "int")),
)

RECOUNTS = (Query("recount_reviews", "select checked, wrong from recount_reviews()"),)
