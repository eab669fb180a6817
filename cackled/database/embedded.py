"""Our own PostgreSQL: made at the first start, run as a child process, restarted when it dies, recovered after a crash.

The server listens on a unix socket in a directory that only its own user and root can enter, so no password is asked.
Nothing here blocks the reactor for longer than a file operation, except the one-time copy of the programs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import make_dsn
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.internet.error import ProcessDone
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from cackled.clock import sleep
from cackled.database import binaries as programs
from cackled.database import stale_files
from cackled.database._txpostgres import Connection, first_line
from cackled.database.binaries import Binaries, EmbeddedError, User

__all__ = ["EmbeddedError", "EmbeddedServer", "initdb_command", "postgres_command"]

log = Logger()

ROLE = "cackled"
DATABASE = "cackled"
POLL = 0.01
# Long, because crash recovery may have much to read before the server answers.
START_TIMEOUT = 300.0
FAST_STOP = 5.0
HARD_STOP = 1.0
BACKOFF_FIRST = 0.1
BACKOFF_MOST = 10.0
# After a run of at least so many seconds, the server is restarted without a pause.
GOOD_RUN = 30.0
LOG_LINE_BYTES = 4_096

_LEVELS = {
    "LOG": LogLevel.debug,
    "INFO": LogLevel.debug,
    "NOTICE": LogLevel.debug,
    "HINT": LogLevel.debug,
    "WARNING": LogLevel.warn,
    # A failed statement is reported to the client that sent it, so it is no warning here.
    "ERROR": LogLevel.debug,
    "FATAL": LogLevel.warn,
    "PANIC": LogLevel.error,
}


def initdb_command(found: Binaries, data: Path, *, sync: bool = True) -> list[str]:
    """The command that makes a data directory."""
    # Code-point order and no dependence on the machine's locales; older servers take C.UTF-8 from the C library.
    locale = ["--locale-provider=builtin", "--locale=C.UTF-8"] if found.major >= 17 else ["--locale=C.UTF-8"]
    return [
        found.program("initdb"), "-D", str(data), "-U", ROLE, "--auth=trust", "--encoding=UTF8", "--data-checksums",
        *locale, *([] if sync else ["--no-sync"]),
    ]


def postgres_command(found: Binaries, data: Path, sockets: Path, **more: str) -> list[str]:
    """The command that runs the server in the foreground; *more* are further settings."""
    try:
        shm = os.statvfs("/dev/shm")
        roomy = shm.f_bavail * shm.f_frsize >= 64 * 1024 * 1024
    except OSError:
        roomy = False
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets).replace("'", "''"),
        "unix_socket_permissions": "0700",
        "port": str(stale_files.PORT),
        "cluster_name": "cackled",
        "max_connections": "100",
        "shared_buffers": "128MB",
        "dynamic_shared_memory_type": "posix" if roomy else "mmap",
        "huge_pages": "off",
        "synchronous_commit": "on",
        "wal_level": "replica",
        "max_wal_size": "512MB",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        "idle_in_transaction_session_timeout": "30s",
        "jit": "off",
        # A site grows from nothing in minutes: what is planned for empty tables is planned anew soon.
        "autovacuum_naptime": "10s",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_destination": "stderr",
        "logging_collector": "off",
        "log_line_prefix": "",
        "log_min_messages": "warning",
        # Left out of the log: statements and details of errors, as they hold what visitors wrote.
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_checkpoints": "off",
        "lc_messages": "C",
        **more,
    }
    return [found.program("postgres"), "-D", str(data), *(f"--{name}={value}" for name, value in settings.items())]


def environment(home: Path) -> dict[str, str]:
    """The environment of initdb and postgres. No variable of ours is passed on."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", "HOME": str(home)}


