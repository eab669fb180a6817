"""The types of events that tell of comments."""

from __future__ import annotations

from cackled.events import EventType, Subject

# A deleted comment as it is given out; the database function scrubbed_comment makes the same.
COMMENT = Subject(name="comment", scrubbed={"author": None, "html": "", "deleted": True})

EVENTS = (
    EventType(type="comment.created", subject=COMMENT, words=True),
    EventType(type="comment.updated", subject=COMMENT, words=True, rewrites=True),
    EventType(type="comment.deleted", subject=COMMENT, removes=True),
    EventType(type="comment.voted", subject=COMMENT),
)
