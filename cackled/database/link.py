"""One connection of a pool: opens, prepares statements, runs one query at a time, and reconnects when it was lost."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled.database._txpostgres import Connection, PostgresError, QueryCanceledError, first_line
from cackled.database.errors import ConnectionLost, DatabaseError, Moved, QueryFailed, QueryTimeout, Unavailable
from cackled.database.query import Query, adapted

log = Logger()

BACKOFF_FIRST = 0.1
BACKOFF_MOST = 2.0
# For so many seconds a statement that the server refused to prepare is not prepared again on this connection.
REFUSED_FOR = 5.0
# Bad arguments, as SQLSTATE: character_not_in_repertoire, datatype_mismatch.
_BAD_TEXT = "22021"
_BAD_TYPE = "42804"
# The class "insufficient resources": disk_full, out_of_memory, too_many_connections and others.
_LACKING = "53"
# Raised by a shard that refuses a site it does not hold (see 0008_shards.sql).
_MOVED = "CKMOV"


class Job:
    """A query to run, and the Deferred of the caller; ``deferred`` is None when nobody waits any more."""

    __slots__ = ("args", "deferred", "query", "sent", "since", "site")

    def __init__(self, query: Query, args: tuple[Any, ...], site: int | None, since: float) -> None:
        self.query = query
        self.args = args
        self.site = site
        self.since = since
        self.sent = since
        self.deferred: Deferred[list[tuple[Any, ...]]] | None = Deferred(self._dropped)

    def _dropped(self, d: Deferred[Any]) -> None:
        # The query runs to its end and its result is discarded: cancelling it could block the whole process.
        self.deferred = None

    def answer(self, rows: list[tuple[Any, ...]]) -> None:
        """Give the waiter the rows."""
        d, self.deferred = self.deferred, None
        if d is not None:
            d.callback(rows)

    def fail(self, error: DatabaseError) -> None:
        """Give the waiter the error."""
        d, self.deferred = self.deferred, None
        if d is not None:
            d.errback(error)


class Owner(Protocol):
    """What a link reports to its pool."""

    def link_ready(self, link: Link) -> None:
        """The link can take a job."""

    def link_lost(self, link: Link, reason: str) -> None:
        """The link can't take jobs: it lost its connection and reconnects."""

    def link_done(self, link: Link, job: Job, error: DatabaseError | None) -> None:
        """The job has ended. The link is ready again, unless ``link_lost`` was called before."""


