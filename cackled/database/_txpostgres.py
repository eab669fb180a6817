"""A txpostgres connection with the library's faults corrected. No other module uses txpostgres' private names.

What differs from the library (version 1.7.0, unmaintained):

- a query ended by ``statement_timeout`` stays ``QueryCanceledError`` (the library makes it a ``CancelledError``);
- cancelling never calls psycopg2's ``cancel()``, a blocking connect that holds the GIL: it closes the connection;
- no closed descriptor stays in the reactor when a query is sent on a dead connection;
- a connection lost while idle tells its owner at once, without a traceback in the log;
- notifications are handed over in order, in the turn in which they arrive;
- a query costs no change of what the reactor watches: the connection is watched all the time, its cursors never;
- JSON comes back as text, bytea as bytes;
- the server's name is looked up in a thread (libpq's look-up blocks).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import psycopg2
import psycopg2.extensions
import txpostgres.txpostgres as _library
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from cackled.shared_calls import SharedCalls

PostgresError = psycopg2.Error
QueryCanceledError = psycopg2.extensions.QueryCanceledError


def _text(value: str | None, cursor: Any) -> str | None:
    return value


def _bytes(value: str | None, cursor: Any) -> bytes | None:
    found = psycopg2.BINARY(value, cursor)
    return None if found is None else bytes(found)


_JSON = psycopg2.extensions.new_type((114, 3802), "CACKLED_JSON", _text)
_BYTEA = psycopg2.extensions.new_type((17,), "CACKLED_BYTEA", _bytes)


def _fire(d: Deferred[Any], outcome: Any) -> None:
    # It may have been cancelled since the last turn of the reactor.
    if not d.called:
        d.callback(outcome)


class Connection(_library.Connection):
    """One asynchronous connection.

    *lost* is called once, when an open connection ends other than by `close`. *notified* is called with the (channel,
    payload) of each notification.
    """

    # Served by our reactor without a logging context of its own (`cackled.clock`).
    own_context = False

    def __init__(
        self,
        reactor: IReactorTime,
        lost: Callable[[], None] | None = None,
        notified: Callable[[str, str], None] | None = None,
    ) -> None:
        super().__init__(reactor=reactor)
        self._lost = lost
        self._notified = notified
        self._opened = False
        self._closing = False
        # What is being waited for: the Deferred, and with it the cursor of the query (None: the connection itself).
        self._pollingD: Deferred[Any] | None = None
        self._cursor: Any = None
        self._descriptor = -1

    @property
    def alive(self) -> bool:
        """Whether the connection is open, as far as anyone has noticed."""
        return self._opened and not self._closing and self._open_descriptor()

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction was begun and not ended, failed ones included."""
        status: int = self._connection.info.transaction_status
        return status != psycopg2.extensions.TRANSACTION_STATUS_IDLE

    def open(self, dsn: str) -> Deferred[Connection]:
        """Connect. Cancel the Deferred to give up.

        Raises:
            psycopg2.Error, OSError (the name is not found): in the Deferred.
        """
        return Deferred.fromCoroutine(self._open(dsn))

    async def _open(self, dsn: str) -> Connection:
        await self.connect(await located(self.reactor, dsn))
        # libpq may close its socket at any time, and the reactor can't remove a closed descriptor: it gets a duplicate.
        self.reactor.removeReader(self)
        self._descriptor = os.dup(self._connection.fileno())
        self.reactor.addReader(self)
        psycopg2.extensions.register_type(_JSON, self._connection)
        psycopg2.extensions.register_type(_BYTEA, self._connection)
        self._opened = True
        return self

    def run(self, sql: str, params: Any = None) -> Deferred[list[tuple[Any, ...]]]:
        """Send one message. Returns the rows of its last statement. The caller must not send another one meanwhile.

        Raises:
            psycopg2.Error, ValueError (a NUL character), UnicodeError: in the Deferred.
        """
        if self._pollingD is not None:
            return fail(_library.AlreadyPolling())
        try:
            cursor = self._connection.cursor()
            cursor.execute(sql, params)
        except Exception:
            return fail()
        self._cursor = cursor
        d: Deferred[list[tuple[Any, ...]]] = Deferred(self._cancel)
        self._pollingD = d
        self.continuePolling()
        return d

    def close(self) -> None:
        """Close the connection; a query under way fails. May be called again."""
        self._closing = True
        if self._connection is not None:
            self._unwatch()
            super().close()

    def _open_descriptor(self) -> bool:
        # psycopg2 may call a connection open whose socket libpq has closed.
        connection = self._connection
        return not connection.closed and connection.fileno() >= 0

    def _cancel(self, d: Deferred[Any]) -> None:
        self._pollingD = self._cursor = None  # so that it ends as CancelledError
        self.close()

    def poll(self) -> Deferred[Any]:
        """Wait until the connection is open; fires with it."""
        d: Deferred[Any] = Deferred(self._cancel)
        self._pollingD = d
        self.continuePolling()
        return d

    def continuePolling(self, swallowErrors: bool = False) -> None:
        """Let libpq continue. The waiting Deferred fires in the next turn of the reactor."""
        done = self._step()
        if done is not None:
            # Not at once: a callback may start the next query, and the caller does not have its Deferred yet.
            self.reactor.callLater(0, _fire, *done)

    def _step(self) -> tuple[Deferred[Any], Any] | None:
        """Let libpq do one step. When it is done, returns the waiting Deferred and its result.

        An error that nobody waits for closes the connection.
        """
        outcome: Any = self
        try:
            state = self._connection.poll()
            if state == psycopg2.extensions.POLL_READ:
                if not self._opened:
                    self.reactor.addReader(self)
                return None
            if state == psycopg2.extensions.POLL_WRITE:
                self.reactor.addWriter(self)
                return None
            if state != psycopg2.extensions.POLL_OK:
                outcome = Failure(_library.UnexpectedPollResult())
            elif self._cursor is not None:
                outcome = self._cursor.fetchall() if self._cursor.description is not None else []
        except (psycopg2.Error, ValueError):  # ValueError: the descriptor is gone
            outcome = Failure()
        d, self._pollingD, self._cursor = self._pollingD, None, None
        if d is not None:
            return d, outcome
        if isinstance(outcome, Failure):
            self._end()
        return None

    def doRead(self) -> None:
        """Called by the reactor: bytes of an answer or of a notification have arrived."""
        done = None
        if not self._opened:
            # While it connects, libpq may change to another socket.
            self.reactor.removeReader(self)
        if not self._connection.closed:
            done = self._step()
        if self._connection.notifies:
            self.checkForNotifies()
        if not self._open_descriptor():
            self._unwatch()
        # Last, because a callback may start the next query.
        if done is not None:
            _fire(*done)

    def fileno(self) -> int:
        """The descriptor that the reactor watches."""
        return self._descriptor if self._descriptor >= 0 else int(super().fileno())

    def _unwatch(self) -> None:
        self.reactor.removeReader(self)
        self.reactor.removeWriter(self)
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def connectionLost(self, reason: Failure) -> None:
        waited = self._pollingD is not None
        super().connectionLost(reason)
        if not waited and self._opened:
            self._end()

    def checkForNotifies(self) -> None:
        notifies = self._connection.notifies
        if notifies:
            batch = notifies[:]
            del notifies[:]
            if self._notified is not None:
                for notify in batch:
                    self._notified(notify.channel, notify.payload)

    def _end(self) -> None:
        if self._closing:
            return
        self.close()
        if self._lost is not None:
            self._lost()


