"""The traps of txpostgres that need no server to be seen."""

from __future__ import annotations

from typing import Any

import psycopg2
import psycopg2.extensions
from twisted.internet.defer import CancelledError
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from cackled.database._txpostgres import Connection, first_line


class FakePsycopg:
    """A psycopg2 connection that says what it is told to."""

    def __init__(self) -> None:
        self.closed = 0
        self.descriptor = 99
        self.notifies: list[Any] = []
        self.answer: Any = psycopg2.extensions.POLL_OK

    def poll(self) -> int:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def fileno(self) -> int:
        return self.descriptor

    def close(self) -> None:
        self.closed = 1

    def cancel(self) -> None:
        raise AssertionError("psycopg2's cancel blocks the process")


class ConnectionTests(SynchronousTestCase):
    """`Connection` over `FakePsycopg`."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.psycopg = FakePsycopg()
        self.lost = 0

        def lost() -> None:
            self.lost += 1

        self.connection = Connection(self.reactor, lost=lost)
        self.connection._connection = self.psycopg
        self.connection._opened = True

    def test_cancelled_after_the_answer(self) -> None:
        """A query cancelled in the turn between its answer and the telling of it ends once, cancelled."""
        for answer in (psycopg2.extensions.POLL_OK, psycopg2.OperationalError("gone")):
            self.setUp()
            self.psycopg.answer = answer
            polling = self.connection.poll()
            polling.cancel()
            self.reactor.advance(1)
            self.failureResultOf(polling, CancelledError)
            self.assertTrue(self.psycopg.closed)

    def test_descriptor_gone(self) -> None:
        """A connection whose socket libpq closed is not watched any more, and is not alive."""
        self.assertTrue(self.connection.alive)
        self.psycopg.answer = psycopg2.OperationalError("gone")
        polling = self.connection.poll()
        self.psycopg.descriptor = -1
        self.connection.doRead()
        self.reactor.advance(0)
        self.failureResultOf(polling, psycopg2.OperationalError)
        self.assertNotIn(self.connection, self.reactor.getReaders())
        self.assertFalse(self.connection.alive)

    def test_lost_while_idle(self) -> None:
        """The owner hears once that an idle connection ended; closing it oneself is no loss."""
        self.psycopg.answer = psycopg2.OperationalError("gone")
        self.connection.doRead()
        self.connection.doRead()
        self.assertEqual((self.lost, self.psycopg.closed), (1, 1))
        self.setUp()
        self.connection.close()
        self.assertEqual(self.lost, 0)

    def test_first_line(self) -> None:
        """Errors are told by their first line."""
        self.assertEqual(first_line(ValueError("one\ntwo")), "one")
        self.assertEqual(first_line(ValueError()), "ValueError")
