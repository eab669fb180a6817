"""What follows from changes of the catalog: sites are read anew, and nodes find each other."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from cackled.clock import Periodic, sleep
from cackled.cluster.node_list import Roster
from cackled.database.errors import DatabaseError
from cackled.database.routing import Database, ReadPreference
from cackled.domain.nodes import NodeRegistry
from cackled.domain.sites import SiteDirectory

log = Logger()

# Seconds until sites that could not be read are asked for again.
REREAD = 1.0


class NodeAnnouncer:
    """Says every *interval* seconds in the database that this node is there, and sees who else is."""

    def __init__(self, registry: NodeRegistry, roster: Roster, clock: Any, interval: float) -> None:
        self._registry = registry
        self._roster = roster
        self._job = Periodic(clock, interval, self.announce, "announcing this node")

    async def start(self) -> None:
        """Announce now, and from now on."""
        await self.announce()
        self._job.start()

    def stop(self) -> None:
        """Announce no more."""
        self._job.stop()

    async def announce(self) -> None:
        """Write this node into the database's list of nodes, and read the others."""
        try:
            others = await self._registry.announce()
        except DatabaseError as error:
            log.info("this node could not be announced: {reason}", reason=str(error))
            await self.look()
            return
        self._roster.take(others)

    async def look(self) -> None:
        """Read the other nodes; where the database can't be read, those known stay."""
        try:
            self._roster.take(await self._registry.others())
        except DatabaseError as error:
            log.info("other nodes are not looked for: {reason}", reason=str(error))

    async def forget(self, name: str) -> bool:
        """Delete a dead node from the database; False where it is not there."""
        if not await self._registry.remove(name):
            return False
        await self.announce()
        return True


class CatalogReader:
    """Reads the sites anew whenever the catalog has changed, and has *announcer* look for other nodes."""

    def __init__(
        self, sites: SiteDirectory, database: Database, clock: Any, announcer: NodeAnnouncer | None
    ) -> None:
        self._sites = sites
        self._database = database
        self._clock = clock
        self._announcer = announcer
        self._old = False
        self._reading: Deferred[None] | None = None
        self._stopped = False

    def changed(self) -> None:
        """A site was made or changed, or a node came, here or on another node."""
        if self._stopped:
            return
        self._old = True
        if self._reading is None or self._reading.called:
            self._reading = Deferred.fromCoroutine(self._read())
            self._reading.addErrback(
                lambda f: None if f.check(CancelledError) else log.failure("reading the sites anew broke", f)
            )
        if self._announcer is not None:
            Deferred.fromCoroutine(self._announcer.look())

    def stop(self) -> None:
        """Read no more, whatever is still told."""
        self._stopped = True
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self) -> None:
        # Of the primary, which told of the change; and until it is known: nobody tells of it again.
        while self._old:
            self._old = False
            try:
                await self._sites.refresh(ReadPreference.PRIMARY)
            except DatabaseError as error:
                log.warn("sites can't be read anew: {reason}", reason=str(error))
                if not self._database.writable:
                    return  # once it is back, the log is followed anew, and tells
                self._old = True
                await sleep(self._clock, REREAD)
