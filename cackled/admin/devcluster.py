"""Three nodes on one machine, each with its own PostgreSQL: one primary, two streaming replicas. For tests and demos.

Calls block. Node N uses 127.0.0.N. Each daemon knows all three servers, its own one marked ``local``, and is connected
to the others by the mesh. PostgreSQL accepts everyone who reaches these addresses: do not use it on a machine that
strangers can use.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cackled.admin.devnet import Loopback
from cackled.cluster import ca
from cackled.database import binaries, stale_files
from cackled.database.instance import Instance

PATIENCE = 60.0
# Files in the folder of a cluster that is kept.
KEPT = "cluster.json"
_PR_SET_PDEATHSIG = 1


class Ports(NamedTuple):
    """The ports of every node, on its own address."""

    http: int = 8080
    admin: int = 8081
    manhole: int = 2300
    dns: int = 5300
    mesh: int = 7946
    postgres: int = 5440


class Kept(NamedTuple):
    """The options of a cluster that is kept in a folder, so that a restart uses the same."""

    ports: Ports = Ports()
    extra: str = ""
    synchronous: bool = False

    @classmethod
    def of(cls, folder: Path) -> Kept:
        """Read the options from *folder*; defaults if there is no file.

        Raises:
            ClusterError: the file can't be read.
        """
        try:
            told = json.loads((folder / KEPT).read_text("utf-8"))
            return cls(Ports(**told["ports"]), told["extra"], told["synchronous"])
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ClusterError(f"{folder / KEPT} can't be read: {error}") from None

    def write(self, folder: Path) -> None:
        """Write the options to *folder*."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / KEPT).write_text(json.dumps({**self._asdict(), "ports": self.ports._asdict()}, indent=1), "utf-8")


def ports_of(words: Iterable[str], old: Ports) -> Ports:
    """*old*, changed by words such as ``http=8090``.

    Raises:
        ClusterError: a word is not of that form.
    """
    given = old._asdict()
    for word in words:
        name, _, number = word.partition("=")
        if name not in given or not (number.isascii() and number.isdigit() and 0 < int(number) < 65536):
            raise ClusterError(f"{word!r} is no port; write one of {', '.join(f'{one}=N' for one in given)}")
        given[name] = int(number)
    if len(set(given.values())) < len(given):
        raise ClusterError("two listeners can't have one port")
    return Ports(**given)


class ClusterError(Exception):
    """The cluster can't run; one line for the operator."""


HELP = """\
kill|hang|resume|start|promote|rebuild 2    PostgreSQL of node 2
kill|hang|resume|start|drain|undrain n2     the daemon of node 2
cut|mend n1 n2                              the wire between two nodes (mesh, each other's PostgreSQL, replication)
Return shows the table, Ctrl-C ends."""


