"""Looks through the event log for new comments and notes who is to be told; one process at a time, off every write."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError
from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.domain.sites import SiteDirectory
from cackled.products.comments.settings import CommentSettings

log = Logger()

INTERVAL = 2.0
BATCH = 2_000
GATHER = Query("gather_notices", "select seen, told from gather_notices($1, $2)", ("int", "int[]"))


class Gatherer:
    """Gathers every `INTERVAL` seconds, in every shard; queues links of new comments, where a site shows previews."""

    def __init__(self, database: Database, clock: IReactorTime, sites: SiteDirectory) -> None:
        self._sites = sites
        self._database = database
        self._job = Periodic(clock, INTERVAL, self.run, "notices")

    def start(self) -> None:
        """Begin."""
        self._job.start()

    def stop(self) -> None:
        """No more."""
        self._job.stop()

    async def run(self) -> int:
        """Look through all that is there; gives how many followers were told."""
        told = 0
        previews = [site.id for site in self._sites.all() if site.product(CommentSettings).previews]
        for part in self._database.parts:
            while True:
                try:
                    rows: list[tuple[Any, ...]] = await part.system.write(GATHER, BATCH, previews)
                except DatabaseError as error:
                    log.warn("notices: {reason}", reason=str(error))
                    break
                if not rows or not rows[0][0]:
                    break
                told += rows[0][1]
        return told
