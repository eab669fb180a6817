"""The types of events that tell of polls. None holds words: pages read the poll anew."""

from __future__ import annotations

from cackled.events import EventType
from cackled.products.polls.answers import PollUpdated, PublicCounts

EVENTS = (
    EventType(type="poll.voted", data=PublicCounts),
    EventType(type="poll.updated", data=PollUpdated),
    EventType(type="poll.closed", data=PublicCounts),
)
