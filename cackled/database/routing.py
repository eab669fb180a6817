"""Which server answers: `Database`, and its two views `SiteDatabase` (one tenant) and `SystemDatabase` (all tenants).

The rules of readPreference are MongoDB's: replicas that lag more than a given staleness are excluded, and the
"preferred" modes fall back to the freshest server that answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled import config
from cackled.clock import sleep
from cackled.database.dsn import ServerSettings
from cackled.database.election import Election
from cackled.database.errors import ConnectionLost, DatabaseError, Moved, QueryFailed, Unavailable
from cackled.database.freshness import Freshness
from cackled.database.pool import PoolSettings
from cackled.database.query import Query, ReadPreference, Rows
from cackled.database.server import HANG, Server
from cackled.database.timelines import Timelines
from cackled.metrics import Metrics

log = Logger()

__all__ = ["Database", "ReadPreference", "Rows", "SiteDatabase", "SystemDatabase"]

# Servers whose latency is within so many seconds of the best one count as equally near.
NEAR = 0.015
RETRY_AFTER = 1.0
# Errors that only a replica gives: its schema is not there yet (class 42), or replay removed what a query was reading.
REPLICA_ONLY = ("42", "40001", "40P01")
# For so many seconds the start waits for the primary when a replica was found.
PATIENCE = 2.0


class Database:
    """All servers. Nothing is connected before `start`.

    A server that answers neither a heartbeat nor anything else for *hang* seconds counts as down.
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
        self.metrics = metrics
        self.servers = [
            Server(
                one, clock=clock, random=random, settings=pool, metrics=metrics, hang=hang, beaten=self._beaten
            )
            for one in servers
        ]
        self._max_staleness = given.max_staleness
        self._freshness = Freshness()
        self._election = Election(self.servers, metrics, self._moved)
        self._told: list[Callable[[], None]] = []
        self._had: Server | None = None
        # The replica through which the event log is followed while there is no primary.
        self._followed: Server | None = None
        # Since when the event log is followed without a gap, and until when it was read. Set by the follower.
        self.log: Callable[[], tuple[float, float]] = lambda: (inf, -inf)
        self._system = SystemDatabase(self)

    async def start(self, timeout: float = 10.0) -> None:
        """Connect and wait until the primary is found. When only a replica was found, wait `PATIENCE` seconds longer.

        If no server is found within *timeout* seconds this fails, but the attempts to connect go on.

        Raises:
            Unavailable: none was found in time.
        """
        for server in self.servers:
            server.start()
        end = self._clock.seconds() + timeout
        while True:
            now = self._clock.seconds()
            there = [one for one in self.servers if one.alive and one.app.healthy and one.system.healthy]
            if self.primary in there:
                return
            if there:
                end = min(end, now + PATIENCE)
            if now >= end:
                if there:
                    log.warn("no primary was found: reads are answered, writes are not ({why})", why=self.reason)
                    return
                raise Unavailable(RETRY_AFTER, f"no database server answers ({self.reason})")
            await sleep(self._clock, 0.01)
            for server in self.servers:
                server.hurry()

    async def stop(self) -> None:
        """Close all connections; queries under way fail."""
        for server in self.servers:
            server.stop()

    def remember(self, timelines: Timelines) -> None:
        """Call it before `start`, to use promotions that were seen before a restart."""
        self._election.timelines = timelines

    def site(self, site_id: int) -> SiteDatabase:
        """The database as *site_id* may see it; enforced by row-level security."""
        return SiteDatabase(self, site_id)

    @property
    def system(self) -> SystemDatabase:
        """The database over all sites: event log, catalog, jobs."""
        return self._system

    def of(self, site: int) -> Database:
        """The database that holds a site."""
        return self

    @property
    def parts(self) -> list[Database]:
        """The databases that hold sites, by shard. Here only this one; `cackled.database.shards` has more."""
        return [self]

    async def learn(self) -> None:
        """Read again in which shard each site is, after a change of the catalog. Does nothing with one shard."""

    @property
    def ready(self) -> bool:
        """Whether reads can be answered: any server is up."""
        return any(server.alive for server in self.servers)

    @property
    def writable(self) -> bool:
        """Whether a primary is up."""
        return self.primary is not None

    @property
    def primary(self) -> Server | None:
        """The server that writes go to, if it is up."""
        return self._election.primary

    def now(self) -> float:
        """Seconds on the clock that staleness is measured by."""
        return self._clock.seconds()

    @property
    def reason(self) -> str:
        """Why no server is available, for operators."""
        return "; ".join(f"{s.name}: {s.app.reason}" for s in self.servers if not s.alive) or "all up"

    @property
    def alarm(self) -> str:
        """What is wrong with the servers that say they are the primary; empty if nothing is."""
        return self._election.alarm

    def trouble(self, server: Server) -> str:
        """What is wrong with *server*; empty if nothing is."""
        if not server.alive:
            return f"down ({server.app.reason})" if server.app.reason else "down"
        if server.primary:
            return "" if server is self.primary or self.primary is None else "calls itself primary, and is not used"
        if self.primary is None:
            return ""
        if server.timeline not in (0, self.primary.timeline):
            return f"follows timeline {server.timeline}, and the primary is on {self.primary.timeline}"
        if server.staleness > self._max_staleness:
            far = "it is not known how far" if server.as_of is None else f"{server.staleness:.0f} s"
            return f"behind the primary: {far}"
        return ""

    def on_primary(self, told: Callable[[], None]) -> None:
        """Call *told* whenever another server is the primary, the primary is back, or there is none any more."""
        self._told.append(told)

    def connect_log(self, followed: Callable[[], tuple[float, float]]) -> None:
        """Set the function that gives since when the log is followed without a gap, and until when it was read."""
        self.log = followed

    def _moved(self) -> None:
        self._freshness.clear()
        for told in self._told:
            told()

    def _beaten(self, server: Server) -> None:
        """A server answered its heartbeat, or went down."""
        self._election.hold()
        primary = self._election.primary
        had, self._had = self._had, primary
        if had is not None and primary is None:
            for told in self._told:
                told()
        if server is primary:
            self._freshness.primary_at(server.position, server.asked)
        if primary is None:
            return
        for one in self.servers if server is primary else (server,):
            # A replica that follows an older timeline may have data that the primary never had.
            if one.alive and not one.primary and one.timeline in (0, primary.timeline):
                one.contains(self._freshness.as_of(one.position))

    def primary_dsn(self) -> str:
        """The DSN of the primary, or of the server most likely to be it."""
        if self.primary is not None:
            return self.primary.dsn
        claims = [server for server in self.servers if server.primary]
        return max(claims, key=lambda server: server.timeline).dsn if claims else self.servers[0].dsn

    def standby_dsn(self) -> str:
        """The DSN of a replica to read the event log from while there is no primary.

        It is "" if there is a primary, or if no replica is up.
        """
        if self.primary is not None:
            self._followed = None
            return ""
        able = [
            server for server in self.servers
            if server.alive and not server.primary and self._election.continues(server.cluster, server.timeline)
        ]  # fmt: skip
        if self._followed not in able:
            # The choice is kept, so that events come in order.
            self._followed = max(able, key=lambda server: server.position, default=None)
        return "" if self._followed is None else self._followed.dsn

    async def read_log(self, query: Query, args: tuple[Any, ...], site: int | None) -> Rows:
        """As `SiteDatabase.read_log`."""
        try:
            return await self.read(query, args, site, ReadPreference.PRIMARY, None)
        except Unavailable:
            server = self._followed
            if server is None or not server.alive or self.primary is not None:
                raise
            pool = server.system if site is None else server.app
            return self._answer(await pool.execute(query, args, site), server, None)

    def candidates(self, preference: ReadPreference, max_staleness: float | None = None) -> list[Server]:
        """The servers that may answer, in the order to ask them.

        Without *max_staleness* the configured limit counts; if no server is within it, one beyond it may answer.
        """
        primary = self.primary
        primaries = [] if primary is None else [primary]
        if preference is ReadPreference.PRIMARY:
            return primaries
        if primary is not None and len(self.servers) == 1:
            return [] if preference is ReadPreference.SECONDARY else primaries
        replicas = [server for server in self.servers if server.alive and not server.primary]
        replicas.sort(key=lambda server: server.staleness)
        bound = self._max_staleness if max_staleness is None else max_staleness
        eligible = self._nearest([s for s in replicas if s.staleness <= bound])
        if preference is ReadPreference.SECONDARY:
            return eligible if max_staleness is not None else eligible or replicas
        if preference is ReadPreference.PRIMARY_PREFERRED:
            return primaries + replicas
        if preference is ReadPreference.SECONDARY_PREFERRED:
            chosen = eligible + primaries
        else:
            chosen = self._nearest(eligible + primaries)
        # Without a primary, the freshest replica answers, and the answer has its staleness.
        return chosen or replicas

    def _nearest(self, servers: list[Server]) -> list[Server]:
        if len(servers) < 2:
            return servers
        own = [server for server in servers if server.local]
        if own:
            return own + self._nearest([server for server in servers if not server.local])
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
        error: DatabaseError = Unavailable(RETRY_AFTER, "no server of that kind is up")
        for server in self.candidates(preference, max_staleness):
            for _ in range(2):
                pool = server.system if site is None else server.app
                try:
                    rows = await pool.execute(query, args, site)
                except ConnectionLost as lost:
                    # A read can be repeated safely. Another connection may work, or there is a new one in a moment.
                    error = lost
                    if not server.alive:
                        break
                except Unavailable as unavailable:
                    error = unavailable
                    break
                except QueryFailed as failed:
                    if server.primary or not failed.sqlstate.startswith(REPLICA_ONLY):
                        raise
                    error = failed
                    break
                else:
                    return self._answer(rows, server, max_staleness)
        raise error

    def _answer(self, rows: list[tuple[Any, ...]], server: Server, max_staleness: float | None) -> Rows:
        if server is self.primary:
            return Rows(rows, server.name, 0.0, True)
        staleness = server.staleness
        stale = self.primary is None or (max_staleness is not None and staleness > max_staleness)
        return Rows(rows, server.name, staleness, False, stale)

    def write(self, query: Query, args: tuple[Any, ...], site: int | None) -> Deferred[list[tuple[Any, ...]]]:
        """See `SiteDatabase.write`."""
        server = self.primary
        if server is None:
            raise Unavailable(RETRY_AFTER, "the primary is not up")
        done = (server.system if site is None else server.app).execute(query, args, site)
        return done.addErrback(self._refused, server)

    def _refused(self, failure: Failure, server: Server) -> Failure:
        if failure.check(Unavailable) and not failure.check(Moved):
            server.doubt()
        return failure


