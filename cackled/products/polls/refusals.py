"""What polls refuse, by the reasons of their database functions and by their own rules."""

from __future__ import annotations

from cackled.domain.errors import Conflict, Forbidden, NotFound, Refusal, Refusals, Unprocessable

REFUSALS = (
    Refusal(state="CK404", reason="poll", error=NotFound, detail="There is no such poll."),
    Refusal(state="CK409", reason="poll-closed", error=Conflict, detail="This poll is closed."),
    Refusal(state="CK409", reason="not-open", error=Conflict, detail="This poll is not open yet."),
    Refusal(state="CK403", reason="sign-in", error=Forbidden, detail="Sign in to take part in this poll."),
    Refusal(state="CK409", reason="voted", error=Conflict, detail="You have voted; votes of this poll are final."),
    Refusal(
        state="CK422", reason="option", error=Unprocessable, detail="This poll has no such option.", field="options"
    ),
    Refusal(
        state="CK422", reason="choices", error=Unprocessable,
        detail="That is not as many options as this poll asks for.", field="options",
    ),
    Refusal(
        state="CK409", reason="quota", error=Conflict,
        detail="Many votes have come from your network within this hour. Try again later.",
    ),
    Refusal(state="CK409", reason="version", error=Conflict, detail="The poll was changed meanwhile. Read it again."),
    Refusal(
        state="CK409", reason="has-votes", error=Conflict,
        detail="There are votes: now options can be added, typing errors put right, and the poll closed.",
    ),
    Refusal(state="CK403", reason="no-write-in", error=Forbidden, detail="This poll takes no options of visitors."),
    Refusal(
        state="CK409", reason="proposals", error=Conflict,
        detail="An option of yours waits for the owner, or the poll has as many as it can have.",
    ),
    Refusal(
        state="CK422", reason="media-unknown", error=Unprocessable,
        detail="One of the pictures is not there any more.", field="options",
    ),
)  # fmt: skip
PROBLEMS = {"voting-off": 403, "secret-voters": 403}

find = Refusals(REFUSALS).find

