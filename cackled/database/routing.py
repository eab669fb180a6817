"""Which server answers: `Database`, and its two faces `SiteDatabase` (one tenant) and `SystemDatabase` (all).

Database: imports twisted, cackled.config and this package only. The rules of readPreference are MongoDB's: a staleness
bound keeps replicas out that lag more, and the preferred kinds fall back to the freshest that answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from cackled import config
from cackled.clock import sleep
from cackled.database.dsn import ServerSettings
from cackled.database.errors import ConnectionLost, Unavailable
from cackled.database.pool import PoolSettings
from cackled.database.query import Query, ReadPreference, Rows
from cackled.database.server import HANG, Server
from cackled.metrics import Metrics

__all__ = ["Database", "ReadPreference", "Rows", "SiteDatabase", "SystemDatabase"]

# Servers whose latency is within so many seconds of the best one count as equally near.
NEAR = 0.015
RETRY_AFTER = 1.0


class Database:
    """All servers. Nothing is connected before `start`.

    A server that leaves a heartbeat unanswered for *hang* seconds, and everything else too, counts as down.
    """

    def __init__(
        self,
        servers: Sequence[ServerSettings],
        *,
        clock: IReactorTime,
        random: Random,
        metrics: Metrics,
        settings: config.Database | None = None,
        hang: float = HANG,
    ) -> None:
        given = settings or config.Database()
        pool = PoolSettings(
            connections=given.connections, max_waiting=given.max_waiting, wait_timeout=given.wait_timeout,
            statement_timeout=given.statement_timeout, connect_timeout=given.connect_timeout,
        )
        self._clock = clock
        self._random = random
        self.servers = [
            Server(one, clock=clock, random=random, settings=pool, metrics=metrics, hang=hang) for one in servers
        ]
        self._system = SystemDatabase(self)

    async def start(self, timeout: float = 10.0) -> None:
        """Connect, and wait until a server was found or *timeout* seconds are over; it goes on connecting then.

        Raises:
            Unavailable: none was found in time.
        """
        for server in self.servers:
            server.start()
        end = self._clock.seconds() + timeout
        while not any(server.alive and server.app.healthy and server.system.healthy for server in self.servers):
            if self._clock.seconds() >= end:
                raise Unavailable(RETRY_AFTER, f"no database server answers ({self.reason})")
            await sleep(self._clock, 0.01)
            for server in self.servers:
                server.hurry()

    async def stop(self) -> None:
        """Close all connections; queries under way fail."""
        for server in self.servers:
            server.stop()

    def site(self, site_id: int) -> SiteDatabase:
        """The database as *site_id* may see it; row-level security holds the walls."""
        return SiteDatabase(self, site_id)

    @property
    def system(self) -> SystemDatabase:
        """The database over all sites: event log, catalog, jobs."""
        return self._system

    @property
    def ready(self) -> bool:
        """Whether reads can be answered: any server is up."""
        return any(server.alive for server in self.servers)

    @property
    def writable(self) -> bool:
        """Whether a primary is up."""
        return any(server.alive and server.primary for server in self.servers)

    @property
    def reason(self) -> str:
        """Why a server is not to be had, for operators."""
        return "; ".join(f"{s.name}: {s.app.reason}" for s in self.servers if not s.alive) or "all up"

    def primary_dsn(self) -> str:
        """The DSN of the primary, or of the server most likely to be it."""
        for server in self.servers:
            if server.alive and server.primary:
                return server.dsn
        for server in self.servers:
            if server.primary:
                return server.dsn
        return self.servers[0].dsn

    def candidates(self, preference: ReadPreference, max_staleness: float | None = None) -> list[Server]:
        """The servers that may answer, in the order to ask them."""
        alive = [server for server in self.servers if server.alive]
        primaries = [server for server in alive if server.primary][:1]
        if preference is ReadPreference.PRIMARY:
            return primaries
        replicas = [server for server in alive if not server.primary]
        replicas.sort(key=lambda server: server.staleness)
        eligible = [s for s in replicas if max_staleness is None or s.staleness <= max_staleness]
        if preference is ReadPreference.SECONDARY:
            return self._nearest(eligible)
        if preference is ReadPreference.PRIMARY_PREFERRED:
            return primaries + replicas
        if preference is ReadPreference.SECONDARY_PREFERRED:
            chosen = self._nearest(eligible) + primaries
        else:
            chosen = self._nearest(eligible + primaries)
        # With no primary left, the freshest replica answers, and its answer says how stale it is.
        return chosen or replicas

    def _nearest(self, servers: list[Server]) -> list[Server]:
        if len(servers) < 2:
            return servers
        best = min(server.latency for server in servers)
        near = [server for server in servers if server.latency <= best + NEAR]
        far = sorted((server for server in servers if server.latency > best + NEAR), key=lambda s: s.latency)
        self._random.shuffle(near)
        return near + far

    async def read(
        self, query: Query, args: tuple[Any, ...], site: int | None, preference: ReadPreference,
        max_staleness: float | None,
    ) -> Rows:
        """See `SiteDatabase.read`."""
        error = Unavailable(RETRY_AFTER, "no server of that kind is up")
        for server in self.candidates(preference, max_staleness):
            for _ in range(2):
                pool = server.system if site is None else server.app
                try:
                    rows = await pool.execute(query, args, site)
                except ConnectionLost as lost:
                    # A read does no harm twice; the other connections may be sound.
                    error = lost
                    if not pool.healthy:
                        break
                except Unavailable as unavailable:
                    error = unavailable
                    break
                else:
                    return Rows(rows, server.name, server.staleness, server.primary)
        raise error

    def write(self, query: Query, args: tuple[Any, ...], site: int | None) -> Deferred[list[tuple[Any, ...]]]:
        """See `SiteDatabase.write`."""
        for server in self.servers:
            if server.primary and server.alive:
                return (server.system if site is None else server.app).execute(query, args, site)
        raise Unavailable(RETRY_AFTER, "the primary is not up")


class _Face:
    __slots__ = ("_database", "_site")

    def __init__(self, database: Database, site: int | None) -> None:
        self._database = database
        self._site = site

    async def read(
        self, query: Query, *args: Any, preference: ReadPreference, max_staleness: float | None = None
    ) -> Rows:
        """The rows of *query* from a server that *preference* allows, at most *max_staleness* seconds behind.

        Raises:
            Unavailable, QueryTimeout, QueryFailed
        """
        return await self._database.read(query, args, self._site, preference, max_staleness)

    async def write(self, query: Query, *args: Any) -> list[tuple[Any, ...]]:
        """Run *query* on the primary as one transaction and give its rows.

        Raises:
            Unavailable: nothing is known of its effect, unless it is `Busy`; QueryTimeout, QueryFailed: it had none.
        """
        return await self._database.write(query, args, self._site)


class SiteDatabase(_Face):
    """The database as one site may see it."""

    __slots__ = ()

    def __init__(self, database: Database, site: int) -> None:
        super().__init__(database, int(site))

    @property
    def site(self) -> int:
        """Whose it is."""
        assert self._site is not None
        return self._site


class SystemDatabase(_Face):
    """The database over all sites, as role ``cackled_system``."""

    __slots__ = ()

    def __init__(self, database: Database) -> None:
        super().__init__(database, None)