class _Face:
    __slots__ = ("_database", "_site")

    def __init__(self, database: Database, site: int | None) -> None:
        self._database = database
        self._site = site

    @property
    def writable(self) -> bool:
        """Whether a primary is up."""
        return self._database.writable

    def now(self) -> float:
        """Seconds on the clock that staleness is measured by."""
        return self._database.now()

    def log(self) -> tuple[float, float]:
        """Since when the event log is followed without a gap, and until when it was read; (inf, -inf) if it is not."""
        return self._database.log()

    async def read(
        self, query: Query, *args: Any, preference: ReadPreference, max_staleness: float | None = None
    ) -> Rows:
        """The rows of *query* from a server that *preference* allows, at most *max_staleness* seconds behind.

        Raises:
            Unavailable, QueryTimeout, QueryFailed
        """
        return await self._database.read(query, args, self._site, preference, max_staleness)

    async def read_log(self, query: Query, *args: Any) -> Rows:
        """The rows of *query* from the server whose event log is followed.

        That is the primary, or a replica while there is no primary.

        Raises:
            Unavailable, QueryTimeout, QueryFailed
        """
        return await self._database.read_log(query, args, self._site)

    async def write(self, query: Query, *args: Any) -> list[tuple[Any, ...]]:
        """Run *query* on the primary as one transaction and give its rows.

        Raises:
            Unavailable: it may have taken effect (with `Busy` it did not).
            QueryTimeout, QueryFailed: it had no effect.
        """
        return await self._database.write(query, args, self._site)


class SiteDatabase(_Face):
    """The database as one site may see it."""

    __slots__ = ()

    def __init__(self, database: Database, site: int) -> None:
        super().__init__(database, int(site))

    @property
    def site(self) -> int:
        """The id of the site."""
        assert self._site is not None
        return self._site


class SystemDatabase(_Face):
    """The database over all sites, as role ``cackled_system``."""

    __slots__ = ()

    def __init__(self, database: Database) -> None:
        super().__init__(database, None)
