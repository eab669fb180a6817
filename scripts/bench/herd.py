#!/usr/bin/env python3
"""A herd comes back: N WebSocket clients lose their server at once and return within M seconds; others read pages.

    .venv/bin/python scripts/bench/herd.py [--clients 15000] [--seconds 10] [--channels 1500] [--tls]

The daemon is a whole one with its own PostgreSQL. The clients come from 100 addresses, each at its moment of the M
seconds (0: all at once), from its position; a comment is posted on one channel in twenty meanwhile, and every client
has to get what it has missed. Meanwhile first renders are asked for 50 times a second, half of them on a connection of
their own and one in five of a page that is not in the cache. Told are their times, those of the clients from their
connect to being live, the daemon's CPU for a client, and its reactor's lag.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import resource
import select
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[2])

from scripts.bench.harness import Daemon, free_port, request  # noqa: E402
from scripts.bench.tls import make_certificate  # noqa: E402

ADDRESSES = 100
PROBES = 50
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
FIELDS = (
    "Host: localhost\r\nOrigin: http://localhost\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
    "Sec-WebSocket-Protocol: cackle.v1\r\n"
)
SEQ = re.compile(rb'"seq":(\d+)')


def key_of(number: int) -> str:
    """The channel that client *number* of as many channels listens to."""
    return f"herd{number}"


class Herd:
    """All clients, in a process of their own."""

    def __init__(self, port: int, clients: int, channels: int, tls: bool) -> None:
        from cackled.events import channel_id

        self.port, self.clients = port, clients
        self.subs = [f"1/{channel_id('comments', key_of(number % channels))}" for number in range(clients)]
        self.channels = channels
        self.seqs = [0] * clients
        self.poll = select.epoll()
        self.sockets: dict[int, Any] = {}
        self.number: dict[int, int] = {}
        self.shaking: set[int] = set()
        self.waiting: dict[int, tuple[float, bytes]] = {}
        self.took: list[float] = []
        self.unrecovered = 0
        self.context: ssl.SSLContext | None = None
        if tls:
            self.context = ssl.create_default_context()
            self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE

    def open(self, number: int) -> None:
        sock: Any = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        # The port is chosen with the destination known (IP_BIND_ADDRESS_NO_PORT), so that many fit.
        sock.setsockopt(socket.SOL_IP, 24, 1)
        sock.bind((f"127.0.1.{1 + number % ADDRESSES}", 0))
        began = time.monotonic()
        sock.connect(("127.0.0.1", self.port))
        sock.setblocking(False)
        if self.context is not None:
            sock = self.context.wrap_socket(sock, do_handshake_on_connect=False)
        fd = sock.fileno()
        self.sockets[fd], self.number[fd] = sock, number
        self.waiting[fd] = (began, b"")
        self.poll.register(fd, select.EPOLLIN)
        if self.context is not None:
            self.shaking.add(fd)
            self.shake(fd)
        else:
            self.ask(fd)

    def shake(self, fd: int) -> None:
        try:
            self.sockets[fd].do_handshake()
        except ssl.SSLWantReadError:
            return
        self.shaking.discard(fd)
        self.ask(fd)

    def ask(self, fd: int) -> None:
        number = self.number[fd]
        sub = f"{self.subs[number].replace('/', '%2F')}%40{self.seqs[number]}"
        self.sockets[fd].send(f"GET /rt/ws?sub={sub} HTTP/1.1\r\n{FIELDS}\r\n".encode())

    def turn(self, wait: float) -> None:
        for fd, _ in self.poll.poll(wait, 1024):
            if fd in self.shaking:
                self.shake(fd)
                continue
            try:
                data = self.sockets[fd].recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                continue
            if not data:
                raise SystemExit(f"a client was cut off: {self.waiting.get(fd)}")
            if b"\x89\0" in data:
                self.sockets[fd].send(b"\x8a\x80\0\0\0\0")
            seqs = SEQ.findall(data)
            if seqs:
                number = self.number[fd]
                self.seqs[number] = max(self.seqs[number], *map(int, seqs))
            if fd in self.waiting:
                began, before = self.waiting[fd]
                data = before + data
                if b'"type":"recovered"' in data:
                    del self.waiting[fd]
                    self.took.append(time.monotonic() - began)
                    self.unrecovered += b'"recovered":false' in data
                else:
                    self.waiting[fd] = (began, data)

    def come(self, seconds: float, most: int) -> None:
        """Connect all within *seconds*; at most so many at once."""
        self.took.clear()
        order = list(range(self.clients))
        Random(3).shuffle(order)
        began = time.monotonic()
        for place, number in enumerate(order):
            due = began + seconds * place / self.clients
            while time.monotonic() < due or len(self.waiting) >= most:
                self.turn(min(0.05, max(0.0, due - time.monotonic())))
            self.open(number)
            if place % 16 == 0:
                self.turn(0)
        while self.waiting:
            self.turn(0.2)
        ordered = sorted(self.took)
        print(json.dumps({
            "live": len(ordered), "seconds": time.monotonic() - began, "unrecovered": self.unrecovered,
            "p50": ordered[len(ordered) // 2], "p99": ordered[int(len(ordered) * 0.99)], "max": ordered[-1],
        }), flush=True)  # fmt: skip

    def run(self) -> None:
        """Do what the parent says, a line each: ``come SECONDS MOST``, ``go``, ``end SEQS``."""
        while True:
            while not select.select([sys.stdin], [], [], 0)[0]:
                self.turn(0.05)
            what, *more = sys.stdin.readline().split()
            if what == "come":
                self.come(float(more[0]), int(more[1]))
            elif what == "go":
                for sock in self.sockets.values():
                    sock.close()
                self.sockets.clear()
                self.number.clear()
                print(json.dumps({}), flush=True)
            else:
                final = json.loads(" ".join(more))
                end = time.monotonic() + 10
                due = [final.get(key_of(number % self.channels), 0) for number in range(self.clients)]
                while time.monotonic() < end and any(a < b for a, b in zip(self.seqs, due, strict=True)):
                    self.turn(0.1)
                missing = sum(a < b for a, b in zip(self.seqs, due, strict=True))
                print(json.dumps({"missing": missing}), flush=True)
                return


class Reader:
    """Asks for first renders at a steady rate, and notes how long each takes from when it was due."""

    def __init__(self, port: int, context: ssl.SSLContext | None) -> None:
        self.port, self.context = port, context
        self.kept: list[float] = []
        self.fresh: list[float] = []
        self.failed = 0
        self.over = threading.Event()
        self.next = time.monotonic()
        self.number = 0
        self.lock = threading.Lock()
        # So many that none waits for another.
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(64)]
        for thread in self.threads:
            thread.start()

    def connection(self) -> http.client.HTTPConnection:
        if self.context is not None:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self.context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def run(self) -> None:
        kept = self.connection()
        while True:
            with self.lock:
                due = self.next
                self.next += 1 / PROBES
                self.number += 1
                number = self.number
            if self.over.wait(max(0.0, due - time.monotonic())):
                return
            path = "/bootstrap?widget=Comment&site=1&channel=" + (f"once{number}" if number % 5 == 0 else "demo")
            one = kept if number % 2 else self.connection()
            try:
                one.request("GET", path, headers={"Origin": "http://localhost"})
                answer = one.getresponse()
                answer.read()
                if answer.status != 200:
                    raise OSError(answer.status)
            except (OSError, http.client.HTTPException):
                self.failed += 1
                one.close()
            (self.kept if number % 2 else self.fresh).append(time.monotonic() - due)
            if not number % 2:
                one.close()

    def stop(self) -> str:
        self.over.set()
        for thread in self.threads:
            thread.join()
        rows = []
        for name, took in (("kept connection", self.kept), ("connection each", self.fresh)):
            took.sort()
            rows.append(f"{name}: p50 {took[len(took) // 2] * 1e3:.1f}, p99 {took[int(len(took) * 0.99)] * 1e3:.1f}, "
                        f"longest {took[-1] * 1e3:.1f} ms ({len(took)})")  # fmt: skip
        return "; ".join(rows) + f"; {self.failed} failed"


class Group:
    """The process of the clients, from outside."""

    def __init__(self, port: int, clients: int, channels: int, tls: bool) -> None:
        command = ["taskset", "-c", "1", sys.executable, __file__, "--herd", str(port), str(clients), str(channels)]
        self.process = subprocess.Popen(
            [*command, str(int(tls))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the clients have given up")
        return json.loads(line)


def cpu(pid: int) -> float:
    """CPU seconds of all threads of *pid* so far."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def lag(port: int) -> float:
    """The greatest lag of the reactor in the last ten seconds, in ms."""
    figures = request(port, "GET", "/metrics")[1].decode()
    (told,) = re.findall(r"^cackled_reactor_lag_max_seconds (\S+)$", figures, re.MULTILINE)
    return float(told) * 1e3


