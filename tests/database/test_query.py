"""Query constants, alone and all of them against the schema."""

from __future__ import annotations

import importlib
import pkgutil
import socket
import threading
from typing import Any

import psycopg2
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

import cackled
from cackled.database._txpostgres import located
from cackled.database.query import Query, ReadPreference, adapt
from cackled.database.testing import fresh_dsn


def constants() -> dict[str, Query]:
    """Every query of the package by module and name; the packages that hold any import nothing that starts."""
    found = {}
    for package in ("database", "domain", "api", "admin"):
        base = importlib.import_module(f"{cackled.__name__}.{package}")
        for info in pkgutil.walk_packages(base.__path__, f"{base.__name__}."):
            module = importlib.import_module(info.name)
            for name, value in vars(module).items():
                if isinstance(value, Query):
                    found[f"{info.name}.{name}"] = value
    return found


class QueryTests(SynchronousTestCase):
    """`Query`, `adapt` and `ReadPreference`."""

    def test_texts(self) -> None:
        """A query knows how it is prepared and called; the number of arguments is checked."""
        query = Query("one", "select $1", ("int",))
        self.assertEqual(query.prepare, f"prepare {query.label}(int) as select $1")
        self.assertEqual(query.call(1), f"execute {query.label}(%s)")
        self.assertEqual(Query("none", "select 1").call(0).count("("), 0)
        self.assertRaises(TypeError, query.call, 2)
        self.assertNotEqual(query.label, Query("one", "select $1 + 1", ("int",)).label)
        self.assertRaises(ValueError, Query, "Bad name; drop", "select 1")

    def test_adapt(self) -> None:
        """Dicts become JSON text, tuples lists, at every depth of an array."""
        self.assertEqual(adapt(({"a": 1}, [("b",)])), ['{"a":1}', [["b"]]])

    def test_preference(self) -> None:
        """The words are those of the public API."""
        self.assertEqual(str(ReadPreference("secondaryPreferred")), "secondaryPreferred")
        self.assertRaises(ValueError, ReadPreference, "fastest")


class SchemaTests(TestCase):
    """All queries of the package."""

    async def test_all_can_be_prepared(self) -> None:
        """Every query constant fits the schema."""
        dsn = await fresh_dsn(self)
        found = constants()
        self.assertIn("cackled.database.eventlog.EVENTS_AFTER", found)
        connection = psycopg2.connect(dsn)
        self.addCleanup(connection.close)
        connection.autocommit = True
        wrong = []
        prepared = set()
        with connection.cursor() as cursor:
            for place, query in found.items():
                if query.label in prepared:
                    continue
                prepared.add(query.label)
                try:
                    cursor.execute(query.prepare)
                except psycopg2.Error as error:
                    wrong.append(f"{place}: {error}")
        self.assertEqual(wrong, [])


class LocatedTests(TestCase):
    """`located`."""

    async def test_located(self) -> None:
        """Names get their address beside them; everything else stays."""
        given = ("host=/run/x dbname=a", "host=127.0.0.1", "host=::1", "dbname=a", "host=a,b", "host=a hostaddr=::1")
        for same in given:
            self.assertEqual(await located(reactor, same), same)
        self.assertRegex(await located(reactor, "host=localhost dbname=a"), r"host=localhost.* hostaddr=(127\.|::1)")

    async def test_silent_name_servers(self) -> None:
        """However often a name is asked for, one thread looks for it; who gave up is not waited with."""
        silent, asked = threading.Event(), []

        def look(host: str, *args: Any, **more: Any) -> Any:
            asked.append(host)
            silent.wait(60)
            if len(asked) == 1:
                raise socket.gaierror("no answer")
            return [(0, 0, 0, "", ("192.0.2.1", 0))]

        self.patch(socket, "getaddrinfo", look)
        looks = [Deferred.fromCoroutine(located(reactor, "host=db.example")) for _ in range(20)]
        looks[0].cancel()
        await self.assertFailure(looks.pop(0), CancelledError)
        silent.set()
        for one in looks:
            await self.assertFailure(one, OSError)
        self.assertEqual(asked, ["db.example"])
        self.assertIn("hostaddr=192.0.2.1", await located(reactor, "host=db.example"))
        self.assertEqual(len(asked), 2)
