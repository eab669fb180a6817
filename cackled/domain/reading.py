"""One read as its caller wants it (which servers, how fresh, not before what) and what is known of its answer.

Services take a `Reading` where they take a `ReadPreference`; the caller looks at it afterwards.
"""

from __future__ import annotations

from typing import Any

from cackled.database.errors import Busy, Unavailable
from cackled.database.query import Query, ReadPreference, Rows
from cackled.database.routing import SiteDatabase

# Where an answer may be shared with others who asked less of it.
SHARED = frozenset((ReadPreference.NEAREST, ReadPreference.SECONDARY_PREFERRED))
# What a read that insists on nothing is answered with when no primary is up: marked stale, but answered.
YIELDING = frozenset((*SHARED, ReadPreference.PRIMARY_PREFERRED))


class Source:
    """Where something was read, and until when it lacked nothing (on the database's clock)."""

    __slots__ = ("as_of", "server")

    def __init__(self, server: str, as_of: float) -> None:
        self.server = server
        self.as_of = as_of


class Reading:
    """Wishes: *preference*, *max_staleness* (seconds), *after* (a channel's seq).

    Outcome: ``server`` that was read ("" before), ``staleness`` in seconds at most, and ``stale``: the answer may be
    older than was wished, because the primary is down.
    """

    __slots__ = ("after", "max_staleness", "preference", "server", "stale", "staleness")

    def __init__(self, preference: ReadPreference, max_staleness: float | None = None, after: int = 0) -> None:
        self.preference = preference
        self.max_staleness = max_staleness
        self.after = after
        self.server = ""
        self.staleness = 0.0
        self.stale = False

    @classmethod
    def of(cls, given: ReadPreference | Reading, after: int = 0) -> Reading:
        """*given* as a Reading of nothing older than *after*."""
        made = given if isinstance(given, Reading) else cls(given)
        made.after = max(made.after, after)
        return made

    @property
    def yields(self) -> bool:
        """Whether an older answer is better than none."""
        return self.preference in YIELDING

    def note(self, server: str, staleness: float, stale: bool) -> None:
        """An answer came from there; of several the oldest counts."""
        if not self.server or staleness >= self.staleness:
            self.server, self.staleness = server, staleness
        self.stale = self.stale or stale

    def found(self, rows: Rows) -> list[tuple[Any, ...]]:
        """Note where *rows* come from."""
        second_best = self.preference is ReadPreference.PRIMARY_PREFERRED and not rows.primary
        self.note(rows.server, rows.staleness, rows.stale or second_best)
        return rows.rows

    async def rows(self, database: SiteDatabase, query: Query, *args: Any) -> Rows:
        """Read as wished, ``after`` excepted. Whoever uses the answer tells `found`."""
        return await database.read(query, *args, preference=self.preference, max_staleness=self.max_staleness)

    async def again(self, database: SiteDatabase, query: Query, *args: Any) -> Rows | None:
        """What was read is older than ``after``: ask the primary.

        None: it can't be had, and what there is has to do; it is marked stale.

        Raises:
            Unavailable: this caller can't do with that.
        """
        if self.preference is ReadPreference.SECONDARY:
            raise Unavailable(1.0, "no replica has come so far yet")
        try:
            return await database.read(query, *args, preference=ReadPreference.PRIMARY)
        except Busy:
            raise
        except Unavailable:
            if not self.yields:
                raise
            self.stale = True
            return None
