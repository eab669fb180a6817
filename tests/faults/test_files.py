"""More connections than the process may have open files."""

from __future__ import annotations

import os
import socket
import time

from tests.support.client import call
from tests.support.daemon import Daemon
from tests.support.faults import SUB, FaultCase
from tests.support.journal import attempt

LIMIT = 200


class Tight(Daemon):
    """A daemon with few files."""

    def command(self) -> list[str]:
        """Below the limit, hard and soft."""
        return ["/bin/sh", "-c", f'ulimit -n {LIMIT}; exec "$@"', "sh", *super().command()]


class FileLimitTests(FaultCase):
    """Who is connected stays, operators get in again, and the daemon neither spins nor floods its log."""

    def test_more_connections_than_files(self) -> None:
        """Public connections are refused below the limit; with the operators' port flooded too, nothing breaks."""
        daemon = self.run_daemon("", Tight)
        self.assertEqual(daemon.log().count("max_connections is 100 instead of 10000"), 1, daemon.log())
        self.follow()
        first = self.post("before the flood")
        self.journal.wait_readers(self, SUB, first)
        # Public connections alone: they end at the lowered cap, and operators notice nothing.
        public = self.flood(daemon.port, 2 * LIMIT)
        self.assertEqual(call(f"{daemon.admin_url}/healthz").status, 200)
        self.assertGreater(self.metric("cackled_http_connections"), 50)
        self.close(public)
        # The operators' listener has no cap of its own: this takes the last file.
        size, spent, began = len(daemon.log()), self.cpu(), time.monotonic()
        floods = self.flood(daemon.port, LIMIT) + self.flood(daemon.admin_port, 2 * LIMIT)
        files = len(os.listdir(f"/proc/{self.pid}/fd"))
        self.assertGreater(files, LIMIT - 10, "the files did not run out: the fault did not strike")
        time.sleep(1.5)
        spent, took = self.cpu() - spent, time.monotonic() - began
        grown = len(daemon.log()) - size
        self.close(floods)
        opened = time.monotonic()
        while (answer := attempt(f"{daemon.admin_url}/healthz", timeout=2)) is None or answer.status != 200:
            self.assertLess(time.monotonic(), opened + 30, "operators do not get in any more")
            time.sleep(0.02)
        again = time.monotonic() - opened
        last = self.post("after the flood")
        self.assertEqual(last, first + 1)
        figures = self.finish([])
        self.assertEqual([reader.sessions for reader in self.readers], [1] * 3, "sessions were cut off")
        self.assertLess(spent, 0.8 * took, "a busy loop")
        # Two lines for a refused connection would be 100 KiB; the log writes a message so often and no oftener.
        self.assertLess(grown, 40 * 1024, daemon.log()[-3000:])
        self.tell(**figures, files=files, cpu_share=spent / took, log_bytes=grown, admin_again=again)

    @property
    def pid(self) -> int:
        """The daemon's process."""
        assert self.daemon.process is not None
        return self.daemon.process.pid

    def cpu(self) -> float:
        """Seconds of CPU that the daemon has used."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def flood(self, port: int, count: int) -> list[socket.socket]:
        """So many connections that say nothing."""
        made = []
        for _ in range(count):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            made.append(one)
        self.addCleanup(self.close, made)
        time.sleep(1.0)
        return made

    def close(self, held: list[socket.socket]) -> None:
        """Close them."""
        for one in held:
            one.close()

    def post(self, text: str) -> int:
        """One comment; gives its number."""
        end = time.monotonic() + 20
        while (answer := self.visitor.post("page", text, Idempotency_Key=text.replace(" ", "-"))).status != 201:
            self.assertLess(time.monotonic(), end, answer.body)
            time.sleep(0.1)
        told = answer.json()
        seq = int(told["position"].partition("@")[2])
        self.journal.write("ack", writer="one", id=told["comment"]["id"], sub=SUB, replayed=False, seq=seq)
        return seq
