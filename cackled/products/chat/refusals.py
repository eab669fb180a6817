"""What chat refuses, by the reasons of its database functions and by its own rules."""

from __future__ import annotations

from cackled.domain.errors import Conflict, NotFound, Refusal, Refusals

REFUSALS = (
    Refusal(state="CK404", reason="chat", error=NotFound, detail="There is no such conversation."),
    Refusal(state="CK404", reason="message", error=NotFound, detail="There is no such message."),
    Refusal(state="CK404", reason="operator", error=NotFound, detail="There is no such operator."),
    Refusal(state="CK404", reason="department", error=NotFound, detail="There is no such department."),
    Refusal(state="CK409", reason="chats", error=Conflict, detail="You have three open conversations already."),
    Refusal(state="CK409", reason="chat-closed", error=Conflict, detail="This conversation is closed."),
    Refusal(state="CK409", reason="chat-open", error=Conflict, detail="This conversation is open."),
    Refusal(state="CK409", reason="chat-not-open", error=Conflict, detail="This conversation is not open."),
    Refusal(state="CK409", reason="taken", error=Conflict, detail="A colleague has this conversation."),
    Refusal(state="CK409", reason="not-assignee", error=Conflict, detail="A colleague answers this conversation."),
    Refusal(
        state="CK409", reason="newer-messages", error=Conflict,
        detail="There are newer messages than those you have seen.",
    ),
    Refusal(
        state="CK409", reason="other-person", error=Conflict,
        detail="The site vouched for somebody else in this conversation. Sign out of it first.",
    ),
    Refusal(
        state="CK409", reason="chat-ended", error=Conflict, detail="The visitor has signed out of this conversation."
    ),
    Refusal(state="CK409", reason="transcripts", error=Conflict, detail="You were sent this conversation already."),
    Refusal(state="CK409", reason="message-old", error=Conflict, detail="This message can't be changed any more."),
)  # fmt: skip
# What every text that somebody writes may be refused for.
TEXT = ("unprocessable", "text-empty", "text-too-long")
PROBLEMS = {
    "chat-off": 403, "consent": 422, "nobody-there": 409, "departments": 409, "reply": 404, "macro": 404,
    "not-known": 422, "link-used": 409, "mail-off": 409, "work-needed": 403, "required": 422, "text-empty": 422,
    "text-too-long": 422, "translate-off": 409, "translate-failed": 502, "translate-busy": 503, "language": 422,
}  # fmt: skip

find = Refusals(REFUSALS).find