async def located(reactor: Any, dsn: str) -> str:
    """*dsn* with the address of its host added. The look-up runs in a thread, because libpq's look-up would block.

    Socket directories, addresses and lists of hosts are not changed. The name stays in the DSN, for the check of the
    certificate.
    """
    given = psycopg2.extensions.parse_dsn(dsn)
    host = given.get("host", "")
    if not host or host.startswith(("/", "@")) or "," in host or "hostaddr" in given or isIPAddress(host):
        return dsn
    if isIPv6Address(host):
        return dsn
    return psycopg2.extensions.make_dsn(dsn, hostaddr=await _look_up(reactor, host))


# While name servers don't answer, a look-up takes long. There is one look-up a host at a time; else an hour of attempts
# to connect would fill the thread pool's queue.
_look_ups: SharedCalls[str] = SharedCalls()


def _look_up(reactor: Any, host: str) -> Deferred[str]:
    def begin() -> Deferred[str]:
        found: Deferred[Any] = deferToThreadPool(
            reactor, reactor.getThreadPool(), socket.getaddrinfo, host, None, type=socket.SOCK_STREAM
        )
        return found.addCallback(lambda addresses: addresses[0][4][0])

    return _look_ups.ask(host, begin)


def first_line(error: BaseException) -> str:
    """The message of a PostgreSQL error without its position, hints and details (they may quote the values sent)."""
    diagnosis = getattr(error, "diag", None)
    text = getattr(diagnosis, "message_primary", None) or str(error) or type(error).__name__
    return text.strip().split("\n", 1)[0][:500]