class Link:
    """One place in the pool. It has a connection, or tries to get one."""

    __slots__ = (
        "_attempt", "_backoff", "_clock", "_connect_timeout", "_connection", "_dsn", "_job", "_opening", "_owner",
        "_prepared", "_random", "_refused", "_retry", "_stopped",
    )

    def __init__(
        self, clock: IReactorTime, random: Random, dsn: Callable[[], str], connect_timeout: float, owner: Owner
    ) -> None:
        self._clock = clock
        self._random = random
        self._dsn = dsn
        self._connect_timeout = connect_timeout
        self._owner = owner
        self._connection: Connection | None = None
        self._prepared: set[str] = set()
        self._refused: dict[str, tuple[float, QueryFailed]] = {}
        self._backoff = BACKOFF_FIRST
        self._retry: IDelayedCall | None = None
        self._opening: Deferred[Any] | None = None
        self._job: Job | None = None
        self._stopped = True
        self._attempt = 0

    @property
    def alive(self) -> bool:
        """Whether the connection is open, so that a job could be sent now."""
        return self._connection is not None and self._connection.alive

    @property
    def job(self) -> Job | None:
        """The job that is running, if any."""
        return self._job

    def start(self) -> None:
        """Connect, and from now on reconnect whenever the connection is lost."""
        self._stopped = False
        self._open()

    def stop(self) -> None:
        """Close; a query under way fails with `ConnectionLost`."""
        self._stopped = True
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._discard("the pool is closing")

    def replace(self, reason: str) -> None:
        """Close this connection, which hangs or was lost, and open another one in its place."""
        self._discard(reason)
        self._later()

    def _discard(self, reason: str) -> None:
        self._attempt += 1
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
        connection, self._connection = self._connection, None
        job, self._job = self._job, None
        if connection is not None:
            self._owner.link_lost(self, reason)
            connection.close()
        if job is not None:
            error = ConnectionLost(reason=reason)
            job.fail(error)
            self._owner.link_done(self, job, error)

    def _open(self) -> None:
        self._retry = None
        self._attempt += 1
        attempt = self._attempt
        connection = Connection(self._clock, lost=lambda: self._ended(attempt))
        try:
            self._opening = connection.open(self._dsn())
        except Exception as error:
            self._failed(first_line(error))
            return
        self._opening.addTimeout(self._connect_timeout, self._clock)
        self._opening.addCallbacks(self._opened, self._not_opened, callbackArgs=(attempt,), errbackArgs=(attempt,))

    def _opened(self, connection: Connection, attempt: int) -> None:
        if attempt != self._attempt or self._stopped:
            connection.close()
            return
        self._opening = None
        self._connection = connection
        self._prepared.clear()
        self._refused.clear()
        self._backoff = BACKOFF_FIRST
        self._owner.link_ready(self)

    def _not_opened(self, failure: Any, attempt: int) -> None:
        if attempt != self._attempt or self._stopped:
            return
        self._opening = None
        late = failure.check(TimedOut, CancelledError)
        self._failed("connecting took too long" if late else first_line(failure.value))

    def _failed(self, reason: str) -> None:
        log.debug("connecting to the database: {reason}", reason=reason)
        self._owner.link_lost(self, reason)
        self._later()

    def _ended(self, attempt: int) -> None:
        # Only for an idle connection; if a query is under way, the query fails and reports it.
        if attempt == self._attempt and not self._stopped and self._job is None:
            self.replace("the server closed the connection")

    def _later(self) -> None:
        if self._stopped or self._retry is not None:
            return
        delay = self._backoff * (0.5 + self._random.random())
        self._backoff = min(self._backoff * 2, BACKOFF_MOST)
        self._retry = self._clock.callLater(delay, self._open)

    def hurry(self) -> None:
        """If it waits for the next attempt to connect: connect now."""
        if self._retry is not None:
            self._retry.cancel()
            self._backoff = BACKOFF_FIRST
            self._open()

    def submit(self, job: Job) -> None:
        """Run *job*. Allowed only while `alive`, and when no other job runs."""
        self._job = job
        attempt = self._attempt
        connection = self._connection
        assert connection is not None
        if job.query.label not in self._prepared:
            done = Deferred.fromCoroutine(self._first(connection, job))
        else:
            done = self._run(connection, job)
            done.addErrback(self._forgotten, connection, job)
        told = (connection, job, attempt)
        done.addCallbacks(self._answered, self._failed_with, callbackArgs=told, errbackArgs=told)
        done.addErrback(lambda f: log.failure("a pooled connection failed", f))

    def _answered(self, rows: list[tuple[Any, ...]], connection: Connection, job: Job, attempt: int) -> None:
        if self._over(connection, job, attempt, None):
            job.answer(rows)

    def _failed_with(self, failure: Failure, connection: Connection, job: Job, attempt: int) -> None:
        known = failure.value
        error = known if isinstance(known, DatabaseError) else self._translate(connection, known)
        if self._over(connection, job, attempt, error):
            job.fail(error)

    def _over(self, connection: Connection, job: Job, attempt: int, error: DatabaseError | None) -> bool:
        """Note the end of the job. False if the job was given up, and answered, before."""
        if attempt != self._attempt:
            return False
        self._job = None
        if not connection.alive:
            self.replace("the server closed the connection")
        self._owner.link_done(self, job, error)
        return True

    def _run(self, connection: Connection, job: Job) -> Deferred[list[tuple[Any, ...]]]:
        try:
            message = job.query.call(len(job.args))
            if job.site is not None:
                # One message is one transaction, and `true` limits the setting to the transaction.
                message = f"select set_config('app.site','{job.site:d}',true);{message}"
            return connection.run(message, adapted(job.args) or None)
        except Exception:
            return fail()

    async def _first(self, connection: Connection, job: Job) -> list[tuple[Any, ...]]:
        await self._prepare(connection, job.query)
        return await self._run(connection, job)

    def _forgotten(self, failure: Failure, connection: Connection, job: Job) -> Any:
        """Run again if the statement did not run: its table changed (0A000), or a proxy forgot it (26000)."""
        error = failure.value
        code = error.pgcode if isinstance(error, PostgresError) else None
        if not connection.alive or not (code == "26000" or (code == "0A000" and "cached plan" in str(error))):
            return failure
        return Deferred.fromCoroutine(self._anew(connection, job, code))

    async def _anew(self, connection: Connection, job: Job, code: str) -> list[tuple[Any, ...]]:
        self._prepared.discard(job.query.label)
        if code == "0A000":
            await connection.run(f"deallocate {job.query.label}")
        return await self._first(connection, job)

    async def _prepare(self, connection: Connection, query: Query) -> None:
        refused = self._refused.get(query.label)
        if refused is not None and refused[0] > self._clock.seconds():
            raise refused[1]
        try:
            await connection.run(query.prepare)
        except PostgresError as error:
            if error.pgcode == "42P05":  # duplicate: an earlier attempt whose answer never came
                self._prepared.add(query.label)
                return
            known = self._translate(connection, error)
            if isinstance(known, QueryFailed):
                self._refused[query.label] = (self._clock.seconds() + REFUSED_FOR, known)
            raise known from None
        self._prepared.add(query.label)

    def _translate(self, connection: Connection, error: BaseException | None) -> DatabaseError:
        if isinstance(error, QueryCanceledError):
            return QueryTimeout(first_line(error))
        if isinstance(error, ValueError | UnicodeError):
            return QueryFailed(_BAD_TEXT, first_line(error))
        if isinstance(error, TypeError):
            return QueryFailed(_BAD_TYPE, first_line(error))
        if not isinstance(error, PostgresError):
            # The connection was closed during the query: txpostgres passes on Twisted's ConnectionDone.
            return ConnectionLost()
        code = error.pgcode
        if not connection.alive or code is None or code.startswith(("57P", "08")):
            if code is None and connection.alive:
                return QueryFailed(_BAD_TYPE, first_line(error))  # psycopg2's own refusal: can't adapt
            return ConnectionLost()
        if code == "25006":
            return Unavailable(reason="the server is read-only")
        if code.startswith(_LACKING):
            # It may work later. Logged here, because the caller only learns that it may try again.
            log.error("the database server lacks something: {reason}", reason=first_line(error))
            return Unavailable(reason=first_line(error))
        if code == _MOVED:
            return Moved(reason="the site is on another shard, or on its way there")
        return QueryFailed(code, first_line(error), getattr(error.diag, "constraint_name", None) or "")
