"""A real PostgreSQL for tests: one server a process, started on first use, and a new migrated database for each test.

Never imported by the daemon. The server is a plain child process, so that trial's reactor stays clean; it dies with the
test process, however that ends.
"""

from __future__ import annotations

import atexit
import itertools
import os
import random
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import psycopg2

from cackled import config
from cackled.database.dsn import ServerSettings
from cackled.database.functions import CORE
from cackled.database.instance import Instance
from cackled.database.migrate import migrate
from cackled.database.routing import Database
from cackled.metrics import Metrics

_TEMPLATE = "template_cackled"
_numbers = itertools.count(1)


def scratch_folder(prefix: str) -> Path:
    """A new temporary directory, in memory where there is room: databases of tests need no disk."""
    try:
        shm = os.statvfs("/dev/shm")
        roomy = shm.f_bavail * shm.f_frsize >= 1 << 30
    except OSError:
        roomy = False
    return Path(tempfile.mkdtemp(prefix=prefix, dir="/dev/shm" if roomy else "/tmp"))


class TestServer(Instance):
    """A server in a private temporary directory, or a streaming replica of another, that tests may stop and kill.

    *settings* are further settings of the server; *slot* as for `Instance`.
    """

    __test__ = False

    def __init__(
        self,
        replica_of: TestServer | None = None,
        *,
        slot: str = "",
        settings: dict[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        fast = {"fsync": "off", "full_page_writes": "off", **(settings or {})}
        super().__init__(
            folder or scratch_folder("cackled-pg-"), replica_of=replica_of, slot=slot, settings=fast
        )
        self.migrated = False
        self.start()

    def stop(self) -> None:
        """Stop it for good and remove its directory."""
        self.remove()

    def create(self, template: str = "template1") -> str:
        """A new database; gives its name."""
        name = f"test{next(_numbers)}"
        self.execute(f"create database {name} template {template} strategy file_copy")
        return name

    def has(self, name: str) -> bool:
        """Whether there is such a database."""
        return bool(self.execute("select 1 from pg_database where datname = %s", name))

    def wait_alone(self, name: str) -> None:
        """Wait until nobody is connected to a database, which copying it requires: servers notice ends late."""
        end = time.monotonic() + 30
        while self.execute("select 1 from pg_stat_activity where datname = %s", name) and time.monotonic() < end:
            time.sleep(0.005)

    def clear_away(self) -> None:
        """Remove what tests have left: databases except templates, replication slots, roles.

        Raises:
            psycopg2.Error: something is still used.
        """
        names = [row[0] for row in self.execute("select datname from pg_database where not datistemplate")]
        for name in names:
            if name != "postgres" and not name.startswith("template_"):
                ours = "select subname from pg_subscription where subdbid = "
                ours += "(select oid from pg_database where datname = current_database())"
                for (subscription,) in self.execute(ours, database=name):
                    for sql in ("disable", "set (slot_name = none)"):
                        self.execute(f"alter subscription {subscription} {sql}", database=name)
                    self.execute(f"drop subscription {subscription}", database=name)
        end = time.monotonic() + 10
        while self.execute("select 1 from pg_replication_slots where active") and time.monotonic() < end:
            self.execute("select pg_terminate_backend(active_pid) from pg_replication_slots where active")
            time.sleep(0.02)
        self.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots")
        for name in names:
            if name != "postgres" and not name.startswith("template_"):
                self.drop(name)
        for (role,) in self.execute("select rolname from pg_roles where rolname = 'weak'"):
            self.execute(f"drop role {role}")

    def drop(self, name: str) -> None:
        """Remove a database, and whoever is connected to it."""
        self.execute(f"drop database if exists {name} with (force)")


_server: TestServer | None = None
_owner = 0


def server() -> TestServer:
    """The one server of this process, stopped at its end."""
    global _server, _owner
    if _server is None or _owner != os.getpid():
        _server, _owner = TestServer(), os.getpid()
        atexit.register(_stop, _server, _owner)
    return _server


_idle: dict[str, list[TestServer]] = {}


def shared_servers(test: Any, count: int, settings: dict[str, str]) -> list[TestServer]:
    """*count* servers with these settings for *test*, without databases except templates.

    Servers of the test before are used again, in the same order, if they are still usable.
    """
    made = []
    for number in range(count):
        idle = _idle.setdefault(f"{number} {settings}", [])
        if not idle:
            idle.append(TestServer(settings=settings))
            atexit.register(_stop, idle[0], os.getpid())
        made.append(idle.pop())
        test.addCleanup(_give_back, made[-1], idle)
    return made


def _give_back(one: TestServer, idle: list[TestServer]) -> None:
    try:
        if not one.running:
            one.clear()
            one.start()
        one.clear_away()
    except (psycopg2.Error, RuntimeError):
        one.stop()
    else:
        idle.append(one)


def _stop(one: TestServer, owner: int) -> None:
    if owner == os.getpid():
        one.stop()


@cache
def shipped_packages() -> list[str]:
    """The packages of this release that have SQL of their own beside `cackled.database`."""
    root = Path(__file__).parent.parent
    folders = [folder.parent.relative_to(root.parent) for folder in sorted(root.rglob("sql"))]
    return [name for folder in folders if (name := ".".join(folder.parts)) != CORE]


async def fresh_dsn(test: Any, *, migrated: bool = True) -> str:
    """The DSN of a database of its own for *test* (a trial TestCase), dropped when the test is over."""
    one = server()
    if migrated and not one.migrated:
        from twisted.internet import reactor

        one.execute(f"drop database if exists {_TEMPLATE}")
        one.execute(f"create database {_TEMPLATE}")
        clock: Any = reactor
        await migrate(one.dsn(_TEMPLATE), clock=clock, packages=shipped_packages())
        one.wait_alone(_TEMPLATE)
        one.migrated = True
    name = one.create(_TEMPLATE if migrated else "template1")
    test.addCleanup(one.drop, name)
    return one.dsn(name)


async def database_for_test(
    test: Any,
    *,
    clock: Any = None,
    settings: config.Database | None = None,
    metrics: Metrics | None = None,
    dsn: str = "",
    prepare: Callable[[str], None] | None = None,
    hang: float = 15.0,
) -> Database:
    """A started `Database` on a fresh migrated database, stopped and dropped when *test* is over.

    *prepare* is called with its DSN before anything connects. Time limits are wide: the machine may be busy.
    """
    if clock is None:
        from twisted.internet import reactor

        clock = reactor
    dsn = dsn or await fresh_dsn(test)
    if prepare is not None:
        prepare(dsn)
    made = Database(
        [ServerSettings("test", dsn)], clock=clock, random=random.Random(1), metrics=metrics or Metrics(),
        settings=settings or config.Database(connections=2, wait_timeout=15.0, statement_timeout=30.0), hang=hang,
    )
    test.addCleanup(made.stop)
    await made.start()
    return made
