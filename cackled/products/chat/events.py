"""The types of events of conversations: in the private channel of each, and in the operators' own."""

from __future__ import annotations

from msgspec import Struct

from cackled.events import EventType, Subject
from cackled.products.chat.answers import Chat, Message, Operator, Row
from cackled.products.chat.staff_answers import Desk

MESSAGE = Subject(
    name="message", scrubbed={"author": None, "text": "", "html": "", "files": [], "deleted": True}
)


class MessageTold(Struct, frozen=True):
    """A message, and the id of its conversation."""

    message: Message
    chat: str


class ReadTold(Struct, frozen=True):
    """How far one side has read."""

    id: str
    by: str
    seq: int


class GatheredTold(Struct, frozen=True):
    """Conversations that stand otherwise, as they stand now. ``more``: there are others; lists are asked for anew."""

    rows: list[Row]
    more: bool


class ViewersTold(Struct, frozen=True):
    """Which operators look at a conversation."""

    id: str
    viewers: list[Operator]


class NoteTold(Struct, frozen=True):
    """A note was written in a conversation."""

    id: str
    seq: int


class MentionTold(Struct, frozen=True):
    """Operators were mentioned in a note of a conversation."""

    id: str
    by: str
    members: list[str]


class VisitTold(Struct, frozen=True):
    """The visitor is on another page, or the site says something else of them; what it is, operators ask for."""

    id: str
    version: int


class EndedTold(Struct, frozen=True):
    """The visitor signed out: nothing is told in this channel any more."""

    id: str


class StatusTold(Struct, frozen=True):
    """Whether somebody is there: ``online``, ``away`` or ``offline``."""

    status: str


EVENTS = (
    EventType(type="message.created", subject=MESSAGE, words=True, private=True, data=MessageTold),
    EventType(type="message.updated", subject=MESSAGE, words=True, rewrites=True, private=True, data=MessageTold),
    EventType(type="chat.assigned", private=True, data=Chat),
    EventType(type="chat.updated", private=True, data=Chat),
    EventType(type="chat.closed", private=True, data=Chat),
    EventType(type="chat.visited", private=True, data=VisitTold),
    EventType(type="chat.ended", private=True, data=EndedTold, ends=True),
    EventType(type="chat.read", private=True, data=ReadTold),
    # To everybody who has a page of the site open.
    EventType(type="chat.status", data=StatusTold),
    # To operators alone, without a word of anybody.
    EventType(type="chat.queued", private=True, data=Row),
    EventType(type="chat.changed", private=True, data=Row),
    EventType(type="chat.gathered", private=True, data=GatheredTold),
    EventType(type="chat.viewing", private=True, data=ViewersTold),
    EventType(type="chat.noted", private=True, data=NoteTold),
    EventType(type="chat.mentioned", private=True, data=MentionTold),
    EventType(type="desk.changed", private=True, data=Desk),
)
