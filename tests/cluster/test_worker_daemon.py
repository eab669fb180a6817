"""A daemon with two worker processes and a real Valkey: what visitors see of it, and what faults do to it."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.cluster.test_three_nodes import Page
from tests.support.client import Visitor, call
from tests.support.daemon import Daemon
from tests.support.faults import KEY, SUB, FaultCase
from tests.support.journal import READERS, client_frame, read_frame
from tests.support.valkey import Valkey


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Socket:
    """A WebSocket on one channel; a thread keeps what comes."""

    def __init__(self, port: int, sub: str) -> None:
        self.messages: list[dict[str, Any]] = []
        self.over = False
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET /rt/ws?sub={sub} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self._file = self._socket.makefile("rb")
        while self._file.readline().strip():
            pass
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            while True:
                opcode, payload = read_frame(self._file)
                if opcode == 1:
                    self.messages.append(json.loads(payload))
                elif opcode == 8:
                    break
        except (OSError, EOFError, ValueError):
            pass
        self.over = True

    def send(self, **message: Any) -> None:
        """Send a message."""
        self._socket.sendall(client_frame(1, json.dumps(message).encode()))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Messages of one type."""
        return [message for message in self.messages if message["type"] == kind]

    def count(self) -> int | None:
        """The presence count as last told."""
        told = self.of("presence")
        return told[-1]["data"]["count"] if told else None

    def close(self) -> None:
        """End it."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()
        self._thread.join(10)


class WorkersCase(FaultCase):
    """A Valkey and a daemon, of some ``kind``, with two workers."""

    kind: type[Daemon] = Daemon

    def run_workers(self, extra: str = "", *, exempt: bool = True) -> Daemon:
        """Start both."""
        self.valkey = Valkey(save="")
        self.addCleanup(self.valkey.remove)
        self.valkey.start()
        # Later than the daemon's own removal would be too late: its clients must not see the end of the server.
        settings = f'workers = 2\nredis = {{url = "unix://{self.valkey.socket}"}}\n'
        if exempt:
            daemon = self.run_daemon_with(settings + extra)
        else:
            daemon = self.kind.for_test(self, settings + extra)
            self.daemon = daemon
        self.until(lambda: len(self.ready()) == 2)
        return daemon

    def run_daemon_with(self, settings: str) -> Daemon:
        """As `run_daemon`, with top-level keys before the tables."""

        class Kind(self.kind):  # type: ignore[name-defined]
            @classmethod
            def for_test(cls, case: Any, extra: str = "", **options: Any) -> Daemon:
                return super().for_test(case, settings + extra, **options)

        return self.run_daemon(kind=Kind)

    def until(self, condition: Callable[[], Any], seconds: float = 60.0) -> None:
        """Wait until *condition* holds."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                self.fail(f"it never came to that:\n{self.daemon.log()[-3000:]}")
            time.sleep(0.05)

    def workers(self) -> list[dict[str, Any]]:
        """All worker processes."""
        return self.daemon.admin("workers")

    def ready(self) -> list[dict[str, Any]]:
        """Those that serve their own slot."""
        return [row for row in self.workers() if row["state"] == "ready" and row["accepts"] == str(row["worker"])]

    def pids(self) -> dict[int, int]:
        """Process by slot."""
        return {row["worker"]: row["pid"] for row in self.ready()}

    def sockets(self, count: int, sub: str = f"{SUB}@0") -> list[Socket]:
        """So many WebSockets at least, on both workers."""
        made: list[Socket] = []
        while True:
            made.append(Socket(self.daemon.port, sub))
            self.addCleanup(made[-1].close)
            if len(made) >= count:
                self.until(lambda: sum(row["sessions"] for row in self.daemon.admin("sessions")) == len(made))
                row = self.daemon.admin("sessions")[0]
                if row.get("worker_0") and row.get("worker_1"):
                    return made


