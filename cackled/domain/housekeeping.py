"""Jobs that keep the database tidy: partitions of the event log, keys and work that are done with.

Each job stands in its own try, so that one that fails does not stop the others; several nodes may run them at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError, Unavailable
from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.metrics import Metrics

log = Logger()

INTERVAL = 600.0
# Partitions are made so many days ahead.
AHEAD = 2

MAKE_PARTITIONS = Query("make_partitions", "select event_partitions($1)", ("int",))
EXPIRE_EVENTS = Query("expire_events", "select event_expire(make_interval(secs => $1))", ("float8",))
# A batch at a time, until there is no more: more may come between two runs than one statement should delete.
BATCH = 5_000
# Things that are recounted in one run.
MOST_RECOUNTED = 10_000
EXPIRE_OUTBOX = Query(
    "expire_outbox",
    f"""
    with gone as (
      delete from outbox where id = any(array(
        select id from outbox where done_at < now() - interval '48 hours' or dead_at < now() - interval '30 days'
        limit {BATCH}
      )) returning 1
    )
    select count(*) from gone
    """,
)
EXPIRE_USED_LINKS = Query(
    "expire_used_links",
    f"""
    with gone as (
      delete from used_link where ctid = any(array(
        select ctid from used_link where expires_at < now() - interval '1 day' limit {BATCH}
      )) returning 1
    )
    select count(*) from gone
    """,
)


class Housekeeping:
    """Runs all jobs every ten minutes. *event_retention* is in seconds; *jobs* and *recounts* are those of features.

    Each of the jobs deletes at most `BATCH` rows and gives their number, and is repeated while there were so many. A
    recount gives how many things it looked at, and how many counts were wrong; those are an error in the log and a
    figure (``counts_wrong``), for the transactions that change counts keep them exact.
    """

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        metrics: Metrics,
        event_retention: float,
        jobs: Iterable[Query] = (),
        recounts: Iterable[Query] = (),
    ) -> None:
        self._database = database
        self._runs = metrics.counter("jobs_runs", "Housekeeping jobs run.", ["task", "outcome"])
        self._jobs: list[tuple[Query, tuple[Any, ...]]] = [
            (MAKE_PARTITIONS, (AHEAD,)),
            (EXPIRE_EVENTS, (event_retention,)),
        ]
        batched = (EXPIRE_OUTBOX, EXPIRE_USED_LINKS, *jobs)
        self._batched = frozenset(query.name for query in batched)
        self._jobs += [(query, ()) for query in batched]
        self._recounts = tuple(recounts)
        self._wrong = metrics.counter("counts_wrong", "Kept counts that a recount found wrong.", ["task"])
        self._job = Periodic(clock, INTERVAL, self.run, "housekeeping")

    def start(self) -> None:
        """Run now and every `INTERVAL` seconds."""
        self._job.start(now=True)

    def stop(self) -> None:
        """Run no more."""
        self._job.stop()

    async def run(self) -> None:
        """Run every job once, in every shard."""
        for part in self._database.parts:
            await self._run(part)
            await self._recount(part)

    async def _run(self, part: Database) -> None:
        for query, args in self._jobs:
            try:
                while (await part.system.write(query, *args))[0][0] == BATCH and query.name in self._batched:
                    pass
            except Unavailable:
                self._runs.labels(query.name, "unavailable").inc()
                return
            except DatabaseError as error:
                self._runs.labels(query.name, "failed").inc()
                log.error("job {job} failed: {reason}", job=query.name, reason=str(error))
            else:
                self._runs.labels(query.name, "done").inc()

    async def _recount(self, part: Database) -> None:
        for query in self._recounts:
            wrong = 0
            try:
                for _ in range(MOST_RECOUNTED):
                    checked, found = (await part.system.write(query))[0]
                    wrong += found
                    if not checked:
                        break
            except DatabaseError as error:
                log.error("job {job} failed: {reason}", job=query.name, reason=str(error))
            if wrong:
                self._wrong.labels(query.name).inc(wrong)
                log.error("{job}: {wrong} counts were wrong and are put right", job=query.name, wrong=wrong)
