"""Teaches the filters what moderators decided: off the path of every write, in batches, by one process of a node.

A decision leaves a lesson (`teach` in the database) in its own transaction. Here the features of its text are found,
and counted once: the lesson keeps in which buckets, so that it can be taken back exactly, whatever became of the text.
Several nodes may do it at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.moderation.features import features
from cackled.moderation.judged import Judged, item
from cackled.moderation.prior import PriorMaker
from cackled.moderation.slices import sliced

log = Logger()

INTERVAL = 3.0
BATCH = 500
# The shared prior is made so seldom, in seconds.
PRIOR_INTERVAL = 600.0

SELECT_LESSONS = Query(
    "select_lessons",
    """
    select site_id, kind, item, buckets is null and spam is not null from spam_lesson
    where spam is distinct from learnt and kind = any($1) and site_id <> all($2) order by decided_at limit $3
    """,
    ("text[]", "int[]", "int"),
)
LEARN = Query("learn", "select learn($1, $2, $3, $4)", ("int", "text", "bigint[]", "text[]"))
EXPIRE_LESSONS = Query(
    "expire_lessons",
    """
    with gone as (
      delete from spam_lesson where ctid = any(array(
        select ctid from spam_lesson where decided_at < now() - interval '1 year' and spam is not distinct from learnt
        limit 5000
      )) returning 1
    )
    select count(*) from gone
    """,
)


class Trainer:
    """Learns what is to be learnt, every `INTERVAL` seconds."""

    def __init__(self, database: Database, clock: IReactorTime, kinds: Iterable[Judged]) -> None:
        self._database = database
        self._clock = clock
        self._kinds: Mapping[str, Judged] = {one.kind: one for one in kinds}
        self._prior = PriorMaker(database, clock)
        self._job = Periodic(clock, INTERVAL, self.run, "spam lessons")
        self._prior_job = Periodic(clock, PRIOR_INTERVAL, self._prior.run, "spam prior")
        self.learnt = 0

    def start(self) -> None:
        """Begin."""
        self._job.start()
        self._prior_job.start(now=True)

    def stop(self) -> None:
        """No more."""
        self._job.stop()
        self._prior_job.stop()

    async def run(self) -> int:
        """Learn all that waits; gives how many lessons that were."""
        done = 0
        for part in self._database.parts:
            failed: list[int] = []
            before: list[tuple[Any, ...]] = []
            while True:
                try:
                    rows = await part.system.read(
                        SELECT_LESSONS, list(self._kinds), failed, BATCH, preference=ReadPreference.PRIMARY
                    )
                except DatabaseError:
                    break
                groups: dict[tuple[int, str], list[tuple[int, bool]]] = {}
                for site, kind, number, wordless in rows.rows:
                    groups.setdefault((site, kind), []).append((number, wordless))
                for (site, kind), some in groups.items():
                    try:
                        await self._learn(site, kind, some)
                        done += len(some)
                    except DatabaseError as error:
                        failed.append(site)
                        log.warn("lessons of site {site} wait: {reason}", site=site, reason=str(error))
                # The same again: what can't be learnt must not keep us busy.
                if len(rows.rows) < BATCH or rows.rows == before:
                    break
                before = rows.rows
        self.learnt += done
        return done

    async def _learn(self, site: int, kind: str, some: list[tuple[int, bool]]) -> None:
        database = self._database.site(site)
        asked = [number for number, wordless in some if wordless]
        found: dict[int, str] = {}
        if asked:
            rows = await database.read(self._kinds[kind].items, site, asked, preference=ReadPreference.PRIMARY)
            async for row in sliced(rows.rows, self._clock):
                one = item(row)
                places = features(one.draft(kind)).places
                found[one.id] = ",".join(map(str, sorted(places)))
        # What has no words any more is no lesson.
        buckets: list[Any] = [found.get(number) if wordless else "" for number, wordless in some]
        await database.write(LEARN, site, kind, [number for number, _ in some], buckets)
