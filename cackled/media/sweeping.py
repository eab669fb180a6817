"""Removes what nothing shows: pictures that were added and never sent, and the files of contents that are with none."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError
from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.domain.housekeeping import BATCH
from cackled.media.origins import Origin

log = Logger()

INTERVAL = 300.0
# How many contents in one run.
MOST = 500

DROP_UNUSED = Query(
    "drop_unused_media",
    f"""
    select count(*) from (
      select drop_media(o.site_id, array_agg(o.id)) from (
        select m.site_id, m.id from media m where m.item = '' and m.created_at < now() - interval '1 day'
        limit {BATCH}
      ) o group by o.site_id
    ) x
    """,
)
CLAIM_CONTENTS = Query(
    "claim_media_contents",
    f"""
    update media_gone g set removing = true
    from (
      select x.site_id, x.hash from media_gone x
      where (x.removing or x.since < now() - interval '1 hour')
        and not exists (select 1 from media m where m.site_id = x.site_id and m.hash = x.hash)
      order by x.since limit {MOST} for update skip locked
    ) o
    where g.site_id = o.site_id and g.hash = o.hash returning g.site_id, g.hash
    """,
)
END_CONTENTS = Query(
    "end_media_contents", "delete from media_gone where site_id = $1 and hash = $2 and removing", ("int", "bytea")
)


class Sweeping:
    """The job; it runs in one process of each node."""

    def __init__(self, database: Database, origin: Origin, clock: Any) -> None:
        self._database = database
        self._origin = origin
        self._job = Periodic(clock, INTERVAL, self.sweep, "pictures that nothing shows")

    def start(self) -> None:
        """Look every five minutes."""
        self._job.start()

    def stop(self) -> None:
        """Look no more."""
        self._job.stop()

    async def sweep(self) -> int:
        """Remove the files of contents that nothing shows; gives of how many."""
        removed = 0
        for part in self._database.parts:
            try:
                rows = await part.system.write(CLAIM_CONTENTS)
                for site, digest in rows:
                    await self._origin.remove(site, bytes(digest))
                    await part.system.write(END_CONTENTS, site, digest)
                    removed += 1
            except (DatabaseError, OSError) as error:
                # What was begun is gone on with the next time.
                log.warn("files of pictures could not be removed: {reason}", reason=str(error)[:300])
        return removed
