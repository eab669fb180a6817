"""What each site reads, in credits: counted in memory, added to the month's sums in the database every few seconds.

Answers from the microcache cost nothing. A read of the primary costs more than one that any copy may answer, for it
can't be spread. A batch whose fate is unknown (the connection broke under it) is not sent again: a site may be charged
for a few reads too little, never too much.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.clock import Periodic, wall_time
from cackled.database.errors import Busy, DatabaseError
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.metrics import Metrics

log = Logger()

CREDITS: dict[ReadPreference, int] = {
    ReadPreference.NEAREST: 1,
    ReadPreference.SECONDARY_PREFERRED: 2,
    ReadPreference.SECONDARY: 2,
    ReadPreference.PRIMARY_PREFERRED: 5,
    ReadPreference.PRIMARY: 5,
}
FLUSH = 10.0
# Flushes of the last five minutes.
RECENT = 30

ADD_USAGE = Query(
    "add_usage",
    """
    insert into usage_month as u (site_id, month, preference, reads, credits)
    select x.site, x.month::date, x.preference, x.reads, x.credits
    from unnest($1, $2, $3, $4, $5) x (site, month, preference, reads, credits)
    on conflict (site_id, month, preference) do update
    set reads = u.reads + excluded.reads, credits = u.credits + excluded.credits
    """,
    ("int[]", "text[]", "text[]", "bigint[]", "bigint[]"),
)
SELECT_USAGE = Query(
    "select_usage",
    "select preference, reads, credits from usage_month where site_id = $1 and month = $2",
    ("int", "date"),
)

_Key = tuple[int, str, ReadPreference]


class Usage:
    """The meter of one process; *wall* gives seconds since 1970. Months are those of UTC."""

    def __init__(
        self, database: Database, clock: IReactorTime, metrics: Metrics, wall: Callable[[], float] = wall_time
    ) -> None:
        self._database = database
        self._wall = wall
        self._counts: dict[_Key, int] = {}
        # By site, of the last minutes: one entry for each flush.
        self._recent: deque[Counter[int]] = deque(maxlen=RECENT)
        # The month of this hour, for it is asked at every read.
        self._hour, self._first = -1, ""
        self._job = Periodic(clock, FLUSH, self.flush, "usage")
        self._lost = metrics.counter("usage_lost_reads", "Reads that may not have been charged")
        self._reads = metrics.counter("usage_reads", "Reads by readPreference", ["preference"])
        # Asked for at every read: not looked up by name each time.
        self._figures = {one: self._reads.labels(one.value) for one in ReadPreference}

    def start(self) -> None:
        """Flush every `FLUSH` seconds from now on."""
        self._job.start()

    async def stop(self) -> None:
        """Flush once more, and no longer."""
        self._job.stop()
        await self.flush()

    def count(self, site: int, preference: ReadPreference) -> None:
        """One read of *site*."""
        key = (site, self._month(), preference)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._figures[preference].inc()

    async def flush(self) -> None:
        """Add what was counted to the sums in the database; while it has no primary, go on counting."""
        if not self._counts:
            self._recent.append(Counter())
            return
        if not self._database.writable:
            return
        batch, self._counts = self._counts, {}
        lately: Counter[int] = Counter()
        for (site, _, _), count in batch.items():
            lately[site] += count
        self._recent.append(lately)
        columns: list[tuple[Any, ...]] = [
            (site, month, preference.value, reads, reads * CREDITS[preference])
            for (site, month, preference), reads in sorted(batch.items())
        ]
        try:
            await self._database.system.write(ADD_USAGE, *(list(column) for column in zip(*columns, strict=True)))
        except Busy:
            for key, reads in batch.items():
                self._counts[key] = self._counts.get(key, 0) + reads
            self._recent.pop()
        except DatabaseError as error:
            self._lost.inc(sum(batch.values()))
            log.warn("usage could not be added: {reason}", reason=str(error))

    def busiest(self, most: int) -> list[tuple[int, int]]:
        """At most *most* sites with the most reads of the last minutes, and how many."""
        reads: Counter[int] = Counter()
        for (site, _, _), count in self._counts.items():
            reads[site] += count
        for lately in self._recent:
            reads.update(lately)
        return reads.most_common(most)

    async def month(self, site: int, month: str = "") -> list[tuple[ReadPreference, int, int]]:
        """(preference, reads, credits) of *month* ("2026-11"; this one without), what is not flushed yet included.

        Raises:
            ValueError: that is no month.
        """
        first = f"{month}-01" if month else self._month()
        datetime.strptime(first, "%Y-%m-%d")
        rows = await self._database.system.read(
            SELECT_USAGE, site, first, preference=ReadPreference.PRIMARY_PREFERRED
        )
        sums = {ReadPreference(name): (reads, credits) for name, reads, credits in rows.rows}
        for (of, when, preference), reads in self._counts.items():
            if (of, when) == (site, first):
                had = sums.get(preference, (0, 0))
                sums[preference] = (had[0] + reads, had[1] + reads * CREDITS[preference])
        return [(one, *sums[one]) for one in ReadPreference if one in sums]

    def _month(self) -> str:
        hour = int(self._wall() // 3600)
        if hour != self._hour:
            self._hour, self._first = hour, datetime.fromtimestamp(hour * 3600, UTC).strftime("%Y-%m-01")
        return self._first
