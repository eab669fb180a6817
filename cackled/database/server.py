"""One PostgreSQL server as this process sees it: its pools, and a heartbeat that finds its role, latency and lag.

Database: imports twisted and this package only.
"""

from __future__ import annotations

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

HEARTBEAT = 1.0
# A heartbeat not answered for so long means that the server hangs; with the interval: noticed within 2 s.
HANG = 0.9
# Weight of the newest latency in the moving average.
EWMA = 0.2
UNKNOWN_LAG = 1e9

# On a replica that has replayed all it received, while it receives, the age of the last transaction is no lag.
HEARTBEAT_QUERY = Query(
    "heartbeat",
    """
    select r, case when not r then 0.0
                   when exists (select from pg_stat_wal_receiver where pid is not null)
                        and pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0.0
                   else coalesce(extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()), 1e9)
              end::float8
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
    ) -> None:
        self.name = given.name
        self.dsn = given.dsn
        self._clock = clock
        self._patience = hang
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
                clock=clock, random=random, dsn=lambda: dsn, settings=one, metrics=metrics, name=f"{given.name}/{kind}"
            )

        self.app = pool("app", APP_ROLE, settings.connections, settings.statement_timeout)
        self.system = pool("system", SYSTEM_ROLE, 2, settings.statement_timeout)
        self._pulse = pool("heartbeat", "", 1, settings.statement_timeout)
        self._beats = Periodic(clock, HEARTBEAT, self._beat, f"heartbeat of {given.name}")
        self._pending: Deferred[object] | None = None
        self._hang: IDelayedCall | None = None
        self._seen: float | None = None
        self._known = False
        self.primary = False
        self.latency = 0.0
        self._lag = UNKNOWN_LAG
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
        """Seconds behind the primary, at most: the lag when last asked and the time since."""
        if self.primary:
            return 0.0
        if self._seen is None:
            return UNKNOWN_LAG
        return self._lag + self._clock.seconds() - self._seen

    def start(self) -> None:
        """Begin to connect and to beat."""
        for pool in (self._pulse, self.app, self.system):
            pool.start()
        self._beats.start(now=True)

    def stop(self) -> None:
        """Close everything."""
        self._beats.stop()
        if self._hang is not None:
            self._hang.cancel()
            self._hang = None
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        for pool in (self.app, self.system, self._pulse):
            pool.stop()
        self._known = False

    def hurry(self) -> None:
        """Beat now if nothing is known yet and the connection is there: for the start."""
        if not self._known and self._pulse.healthy:
            self._beat()

    def _beat(self) -> None:
        if self._pending is not None:
            return
        self._sent = sent = self._clock.seconds()
        # The reactor may itself have stood still: answers that wait in the socket are read before the second look.
        self._hang = self._clock.callLater(self._patience, self._look_again)
        pending: Deferred[object] = self._pulse.execute(HEARTBEAT_QUERY, ())  # type: ignore[assignment]
        self._pending = pending
        pending.addCallbacks(self._answered, self._unanswered, callbackArgs=(sent,))

    def _settled(self) -> None:
        self._pending = None
        if self._hang is not None:
            self._hang.cancel()
            self._hang = None

    def _answered(self, rows: list[tuple[bool, float]], sent: float) -> None:
        self._settled()
        now = self._clock.seconds()
        recovering, self._lag = rows[0]
        took = now - sent
        self.latency = took if self._seen is None else self.latency + EWMA * (took - self.latency)
        self._seen = now
        if not self._known or self.primary == recovering:
            log.info("database {server} is up, {role}", server=self.name, role="a replica" if recovering else "primary")
        self.primary = not recovering
        for pool in (self.app, self.system):
            pool.mend()
            if not self._known:
                pool.hurry()
        self._known = True

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
            # Slow to answer this one, but it answers others: no reason to throw away what is under way.
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
        # The heartbeat's own connection hangs too; another one tells when it is over.
        self._pulse.break_off(reason)
        self._pulse.mend()

    def _down(self, reason: str) -> None:
        if self._known:
            log.warn("database {server} is down: {reason}", server=self.name, reason=reason)
        self._known = False
