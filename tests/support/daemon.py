"""The real daemon in a process of its own, for tests that want all of it: ``twistd -n cackled`` in a temporary folder.

    daemon = Daemon()                      # free ports, own state; waits until /readyz says 200
    urlopen(daemon.url + "/demo")
    daemon.kill(); daemon.restart()

Blocks, so that synchronous tests can use it; `Daemon.for_test(case)` also stops it when a test is over. As root the
PostgreSQL child runs as another user, who has to reach the state: the folder is passable by all.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from cackled.database import stale_files
from tests.support.client import call

ROOT = Path(__file__).resolve().parents[2]
TWISTD = Path(sys.executable).parent / "twistd"
# What the processes of one run of scripts/test share; "" without it.
SHARED = os.environ.get("CACKLED_TEST_SHARED", "")
# A loaded machine is slow; a wait ends as soon as what it waits for is there.
PATIENCE = 180.0
_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def child_environment(path: str | Path = ROOT, **more: str) -> dict[str, str]:
    """The environment of a Python of ours that has nothing of this process's but where compiled modules are kept."""
    kept = os.environ.get("PYTHONPYCACHEPREFIX", "")
    # Nothing is written beside the source.
    compiled = {"PYTHONPYCACHEPREFIX": kept} if kept else {"PYTHONDONTWRITEBYTECODE": "1"}
    return {"PYTHONPATH": str(path), **compiled, **more}


class DaemonDied(AssertionError):
    """The daemon ended, or did not become ready; the message ends with its log."""