class LiveTests(WorkersCase):
    """Two workers are one server to their visitors."""

    def test_together(self) -> None:
        """Comments, presence and typing cross; a client that leaves is counted out; figures and caches are gathered."""
        daemon = self.run_workers()
        clients = self.sockets(6)
        self.until(lambda: all(one.count() == len(clients) for one in clients))
        clients[0].send(type="typing", sub=SUB, name="Ann")
        self.until(lambda: all(one.of("typing") for one in clients[1:]))
        self.assertEqual(clients[0].of("typing"), [])
        posted = [self.visitor.post(KEY, f"comment {n}").json()["position"] for n in range(10)]
        self.until(lambda: all(len(one.of("comment.created")) == 10 for one in clients))
        for one in clients:
            self.assertEqual([f"{m['sub']}@{m['seq']}" for m in one.of("comment.created")], posted)
        clients.pop().close()
        self.until(lambda: all(one.count() == len(clients) for one in clients))

        status = daemon.admin("status")
        self.assertEqual(status["sessions"][0]["sessions"], len(clients))
        self.assertEqual(status["requests"]["connections"], len(clients))
        self.assertEqual(daemon.admin("channels")[0]["subscribers"], len(clients))
        self.assertEqual(len(status["workers"]), 2)
        pages = [call(f"{daemon.url}/bootstrap?widget=Comment&site=1&channel={KEY}&size={5 + n}") for n in range(10)]
        self.assertEqual({page.status for page in pages}, {200})
        self.assertGreater(sum(row["entries"] for row in daemon.admin("cache")), 0)
        daemon.admin("evict all")
        self.assertEqual(sum(row["entries"] for row in daemon.admin("cache")), 0)
        figures = call(f"{daemon.admin_url}/metrics").body.decode()
        created = re.search(r'cackled_http_requests_total{status="2xx"} ([0-9.]+)', figures)
        assert created is not None
        self.assertGreaterEqual(float(created[1]), 20)
        for worker in (0, 1):
            self.assertIn(f'cackled_realtime_sessions{{transport="ws",worker="{worker}"}}', figures)
        self.assertEqual(len(re.findall("^# TYPE cackled_http_requests_total ", figures, re.M)), 1)
        self.assert_quiet_log()

    def test_limits_are_shared(self) -> None:
        """A visitor who spreads over the workers gets one burst, and a few more while they learn; not one of each."""
        limits = 'limits = {posts_per_address = 0.001, posts_burst = 8, sessions_burst = 100}\n'
        daemon = self.run_workers(limits, exempt=False)
        visitor = Visitor(daemon.url)
        answers = [visitor.post(KEY, f"text {n}").status for n in range(24)]
        self.assertTrue(8 <= answers.count(201) <= 12, answers)
        self.assertEqual(set(answers), {201, 429})