class _Output(ProcessProtocol):
    """Logs the output of a child process line by line, and reports its end."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._rest = b""
        self.ended: Deferred[BaseException] = Deferred()
        self.over = False

    def outReceived(self, data: bytes) -> None:
        self.errReceived(data)

    def errReceived(self, data: bytes) -> None:
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()[-LOG_LINE_BYTES:]
        for line in lines:
            self._line(line[:LOG_LINE_BYTES].decode("utf-8", "replace"))

    def processExited(self, reason: Failure) -> None:
        # Not processEnded: a server process that outlives its parent keeps the pipe open.
        if not self.over:
            self.over = True
            self.ended.callback(reason.value or ProcessDone(0))

    def processEnded(self, reason: Failure) -> None:
        self.processExited(reason)


class EmbeddedServer:
    """The PostgreSQL server of one state directory.

    ``state`` is one of ``stopped``, ``starting``, ``running``, ``restarting``, ``stopping``.
    """

    def __init__(
        self,
        reactor: Any,
        state_dir: str | Path,
        *,
        found: Binaries | None = None,
        shared: Path = programs.SHARED,
        settings: dict[str, str] | None = None,
    ) -> None:
        self._reactor = reactor
        self._state_dir = Path(os.path.abspath(state_dir))
        self._found = found
        self._shared = shared
        self._settings = settings or {}
        self._lock: int | None = None
        self._process: Any = None
        self._output: _Output | None = None
        self._user = User("", 0, 0)
        self._base = self._state_dir / "postgres"
        self._sockets = self._base / "run"
        self._retry: IDelayedCall | None = None
        self._backoff = BACKOFF_FIRST
        self._since = 0.0
        self._last = ""
        self.state = "stopped"
        self.restarts = 0

    @property
    def data(self) -> Path:
        """The data directory."""
        return self._base / "data"

    @property
    def dsn(self) -> str:
        """How to connect as ``cackled``, the superuser, to the database ``cackled``."""
        return self._dsn(DATABASE)

    def _dsn(self, database: str) -> str:
        return make_dsn("", host=str(self._sockets), port=stale_files.PORT, user=ROLE, dbname=database)

    @property
    def pid(self) -> int | None:
        """The postmaster's process id."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Make the data directory if there is none, start the server and wait until it answers.

        Raises:
            EmbeddedError: it can't be run, or another daemon uses the state directory.
        """
        if self.state != "stopped":
            raise EmbeddedError("already started")
        self.state = "starting"
        try:
            await self._prepare()
            self._spawn()
            await self._ready()
        except BaseException:
            await self.stop()
            raise
        self.state = "running"

    def attach(self) -> bool:
        """Whether a daemon runs the server now. If so, `dsn`, `data` and `program` are those of that server."""
        self._choose_place()
        lock = self._state_dir / "postgres.lock"
        if not lock.exists():
            return False
        try:
            os.close(stale_files.lock_state(lock))
        except EmbeddedError:
            self._sockets = stale_files.socket_folder(self._base / "run", self._user)
            return True
        return False

    def exists(self) -> bool:
        """Whether there is a data directory (after `attach`)."""
        return self.data.exists()

    def program(self, name: str) -> str:
        """The path of one of the server's programs."""
        if self._found is None:
            self._found = programs.find_binaries()
        return self._found.program(name)

    async def stop(self) -> None:
        """Stop the server within 7 s: connections are closed and all data written. May be called again."""
        self.state = "stopping"
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        await self._end_child()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        self.state = "stopped"

    async def _prepare(self) -> None:
        try:
            if not self._state_dir.is_dir():
                self._state_dir.mkdir(parents=True)
                if os.geteuid() == 0:
                    # The server's user must be able to enter, whatever the umask. Existing folders are not changed.
                    self._state_dir.chmod(0o711)
        except OSError as error:
            raise EmbeddedError(f"{self._state_dir}: {error.strerror or error}") from None
        self._lock = stale_files.lock_state(self._state_dir / "postgres.lock")
        self._choose_place()
        if self._found is None:
            self._found = programs.find_binaries()
        self._found, told = programs.binaries_for(self._user, self._found, self._shared)
        if told:
            log.info("{told}", told=told)
        if self._base.parent == self._shared:
            programs.make_shared(self._shared)
        stale_files.own_folder(self._base, self._user)
        self._sockets = stale_files.socket_folder(self._base / "run", self._user)
        if not (self.data / "PG_VERSION").exists():
            await self._make_data()
        self._check_version()
        await self._clear_leftovers()

    def _choose_place(self) -> None:
        here = self._state_dir / "postgres"
        name = hashlib.blake2b(os.fsencode(str(self._state_dir)), digest_size=8).hexdigest()
        there = self._shared / name
        self._user = programs.server_user(here / "data")
        self._base = here
        if (here / "data" / "PG_VERSION").exists() or os.geteuid() != 0:
            return
        if (there / "data" / "PG_VERSION").exists():
            self._user = programs.server_user(there / "data")
            self._base = there
        elif not programs.reachable(here, self._user):
            self._base = there
        if self._base == there:
            log.info("user {user} can't reach {here}: the database is in {there}",
                     user=self._user.name, here=str(here), there=str(there))

    def _check_version(self) -> None:
        assert self._found is not None
        try:
            major = (self.data / "PG_VERSION").read_text().strip()
        except OSError as error:
            raise EmbeddedError(f"{self.data}: {error.strerror or error}") from None
        if major != str(self._found.major):
            raise EmbeddedError(
                f"{self.data} was made by PostgreSQL {major}, the programs found are {self._found.version}: "
                "upgrade it with pg_upgrade, or dump and restore"
            )

    async def _make_data(self) -> None:
        assert self._found is not None
        # It has another name until it is complete: the server can't start on an incomplete directory.
        scratch = self._base / "data.new"
        shutil.rmtree(scratch, ignore_errors=True)
        if self.data.is_dir() and any(self.data.iterdir()):
            raise EmbeddedError(f"{self.data} is not empty and holds no database")
        log.info("making the database in {data}", data=str(self.data))
        lines: list[str] = []
        output = _Output(lambda line: lines.append(line) if len(lines) < 1_000 else None)
        self._launch(output, initdb_command(self._found, scratch))
        reason = await output.ended
        if not isinstance(reason, ProcessDone):
            shutil.rmtree(scratch, ignore_errors=True)
            told = [line for line in lines if "error" in line.lower() or "fatal" in line.lower()] or lines[-1:]
            raise EmbeddedError(f"initdb failed: {'; '.join(told)[:500] or reason}")
        scratch.rename(self.data)

    async def _clear_leftovers(self) -> None:
        left = stale_files.working_in(self.data)
        if left:
            log.warn("a server of an earlier daemon is still running on {data}; it is stopped", data=str(self.data))
            main = stale_files.postmaster(self.data)
            steps = ((signal.SIGINT, FAST_STOP), (signal.SIGQUIT, HARD_STOP), (signal.SIGKILL, HARD_STOP))
            for number, seconds in steps:
                # Without their postmaster, the processes don't obey a fast stop.
                targets = [main] if main in left and number != signal.SIGKILL else left
                stale_files.send([pid for pid in targets if pid is not None], number)
                end = self._reactor.seconds() + seconds
                while left and self._reactor.seconds() < end:
                    await sleep(self._reactor, POLL)
                    left = stale_files.working_in(self.data)
                if not left:
                    break
            else:
                raise EmbeddedError(f"a server on {self.data} can't be stopped (processes {left})")
        removed = stale_files.remove_locks(self.data, self._sockets)
        if removed:
            log.info("removed {files}, left by a server that was killed", files=", ".join(removed))

    def _launch(self, output: _Output, command: list[str]) -> Any:
        # In a session of its own, so that Ctrl-C reaches the daemon only; the daemon then stops the server.
        setsid = shutil.which("setsid")
        if setsid is not None:
            command = [setsid, *command]
        other = self._user.other
        return self._reactor.spawnProcess(
            output, command[0], [os.fsencode(one) for one in command], env=environment(self._base),
            path=str(self._base), uid=self._user.uid if other else None, gid=self._user.gid if other else None,
        )

    def _spawn(self) -> None:
        assert self._found is not None
        output = self._output = _Output(self._log_line)
        command = postgres_command(self._found, self.data, self._sockets, **self._settings)
        self._since = self._reactor.seconds()
        try:
            self._process = self._launch(output, command)
        except OSError as error:
            raise EmbeddedError(f"{command[0]}: {error.strerror or error}") from None
        output.ended.addCallback(self._ended, output)

    def _ended(self, reason: BaseException, output: _Output) -> None:
        if output is not self._output:
            return
        self._process = None
        if self.state in ("stopping", "stopped", "starting"):
            return
        self.state = "restarting"
        self.restarts += 1
        now = self._reactor.seconds()
        if now - self._since > GOOD_RUN:
            self._backoff = BACKOFF_FIRST
        log.error("the database server ended ({reason}); restarting in {delay:.1f} s",
                  reason=str(reason), delay=self._backoff)
        self._retry = self._reactor.callLater(self._backoff, self._restart)
        self._backoff = min(self._backoff * 2, BACKOFF_MOST)

    def _restart(self) -> None:
        self._retry = None
        Deferred.fromCoroutine(self._restarting()).addErrback(self._restart_failed)

    async def _restarting(self) -> None:
        await self._clear_leftovers()
        if self.state != "restarting":
            return
        self._spawn()
        await self._ready()
        if self.state == "restarting":
            self.state = "running"
            log.info("the database server is back")

    def _restart_failed(self, failure: Failure) -> None:
        if self.state != "restarting":
            return
        log.error("the database server can't be restarted: {reason}", reason=str(failure.value))
        if self._process is None and self._retry is None:
            self._retry = self._reactor.callLater(self._backoff, self._restart)
            self._backoff = min(self._backoff * 2, BACKOFF_MOST)

    async def _ready(self) -> None:
        output = self._output
        assert output is not None
        began = self._reactor.seconds()
        told = began
        while not output.over:
            reason = await self._try()
            if not reason:
                return
            now = self._reactor.seconds()
            if now - began > START_TIMEOUT:
                raise EmbeddedError(f"the database server does not answer: {reason}")
            if now - told > 10:
                told = now
                log.info("waiting for the database server: {reason}", reason=reason)
            await sleep(self._reactor, POLL)
        await sleep(self._reactor, 5 * POLL)  # its last words may still be in the pipe
        raise EmbeddedError(f"the database server ended: {self._last or 'see the log'}")

    async def _try(self) -> str:
        """Connect, and create the database if it is missing. Returns "" on success, else what failed."""
        connection = Connection(self._reactor)
        try:
            await connection.open(self.dsn).addTimeout(5.0, self._reactor)
            return ""
        except TimedOut:
            return "no answer"
        except psycopg2.Error as error:
            # libpq gives no SQLSTATE when a connection is refused.
            reason = first_line(error)
            if f'database "{DATABASE}" does not exist' not in str(error):
                return reason
        finally:
            connection.close()
        maker = Connection(self._reactor)
        try:
            await maker.open(self._dsn("postgres")).addTimeout(5.0, self._reactor)
            await maker.run(f"create database {DATABASE} owner {ROLE}")
        except (psycopg2.Error, TimedOut) as error:
            return first_line(error)
        finally:
            maker.close()
        return "" if await self._again() else "starting"

    async def _again(self) -> bool:
        connection = Connection(self._reactor)
        try:
            await connection.open(self.dsn).addTimeout(5.0, self._reactor)
            return True
        except (psycopg2.Error, TimedOut):
            return False
        finally:
            connection.close()

    async def _end_child(self) -> None:
        output, process = self._output, self._process
        if process is None or output is None or output.over:
            return
        for number, seconds in (("INT", FAST_STOP), ("QUIT", HARD_STOP), ("KILL", HARD_STOP)):
            try:
                process.signalProcess(number)
            except Exception as error:  # it is gone
                log.debug("stopping the database server: {error}", error=str(error))
            end = self._reactor.seconds() + seconds
            while not output.over and self._reactor.seconds() < end:
                await sleep(self._reactor, POLL)
            if output.over:
                break
            log.warn("the database server does not stop at SIG{number}", number=number)
        if not output.over or number == "KILL":
            # What a killed postmaster leaves behind would block the next start.
            stale_files.send(stale_files.working_in(self.data), signal.SIGKILL)
        self._process = None

    def _log_line(self, line: str) -> None:
        word, _, text = line.partition(":")
        level = _LEVELS.get(word)
        text = text.strip() if level is not None else line.strip()
        if not text:
            return
        if word in ("FATAL", "PANIC"):
            self._last = text
        elif level is None and self.state == "starting":
            self._last = f"{self._last} {text}".strip()[:500]
        if level is None:
            level = LogLevel.debug
        if level is LogLevel.warn and (self.state != "running" or "the database system is " in text):
            level = LogLevel.debug  # what it tells those who connect while it starts and stops
        log.emit(level, "postgres: {text}", text=text)
