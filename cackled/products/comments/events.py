"""The types of events that tell of comments."""

from __future__ import annotations

from cackled.events import EventType, Subject
from cackled.products.comments.answers import CommentDeleted, CommentReacted, CommentTold, CommentVoted
from cackled.products.comments.notices.answers import NoticeTold

# A deleted comment as it is given out; the database function scrubbed_comment makes the same.
COMMENT = Subject(name="comment", scrubbed={"author": None, "html": "", "media": [], "links": [], "deleted": True})

EVENTS = (
    EventType(type="comment.created", subject=COMMENT, words=True, data=CommentTold),
    EventType(type="comment.updated", subject=COMMENT, words=True, rewrites=True, data=CommentTold),
    EventType(type="comment.deleted", subject=COMMENT, removes=True, data=CommentDeleted),
    EventType(type="comment.voted", subject=COMMENT, data=CommentVoted),
    EventType(type="notice.created", data=NoticeTold),
    EventType(type="comment.reacted", subject=COMMENT, data=CommentReacted),
)
