"""The daemon's life as its operator sees it: start, stop, faults at the start, accidents while it runs."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import time
import urllib.request
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from cackled.database import stale_files
from tests.support.client import Visitor, call
from tests.support.daemon import PATIENCE, ROOT, Daemon, free_ports


def until(what: str, holds: object, timeout: float = PATIENCE) -> None:
    """Wait until *holds* (a function) gives something true."""
    end = time.monotonic() + timeout
    while not holds():  # type: ignore[operator]
        if time.monotonic() > end:
            raise AssertionError(f"not in {timeout:.0f} s: {what}")
        time.sleep(0.05)


class LifeTests(SynchronousTestCase):
    """One daemon through its whole life, since each start costs seconds."""

    def test_life(self) -> None:
        """Starts, serves, is hurt, recovers with all its data, reloads, and stops in order."""
        daemon = Daemon.for_test(self, new=True)
        self.figures = [f"first start {daemon.took:.1f} s"]
        self.serves(daemon)
        self.told(daemon)
        self.postgres_killed(daemon)
        self.reloads(daemon)
        self.second_daemon(daemon)
        self.killed(daemon)
        self.stops(daemon)
        self.another_place(daemon)
        self.assertNotIn("Traceback", daemon.log())
        print("\n    daemon: " + ", ".join(self.figures))

    def serves(self, daemon: Daemon) -> None:
        """Every public address, and the demo site with its pages."""
        for path in ("/healthz", "/readyz", "/demo", "/widget.js", "/mc.widget-min.js",
                     "/bootstrap?site=1&channel=demo", "/api/v1/openapi.json"):  # fmt: skip
            self.assertEqual(call(daemon.url + path).status, 200, path)
        demo = call(f"{daemon.url}/bootstrap?site=1&channel=demo").json()
        self.assertGreater(demo["channel"]["comments"], 5)
        self.assertEqual(call(f"{daemon.url}/metrics").status, 404)
        self.assertIn(b"cackled_http", call(f"{daemon.admin_url}/metrics").body)
        self.assertIn(b"cackled_database_up", call(f"{daemon.admin_url}/metrics").body)
        self.visitor = Visitor(daemon.url)
        self.assertEqual(self.visitor.post("life", "before anything").status, 201)
        answer = self.visitor.post("life", "sent over http")
        self.assertNotIn("Set-Cookie", answer.headers)

    def told(self, daemon: Daemon) -> None:
        """An event reaches a long poll that waits."""
        position = call(f"{daemon.url}/bootstrap?site=1&channel=life").json()["position"]
        self.visitor.post("life", "told")
        polled = call(f"{daemon.url}/rt/poll?sub={position}&wait=10").json()
        created = [one for one in polled["events"] if one["type"] == "comment.created"]
        self.assertEqual([one["data"]["comment"]["html"] for one in created], ["<p>told</p>"])

    def texts(self, daemon: Daemon) -> list[str]:
        """What the page shows, oldest first."""
        for _ in range(100):
            answer = self.visitor.call("/comments?channel=life&sort=old")
            if answer.status != 503:  # connections that died with PostgreSQL are found one by one
                break
            time.sleep(0.1)
        self.assertEqual(answer.status, 200, answer.body)
        return [one["html"] for one in answer.json()["page"]["comments"]]

    def postgres_killed(self, daemon: Daemon) -> None:
        """PostgreSQL dies: 503 with Retry-After or a warm answer meanwhile, then a new one, and all data."""
        before = self.texts(daemon)
        main = daemon.postmaster()
        assert main is not None
        began = time.monotonic()
        os.kill(main, signal.SIGKILL)
        seen = set()

        def writes() -> bool:
            answer = self.visitor.post("life", "after postgres", Idempotency_Key="after-postgres")
            seen.add(answer.status)
            if answer.status == 503:
                self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
            elif answer.status == 429:
                time.sleep(1)
            return answer.status == 201

        until("writes after PostgreSQL was killed", writes)
        self.figures.append(f"writes again {time.monotonic() - began:.1f} s after PostgreSQL was killed")
        self.assertLessEqual(seen, {503, 201, 429})
        self.assertEqual(self.texts(daemon), [*before, "<p>after postgres</p>"])
        until("another PostgreSQL", lambda: daemon.postmaster() not in (None, main))
        until("ready again", daemon.ready)
        until("reads", lambda: call(f"{daemon.url}/bootstrap?site=1&channel=tail").status == 200)
        # Live delivery is back too.
        position = call(f"{daemon.url}/bootstrap?site=1&channel=tail").json()["position"]
        time.sleep(0.2)
        until("a post", lambda: self.visitor.post("tail", "live again").status == 201)
        polled = call(f"{daemon.url}/rt/poll?sub={position}&wait=10").json()
        self.assertIn("comment.created", [one["type"] for one in polled["events"]])

    def reloads(self, daemon: Daemon) -> None:
        """SIGHUP reads the configuration again: what can change does, what can't is named, an error changes nothing."""
        good = daemon.config.read_text()
        since = len(daemon.log())
        daemon.config.write_text(good + 'log = {level = "debug"}\ncache = {ttl = 5.0}\n')
        daemon.signal(signal.SIGHUP)
        self.assertIn("[cache]", daemon.wait_log("configuration read again", since=since))
        since = len(daemon.log())
        daemon.config.write_text("nonsense = 1\n")
        daemon.signal(signal.SIGHUP)
        self.assertIn("nonsense", daemon.wait_log("was not read again", since=since))
        daemon.config.write_text(good)
        self.assertTrue(daemon.ready())

    def second_daemon(self, daemon: Daemon) -> None:
        """Another daemon on the same state directory is refused in one line, and hurts nothing."""
        other = Daemon.for_test(self, f'state = "{daemon.state}"\n', wait=False)
        self.assertEqual(other.wait(), 1, other.log())
        self.one_line(other, "another daemon")
        self.assertTrue(daemon.ready())
        self.assertEqual(self.visitor.call("/comments?channel=life").status, 200)

    def one_line(self, daemon: Daemon, words: str) -> None:
        """The log of a daemon that refused to start tells why in one line of its own, and has no traceback."""
        said = [line for line in daemon.log().splitlines() if line.startswith("cackled: ")]
        self.assertEqual(len(said), 1, daemon.log())
        self.assertIn(words, said[0])
        self.assertNotIn("Traceback", daemon.log())

    def killed(self, daemon: Daemon) -> None:
        """The daemon is killed and started again: it takes over from the PostgreSQL that was left, with all data."""
        before = self.texts(daemon)
        daemon.kill()
        self.assertNotEqual(daemon.postgres(), [])
        daemon.restart()
        self.figures.append(f"start after kill -9 {daemon.took:.1f} s")
        self.assertEqual(self.texts(daemon), before)
        self.assertEqual(Visitor(daemon.url).post("life", "after kill").status, 201)

    def stops(self, daemon: Daemon) -> None:
        """SIGTERM: open connections are ended, exit code 0, nothing is left; and it starts again."""
        waiting = socket.create_connection(("127.0.0.1", daemon.port))
        self.addCleanup(waiting.close)
        channel = call(f"{daemon.url}/bootstrap?site=1&channel=life").json()["position"]
        waiting.sendall(f"GET /rt/sse?sub={channel} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self.assertIn(b"200", waiting.recv(100))
        idle = socket.create_connection(("127.0.0.1", daemon.port))
        self.addCleanup(idle.close)
        began = time.monotonic()
        code = daemon.stop()
        took = time.monotonic() - began
        self.assertEqual(code, 0)
        self.assertLess(took, 10)
        self.figures.append(f"stop {took:.1f} s")
        self.assertEqual(daemon.postgres(), [])
        self.assertFalse((daemon.folder / "pid").exists())
        daemon.start()
        self.figures.append(f"second start {daemon.took:.1f} s")
        self.assertIn("<p>after kill</p>", self.texts(daemon))

    def another_place(self, daemon: Daemon) -> None:
        """It runs from any directory and from a copy of the package, as an installed one does."""
        daemon.stop()
        place = daemon.folder / "site"
        shutil.copytree(ROOT / "cackled", place / "cackled", ignore=shutil.ignore_patterns("__pycache__"))
        (place / "twisted" / "plugins").mkdir(parents=True)
        shutil.copy(ROOT / "twisted" / "plugins" / "cackled_plugin.py", place / "twisted" / "plugins")
        daemon.pythonpath = place
        daemon.start(cwd=Path("/"))
        self.assertIn("<p>after kill</p>", self.texts(daemon))
        self.assertEqual(daemon.stop(), 0)


class FaultTests(SynchronousTestCase):
    """Starts that can't succeed: one clear line and exit code 1."""

    def refused(self, extra: str, words: str, daemon: Daemon | None = None) -> Daemon:
        """A daemon with *extra* that ends with 1 and one line that holds *words*."""
        if daemon is None:
            daemon = Daemon.for_test(self, extra, wait=False)
        self.assertEqual(daemon.wait(), 1, daemon.log())
        lines = [line for line in daemon.log().splitlines() if words in line]
        self.assertEqual(len(lines), 1, daemon.log())
        self.assertNotIn("Traceback", daemon.log())
        self.assertEqual(daemon.postgres(), [])
        return daemon

    def test_configuration(self) -> None:
        """A bad key or type is named; a missing file too."""
        self.refused("nodde = 'x'\n", "nodde")
        self.refused("[http]\nmax_connections = 'many'\n", "$.http.max_connections")
        self.refused("[database]\ndsn = 'host=/tmp = ='\n", "dsn")
        self.refused("[limits]\nexempt = ['nonsense']\n", "cackled: [limits] exempt")
        self.refused("[http]\ntrusted_proxies = ['nonsense']\n", "cackled: [http]")
        missing = Daemon(start=False)
        self.addCleanup(missing.remove)
        missing.config = missing.folder / "nowhere.toml"
        missing.write = False
        missing.start(wait=False)
        self.refused("", "nowhere.toml: No such file", missing)

    def test_listeners(self) -> None:
        """A port that is taken, an endpoint that is none, a console for the whole world."""
        (port,) = free_ports(1)
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", port))
            taken.listen()
            endpoint = f'"tcp:{port}:interface=127.0.0.1"'
            self.refused(f"listen = [{{endpoint = {endpoint}}}]\n", f"cackled: [[listen]] can't listen on tcp:{port}")
            self.refused(f"[admin]\nendpoint = {endpoint}\n", "cackled: [admin] can't listen")
            self.refused(f'[dns]\nlisten = ["127.0.0.1:{port}"]\n', str(port))
        self.refused('listen = [{endpoint = "nonsense"}]\n', "nonsense")
        self.refused('[manhole]\nendpoint = "tcp:0:interface=0.0.0.0"\n', "cackled: ")

    def test_database(self) -> None:
        """A database that can't be reached, or is no database."""
        (port,) = free_ports(1)
        said = f"cackled: PostgreSQL at 127.0.0.1, port {port}: Connection refused"
        self.refused(f'[database]\ndsn = "host=127.0.0.1 port={port} user=x dbname=x"\n', said)

    def test_zone(self) -> None:
        """A zone file that is missing."""
        self.refused('[dns]\nzone_file = "/nowhere/zone"\n', "/nowhere/zone")

    def test_stopped_while_starting(self) -> None:
        """SIGTERM in the middle of the first start: it ends as told, which is no failure, and leaves no process."""
        daemon = Daemon.for_test(self, wait=False)
        daemon.wait_log("making the database")
        time.sleep(0.2)
        self.assertEqual(daemon.stop(), 0)
        until("nothing left", lambda: not daemon.postgres() and not self.children(daemon))
        daemon.start()
        self.assertTrue(daemon.ready())

    @staticmethod
    def children(daemon: Daemon) -> list[int]:
        """Processes that work on the state: initdb has its own directory."""
        return stale_files.working_in(daemon.state / "postgres" / "data.new")


class UserTests(SynchronousTestCase):
    """As an ordinary user."""

    if os.geteuid() != 0:
        skip = "needs root, to become somebody else"

    def test_ordinary_user(self) -> None:
        """Nobody can run it, on a state directory of its own."""
        daemon = Daemon(start=False)
        self.addCleanup(daemon.remove)
        daemon.user = 65534
        os.chown(daemon.folder, 65534, 65534)
        if not daemon.runs():
            raise SkipTest(f"another user can't run {sys.executable}")
        daemon.start()
        with urllib.request.urlopen(f"{daemon.url}/demo") as answer:
            self.assertEqual(answer.status, 200)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(daemon.postgres(), [])