def post(port: int, token: str, key: str) -> int:
    """Post a comment; gives its number in the channel."""
    body = {"channel": {"key": key, "url": "http://localhost/p", "title": key}, "parent": None, "name": "Ann",
            "text": "While you were away."}  # fmt: skip
    status, answer = request(
        port, "POST", "/api/v1/sites/1/comments", body,
        **{"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": f"herd-{key}"},
    )
    if status != 201:
        raise SystemExit(f"a comment was refused: {status} {answer!r}")
    return int(json.loads(answer)["position"].rpartition("@")[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=15_000)
    parser.add_argument("--channels", type=int, default=1_500)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="bench-herd-")
    os.chmod(folder, 0o755)
    certs = Path(folder) / "certs"
    certs.mkdir()
    make_certificate(certs)
    secure = free_port()
    daemon = Daemon(
        folder,
        f"[http]\nmax_connections = {options.clients + 1000}\nmax_connections_per_address = {options.clients}\n"
        f'[[listen]]\nendpoint = "cackletls:port={secure}:interface=127.0.0.1:certs={certs}"\n',
        core=0,
    )
    group = None
    try:
        token = json.loads(request(daemon.port, "POST", "/api/v1/sites/1/sessions", {},
                                   **{"Content-Type": "application/json"})[1])["token"]  # fmt: skip
        port = secure if options.tls else daemon.port
        group = Group(port, options.clients, options.channels, options.tls)
        group.say("come 5 256")
        group.answer()
        time.sleep(12)
        context = None
        if options.tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader = Reader(port, context)
        time.sleep(5)
        print(f"before, with {options.clients} connections: {reader.stop()}")
        group.say("go")
        group.answer()
        final = {key: post(daemon.port, token, key) for key in map(key_of, range(0, options.channels, 20))}
        time.sleep(3)
        reader = Reader(port, context)
        time.sleep(0.5)
        used = cpu(daemon.process.pid)
        group.say(f"come {options.seconds} {options.clients}")
        came = group.answer()
        told = reader.stop()
        used = (cpu(daemon.process.pid) - used) / options.clients * 1e6
        group.say("end " + json.dumps(final))
        missing = group.answer()["missing"]
        print(f"while {came['live']} came back in {came['seconds']:.1f} s{' over TLS' if options.tls else ''}: {told}")
        print(f"a client, from its connect to being live: p50 {came['p50'] * 1e3:.0f}, p99 {came['p99'] * 1e3:.0f}, "
              f"longest {came['max'] * 1e3:.0f} ms; {came['unrecovered']} unrecovered, {missing} lack an event")
        print(f"the daemon's CPU: {used:.0f} us a client, first renders included; worst lag of its reactor in the last "
              f"10 s: {lag(daemon.admin_port):.0f} ms")
    finally:
        if group is not None:
            group.process.kill()
        daemon.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if sys.argv[1:2] == ["--herd"]:
        port, clients, channels, tls = map(int, sys.argv[2:])
        Herd(port, clients, channels, bool(tls)).run()
    else:
        main()
