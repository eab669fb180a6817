"""A PostgreSQL server as a plain child process, driven by blocking calls: for tests, benchmarks and the demo cluster.

Never imported by the daemon, whose own server is `embedded`. The server dies with the process that started it. Anybody
who can reach its socket or address is its superuser.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import make_dsn

from cackled.database import binaries as programs
from cackled.database.embedded import ROLE, environment, initdb_command, postgres_command

PATIENCE = 30.0
_PR_SET_PDEATHSIG = 1


class Instance:
    """A server whose data is in *folder*: made by initdb, or copied from *replica_of* where it is not there yet.

    It listens on a socket in *folder*, or with *address* ("127.0.0.2") on that and *port* instead. *slot* is the
    name of a replica's replication slot on its primary, and of itself in ``synchronous_standby_names``. *settings* are
    further settings of the server.
    """

    def __init__(
        self,
        folder: Path,
        *,
        replica_of: Instance | None = None,
        slot: str = "",
        address: str = "",
        port: int = 5432,
        settings: dict[str, str] | None = None,
        reach: Callable[[Instance], str] | None = None,
    ) -> None:
        self.folder = folder
        self._reach = reach
        self.data = folder / "data"
        self.address = address
        self.slot = slot
        self.port = port
        self.settings = {"log_min_messages": "fatal", "shared_buffers": "32MB", **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._user = programs.server_user(self.data)
        self._found, _ = programs.binaries_for(self._user, programs.find_binaries())
        folder.mkdir(parents=True, exist_ok=True)
        if self._user.other:
            os.chown(folder, self._user.uid, self._user.gid)
        if not (self.data / "PG_VERSION").exists():
            self._make(replica_of)

    def _make(self, origin: Instance | None) -> None:
        command = initdb_command(self._found, self.data, sync=False)
        if origin is not None:
            if self.slot:
                origin.make_slot(self.slot)
            command = [
                self._found.program("pg_basebackup"), "-D", str(self.data), "-R", "-X", "stream", "-c", "fast",
                "--no-sync", "-d", self._following(origin), *(["-S", self.slot] if self.slot else []),
            ]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **self._child())

    def _child(self) -> dict[str, Any]:
        made: dict[str, Any] = {"cwd": self.folder, "env": environment(self.folder), "stdin": subprocess.DEVNULL}
        if self._user.other:
            made.update(user=self._user.uid, group=self._user.gid, extra_groups=[])
        return made

    def start(self, *, wait: bool = True) -> None:
        """Run it, and wait until it answers.

        Raises:
            RuntimeError: it ended; the message is its log.
        """
        libc = ctypes.CDLL(None, use_errno=True)
        settings = dict(self.settings)
        if self.address:
            settings |= {"listen_addresses": self.address, "port": str(self.port), "unix_socket_directories": ""}
        command = postgres_command(self._found, self.data, self.folder, **settings)
        with open(self.folder / "log", "ab") as out:
            self._process = subprocess.Popen(
                command, stdout=out, stderr=out, start_new_session=True,
                preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT),
                **self._child(),
            )  # fmt: skip
        if wait:
            self.wait()

    def wait(self, seconds: float = PATIENCE) -> None:
        """Wait until it answers; see `start`."""
        assert self._process is not None
        end = time.monotonic() + seconds
        while True:
            try:
                psycopg2.connect(self.dsn("postgres")).close()
                return
            except psycopg2.OperationalError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(self.log()) from None
                time.sleep(0.01)

    def log(self) -> str:
        """The log of the server."""
        return (self.folder / "log").read_text("utf-8", "replace")

    @property
    def running(self) -> bool:
        """Whether its postmaster process lives."""
        return self._process is not None and self._process.poll() is None

    def dsn(self, database: str) -> str:
        """How to reach *database* as the superuser."""
        place = {"host": self.address, "port": self.port} if self.address else {"host": str(self.folder), "port": 5432}
        return make_dsn("", **place, user=ROLE, dbname=database)

    def signal(self, number: signal.Signals) -> None:
        """Signal every process of the server, as SIGSTOP needs it to be."""
        for pid in self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

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
        """Send SIGKILL to all its processes at once, and remove what they leave behind."""
        assert self._process is not None
        # All processes are stopped first, so that they die at the same moment. Otherwise a commit that waits for a
        # standby stops waiting when its postmaster dies first: it would be announced, but not acknowledged.
        self.signal(signal.SIGSTOP)
        self.signal(signal.SIGKILL)
        self._process.wait()
        self.clear()

    def clear(self) -> None:
        """Remove the locks of a server that did not stop in order."""
        for name in ("data/postmaster.pid", ".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
            (self.folder / name).unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop it within 10 s. May be called again."""
        if not self.running or self._process is None:
            return
        self.signal(signal.SIGCONT)
        self._process.send_signal(signal.SIGINT)
        for seconds in (5, 5):
            try:
                self._process.wait(seconds)
                return
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
        self.kill()

    def remove(self) -> None:
        """Stop it at once and remove its folder."""
        if self.running and self._process is not None:
            self.signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

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

    def make_slot(self, name: str) -> None:
        """Keep the log for the replica *name* until it has it."""
        self.execute(
            "select pg_create_physical_replication_slot(%s, true) where not exists "
            "(select from pg_replication_slots where slot_name = %s)", name, name,
        )  # fmt: skip

    def _following(self, origin: Instance) -> str:
        more = {} if self._reach is None else {"host": self._reach(origin)}
        return make_dsn(
            origin.dsn("postgres"), application_name=self.slot or "replica", connect_timeout=2, **more
        )

    def follow(self, origin: Instance) -> None:
        """For a replica: follow *origin*, which was promoted."""
        if self.slot:
            origin.make_slot(self.slot)
        self.execute("alter system set primary_conninfo = " + _quoted(self._following(origin)))
        self.execute("select pg_reload_conf()")

    def rebuild(self, origin: Instance) -> None:
        """Become a replica of *origin*, from a fresh copy: what an old primary has to do to come back."""
        self.stop()
        shutil.rmtree(self.data)
        self._make(origin)
        self.start()

    def promote(self) -> None:
        """Make a replica a primary, and wait until it is."""
        self.execute("select pg_promote()")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
