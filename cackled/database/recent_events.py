"""The newest events that were delivered. After a promotion they show which of them the new primary lacks."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Any

from cackled.events import Event

KEPT = 512
FIND_RECENT = """
select k.n, e.type, e.data::text
from unnest(%s::int[], %s::int[], %s::bigint[], %s::bigint[]) k (n, site_id, channel_id, seq)
join event e on e.site_id = k.site_id and e.channel_id = k.channel_id and e.seq = k.seq
"""


# Where channels stand: 0 is one that is not there.
STANDING = """
select k.site_id, k.channel_id, coalesce(c.seq, 0)
from unnest(%s::int[], %s::bigint[]) k (site_id, channel_id)
left join channel c on c.site_id = k.site_id and c.id = k.channel_id
"""


class Recent:
    """The newest `KEPT` events, with position and content."""

    __slots__ = ("_events",)

    def __init__(self) -> None:
        self._events: deque[tuple[int, int, int, int]] = deque(maxlen=KEPT)

    def add(self, event: Event) -> None:
        """Remember an event that was delivered."""
        self._events.append((event.site, event.channel, event.seq, hash((event.type, event.data))))

    def clear(self) -> None:
        """Forget all events."""
        self._events.clear()

    def question(self) -> tuple[list[int], ...]:
        """The arguments of `FIND_RECENT`."""
        numbered = [(n, site, channel, seq) for n, (site, channel, seq, _) in enumerate(self._events)]
        return tuple(list(column) for column in zip(*numbered, strict=True)) if numbered else ([], [], [], [])

    def lacking(self, rows: list[tuple[Any, ...]]) -> set[tuple[int, int]] | None:
        """The channels of events that *rows* lack or have with other content; None if *rows* have none of the events.

        A promotion can only lose the end of the log. Events that are missing before the first one found were deleted
        because of their age.
        """
        found = {n: hash((kind, data.encode())) for n, kind, data in rows}
        same = [found.get(n) == event[3] for n, event in enumerate(self._events)]
        if True not in same:
            return None if same else set()
        first = same.index(True)
        return {event[:2] for n, event in enumerate(self._events) if n > first and not same[n]}

    def drop(self, channels: Collection[tuple[int, int]]) -> None:
        """Forget the events of *channels*."""
        kept = [event for event in self._events if event[:2] not in channels]
        self._events.clear()
        self._events.extend(kept)
