"""What reviews refuse, by the reasons of their database functions and by their own rules."""

from __future__ import annotations

from cackled.domain.errors import Conflict, NotFound, Refusal, Refusals, Unprocessable

REFUSALS = (
    Refusal(
        state="CK422", reason="media-unknown", error=Unprocessable, field="media",
        detail="One of the pictures is not there any more, or is shown elsewhere.",
    ),
    Refusal(state="CK404", reason="review", error=NotFound, detail="There is no such review."),
    Refusal(
        state="CK409", reason="reviewed", error=Conflict,
        detail="You have reviewed this already. You can change what you wrote.",
    ),
    Refusal(
        state="CK409", reason="order-used", error=Conflict,
        detail="This was reviewed with that link already.", field="order",
    ),
    Refusal(
        state="CK422", reason="order-product", error=Unprocessable, detail="This was not in that order.", field="order"
    ),
    Refusal(
        state="CK422", reason="question", error=Unprocessable,
        detail="The question you answer is not there any more.", field="parent",
    ),
)  # fmt: skip
PROBLEMS = {
    "star-missing": 422, "criteria": 422, "attribute": 422, "order-token": 422, "buyers-only": 403, "sign-in": 403,
    "text-empty": 422, "text-too-long": 422, "experienced": 422, "media": 422, "reason": 422,
}  # fmt: skip

find = Refusals(REFUSALS).find
