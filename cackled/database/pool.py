"""The connections to one server in one role, with a bounded queue, a deadline for waiting, and a circuit breaker.

It replaces txpostgres' own pool, which gives out dead connections and waits without a limit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from cackled.database.errors import Busy, DatabaseError, QueryFailed, Unavailable
from cackled.database.link import Job, Link
from cackled.database.query import Query
from cackled.metrics import Metrics

log = Logger()

SWEEP = 0.1
# A connection counts as hung so many seconds after statement_timeout: the time that the network may need.
GRACE = 1.0
RETRY_AFTER = 1.0


class PoolSettings(Struct, frozen=True):
    """Seconds and counts; see ``[database]``."""

    connections: int = 8
    max_waiting: int = 1_000
    wait_timeout: float = 2.0
    statement_timeout: float = 5.0
    connect_timeout: float = 3.0


class PoolStats(Struct, frozen=True):
    """The state of the pool at one moment."""

    idle: int
    busy: int
    down: int
    waiting: int


class Pool:
    """*connections* links to the server that *dsn* names, each kept open.

    *name* labels the metrics. *dsn* is called at each attempt to connect, *on_lost* when a connection was lost.
    """

    def __init__(
        self,
        *,
        clock: IReactorTime,
        random: Random,
        dsn: Callable[[], str],
        settings: PoolSettings,
        metrics: Metrics,
        name: str,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        self._clock = clock
        self._on_lost = on_lost or (lambda: None)
        self._settings = settings
        self._name = name
        self._links = [Link(clock, random, dsn, settings.connect_timeout, self) for _ in range(settings.connections)]
        self._idle: list[Link] = []
        self._busy: set[Link] = set()
        self._waiting: deque[Job] = deque()
        # Links that are free and not yet served. More than one only while jobs end at the moment they are submitted.
        self._ready: list[Link] = []
        self._giving = False
        self._sweeper: IDelayedCall | None = None
        self._running = False
        self._broken = ""
        self._reason = "not connected"
        # The time on the clock when the server last answered a query.
        self.answered = -1.0
        self._seconds = metrics.histogram("database_query_seconds", "From asking to the answer", ["pool"]).labels(name)
        self._errors = metrics.counter("database_errors", "Queries that failed", ["pool", "kind"])
        self._waits = metrics.counter("database_waits", "Queries that waited for a connection", ["pool"]).labels(name)
        self._lost = metrics.counter("database_lost_connections", "Connections lost", ["pool"]).labels(name)
        gauge = metrics.gauge("database_connections", "Connections by state", ["pool", "state"])
        gauge.labels(name, "idle").set_function(lambda: len(self._idle))
        gauge.labels(name, "busy").set_function(lambda: len(self._busy))
        gauge.labels(name, "waiting").set_function(lambda: len(self._waiting))

    def start(self) -> None:
        """Begin to open the connections."""
        self._running = True
        for link in self._links:
            link.start()

    def stop(self) -> None:
        """Close all connections. Waiting queries fail with `Unavailable`."""
        self._running = False
        self._flush(Unavailable(RETRY_AFTER, "the pool is closed"))
        for link in self._links:
            link.stop()
        self._idle.clear()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def stats(self) -> PoolStats:
        """How the links stand."""
        idle, busy = len(self._idle), len(self._busy)
        return PoolStats(idle, busy, len(self._links) - idle - busy, len(self._waiting))

    @property
    def healthy(self) -> bool:
        """Whether at least one connection is open and the breaker is closed."""
        return not self._broken and bool(self._idle or self._busy)

    @property
    def reason(self) -> str:
        """Why the last connection was lost."""
        return self._broken or self._reason

    def execute(self, query: Query, args: tuple[Any, ...], site: int | None = None) -> Deferred[list[tuple[Any, ...]]]:
        """Run *query*, for *site* under row-level security.

        Cancelling the Deferred does not stop a query that was sent: its result is discarded.

        Raises:
            Unavailable, QueryTimeout, QueryFailed: in the Deferred.
        """
        if self._broken or not self._running:
            return self._refuse(Unavailable(RETRY_AFTER, self._broken or "the pool is closed"))
        job = Job(query, args, site, self._clock.seconds())
        deferred = job.deferred
        assert deferred is not None
        while self._idle:
            link = self._idle.pop()
            if link.alive:
                self._give(link, job)
                return deferred
            link.replace("found closed")
        if len(self._waiting) >= self._settings.max_waiting:
            return self._refuse(Busy(RETRY_AFTER))
        self._waits.inc()
        self._waiting.append(job)
        self._sweep_later()
        return deferred

    def break_off(self, reason: str) -> None:
        """Open the breaker, because the server hangs: all queries, new ones too, fail at once until `mend`."""
        if not self._broken:
            self._broken = reason
            self._flush(Unavailable(RETRY_AFTER, reason))
            for link in list(self._busy):
                link.replace(reason)

    def mend(self) -> None:
        """Close the breaker."""
        self._broken = ""

    def hurry(self) -> None:
        """The server is back: connect now instead of at the next attempt."""
        for link in self._links:
            link.hurry()

    def _give(self, link: Link, job: Job) -> None:
        self._busy.add(link)
        job.sent = self._clock.seconds()
        self._sweep_later()
        link.submit(job)

    def _refuse(self, error: DatabaseError) -> Deferred[list[tuple[Any, ...]]]:
        self._count(error)
        return fail(error)

    def _count(self, error: DatabaseError) -> None:
        self._errors.labels(self._name, type(error).__name__).inc()

    def _flush(self, error: Unavailable) -> None:
        waiting, self._waiting = self._waiting, deque()
        for job in waiting:
            self._count(error)
            job.fail(error)

    # Called by links.

    def link_ready(self, link: Link) -> None:
        """A link has connected or ended its job: it gets the query that has waited longest."""
        self._ready.append(link)
        if self._giving:
            # A job that can't be sent ends at once. Many of them must not be answered by nested calls.
            return
        self._giving = True
        try:
            while self._ready:
                one = self._ready.pop()
                if one.alive:
                    self._next(one)
                elif self._running:
                    one.replace("found closed")
        finally:
            self._giving = False

    def _next(self, link: Link) -> None:
        while self._waiting:
            job = self._waiting.popleft()
            if job.deferred is not None:
                self._give(link, job)
                return
        self._idle.append(link)

    def link_lost(self, link: Link, reason: str) -> None:
        """A link lost its connection, or could not open one."""
        self._reason = reason
        if link in self._idle:
            self._idle.remove(link)
            self._lost.inc()
            self._on_lost()
        elif link in self._busy:
            self._lost.inc()

    def link_done(self, link: Link, job: Job, error: DatabaseError | None) -> None:
        """A link ended its job."""
        self._busy.discard(link)
        now = self._clock.seconds()
        self._seconds.observe(now - job.since)
        if error is not None:
            self._count(error)
        if error is None or isinstance(error, QueryFailed):
            self.answered = now
        if link.alive and self._running:
            self.link_ready(link)
        elif self._running:
            self._on_lost()

    # Deadlines: one timer for all, running only while something is under way.

    def _sweep_later(self) -> None:
        if self._sweeper is None and self._running:
            self._sweeper = self._clock.callLater(SWEEP, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        now = self._clock.seconds()
        hung = now - self._settings.statement_timeout - GRACE
        for link in list(self._busy):
            job = link.job
            if job is not None and job.sent < hung:
                log.warn("a query was not answered in time, its connection is replaced: {query}", query=job.query.name)
                # Not QueryTimeout, which means "no effect": a commit that waits for a standby has taken effect.
                job.fail(Unavailable(RETRY_AFTER, "not answered in time"))
                link.replace("hung")
        late = now - self._settings.wait_timeout
        while self._waiting and (self._waiting[0].deferred is None or self._waiting[0].since <= late):
            job = self._waiting.popleft()
            if job.deferred is not None:
                error: Unavailable = Busy(RETRY_AFTER) if self.healthy else Unavailable(RETRY_AFTER, self.reason)
                self._count(error)
                job.fail(error)
        if self._busy or self._waiting:
            self._sweep_later()
