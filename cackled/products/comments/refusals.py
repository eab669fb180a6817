"""What comments refuse, by the reasons of their database functions and by their own rules."""

from __future__ import annotations

from cackled.domain.errors import Conflict, Forbidden, NotFound, Refusal, Refusals, Unprocessable

REFUSALS = (
    Refusal(
        state="CK422", reason="media-unknown", error=Unprocessable, field="media",
        detail="One of the pictures is not there any more, or is shown elsewhere.",
    ),
    Refusal(state="CK404", reason="comment", error=NotFound, detail="There is no such comment."),
    Refusal(
        state="CK409", reason="window", error=Conflict, detail="The time for changing this comment is over."
    ),
    Refusal(
        state="CK403", reason="warned", error=Forbidden,
        detail="A moderator has a message for you. Read it before you write again.",
    ),
    Refusal(
        state="CK409", reason="replies", error=Conflict, detail="It has answers, and so it stays."
    ),
    Refusal(state="CK403", reason="read-only", error=Forbidden, detail="This conversation is for reading only."),
    Refusal(
        state="CK403", reason="comment-locked", error=Forbidden,
        detail="This comment is locked: it is neither changed nor answered.",
    ),
    Refusal(
        state="CK409", reason="slow", error=Conflict,
        detail="This conversation is slowed down. Wait a moment before you write again.",
    ),
    Refusal(
        state="CK422",
        reason="parent",
        error=Unprocessable,
        detail="The comment you answer is not there any more.",
        field="parent",
    ),
    Refusal(
        state="CK422", reason="depth", error=Unprocessable, detail="Replies can't go deeper here.", field="parent"
    ),
)
# Slugs of problems that are found before the database is asked, and their status.
PROBLEMS = {"media-unknown": 422, "nudge": 422, "staff-only": 403, "text-empty": 422, "text-too-long": 422}

from_sqlstate = Refusals(REFUSALS).find