class Node:
    """One daemon and its PostgreSQL."""

    def __init__(self, number: int, folder: Path, ports: Ports, net: Loopback) -> None:
        self.number = number
        self.name = f"n{number}"
        self.address = net.address(number)
        # Whether the daemon is supposed to run.
        self.wanted = False
        self._net = net
        self.folder = folder / self.name
        self.config = self.folder / "cackled.toml"
        self.ports = ports
        self.url = f"http://{self.address}:{ports.http}"
        self.server: Instance
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the daemon without waiting for it."""
        self.wanted = True
        with self._net.inside(self.number):
            self._run()

    def _run(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        command = [sys.executable, "-m", "cackled", "run", "-c", str(self.config)]
        with open(self.folder / "out", "ab") as out:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
                preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),
            )  # fmt: skip

    @property
    def running(self) -> bool:
        """Whether the daemon process runs."""
        return self.process is not None and self.process.poll() is None

    def ready(self) -> bool:
        """Whether /readyz says 200."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def log(self) -> str:
        """The daemon's log output."""
        return (self.folder / "out").read_text("utf-8", "replace")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the daemon if it runs; with SIGKILL wait for its end."""
        if not self.running or self.process is None:
            return
        self.wanted = number is not signal.SIGKILL
        self.process.send_signal(number)
        if not self.wanted:
            self.process.wait()

    def admin(self, line: str) -> Any:
        """Run an operator command in the daemon; returns its data."""
        token = (self.folder / "var" / "admin-token").read_text().strip()
        request = urllib.request.Request(
            f"http://{self.address}:{self.ports.admin}/admin/command", json.dumps({"line": line}).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())["data"]

    def end(self) -> None:
        """Send SIGTERM to the daemon if it runs, without waiting."""
        self.wanted = False
        if self.running and self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()


class Cluster:
    """The whole cluster. *folder* is kept if given, else it is temporary; *extra* is TOML for every daemon.

    With *discovery* each daemon's configuration lists only itself, and the daemons find each other in the database.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        nodes: int = 3,
        ports: Ports = Ports(),  # noqa: B008 - immutable
        extra: str = "",
        synchronous: bool = False,
        settings: Mapping[str, str] | None = None,
        net: Loopback | None = None,
        discovery: bool = False,
    ) -> None:
        self._discovery = discovery
        self.net = net or Loopback()
        self._kept = folder is not None
        self.folder = folder.absolute() if folder else Path(tempfile.mkdtemp(prefix="cackled-cluster-", dir="/tmp"))
        self.nodes = [Node(number, self.folder, ports, self.net) for number in range(1, nodes + 1)]
        self._extra = extra
        self._settings = dict(settings or {})
        self._synchronous = synchronous

    def start(self, progress: Callable[[str], None] = lambda line: None) -> None:
        """Make what is missing and start everything; returns when all nodes are ready.

        Raises:
            ClusterError
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._kept:
            self.folder.chmod(0o755)
        self._check_folder()
        ports = self.nodes[0].ports
        self.net.start([node.number for node in self.nodes], [ports.mesh, ports.postgres])
        progress("starting PostgreSQL")
        self._start_servers()
        mesh = self.folder / "mesh"
        if not (mesh / "ca.pem").exists():
            ca.init_ca(mesh)
        for node in self.nodes:
            if not (mesh / f"{node.name}.pem").exists():
                ca.issue(mesh, node.name)
            self.configure(node)
        progress("starting the daemons")
        # The first daemon migrates and makes the demo pages; the others find them. None is ready while it is alone.
        for node in self.nodes:
            node.start()
            if node is self.nodes[0]:
                self.wait(node, lambda node: f"is ready, node {node.name}" in node.log())
        for node in self.nodes:
            self.wait(node)

    def _check_folder(self) -> None:
        user = binaries.server_user(self.folder / "n1" / "data")
        if user.other and not binaries.reachable(self.folder, user):
            raise ClusterError(f"user {user.name}, whom PostgreSQL runs as, can't reach {self.folder}")

    def _start_servers(self) -> None:
        first: Instance | None = None
        for node in self.nodes:
            node.folder.mkdir(exist_ok=True)
            data = node.folder / "postgres"
            if stale_files.working_in(data / "data"):
                raise ClusterError(f"a server is running on {data} already")
            with self.net.inside(node.number):
                node.server = Instance(
                    data, replica_of=first, slot=node.name, address=node.address, port=node.ports.postgres,
                    reach=self._reach_from(node),
                    settings={
                        "cluster_name": node.name, "max_slot_wal_keep_size": "1GB", **self.net.settings,
                        **self._settings,
                    },
                )  # fmt: skip
                node.server.clear()
                try:
                    node.server.start()
                except RuntimeError as error:
                    raise ClusterError(f"PostgreSQL of {node.name}: {str(error).strip().splitlines()[-1:]}") from None
            if first is None:
                first = node.server
                if not first.execute("select 1 from pg_database where datname = 'cackled'"):
                    first.execute("create database cackled")
        self._follow()
        if self._synchronous and first is not None and not self._follows(self.nodes[0]):
            # Only after the replicas run: before that every commit would wait for them.
            names = ", ".join(node.name for node in self.nodes[1:])
            first.execute(f"alter system set synchronous_standby_names = 'FIRST 1 ({names})'")
            first.execute("select pg_reload_conf()")

    def _reach_from(self, node: Node) -> Callable[[Instance], str]:
        def reach(origin: Instance) -> str:
            return self.net.reach(node.number, next(n.number for n in self.nodes if n.address == origin.address))

        return reach

    def _follow(self) -> None:
        """Point the replicas of a kept folder at the current primary."""
        primaries = [node for node in self.nodes if not self._follows(node)]
        for node in self.nodes:
            if len(primaries) == 1 and node is not primaries[0]:
                node.server.follow(primaries[0].server)

    def wait(self, node: Node, check: Callable[[Node], bool] = Node.ready, timeout: float = PATIENCE) -> None:
        """Wait until *node* is ready, or until *check* is true; *timeout* in seconds.

        Raises:
            ClusterError: the daemon ended, or it takes too long.
        """
        end = time.monotonic() + timeout
        while not check(node):
            if not node.running or time.monotonic() > end:
                raise ClusterError(f"{node.name} is not ready: {node.log()[-2000:]}")
            time.sleep(0.02)

    def configure(self, node: Node) -> None:
        """Write the daemon's configuration.

        Raises:
            ClusterError: the result, with *extra*, is not valid TOML.
        """
        text = self._config(node)
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ClusterError(f"{node.config} with what is to be added is no TOML: {error}") from None
        node.config.write_text(text)

    def _config(self, node: Node) -> str:
        ports = node.ports
        here = node.address
        lines = [
            f'state = "{node.folder / "var"}"', f'node = "{node.name}"', "shutdown_timeout = 4.0", self._extra,
            f'[[listen]]\nendpoint = "tcp:{ports.http}:interface={here}"',
            f'[admin]\nendpoint = "tcp:{ports.admin}:interface={here}"',
            f'[manhole]\nendpoint = "tcp:{ports.manhole}:interface={self.net.console(node.number)}"',
            f'[dns]\nlisten = ["{here}:{ports.dns}"]',
            f'[mesh]\nfolder = "{self.folder / "mesh"}"',
        ]  # fmt: skip
        if self._discovery:
            lines.append("[discovery]\nenabled = true\ninterval = 2.0")
        for one in self.nodes if not self._discovery else [node]:
            lines.append(
                f'[[nodes]]\nname = "{one.name}"\naddresses = ["{one.address}"]\nurl = "{one.url}"\n'
                f'mesh = "{self.net.reach(node.number, one.number)}:{ports.mesh}"'
            )
        for one in self.nodes:
            local = "true" if one is node else "false"
            dsn = f"host={self.net.reach(node.number, one.number)} port={ports.postgres} user=cackled dbname=cackled"
            lines.append(f'[[database.server]]\nname = "{one.name}"\ndsn = "{dsn}"\nlocal = {local}')
        return "\n".join(lines) + "\n"

    def table(self) -> str:
        """A table of all addresses."""
        rows = [("node", "pages", "DNS", "console", "admin", "PostgreSQL", "log")]
        for node in self.nodes:
            here, ports = node.address, node.ports
            role = "replica" if node.server.execute("select pg_is_in_recovery()")[0][0] else "primary"
            rows.append((
                node.name, f"{node.url}/demo", f"{here}:{ports.dns}", f"telnet {here} {ports.manhole}",
                f"{here}:{ports.admin}", f"{here}:{ports.postgres} ({role})", str(node.folder / "out"),
            ))  # fmt: skip
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
        return "\n".join("  ".join(cell.ljust(widths[n]) for n, cell in enumerate(row)).rstrip() for row in rows)

    def ended(self) -> list[str]:
        """One line for each daemon that ended by itself; each is reported once. The others go on."""
        lines = []
        for node in self.nodes:
            if node.wanted and not node.running:
                node.wanted = False
                last = (node.log().strip().splitlines() or [""])[-1][-300:]
                lines.append(f"{node.name} has ended; to run it again: start {node.name}. Its last line: {last}")
        return lines

    def stop(self) -> None:
        """Stop everything, and remove the folder unless it was given. Harmless when repeated."""
        for node in self.nodes:
            node.end()
        for node in self.nodes:
            if node.process is not None:
                try:
                    node.process.wait(10)
                except subprocess.TimeoutExpired:
                    node.process.kill()
                    node.process.wait()
        # Replicas stop first, because a primary that stops waits until they have received everything.
        for node in reversed(self.nodes):
            if hasattr(node, "server"):
                node.server.stop()
        self.net.stop()
        if not self._kept:
            shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, line: str) -> str:
        """Run one command line (see `HELP`); an empty line shows the table."""
        numbers = {str(node.number): node for node in self.nodes}
        names = {node.name: node for node in self.nodes}
        match line.split():
            case [word, number] if number in numbers:
                with self.net.inside(numbers[number].number):
                    return self._do(word, numbers[number])
            case ["cut" | "mend" as word, one, other] if one in names and other in names and one != other:
                getattr(self.net, word)(names[one].number, names[other].number)
                return f"{word} {one} {other}: done"
            case [word, name] if name in names:
                return self._do_daemon(word, names[name])
            case []:
                return self.table()
        return HELP

    def _do_daemon(self, word: str, node: Node) -> str:
        match word:
            case "kill":
                node.signal(signal.SIGKILL)
            case "hang":
                node.signal(signal.SIGSTOP)
            case "resume":
                node.signal(signal.SIGCONT)
            case "start" if not node.running:
                node.start()
            case "drain" | "undrain":
                node.admin(word)
            case _:
                return HELP
        return f"{word} {node.name}: done"

    def _do(self, word: str, node: Node) -> str:
        server = node.server
        match word:
            case "kill":
                server.kill()
            case "hang":
                server.signal(signal.SIGSTOP)
            case "resume":
                server.signal(signal.SIGCONT)
            case "start":
                server.start()
            case "promote":
                server.promote()
                for other in self.nodes:
                    if other is not node and other.server.running and self._follows(other):
                        other.server.follow(server)
            case "rebuild":
                server.rebuild(next(one.server for one in self.nodes if one is not node and not self._follows(one)))
            case _:
                return f"{word}?"
        return f"{word} {node.name}: done"

    @staticmethod
    def _follows(node: Node) -> bool:
        return bool(node.server.execute("select pg_is_in_recovery()")[0][0])


def run(cluster: Cluster) -> int:
    """Run *cluster* in the foreground until Ctrl-C or SIGTERM; commands are read from a terminal.

    Raises:
        ClusterError
    """

    def ended(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ended)
    try:
        cluster.start(lambda line: print(f"{line} ...", file=sys.stderr, flush=True))
        print(cluster.table(), flush=True)
        if sys.stdin.isatty():
            print(HELP)
        while True:
            for line in cluster.ended():
                print(line, flush=True)
            ready = sys.stdin.isatty() and select.select([sys.stdin], [], [], 0.5)[0]
            if ready:
                try:
                    print(cluster.command(sys.stdin.readline()), flush=True)
                except Exception as error:  # whatever it is, the cluster goes on
                    print(" ".join(str(error).split()), flush=True)
            elif not sys.stdin.isatty():
                time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("stopping ...", file=sys.stderr, flush=True)
        cluster.stop()
