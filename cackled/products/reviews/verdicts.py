"""Verdicts and states as the database functions of reviews take them."""

from __future__ import annotations

import msgspec

from cackled.moderation.verdict import Verdict

STATES = ("pending", "approved", "spam", "rejected", "deleted")


def state_of(status: int) -> str:
    """The name of a state."""
    return STATES[status]


def stored_verdict(verdict: Verdict) -> str | None:
    """*verdict* as the database functions take it; None where there is nothing to note.

    What a rule would reject waits: a review is hidden by somebody who says why, and by nothing else.
    """
    if verdict.shown and not verdict.reasons:
        return None
    state = "pending" if verdict.state == "rejected" else verdict.state
    made = {
        "status": STATES.index(state), "marks": verdict.reasons or (verdict.state,), "score": verdict.score,
        "words": verdict.words,
    }  # fmt: skip
    return msgspec.json.encode(made).decode()
