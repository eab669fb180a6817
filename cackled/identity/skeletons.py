"""What names of people look like, made anew where the table of look-alike letters has changed since it was stored."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.names import REVISION, skeleton

log = Logger()

INTERVAL = 600.0
BATCH = 500
# Rows of one run and shard: the rest follows with the next.
MOST = 20_000
# The figure stands in the statement, so that the index over what is stale is used.
SELECT_STALE_SKELETONS = Query(
    "select_stale_skeletons",
    f"select site_id, visitor_id, name from person where skeleton_rev < {REVISION} limit $1", ("int",),
)  # fmt: skip
RENEW_SKELETONS = Query(
    "renew_skeletons",
    """
    update person p set skeleton = x.skeleton, skeleton_rev = $1
    from unnest($2::int[], $3::bigint[], $4::text[], $5::text[]) x (site, visitor, name, skeleton)
    where p.site_id = x.site and p.visitor_id = x.visitor and p.name = x.name
    """,
    ("int", "int[]", "bigint[]", "text[]", "text[]"),
)


class Skeletons:
    """Makes them anew: now and every ten minutes."""

    def __init__(self, database: Database, clock: Any) -> None:
        self._database = database
        self._job = Periodic(clock, INTERVAL, self.renew, "names as they look")

    def start(self) -> None:
        """See to it now and every ten minutes."""
        self._job.start()

    def stop(self) -> None:
        """No more."""
        self._job.stop()

    async def renew(self) -> int:
        """Make stale ones anew; gives how many were looked at."""
        done = 0
        try:
            for part in self._database.parts:
                if part.writable:
                    done += await self._renew(part)
        except DatabaseError as error:
            log.warn("names as they look could not be made anew: {reason}", reason=str(error))
        return done

    async def _renew(self, part: Database) -> int:
        done = 0
        while done < MOST:
            stale = (await part.system.read(SELECT_STALE_SKELETONS, BATCH, preference=ReadPreference.PRIMARY)).rows
            if not stale:
                break
            sites, visitors, names = (list(one) for one in zip(*stale, strict=True))
            made = [skeleton(name) for name in names]
            await part.system.write(RENEW_SKELETONS, REVISION, sites, visitors, names, made)
            done += len(stale)
        return done
