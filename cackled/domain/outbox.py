"""Work for other servers (webhooks, mail): claimed from the outbox, tried, tried again, and given up on.

A row is written in the transaction of the change it tells of. Any process may work on it: a claim (``FOR UPDATE SKIP
LOCKED``) hides a row for `CLAIM` seconds, so work cut short by a crash is done again by somebody. That is at least
once; what goes out carries the row's id, by which the receiver knows a repetition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError, Unavailable
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference, SystemDatabase
from cackled.domain.text import clean_line
from cackled.metrics import Metrics

log = Logger()

POLL = 1.0
BATCH = 20
# No more is claimed for a site that has so much under way, nor for anybody beside so much in all: receivers that don't
# answer hold up their own site alone.
PER_SITE = 10
MOST = 200
# Longer than any piece of work may take.
CLAIM = 60.0
# Waits of 5 s, 10 s, 20 s ... six hours at most, together three days: so long a receiver may be away.
TRIES = 24
FIRST_WAIT = 5.0
LONGEST_WAIT = 6 * 3600.0
MOST_LISTED = 200

CLAIM_WORK = Query(
    "claim_work",
    """
    update outbox set tries = tries + 1, error = null, next_at = now() + make_interval(secs => $2)
    where id = any(array(
      select id from outbox where done_at is null and dead_at is null and next_at <= now() and site_id <> all($3)
        and site_id <> all(array(select p.site_id from shard.place p where p.state <> 'here'))
      order by next_at limit $1 for update skip locked
    ))
    returning id, site_id, kind, body, tries, extract(epoch from created_at)::float8
    """,
    ("int", "float8", "int[]"),
)
FINISH_WORK = Query("finish_work", "update outbox set done_at = now(), error = null where id = $1", ("bigint",))
RETRY_WORK = Query(
    "retry_work", "update outbox set next_at = now() + make_interval(secs => $2), error = $3 where id = $1",
    ("bigint", "float8", "text"),
)  # fmt: skip
BURY_WORK = Query("bury_work", "update outbox set dead_at = now(), error = $2 where id = $1", ("bigint", "text"))
SELECT_DEAD = Query(
    "select_dead",
    """
    select id, site_id, kind, tries, coalesce(error, ''), to_char(dead_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
    from outbox where dead_at is not null order by dead_at desc limit $1
    """,
    ("int",),
)
REQUEUE_WORK = Query(
    "requeue_work",
    "update outbox set dead_at = null, tries = 0, next_at = now() where id = $1 and dead_at is not null returning id",
    ("bigint",),
)
COUNT_WORK = Query(
    "count_work",
    """
    select (select count(*) from (select 1 from outbox where done_at is null and dead_at is null limit 100000) x),
      (select count(*) from (select 1 from outbox where dead_at is not null limit 100000) x),
      coalesce((select extract(epoch from now() - min(created_at)) from outbox
                where done_at is null and dead_at is null), 0)::float8
    """,
)


class Retry(Exception):
    """It did not work now; the message says why."""


class GiveUp(Exception):
    """It will never work; the message says why."""


class Work(Struct, frozen=True):
    """One row. ``created`` is in seconds since 1970; ``tries`` counts this one."""

    id: int
    site: int
    kind: str
    body: str
    tries: int
    created: float


class DeadLetter(Struct, frozen=True):
    """Work that was given up."""

    id: int
    site: int
    kind: str
    tries: int
    error: str
    at: str


class Random(Protocol):
    """The part of `random.Random` used here."""

    def random(self) -> float:
        """A number in [0, 1)."""


Handler = Callable[[Work], Awaitable[None]]


def wait_before(tries: int, random: Random) -> float:
    """Seconds until the try after *tries* of them: doubling, spread by half to either side."""
    longest: float = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(tries - 1, 30))
    return longest * (0.5 + random.random())


class Outbox:
    """Does the work of all sites; *handlers* by kind raise `Retry` or `GiveUp` where they can't."""

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        random: Random,
        metrics: Metrics,
        handlers: Mapping[str, Handler],
        *,
        tries: int = TRIES,
    ) -> None:
        self._database = database
        self._random = random
        self._handlers = handlers
        self._tries = tries
        self._done = metrics.counter("outbox_work", "Work for other servers, by how it ended.", ["kind", "outcome"])
        self._job = Periodic(clock, POLL, self._look, "outbox")
        # How much is under way, by site.
        self._under_way: Counter[int] = Counter()
        self._news: Deferred[None] | None = None
        self._running = False
        self._stopped = False
        # How often it was looked for work, and how much of it came to an end.
        self.looks = 0
        self.ended = 0

    def start(self) -> None:
        """Look for work every second."""
        self._job.start()

    def stop(self) -> None:
        """Take on no more; what is under way ends, or is done again by another."""
        self._stopped = True
        self._job.stop()
        self._rouse()

    def _look(self) -> None:
        if self._running:
            self._rouse()
        else:
            Deferred.fromCoroutine(self.run()).addErrback(lambda f: log.failure("outbox: the work broke off", f))

    def _rouse(self) -> None:
        news, self._news = self._news, None
        if news is not None:
            news.callback(None)

    async def run(self) -> None:
        """Do what is due, until nothing is, in every shard."""
        self._running = True
        try:
            while not self._stopped:
                for part in self._database.parts:
                    await self._claim(part.system)
                self.looks += 1
                if not self._under_way:
                    return
                self._news = Deferred()
                await self._news
        finally:
            self._running = False

    async def _claim(self, part: SystemDatabase) -> None:
        while not self._stopped and self._under_way.total() < MOST:
            busy = [site for site, count in self._under_way.items() if count >= PER_SITE]
            try:
                rows = await part.write(CLAIM_WORK, BATCH, CLAIM, busy)
            except Unavailable:
                return
            except DatabaseError as error:
                log.warn("outbox: work can't be looked for: {reason}", reason=str(error))
                return
            for row in rows:
                work = Work(*row)
                self._under_way[work.site] += 1
                Deferred.fromCoroutine(self._one(part, work)).addBoth(self._over, work.site)
            if len(rows) < BATCH:
                return

    def _over(self, result: object, site: int) -> None:
        if isinstance(result, Failure):
            log.failure("outbox: noting work broke", result)
        self.ended += 1
        self._under_way[site] -= 1
        left = self._under_way[site]
        if not left:
            del self._under_way[site]
        if not self._under_way or left == PER_SITE - 1:
            self._rouse()

    async def _one(self, part: SystemDatabase, work: Work) -> None:
        try:
            await self._settle(part, work, await self._try(work))
        except DatabaseError as error:
            # The claim runs out, and it is done again.
            log.warn("outbox: {id} can't be noted: {reason}", id=work.id, reason=str(error))

    async def _try(self, work: Work) -> tuple[str, str]:
        handler = self._handlers.get(work.kind)
        if handler is None:
            # A newer release may know it.
            return "retry", f"nobody here knows {work.kind}"
        try:
            await handler(work)
        except Retry as error:
            return "retry", str(error)
        except GiveUp as error:
            return "dead", str(error)
        except DatabaseError as error:
            # It is down, or this process is about to end.
            return "retry", str(error)
        except Exception as error:
            log.failure("outbox: {kind} {id} broke", kind=work.kind, id=work.id)
            return "retry", type(error).__name__
        return "done", ""

    async def _settle(self, part: SystemDatabase, work: Work, outcome: tuple[str, str]) -> None:
        what, why = outcome[0], clean_line(outcome[1])
        if what == "retry" and work.tries >= self._tries:
            what = "dead"
        self._done.labels(work.kind, what).inc()
        if what == "done":
            await part.write(FINISH_WORK, work.id)
        elif what == "dead":
            log.warn("outbox: {kind} {id} of site {site} is given up: {reason}",
                     kind=work.kind, id=work.id, site=work.site, reason=why)  # fmt: skip
            await part.write(BURY_WORK, work.id, why[:500])
        else:
            await part.write(RETRY_WORK, work.id, wait_before(work.tries, self._random), why[:500])

    @property
    def under_way(self) -> int:
        """How much is being worked on."""
        return self._under_way.total()

    async def waiting(self) -> tuple[int, int, float]:
        """How much waits, how much was given up, and the age in seconds of the oldest that waits."""
        found = [
            (await part.system.read(COUNT_WORK, preference=ReadPreference.PRIMARY)).rows[0]
            for part in self._database.parts
        ]
        return sum(row[0] for row in found), sum(row[1] for row in found), max(row[2] for row in found)

    async def dead(self) -> list[DeadLetter]:
        """What was given up, the latest first."""
        found: list[tuple[Any, ...]] = []
        for part in self._database.parts:
            found += (await part.system.read(SELECT_DEAD, MOST_LISTED, preference=ReadPreference.PRIMARY)).rows
        return sorted((DeadLetter(*row) for row in found), key=lambda one: one.at, reverse=True)[:MOST_LISTED]

    async def requeue(self, number: int) -> bool:
        """Try a dead letter again from the beginning; False when there is none of that number."""
        for part in self._database.parts:
            if await part.system.write(REQUEUE_WORK, number):
                return True
        return False
