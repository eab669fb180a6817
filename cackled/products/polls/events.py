"""The types of events that tell of polls. None holds words: pages read the poll anew."""

from __future__ import annotations

from cackled.events import EventType

EVENTS = (EventType(type="poll.voted"), EventType(type="poll.updated"), EventType(type="poll.closed"))
