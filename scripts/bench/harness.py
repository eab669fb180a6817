"""A daemon of its own for a benchmark, what it and its PostgreSQL spend, and a client that costs little.

Imported by the benchmarks beside it as ``scripts.bench.harness``, with the checkout on ``sys.path``.
"""

from __future__ import annotations

import http.client
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cackled.database import stale_files

ROOT = Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def seconds_of(pid: int, *, reaped: bool = False) -> float:
    """CPU seconds a process has used; with *reaped* also those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11 : 15 if reaped else 13])) / TICK


class Daemon:
    """``twistd -n cackled`` on a free port with an embedded PostgreSQL; *extra* is more TOML, *core* pins it."""

    def __init__(
        self, folder: str, extra: str = "", *, core: int | None = None, profile: str = "", dns: str = "enabled = false"
    ) -> None:
        self.port = free_port()
        self.admin_port = free_port()
        self.state = Path(folder) / "var"
        config = Path(folder) / "c.toml"
        config.write_text(
            f'state = "{self.state}"\n[[listen]]\nendpoint = "tcp:{self.port}:interface=127.0.0.1"\n'
            f'[admin]\nendpoint = "tcp:{self.admin_port}:interface=127.0.0.1"\n[dns]\n{dns}\n'
            f'[manhole]\nenabled = false\n[limits]\nexempt = ["127.0.0.0/8"]\n{extra}'
        )
        self.log = Path(folder) / "log"
        twistd = Path(sys.executable).parent / "twistd"
        watched = [f"--profile={profile}", "--profiler=cprofile", "--savestats"] if profile else []
        pin = ["taskset", "-c", str(core)] if core is not None else []
        with open(self.log, "w") as out:
            self.process = subprocess.Popen(
                [*pin, str(twistd), "-n", *watched, f"--pidfile={folder}/pid", "cackled", "-c", str(config)],
                cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=out, stderr=out,
            )  # fmt: skip
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if request(self.port, "GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        self.process.kill()
        raise SystemExit(f"the daemon did not start: {self.log.read_text()[-2000:]}")

    def cpu(self) -> float:
        """CPU seconds of the daemon."""
        return seconds_of(self.process.pid)

    def database_cpu(self) -> float:
        """CPU seconds of its PostgreSQL: those of processes that live, and of those that its postmaster reaped."""
        data = self.state / "postgres" / "data"
        main = stale_files.postmaster(data)
        total = 0.0
        for pid in stale_files.working_in(data):
            try:
                total += seconds_of(pid, reaped=pid == main)
            except OSError:
                continue
        return total

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def request(port: int, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class _Client:
    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests = requests
        self.got = b""
        self.need = 0
        self.began = 0.0

    def ask(self) -> bool:
        """Send the next request; False where there is none."""
        data = next(self.requests, None)
        if data is None:
            return False
        self.began = time.perf_counter()
        self.socket.sendall(data)
        return True

    def read(self) -> bytes | None:
        """A whole answer, or None for now."""
        data = self.socket.recv(262_144)
        if not data:
            raise SystemExit("the daemon closed a connection")
        self.got += data
        if not self.need:
            end = self.got.find(b"\r\n\r\n")
            if end < 0:
                return None
            head = self.got[:end].lower()
            at = head.index(b"content-length: ") + 16
            self.need = end + 4 + int(head[at:].split(b"\r\n", 1)[0])
        if len(self.got) < self.need:
            return None
        answer, self.got, self.need = self.got[: self.need], self.got[self.need :], 0
        return answer


def drive(
    port: int, streams: list[Iterator[bytes]], seconds: float, answered: Callable[[bytes, float], Any]
) -> float:
    """Ask on one connection per stream, each its next request once the last is answered.

    Ends after *seconds*, or when all streams have ended.

    *answered* is told each answer and the seconds it took. Gives how long it lasted in all.
    """
    chooser = selectors.DefaultSelector()
    clients = [_Client(port, one) for one in streams]
    began = time.monotonic()
    until = began + seconds
    busy = 0
    for one in clients:
        if one.ask():
            chooser.register(one.socket, selectors.EVENT_READ, one)
            busy += 1
    while busy:
        for key, _ in chooser.select(10):
            one = key.data
            answer = one.read()
            if answer is None:
                continue
            answered(answer, time.perf_counter() - one.began)
            if time.monotonic() >= until or not one.ask():
                busy -= 1
                chooser.unregister(one.socket)
    span = time.monotonic() - began
    for one in clients:
        one.socket.close()
    return span


def quantiles(took: list[float]) -> tuple[float, float]:
    """Median and 99th percentile, in milliseconds."""
    ordered = sorted(took)
    return ordered[len(ordered) // 2] * 1e3, ordered[int(len(ordered) * 0.99)] * 1e3
