"""A real PostgreSQL for tests: one server a process, started when first asked for, and a fresh migrated database each.

Database: imports twisted, psycopg2 and this package only. Never imported by the daemon. The server is a plain child
process, so that trial's reactor stays clean; it dies with the test process, however that ends.
"""

from __future__ import annotations

import atexit
import ctypes
import itertools
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import make_dsn

from cackled import config
from cackled.database import binaries as programs
from cackled.database.dsn import ServerSettings
from cackled.database.embedded import ROLE, environment, initdb_command, postgres_command
from cackled.database.migrate import migrate
from cackled.database.routing import Database
from cackled.metrics import Metrics

_TEMPLATE = "template_cackled"
_PR_SET_PDEATHSIG = 1
_numbers = itertools.count(1)


def scratch_folder(prefix: str) -> Path:
    """A new temporary directory, in memory where there is room: databases of tests need no disk."""
    try:
        shm = os.statvfs("/dev/shm")
        roomy = shm.f_bavail * shm.f_frsize >= 1 << 30
    except OSError:
        roomy = False
    return Path(tempfile.mkdtemp(prefix=prefix, dir="/dev/shm" if roomy else "/tmp"))


class TestServer:
    """A server in a private temporary directory, or a streaming replica of another, to be stopped and killed."""

    __test__ = False

    def __init__(self, replica_of: TestServer | None = None) -> None:
        self._folder = scratch_folder("cackled-pg-")
        self._data = self._folder / "data"
        self._user = programs.server_user(self._data)
        self._found, _ = programs.binaries_for(self._user, programs.find_binaries())
        if self._user.other:
            os.chown(self._folder, self._user.uid, self._user.gid)
        self._process: subprocess.Popen[bytes] | None = None
        self.migrated = False
        command = initdb_command(self._found, self._data, sync=False)
        if replica_of is not None:
            command = [
                self._found.program("pg_basebackup"), "-D", str(self._data), "-R", "-X", "stream", "-c", "fast",
                "--no-sync", "-d", replica_of.dsn("postgres"),
            ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **self._child())
        self.start()

    def _child(self) -> dict[str, Any]:
        made: dict[str, Any] = {"cwd": self._folder, "env": environment(self._folder), "stdin": subprocess.DEVNULL}
        if self._user.other:
            made.update(user=self._user.uid, group=self._user.gid, extra_groups=[])
        return made

    def start(self) -> None:
        """Run it, and wait until it answers."""
        libc = ctypes.CDLL(None, use_errno=True)
        command = postgres_command(
            self._found, self._data, self._folder, fsync="off", full_page_writes="off", shared_buffers="32MB",
            log_min_messages="fatal",
        )
        with open(self._folder / "log", "ab") as out:
            self._process = subprocess.Popen(
                command, stdout=out, stderr=out, start_new_session=True,
                preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT),
                **self._child(),
            )
        end = time.monotonic() + 30
        while True:
            try:
                psycopg2.connect(self.dsn("postgres")).close()
                return
            except psycopg2.OperationalError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError((self._folder / "log").read_text()) from None
                time.sleep(0.01)

    def dsn(self, database: str) -> str:
        """How to reach *database* as the superuser."""
        return make_dsn("", host=str(self._folder), port=5432, user=ROLE, dbname=database)

    def signal(self, number: signal.Signals) -> None:
        """Signal every process of the server, as SIGSTOP needs it to be."""
        for pid in self.pids():
            os.kill(pid, number)

    def pids(self) -> list[int]:
        """All its processes, the postmaster first."""
        assert self._process is not None
        main = self._process.pid
        try:
            children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        except OSError:
            children = []
        return [main, *map(int, children)]

    def kill(self) -> None:
        """SIGKILL all of it at once, and clear what it leaves."""
        assert self._process is not None
        pids = self.pids()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait()
        for name in ("data/postmaster.pid", ".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
            (self._folder / name).unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop it for good and remove its directory."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def execute(self, sql: str, *args: Any, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run SQL as the superuser, blocking; gives the rows."""
        connection = psycopg2.connect(self.dsn(database))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql, args or None)
                return list(cursor.fetchall()) if cursor.description is not None else []
        finally:
            connection.close()

    def create(self, template: str = "template1") -> str:
        """A new database; gives its name."""
        name = f"test{next(_numbers)}"
        self.execute(f"create database {name} template {template} strategy file_copy")
        return name

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


def _stop(one: TestServer, owner: int) -> None:
    if owner == os.getpid():
        one.stop()


async def fresh_dsn(test: Any, *, migrated: bool = True) -> str:
    """The DSN of a database of its own for *test* (a trial TestCase), dropped when the test is over."""
    one = server()
    if migrated and not one.migrated:
        from twisted.internet import reactor

        one.execute(f"drop database if exists {_TEMPLATE}")
        one.execute(f"create database {_TEMPLATE}")
        clock: Any = reactor
        await migrate(one.dsn(_TEMPLATE), clock=clock)
        end = time.monotonic() + 5
        while one.execute("select 1 from pg_stat_activity where datname = %s", _TEMPLATE) and time.monotonic() < end:
            time.sleep(0.005)  # a template must have no connection; the server takes a moment to see the end of ours
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
