"""Statistics of a site: what was written and decided, how long it took, who reads now.

Everything is read from counters that are kept as things happen. What is written is counted in memory and added to the
database every few seconds, so that no post waits for a counter that all posts of a site share: after a crash the last
seconds are missing. Decisions are counted in their own transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from heapq import nlargest
from typing import Any

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.database.errors import Busy, DatabaseError
from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.domain.read_options import Reading
from cackled.domain.site import Site

log = Logger()

FLUSH = 10.0
# Counted in memory at most, by site, day, kind and channel; what comes beyond that before the next flush is not.
MOST_KEYS = 50_000
READERS_SECONDS = 5.0
MOST_PAGES = 10
MOST_MODERATORS = 200
STATES = ("pending", "approved", "spam", "rejected")
# The bounds of the slots of times to a decision, in seconds.
SLOTS = (60, 600, 3_600, 21_600, 86_400)

COUNT_WRITTEN = Query(
    "count_written", "select count_written($1, $2::date[], $3, $4, $5, $6, $7, $8)",
    ("int", "text[]", "text[]", "bigint[]", "int[]", "int[]", "int[]", "int[]"),
)  # fmt: skip
SELECT_STATE_DAYS = Query(
    "select_state_days",
    """
    select day::text, kind, greatest(0, pending), greatest(0, approved), greatest(0, spam), greatest(0, rejected),
      greatest(0, deleted)
    from state_day where site_id = $1 and day > (now() at time zone 'utc')::date - $2 order by day, kind
    """,
    ("int", "int"),
)
SELECT_MODERATORS = Query(
    "select_moderators",
    """
    select who, max(name), deed, sum(decisions)::int, sum(waited)::int, sum(waited_seconds)::float8,
      array[sum(slots[1]), sum(slots[2]), sum(slots[3]), sum(slots[4]), sum(slots[5]), sum(slots[6])]::int[]
    from moderator_day where site_id = $1 and day > (now() at time zone 'utc')::date - $2
    group by who, deed order by who, deed limit $3
    """,
    ("int", "int", "int"),
)
SELECT_BUSY_PAGES = Query(
    "select_busy_pages",
    """
    select x.channel_id, c.key, c.title, c.url, x.written
    from (
      select channel_id, sum(written)::int as written from page_day
      where site_id = $1 and day > (now() at time zone 'utc')::date - $2
      group by channel_id order by 2 desc, 1 limit $3
    ) x join channel c on c.site_id = $1 and c.id = x.channel_id order by x.written desc, x.channel_id
    """,
    ("int", "int", "int"),
)
SELECT_PAGES = Query(
    "select_pages", "select id, key, title, url from channel where site_id = $1 and id = any($2)", ("int", "bigint[]")
)
_EXPIRE = """
    with gone as (
      delete from {table} where ctid = any(array(
        select ctid from {table} where day < current_date - {days} limit 5000
      )) returning 1
    )
    select count(*) from gone
