"""The connection of `cackled.database.tail`, and its pauses: for a while, or until something is to be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg2
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.internet.interfaces import IReactorTime

from cackled.database._txpostgres import Connection, first_line
from cackled.database.dsn import SYSTEM_ROLE, connection_dsn

# Seconds for an answer.
ANSWER = 5.0


class Lost(Exception):
    """The connection was lost or can't be used any more."""


class Line:
    """At most one connection, as ``cackled_system``."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self.connection: Connection | None = None
        self._wake: Deferred[None] | None = None
        self._resting: Deferred[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether there is a connection that can be used."""
        return self.connection is not None and self.connection.alive

    async def open(self, dsn: str, notified: Callable[[str, str], Any]) -> None:
        """Connect; *notified* gets the channel and the payload of each notification."""
        connection = self.connection = Connection(self._clock, lost=self.rouse, notified=notified)
        given = connection_dsn(dsn, role=SYSTEM_ROLE, statement_timeout=ANSWER, application="cackled tail")
        await connection.open(given).addTimeout(ANSWER, self._clock)

    def close(self) -> None:
        """Disconnect, and forget the connection."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    def cut(self) -> None:
        """Disconnect: whoever uses the connection finds it lost. Pauses end."""
        if self.connection is not None:
            self.connection.close()
        resting, self._resting = self._resting, None
        if resting is not None:
            resting.callback(None)
        self.rouse()

    async def run(self, sql: str, params: Any = None) -> list[tuple[Any, ...]]:
        """Run one statement.

        Raises:
            Lost: there is no connection, or no answer.
            psycopg2.Error: the server refused it; the connection can still be used.
        """
        connection = self.connection
        if connection is None or not connection.alive:
            raise Lost("closed")
        try:
            return await connection.run(sql, params).addTimeout(ANSWER, self._clock)
        except TimedOut:
            raise Lost("no answer") from None
        except Exception as error:
            if isinstance(error, psycopg2.Error) and connection.alive:
                raise
            raise Lost(first_line(error)) from None

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until `rouse`."""
        self._wake = Deferred()
        try:
            await self._wake.addTimeout(seconds, self._clock)
        except TimedOut:
            pass
        finally:
            self._wake = None

    def rouse(self) -> None:
        """End the `pause`, if there is one."""
        wake, self._wake = self._wake, None
        if wake is not None:
            wake.callback(None)

    async def rest(self, seconds: float) -> None:
        """Wait so long before the next attempt, or until `cut`."""
        self._resting = Deferred()
        try:
            await self._resting.addTimeout(seconds, self._clock)
        except TimedOut:
            pass
        finally:
            self._resting = None
