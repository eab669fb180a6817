"""One PostgreSQL server as this process sees it: its pools, and a heartbeat that finds its role, latency and position.

Only how to reach a server is configured; everything else is learnt from it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled.clock import Periodic
from cackled.database.dsn import APP_ROLE, SYSTEM_ROLE, ServerSettings, connection_dsn
from cackled.database.errors import DatabaseError
from cackled.database.pool import Pool, PoolSettings
from cackled.database.query import Query
from cackled.metrics import Metrics

log = Logger()

HEARTBEAT = 0.5
# A server hangs if it does not answer a heartbeat for so many seconds. With the interval, it is noticed within 1.5 s.
HANG = 0.9
# Weight of the newest latency in the moving average.
EWMA = 0.2
UNKNOWN_LAG = 1e9
# If the primary's positions can't tell how old a replica's data is (it is minutes behind, or no primary was seen yet),
# the time of the last transaction that it replayed is used, by the wall clocks of the servers.
COARSE = 60.0

# What a server says of itself: whether it is a replica, the database it holds, its timeline (0: not told), how far its
# log is flushed or replayed (in bytes), and the age of the last transaction it replayed. The receiver's timeline is
# shown to superusers and members of pg_monitor.
HEARTBEAT_QUERY = Query(
    "heartbeat",
    """
    select r, (select system_identifier from pg_control_system()),
           case when not r then ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
                else coalesce((select received_tli from pg_stat_wal_receiver), 0) end,
           (case when r then pg_last_wal_replay_lsn() else pg_current_wal_flush_lsn() end - '0/0'::pg_lsn)::bigint,
           case when r then extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) end::float8
    from pg_is_in_recovery() r
    """,
)


class Server:
    """A server with its two pools: ``app`` under row-level security, ``system`` that sees all sites."""

    def __init__(
        self,
        given: ServerSettings,
        *,
        clock: IReactorTime,
        random: Random,
        settings: PoolSettings,
        metrics: Metrics,
        hang: float = HANG,
        beaten: Callable[[Server], None] | None = None,
    ) -> None:
        self.name = given.name
        self.dsn = given.dsn
        self.local = given.local
        self._clock = clock
        self._patience = hang
        self._beaten = beaten or (lambda server: None)
        self._sent = 0.0

        def pool(kind: str, role: str, connections: int, timeout: float) -> Pool:
            dsn = connection_dsn(
                given.dsn, role=role, statement_timeout=timeout, connect_timeout=settings.connect_timeout,
                application=f"cackled {kind}",
            )
            one = PoolSettings(
                connections=connections, max_waiting=settings.max_waiting, wait_timeout=settings.wait_timeout,
                statement_timeout=timeout, connect_timeout=settings.connect_timeout,
            )
            return Pool(
                clock=clock, random=random, dsn=lambda: dsn, settings=one, metrics=metrics, name=f"{given.name}/{kind}",
                on_lost=self._check,
            )

        self.app = pool("app", APP_ROLE, settings.connections, settings.statement_timeout)
        self.system = pool("system", SYSTEM_ROLE, 2, settings.statement_timeout)
        self._pulse = pool("heartbeat", "", 1, settings.statement_timeout)
        self._beats = Periodic(clock, HEARTBEAT, self._beat, f"heartbeat of {given.name}")
        self._pending: Deferred[object] | None = None
        self._hang: IDelayedCall | None = None
        self._beat_seen = False
        self._running = False
        self._known = False
        self.primary = False
        # Which database it is a copy of, on which timeline (0: unknown), and how far it has come in bytes of log.
        self.cluster = 0
        self.timeline = 0
        self.position = 0
        # When the last answered heartbeat was sent, on the clock.
        self.asked = 0.0
        self.latency = 0.0
        # The server has everything that was committed before this time; None: unknown.
        self.as_of: float | None = None
        metrics.gauge("database_up", "Whether the server answers heartbeats", ["server"]).labels(
            given.name
        ).set_function(lambda: float(self.alive))
        metrics.gauge("database_lag_seconds", "How far a replica is behind", ["server"]).labels(
            given.name
        ).set_function(lambda: self.staleness)

    @property
    def alive(self) -> bool:
        """Whether the last heartbeat was answered in time."""
        return self._known

    @property
    def staleness(self) -> float:
        """How many seconds it may at most be behind the primary; 0.0 for a primary."""
        if self.primary:
            return 0.0
        return UNKNOWN_LAG if self.as_of is None else self._clock.seconds() - self.as_of

    def contains(self, moment: float | None) -> None:
        """Note that the server has everything that was committed before *moment*."""
        if moment is not None and (self.as_of is None or moment > self.as_of):
            self.as_of = moment

    def start(self) -> None:
        """Begin to connect and to send heartbeats."""
        self._running = True
        for pool in (self._pulse, self.app, self.system):
            pool.start()
        self._beats.start(now=True)

    def stop(self) -> None:
        """Close everything."""
        self._known = self._running = False
        self._beats.stop()
        if self._hang is not None:
            self._hang.cancel()
            self._hang = None
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        for pool in (self.app, self.system, self._pulse):
            pool.stop()

    def hurry(self) -> None:
        """At the start: send a heartbeat now, if the connection is open and nothing is known of the server yet."""
        if not self._known and self._pulse.healthy:
            self._beat()

    def doubt(self) -> None:
        """Send a heartbeat now, because an answer contradicts the known role of the server."""
        if self._running:
            self._beat()

    def _beat(self) -> None:
        if self._pending is not None:
            return
        self._sent = sent = self._clock.seconds()
        # The reactor itself may have been blocked: answers that wait in the socket are read before the second check.
        self._hang = self._clock.callLater(self._patience, self._look_again)
        pending: Deferred[object] = self._pulse.execute(HEARTBEAT_QUERY, ())  # type: ignore[assignment]
        self._pending = pending
        pending.addCallbacks(self._answered, self._unanswered, callbackArgs=(sent,))

    def _settled(self) -> None:
        self._pending = None
        if self._hang is not None:
            self._hang.cancel()
            self._hang = None

    def _answered(self, rows: list[tuple[bool, int, int, int | None, float | None]], sent: float) -> None:
        self._settled()
        now = self._clock.seconds()
        recovering, self.cluster, self.timeline, position, age = rows[0]
        took = now - sent
        self.latency = self.latency + EWMA * (took - self.latency) if self._beat_seen else took
        self._beat_seen = True
        self.asked = sent
        self.position = position or 0
        if not self._known or self.primary == recovering:
            log.info("database {server} is up, {role}", server=self.name, role="a replica" if recovering else "primary")
        if recovering and self.primary:
            self.as_of = None
        self.primary = not recovering
        if age is not None and (self.as_of is None or now - self.as_of > COARSE):
            self.contains(sent - age)
        for pool in (self.app, self.system):
            pool.mend()
            if not self._known:
                pool.hurry()
        self._known = True
        self._beaten(self)

    def _unanswered(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return  # by ourselves, in `_hung` or `stop`
        self._settled()
        self._down(str(failure.value) if failure.check(DatabaseError) else "no heartbeat")

    def _look_again(self) -> None:
        self._hang = self._clock.callLater(0.05, self._hung)

    def _hung(self) -> None:
        self._hang = None
        if max(self.app.answered, self.system.answered) > self._sent:
            # It answers other queries, so queries under way are not given up because one answer is late.
            self._sent = self._clock.seconds()
            self._hang = self._clock.callLater(self._patience, self._look_again)
            return
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
        reason = "the server hangs" if self._pulse.healthy else self._pulse.reason
        self._down(reason)
        self.app.break_off(reason)
        self.system.break_off(reason)
        # The connection of the heartbeat hangs too: a new one finds out when the server answers again.
        self._pulse.break_off(reason)
        self._pulse.mend()

    def _check(self) -> None:
        # A server ends all connections when it changes its role: without a connection, its role is unknown.
        if self._known and not (self._pulse.healthy or self.app.healthy or self.system.healthy):
            self._down(self.app.reason)

    def _down(self, reason: str) -> None:
        known, self._known = self._known, False
        if known:
            log.warn("database {server} is down: {reason}", server=self.name, reason=reason)
            self._beaten(self)