"""
EXPIRE_STATE_DAYS = Query("expire_state_days", _EXPIRE.format(table="state_day", days=800))
EXPIRE_MODERATOR_DAYS = Query("expire_moderator_days", _EXPIRE.format(table="moderator_day", days=800))
EXPIRE_PAGE_DAYS = Query("expire_page_days", _EXPIRE.format(table="page_day", days=100))
JOBS = (EXPIRE_STATE_DAYS, EXPIRE_MODERATOR_DAYS, EXPIRE_PAGE_DAYS)


class Day(Struct, frozen=True):
    """Items of a kind written on a day, by their present state."""

    day: str
    kind: str
    pending: int
    approved: int
    spam: int
    rejected: int
    deleted: int


class Moderator(Struct, frozen=True):
    """The decisions of a moderator by kind, how many items had waited, and their mean waiting time in seconds."""

    who: str
    name: str
    decisions: dict[str, int]
    waited: int
    seconds: float | None


class Page(Struct, frozen=True):
    """A page, with its present readers or new items."""

    channel: str
    key: str
    title: str
    url: str
    count: int


class Statistics(Struct, frozen=True):
    """Statistics of some days. ``slots``: how many decisions took up to `SLOTS` seconds each, and longer."""

    days: list[Day]
    moderators: list[Moderator]
    slots: list[int]
    readers: int
    read: list[Page]
    written: list[Page]


Readers = Callable[[], Iterable[tuple[int, int, int]]]


class Counting:
    """Counts what is written, and gives the statistics of a site. *readers* gives (site, channel, readers) of all."""

    def __init__(
        self, database: Database, clock: IReactorTime, wall_time: Callable[[], float], readers: Readers
    ) -> None:
        self._database = database
        self._clock = clock
        self._wall_time = wall_time
        self._readers = readers
        self._written: Counter[tuple[int, str, str, int, str]] = Counter()
        # (total, channels with most readers) by site, and until when that is believed.
        self._reading: dict[int, tuple[int, list[tuple[int, int]]]] = {}
        self._believed = -1.0
        self._job = Periodic(clock, FLUSH, self.flush, "statistics")
        self._hour, self._day = -1, ""

    def start(self) -> None:
        """Flush every `FLUSH` seconds."""
        self._job.start()

    async def stop(self) -> None:
        """Flush once more, and no longer."""
        self._job.stop()
        await self.flush()

    def wrote(self, site: int, kind: str, channel: int, state: str) -> None:
        """Something was written, and is in that state."""
        key = (site, self._today(), kind, channel, state)
        if len(self._written) < MOST_KEYS or key in self._written:
            self._written[key] += 1

    def _today(self) -> str:
        hour = int(self._wall_time() // 3600)
        if hour != self._hour:
            self._hour, self._day = hour, datetime.fromtimestamp(hour * 3600, UTC).strftime("%Y-%m-%d")
        return self._day

    async def flush(self) -> None:
        """Add what was counted to the counters in the database. What may be there already is not sent again."""
        batch, self._written = self._written, Counter()
        sites: dict[int, dict[tuple[str, str, int], list[int]]] = {}
        for (site, day, kind, channel, state), count in batch.items():
            row = sites.setdefault(site, {}).setdefault((day, kind, channel), [0, 0, 0, 0])
            row[STATES.index(state)] += count
        for site, rows in sites.items():
            places = sorted(rows)
            columns: list[list[Any]] = [[place[n] for place in places] for n in range(3)]
            columns += [[rows[place][n] for place in places] for n in range(4)]
            try:
                await self._database.site(site).write(COUNT_WRITTEN, site, *columns)
            except Busy:
                for key, count in batch.items():
                    if key[0] == site:
                        self._written[key] += count
            except DatabaseError as error:
                log.warn("what was written on site {site} was not counted: {reason}", site=site, reason=str(error))

    def reading(self, site: int) -> tuple[int, list[tuple[int, int]]]:
        """How many read a site now, and where most do, as far as this process knows."""
        now = self._clock.seconds()
        if now >= self._believed:
            found: dict[int, list[tuple[int, int]]] = {}
            for of, channel, count in self._readers():
                if count:
                    found.setdefault(of, []).append((count, channel))
            self._reading = {
                of: (sum(count for count, _ in some), [(one, count) for count, one in nlargest(MOST_PAGES, some)])
                for of, some in found.items()
            }
            self._believed = now + READERS_SECONDS
        return self._reading.get(site, (0, []))

    async def statistics(self, site: Site, days: int, reading: Reading) -> Statistics:
        """The statistics of the last *days*."""
        database = self._database.site(site.id)
        rows = reading.found(await reading.rows(database, SELECT_STATE_DAYS, site.id, days))
        decided = reading.found(
            await reading.rows(database, SELECT_MODERATORS, site.id, days, MOST_MODERATORS * 12)
        )
        busy = reading.found(await reading.rows(database, SELECT_BUSY_PAGES, site.id, days, MOST_PAGES))
        readers, channels = self.reading(site.id)
        read: list[Page] = []
        if channels:
            known = reading.found(await reading.rows(database, SELECT_PAGES, site.id, [one for one, _ in channels]))
            named = {one: (key, title, url) for one, key, title, url in known}
            for one, count in channels:
                key, title, url = named.get(one, ("", "", ""))
                if key:
                    read.append(Page(str(one), key, title, url, count))
        moderators, slots = _moderators(decided)
        return Statistics(
            [Day(*row) for row in rows],
            moderators,
            slots,
            readers,
            read,
            [Page(str(one), key, title, url, count) for one, key, title, url, count in busy],
        )


def _moderators(rows: Iterable[tuple[Any, ...]]) -> tuple[list[Moderator], list[int]]:
    decisions: dict[str, dict[str, int]] = {}
    names: dict[str, str] = {}
    waits: dict[str, tuple[int, float]] = {}
    slots = [0] * (len(SLOTS) + 1)
    for who, name, deed, count, waited, seconds, found in rows:
        decisions.setdefault(who, {})[deed] = count
        names[who] = name or names.get(who, "")
        had = waits.get(who, (0, 0.0))
        waits[who] = (had[0] + waited, had[1] + seconds)
        slots = [a + b for a, b in zip(slots, found, strict=True)]
    made = [
        Moderator(who, names[who], some, waits[who][0], waits[who][1] / waits[who][0] if waits[who][0] else None)
        for who, some in decisions.items()
    ]
    return sorted(made, key=lambda one: -sum(one.decisions.values()))[:MOST_MODERATORS], slots
