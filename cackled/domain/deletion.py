"""Deleting a site with all it has, in every shard, and again after an older backup is restored.

The site leaves the catalog first, so that nobody serves it or writes there; its rows go in batches. What other nodes
wrote in the moment before they heard of it goes a minute later.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.database.row_counts import Counted
from cackled.domain.erasure import InThread, append, read
from cackled.domain.sites import SiteDirectory

log = Logger()

INTERVAL = 120.0
BATCH = 1_000
# In the journal, for the whole site.
NOBODY = 0

# What every site has, beside what products declare.
CORE = (
    Counted(table="channel", word="pages"), Counted(table="visitor", word="visitors"),
    Counted(table="ban", word="bans"),
)  # fmt: skip
DELETE_ROWS = Query("delete_site_rows", "select delete_site_rows($1, $2)", ("int", "int"))
SELECT_DELETED_SITES = Query(
    "select_deleted_sites", "select site_id, done, deleted_at < now() - interval '1 minute' from catalog.deleted_site"
)
DELETION_DONE = Query(
    "deletion_done", "update catalog.deleted_site set done = true where site_id = $1 and not done", ("int",)
)


class Deletions:
    """Deletes sites, and sees that they stay deleted; *journal* is that of erasures, *counted* what products have."""

    def __init__(
        self, sites: SiteDirectory, database: Database, clock: IReactorTime, journal: Path, in_thread: InThread,
        counted: Iterable[Counted],
    ) -> None:  # fmt: skip
        self._counted = (*CORE, *counted)
        self._sites = sites
        self._database = database
        self._journal = journal
        self._in_thread = in_thread
        self._job = Periodic(clock, INTERVAL, self.sync, "deletions")

    def start(self) -> None:
        """Look for rows of deleted sites every two minutes, and delete them."""
        self._job.start()

    def stop(self) -> None:
        """Stop the periodic work."""
        self._job.stop()

    async def holdings(self, site: int) -> dict[str, int]:
        """How much a site has, by kind."""
        columns = ", ".join(f"(select count(*) from {one.table} where site_id = $1)" for one in self._counted)
        query = Query("select_site_holdings", f"select {columns}", ("int",))
        rows = await self._database.site(site).read(query, site, preference=ReadPreference.PRIMARY)
        return {one.word: count for one, count in zip(self._counted, rows.rows[0], strict=True)}

    async def delete(self, site: int) -> int:
        """Delete a site and all it has; gives how many rows went."""
        await self.dismiss(site)
        return await self.clear(site)

    async def dismiss(self, site: int) -> None:
        """Nobody is served the site any more: it is in the journal, then out of the catalog. Its rows are left."""
        await self._in_thread(append, self._journal, [(site, NOBODY)])
        await self._sites.drop(site)

    async def clear(self, site: int) -> int:
        """Delete the rows of a site that was dismissed (the periodic work does it, too); gives how many went."""
        gone = await self._clear(site)
        log.info("site {site} is deleted, {rows} rows", site=site, rows=gone)
        return gone

    async def _clear(self, site: int) -> int:
        gone = 0
        for part in self._database.parts:
            while (rows := await part.system.write(DELETE_ROWS, site, BATCH)) and rows[0][0]:
                gone += rows[0][0]
        return gone

    async def sync(self) -> None:
        """Delete what is left of deleted sites, and those that a restored database has again."""
        try:
            noted, _ = await self._in_thread(read, self._journal)
            known = await self._database.system.read(SELECT_DELETED_SITES, preference=ReadPreference.PRIMARY)
            deleted = {site for site, _, _ in known.rows}
            journal = {site for site, visitor in noted if visitor == NOBODY}
            await self._in_thread(append, self._journal, sorted((site, NOBODY) for site in deleted - journal))
            for site in sorted(journal - deleted):
                log.info("site {site} was deleted before the database was restored: once more", site=site)
                await self._sites.drop(site)
                await self._clear(site)
            for site, done, old in known.rows:
                if old and not done:
                    await self._clear(site)
                    await self._database.system.write(DELETION_DONE, site)
        except DatabaseError as error:
            log.warn("deleted sites could not be looked at: {reason}", reason=str(error))
