"""The types of events that tell of reviews."""

from __future__ import annotations

from cackled.events import EventType, Subject
from cackled.products.reviews.answers import ReviewDeleted, ReviewTold, ReviewVoted, SummaryTold

# A review as it is given out when its words are gone; the database function scrubbed_review makes the same.
REVIEW = Subject(
    name="review",
    scrubbed={
        "author": None, "title": "", "pros": "", "cons": "", "html": "", "attributes": {}, "variant": "", "media": [],
        "videos": [], "reply": None, "deleted": True,
    },
)  # fmt: skip

EVENTS = (
    EventType(type="review.created", subject=REVIEW, words=True, data=ReviewTold),
    EventType(type="review.updated", subject=REVIEW, words=True, rewrites=True, data=ReviewTold),
    EventType(type="review.deleted", subject=REVIEW, removes=True, data=ReviewDeleted),
    EventType(type="review.voted", subject=REVIEW, data=ReviewVoted),
    EventType(type="summary.updated", data=SummaryTold),
)