class _Ports:
    """Ports that this process alone uses: each is locked (a byte of a file) until the process ends.

    They lie below those that the system gives to outgoing connections, any of which could take a free port away before
    its daemon binds it.
    """

    def __init__(self) -> None:
        low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        self._untried = list(range(10_000, low)) if low > 12_000 else list(range(2_000, 10_000))
        random.SystemRandom().shuffle(self._untried)
        name = f"cackled-test-ports-{os.geteuid()}"
        self._file = os.open(Path(tempfile.gettempdir(), name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> int:
        """One that nobody listens on, over TCP or UDP."""
        while True:
            port = self._untried.pop()
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(socket.AF_INET, kind) as probe:
                        probe.bind(("", port))
            except OSError:
                continue
            return port


_ports: list[_Ports] = []


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on and no other test will be given, over TCP and UDP."""
    if not _ports:
        _ports.append(_Ports())
    return [_ports[0].take() for _ in range(count)]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    made = dict(under)
    for key, value in over.items():
        old = made.get(key)
        made[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return made


class Daemon:
    """One daemon; *extra* is TOML laid over the configuration below. With *wait* false it is not waited for."""

    def __init__(self, extra: str = "", *, wait: bool = True, start: bool = True) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cackled-daemon-", dir="/tmp"))
        self.folder.chmod(0o755)
        atexit.register(self.remove)
        self.state = self.folder / "var"
        http, admin, manhole, dns = free_ports(4)
        base = {
            "state": str(self.state),
            "shutdown_timeout": 4.0,
            "listen": [{"endpoint": f"tcp:{http}:interface=127.0.0.1"}],
            "admin": {"endpoint": f"tcp:{admin}:interface=127.0.0.1"},
            "manhole": {"endpoint": f"tcp:{manhole}:interface=127.0.0.1"},
            "dns": {"listen": [f"127.0.0.1:{dns}"]},
            "realtime": {"drain_seconds": 0.5},
        }
        self.settings = _merge(base, tomllib.loads(extra))
        self.port, self.admin_port, self.manhole_port, self.dns_port = http, admin, manhole, dns
        self.url = f"http://127.0.0.1:{http}"
        self.admin_url = f"http://127.0.0.1:{admin}"
        self.config = self.folder / "cackled.toml"
        self.out = self.folder / "out"
        self.process: subprocess.Popen[bytes] | None = None
        self.took = 0.0
        # Where the package is taken from, whether the configuration is written at a start, and whom to run as (uid).
        self.pythonpath = ROOT
        self.write = True
        self.user: int | None = None
        if start:
            self.start(wait=wait)

    @classmethod
    def for_test(cls, case: Any, extra: str = "", **options: Any) -> Daemon:
        """One that is gone when *case* (a TestCase) is over."""
        made = cls(extra, start=False)
        case.addCleanup(made.remove)
        made.start(**options)
        return made

    def command(self) -> list[str]:
        """What is run."""
        return [
            sys.executable, str(TWISTD), "-n", f"--pidfile={self.folder / 'pid'}", "cackled", "-c", str(self.config),
        ]  # fmt: skip

    def start(self, *, wait: bool = True, cwd: Path | None = None, new: bool = False) -> None:
        """Run it; ``took`` is the seconds until it was ready.

        With scripts/test the database is the copy of one that was made before, unless it is to be a *new* one.
        """
        if self.write:
            self.write_config()
        if wait and not new and not self.state.exists() and self.user is None and "database" not in self.settings:
            self._copy_database()
        began = time.monotonic()
        with open(self.out, "ab") as out:
            self.process = subprocess.Popen(
                self.command(), stdout=out, stderr=out, start_new_session=True, **self._child(cwd or self.folder)
            )
        if wait:
            self.wait_ready()
            self.took = time.monotonic() - began

    def _copy_database(self) -> None:
        """Take the database that the first of all daemons made: making one costs more than all the rest of a start."""
        if not SHARED:
            return
        made = Path(SHARED) / "daemon"
        with open(Path(SHARED) / "daemon.lock", "w") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            if not made.exists():
                first = Daemon(start=False)
                try:
                    first.start(new=True)
                    first.stop()
                    if first.data().parent.parent == first.state:
                        subprocess.run(["cp", "-a", str(first.data()), f"{made}.new"], check=True)
                        os.rename(f"{made}.new", made)
                    else:
                        made.mkdir()  # kept elsewhere, as the server's user can't reach the state: nothing to copy
                finally:
                    first.remove()
        if not (made / "PG_VERSION").exists():
            return
        self.state.mkdir(mode=0o711)
        base = self.state / "postgres"
        base.mkdir(mode=0o700)
        owner = made.stat()
        os.chown(base, owner.st_uid, owner.st_gid)
        subprocess.run(["cp", "-a", "--reflink=auto", str(made), str(base / "data")], check=True)

    def write_config(self) -> None:
        """Write ``settings`` down, for the next start or SIGHUP."""
        self.config.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in self.settings.items()))

    def _child(self, cwd: Path) -> dict[str, Any]:
        environ = {**os.environ, **child_environment(self.pythonpath)}
        made: dict[str, Any] = {"cwd": cwd, "env": environ, "stdin": subprocess.DEVNULL}
        # However the tests end, SIGKILL too, the daemon stops in order after them.
        made["preexec_fn"] = lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if self.user is not None:
            made.update(user=self.user, group=self.user, extra_groups=[])
            environ["HOME"] = str(self.folder)
        return made

    def runs(self) -> bool:
        """Whether the user can run Python with our packages at all."""
        command = [sys.executable, "-c", "import twisted, psycopg2, cackled.config"]
        try:
            return subprocess.run(command, capture_output=True, check=False, **self._child(self.folder)).returncode == 0
        except OSError:
            return False

    def wait_ready(self, timeout: float = PATIENCE) -> None:
        """Wait until /readyz says 200.

        Raises:
            DaemonDied
        """
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process is None or self.process.poll() is not None:
                code = None if self.process is None else self.process.returncode
                raise DaemonDied(f"the daemon ended with {code}:\n{self.log()[-4000:]}")
            if self.ready():
                return
            time.sleep(0.02)
        raise DaemonDied(f"not ready in {timeout:.0f} s:\n{self.log()[-4000:]}")

    def ready(self) -> bool:
        """Whether /readyz says 200."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def wait_log(self, pattern: str, timeout: float = PATIENCE, since: int = 0) -> str:
        """Wait for a line of the log that *pattern* is found in (after *since* characters); gives the line."""
        end = time.monotonic() + timeout
        while True:
            over = self.process is None or self.process.poll() is not None or time.monotonic() > end
            for line in self.log()[since:].splitlines():
                if re.search(pattern, line):
                    return line
            if over:
                raise DaemonDied(f"no line with {pattern!r}:\n{self.log()[-4000:]}")
            time.sleep(0.02)

    def log(self) -> str:
        """All it wrote, over restarts too."""
        return self.out.read_text("utf-8", "replace") if self.out.exists() else ""

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for its end; gives the exit code."""
        assert self.process is not None
        return self.process.wait(timeout)

    def signal(self, number: signal.Signals) -> None:
        """Signal the daemon alone."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """SIGKILL the daemon; its PostgreSQL is left alone, as in an accident."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start it again, after stopping it where it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        self.start()

    def admin(self, line: str) -> Any:
        """Run an operator's command; gives its data."""
        token = (self.state / "admin-token").read_text().strip()
        answer = call(
            f"{self.admin_url}/admin/command", "POST", {"line": line}, Authorization=f"Bearer {token}",
            Content_Type="application/json",
        )  # fmt: skip
        if answer.status != 200:
            raise AssertionError(f"{line!r}: {answer.status} {answer.body!r}")
        return answer.json()["data"]

    def data(self) -> Path:
        """PostgreSQL's data directory, wherever the daemon put it."""
        match = re.findall(r"making the database in ([^\s\"]+)", self.log())
        return Path(match[-1]) if match else self.state / "postgres" / "data"

    def postgres(self) -> list[int]:
        """The processes of its PostgreSQL."""
        return stale_files.working_in(self.data())

    def postmaster(self) -> int | None:
        """The first of them, if it lives."""
        return stale_files.postmaster(self.data())

    def remove(self) -> None:
        """End everything and remove the folder; harmless when repeated."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        data = self.data()
        end = time.monotonic() + 10
        for number in (signal.SIGQUIT, signal.SIGKILL):
            while (left := stale_files.working_in(data)) and time.monotonic() < end:
                stale_files.send(left, number)
                time.sleep(0.05)
            end = time.monotonic() + 5
        if data.parent.parent != self.state:
            shutil.rmtree(data.parent, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.remove)
