"""Where those who work on a site are told what happens in its queue, live.

It is a channel of the event log like others. Its number is random and told to staff alone, and it ends when somebody
leaves (`cackled.domain.staff_channels`): who stays asks for the new one. Moderators of sections listen in one of their
own, where only what is in those sections is told. Events name items and colleagues, and hold no word of any visitor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import UNSET, Struct, UnsetType

from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.domain.site import Site
from cackled.events import EventType, Position

STAFF_CHANNEL = Query(
    "staff_channel",
    """
    select c.id, x.seq from staff_channel($1, $2, $3) c (id), channel x where x.site_id = $1 and x.id = c.id
    """,
    ("int", "bigint", "text[]"),
)


class ItemQueued(Struct, frozen=True):
    """Something waits: ``item`` as ``comment:123``."""

    item: str
    state: str


class ItemDecided(Struct, frozen=True):
    """A colleague decided; ``decision`` is the number of the action, where it can be undone."""

    item: str
    action: str
    by: str
    state: str
    version: int
    decision: str | UnsetType = UNSET


class ItemClaimed(Struct, frozen=True):
    """A colleague is at it, ``until`` a time; ``by`` and ``who`` (``account:7``) are empty where they let it go."""

    item: str
    by: str
    who: str | UnsetType = UNSET
    until: str | UnsetType = UNSET


class StaffMoved(Struct, frozen=True):
    """Nothing more is told here: ask again where to listen."""


EVENTS = (
    EventType(type="item.queued", private=True, data=ItemQueued),
    EventType(type="item.decided", private=True, data=ItemDecided),
    EventType(type="item.claimed", private=True, data=ItemClaimed),
    EventType(type="staff.moved", private=True, data=StaffMoved),
)


class Place(Struct, frozen=True):
    """A live channel, and the position to start from. ``token`` lets the caller listen there for some minutes."""

    position: str
    token: str


class Live:
    """The staff's channel of one site; *number* makes random numbers of 62 bits."""

    def __init__(self, site: Site, database: Database, number: Callable[[], int]) -> None:
        self._site = site
        self._database = database.site(site.id)
        self._number = number

    async def place(self, sections: Sequence[str] = ()) -> Position:
        """Where the channel of the staff stands, or of the moderators of *sections*; made where there is none."""
        args = (self._site.id, self._number(), list(sections))
        rows = await self._database.write(STAFF_CHANNEL, *args)
        if not rows:  # made by this very statement: what it made it does not see
            rows = await self._database.write(STAFF_CHANNEL, *args)
        return self._site.position(rows[0][0], rows[0][1])
