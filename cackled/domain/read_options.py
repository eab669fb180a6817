"""One read: what its caller asks for (which servers, how fresh, not before what), and what is known of its answer.

Services take a `Reading` where they take a `ReadPreference`; the caller looks at it afterwards.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

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


class ReadOptions(Struct, frozen=True):
    """What a caller asks of a read: which servers, ``max_staleness`` in seconds, and not before ``after`` (a seq)."""

    preference: ReadPreference
    max_staleness: float | None = None
    after: int = 0

    @property
    def yields(self) -> bool:
        """Whether an older answer is better than none."""
        return self.preference in YIELDING


class ReadOutcome:
    """What is known of an answer: ``server`` that was read ("" before) and ``staleness``, at most, in seconds.

    ``stale``: the answer may be older than was asked for: the primary is down, or has not come so far itself.
    """

    __slots__ = ("server", "stale", "staleness")

    def __init__(self) -> None:
        self.server = ""
        self.staleness = 0.0
        self.stale = False

    def note(self, server: str, staleness: float, stale: bool) -> None:
        """An answer came from there; of several the oldest counts."""
        if not self.server or staleness >= self.staleness:
            self.server, self.staleness = server, staleness
        self.stale = self.stale or stale


class Reading:
    """One read: its *options*, and its outcome as far as it is known."""

    __slots__ = ("options", "outcome")

    def __init__(self, options: ReadOptions, outcome: ReadOutcome | None = None) -> None:
        self.options = options
        self.outcome = outcome or ReadOutcome()

    @classmethod
    def of(cls, given: ReadPreference | Reading, after: int = 0) -> Reading:
        """*given* as a Reading of nothing older than *after*; the outcome is told to *given*."""
        if isinstance(given, ReadPreference):
            return cls(ReadOptions(given, None, after))
        if given.options.after >= after:
            return given
        return cls(replace(given.options, after=after), given.outcome)

    def found(self, rows: Rows) -> list[tuple[Any, ...]]:
        """Note where *rows* come from."""
        second_best = self.options.preference is ReadPreference.PRIMARY_PREFERRED and not rows.primary
        self.outcome.note(rows.server, rows.staleness, rows.stale or second_best)
        return rows.rows

    def reached(self, seq: int, after: int | None = None) -> None:
        """The answer is of *seq*: mark it where that is less than *after* (None: what the caller asked for).

        The primary's answer can be older too. A replica shows a commit as soon as it has replayed it, and the primary
        only when its own session has ended the commit, which may wait for standbys. A promotion may have lost it.
        """
        if seq < (self.options.after if after is None else after):
            self.outcome.stale = True

    async def rows(self, database: SiteDatabase, query: Query, *args: Any) -> Rows:
        """Read as asked, ``after`` excepted. Whoever uses the answer tells `found`."""
        options = self.options
        return await database.read(
            query, *args, preference=options.preference, max_staleness=options.max_staleness
        )

    async def again(self, database: SiteDatabase, query: Query, *args: Any) -> Rows | None:
        """What was read is older than ``after``: ask the primary.

        None: it can't be had, and what there is has to do; it is marked stale.

        Raises:
            Unavailable: this caller can't do with that.
        """
        if self.options.preference is ReadPreference.SECONDARY:
            raise Unavailable(1.0, "no replica has come so far yet")
        try:
            return await database.read(query, *args, preference=ReadPreference.PRIMARY)
        except Busy:
            raise
        except Unavailable:
            if not self.options.yields:
                raise
            self.outcome.stale = True
            return None