class FaultTests(WorkersCase):
    """What faults do."""

    def test_worker_killed(self) -> None:
        """SIGKILL of each worker under writers: subscribers come back by position, miss nothing, and it is replaced."""
        self.run_workers()
        self.follow(*READERS, *(type(f"{kind.__name__}2", (kind,), {"kind": f"{kind.kind}2"}) for kind in READERS))
        writers = self.writers(3, 40)
        for acks, slot in ((20, 0), (70, 1)):
            self.wait_acks(acks)
            pid = self.pids()[slot]
            os.kill(pid, signal.SIGKILL)
            self.until(lambda: self.pids().get(slot, pid) != pid)  # noqa: B023 - called at once
        figures = self.finish(writers)
        self.assertEqual((figures["lost"], figures["doubled"], figures["acknowledged"]), (0, 0, 120))
        self.tell(**figures)

    def test_new_configuration(self) -> None:
        """Workers that are replaced go by the file as it is now; one that can't be read replaces nobody."""
        daemon = self.run_workers()
        daemon.settings["realtime"]["heartbeat"] = 7.0
        daemon.write_config()
        daemon.admin("restart-workers")
        daemon.wait_log("2 workers replaced")
        page = Page("127.0.0.1", daemon.port)
        self.addCleanup(page.close)
        self.until(page.got)
        self.assertEqual(page.got()[0]["data"]["heartbeat"], 7)
        pids = self.pids()
        daemon.config.write_text("[realtime]\nheartbeat = -1\n")
        with self.assertRaises(AssertionError) as caught:
            daemon.admin("restart-workers")
        self.assertIn("nothing is replaced", str(caught.exception))
        self.assertEqual(self.pids(), pids)

    def test_redis_killed(self) -> None:
        """SIGKILL of Redis under writers, and a new one later: nothing is lost, doubled, refused or out of order."""
        self.run_workers()
        self.follow(*READERS)
        writers = self.writers(3, 40)
        self.wait_acks(20)
        self.valkey.stop()
        self.daemon.wait_log("is away, this process goes on alone")
        self.wait_acks(60)
        self.valkey.start()
        figures = self.finish(writers)
        self.assertEqual((figures["lost"], figures["doubled"], figures["acknowledged"]), (0, 0, 120))
        self.assertEqual(figures["refused"] + figures["cut"], 0)
        self.tell(**figures)

    def test_orderly_replacement(self) -> None:
        """restart-workers under load: no request and no connection is lost, subscribers miss nothing."""
        daemon = self.run_workers()
        self.follow()
        before = self.pids()
        over = threading.Event()
        counts: list[int] = []
        errors: list[str] = []

        def load(alive: bool) -> None:
            done = 0
            kept: http.client.HTTPConnection | None = None
            while not over.is_set():
                try:
                    connection = kept or http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
                    connection.request("GET", f"/bootstrap?widget=Comment&site=1&channel={KEY}&size={5 + done % 20}")
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status != 200:
                        errors.append(f"{answer.status}")
                    done += 1
                    kept = connection if alive and not answer.will_close else None
                    if kept is None:
                        connection.close()
                except (OSError, http.client.HTTPException) as error:
                    errors.append(repr(error))
                    kept = None
            counts.append(done)

        threads = [threading.Thread(target=load, args=(number % 2 == 0,)) for number in range(4)]
        for thread in threads:
            thread.start()
        writers = self.writers(2, 150)
        try:
            self.wait_acks(10)
            for _ in range(2):
                old, since = self.pids(), len(daemon.log())
                daemon.admin("restart-workers")
                self.until(lambda: not any(alive(pid) for pid in old.values()) and len(self.ready()) == 2)  # noqa: B023
                daemon.wait_log("2 workers replaced", since=since)
            time.sleep(0.5)
        finally:
            over.set()
            for thread in threads:
                thread.join(60)
        self.assertEqual(errors, [])
        figures = self.finish(writers)
        self.assertEqual((figures["lost"], figures["doubled"], figures["refused"], figures["cut"]), (0, 0, 0, 0))
        self.assertFalse(any(alive(pid) for pid in before.values()))
        self.tell(requests=sum(counts), errors=len(errors), **figures)

    def test_successor_gets_its_share(self) -> None:
        """SIGKILL of a worker: its clients go to the other; of these its successor is sent its share, not one more."""
        daemon = self.run_workers()
        clients = self.sockets(40)
        self.until(lambda: sum(row["sessions"] or 0 for row in self.workers()) == 40)
        pid = self.pids()[0]
        os.kill(pid, signal.SIGKILL)

        def come_back() -> list[int]:
            for one in [one for one in clients if one.over or one.of("move")]:
                clients.remove(one)
                one.close()
                clients.append(Socket(daemon.port, f"{SUB}@0"))
                self.addCleanup(clients[-1].close)
            return [row["sessions"] or 0 for row in self.workers()]

        # They come back while there is only the other to go to.
        self.until(lambda: come_back() and len(self.ready()) == 2 and pid not in self.pids().values())
        self.until(lambda: come_back() == [20, 20])
        self.until(lambda: [row["accepts"] for row in self.workers()] == ["0", "1"])
        self.assertRegex(daemon.log(), r"sends \d+ clients to one that began anew")

    def test_worker_terminated(self) -> None:
        """SIGTERM to a worker is a wish to be replaced."""
        self.run_workers()
        pid = self.pids()[1]
        os.kill(pid, signal.SIGTERM)
        self.until(lambda: not alive(pid) and len(self.ready()) == 2)
        self.assertNotIn("crashed", call(f"{self.daemon.admin_url}/metrics").body.decode())

    def test_worker_hangs(self) -> None:
        """SIGSTOP of a worker: the other one takes its connections, it is killed and replaced."""
        daemon = self.run_workers()
        pid = self.pids()[0]
        os.kill(pid, signal.SIGSTOP)
        self.until(lambda: any(row["accepts"] == "0, 1" for row in self.workers()))
        for _ in range(20):
            self.assertEqual(call(f"{daemon.url}/healthz").status, 200)
        self.until(lambda: not alive(pid) and len(self.ready()) == 2)

    def test_redis_killed_and_back(self) -> None:
        """Without Redis comments are live and posts are taken; presence and typing are the worker's own; it heals."""
        daemon = self.run_workers()
        clients = self.sockets(6)
        self.until(lambda: all(one.count() == len(clients) for one in clients))
        self.valkey.stop()
        daemon.wait_log("is away, this process goes on alone")
        self.assertEqual(self.visitor.post(KEY, "without").status, 201)
        self.until(lambda: all(len(one.of("comment.created")) == 1 for one in clients))
        self.assertTrue(daemon.ready())
        clients[0].send(type="typing", sub=SUB, name="Ann")
        time.sleep(0.5)
        self.valkey.start()

        def crossed() -> bool:
            clients[0].send(type="typing", sub=SUB, name="Bob")
            time.sleep(1.1)
            return all(any(m["data"]["name"] == "Bob" for m in one.of("typing")) for one in clients[1:])

        self.until(crossed)
        clients.append(Socket(daemon.port, f"{SUB}@0"))
        self.addCleanup(clients[-1].close)
        self.until(lambda: all(one.count() == len(clients) for one in clients))

    def test_parent_killed(self) -> None:
        """SIGKILL of the parent: no worker is left, one that hangs neither; the next start has the ports."""
        daemon = self.run_workers()
        pids = self.pids()
        os.kill(pids[1], signal.SIGSTOP)
        daemon.kill()
        self.until(lambda: not any(alive(pid) for pid in pids.values()), 10)
        daemon.start()
        self.assertTrue(daemon.ready())

    def test_stop(self) -> None:
        """SIGTERM ends all in order, in time."""
        daemon = self.run_workers()
        clients = self.sockets(2)
        pids = self.pids()
        began = time.monotonic()
        self.assertEqual(daemon.stop(), 0)
        self.assertLess(time.monotonic() - began, 12)
        self.assertFalse(any(alive(pid) for pid in pids.values()))
        self.until(lambda: all(one.over for one in clients))
        self.assertTrue(all(one.of("move") for one in clients))


class StartTests(WorkersCase):
    """Starts that can't be."""

    def ends(self, extra: str) -> str:
        """The one line of a start that fails."""
        daemon = Daemon.for_test(self, extra, wait=False)
        self.assertEqual(daemon.wait(60), 1)
        # twistd tells its options before an error of the configuration.
        lines = [line for line in daemon.log().splitlines() if "cackled: " in line or "twistd -n: " in line]
        self.assertEqual(len(lines), 1, daemon.log())
        return lines[0]

    def test_no_redis(self) -> None:
        """Workers without [redis]."""
        self.assertIn("workers = 2 needs a [redis] url", self.ends("workers = 2\n"))

    def test_port_taken(self) -> None:
        """A port that somebody else has."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            told = self.ends(
                'workers = 2\nredis = {url = "unix:///tmp/x"}\n'
                f'listen = [{{endpoint = "tcp:{port}:interface=127.0.0.1"}}]\n'
            )
        self.assertIn(f"can't listen on tcp:{port}", told)

    def test_worker_by_hand(self) -> None:
        """The module is no program for people: without a parent it ends."""
        done = subprocess.run(
            ["python", "-m", "cackled.daemon.worker"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
        )
        self.assertNotEqual(done.returncode, 0)
