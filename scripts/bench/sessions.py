"""Many sessions on one machine: N WebSockets over W workers, 100 messages a second on mixed channels, for M seconds.

    .venv/bin/python scripts/bench/sessions.py [--sessions 60000] [--workers 4] [--seconds 30] [--rate 100]
        [--history 600]

Each message is a comment that is posted, stored, and reaches the page by the event log. Each client knows the number
of the event that has to come next: a gap is a loss, a number seen before a double. Clients are processes of raw sockets
and epoll, at most 15,000 each, from many source addresses, and resume by their position if they are cut off. Channels
are mixed: one of a twelfth of all sessions, 10 of a sixtieth each, 100 of a six-hundredth, the rest of ten. Prints a
row every 10 s; CPU per delivery is that of all workers, posts and heartbeats included. With a short --history the
workers' memory has to be flat after that time.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

PER_PROCESS = 15_000
ADDRESSES = 100
EVENT = re.compile(rb'\{"sub":"[^"]*","seq":(\d+)')
HANDSHAKE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
PONG = b"\x8a\x80\0\0\0\0"


def layout(sessions: int) -> list[tuple[str, int]]:
    """Channels and their subscribers."""
    made = [("crowd", sessions // 12)]
    made += [(f"large{n}", sessions // 60) for n in range(10)]
    made += [(f"page{n}", sessions // 600) for n in range(100)]
    left = sessions - sum(count for _, count in made)
    made += [(f"small{n}", 10) for n in range(left // 10)]
    return [(key, count) for key, count in made if count]


def assignments(sessions: int) -> list[str]:
    """The channel of each session, the same in every process; every process has some of each."""
    keys = [key for key, count in layout(sessions) for _ in range(count)]
    Random(1).shuffle(keys)
    return keys


class Client:
    """The sessions of one process."""

    def __init__(self, port: int, keys: list[str], first: int) -> None:
        from cackled.events import channel_id

        self.port = port
        self.poll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self.number: dict[int, int] = {}
        self.rest: dict[int, bytes] = {}
        self.keys = keys
        self.subs = [f"1/{channel_id('comments', key)}" for key in keys]
        self.seqs = [0] * len(keys)
        self.first = first
        self.delivered = self.lost = self.doubled = self.cut = self.unrecovered = self.refused = 0
        # Whose handshake is not answered yet, and who has not caught up.
        self.greeting: set[int] = set()
        self.waiting: set[int] = set()
        self.late: list[tuple[float, int]] = []

    def open(self, number: int) -> None:
        """Connect session *number*, from its position."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        # The port is chosen with the destination known, so that many fit.
        sock.setsockopt(socket.SOL_IP, 24, 1)
        sock.bind((f"127.0.1.{1 + (self.first + number) % ADDRESSES}", 0))
        sock.connect(("127.0.0.1", self.port))
        sock.sendall(
            f"GET /rt/ws?sub={self.subs[number]}@{self.seqs[number]} HTTP/1.1\r\nHost: localhost\r\n"
            f"{HANDSHAKE.format(key=KEY)}\r\n".encode()
        )
        sock.setblocking(False)
        fd = sock.fileno()
        self.sockets[fd], self.number[fd] = sock, number
        self.rest[fd] = b""
        self.waiting.add(fd)
        self.greeting.add(fd)
        self.poll.register(fd, select.EPOLLIN)

    def turn(self, wait: float) -> None:
        """Read what there is."""
        for fd, _ in self.poll.poll(wait, 4096):
            try:
                data = self.sockets[fd].recv(65536)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if data:
                self.take(fd, data)
            else:
                self.over(fd)
        now = time.monotonic()
        while self.late and self.late[0][0] <= now:
            self.retry(self.late.pop(0)[1])

    def retry(self, number: int) -> None:
        try:
            self.open(number)
        except OSError:
            self.late.append((time.monotonic() + 1.0, number))

    def over(self, fd: int) -> None:
        """Cut off: come back soon."""
        self.cut += 1
        self.poll.unregister(fd)
        self.sockets.pop(fd).close()
        self.rest.pop(fd, None)
        self.waiting.discard(fd)
        self.greeting.discard(fd)
        self.late.append((time.monotonic() + 0.5, self.number.pop(fd)))

    def take(self, fd: int, data: bytes) -> None:
        held = self.rest.get(fd)
        if held is not None:
            data = held + data
            if fd in self.greeting:
                if b"\r\n\r\n" not in data:
                    self.rest[fd] = data
                    return
                if not data.startswith(b"HTTP/1.1 101"):
                    self.refused += 1
                    self.over(fd)
                    return
                self.greeting.discard(fd)
                data = data[data.index(b"\r\n\r\n") + 4 :]
            del self.rest[fd]
        at, end = 0, len(data)
        while end - at >= 2:
            size, start = data[at + 1] & 127, at + 2
            if size == 126:
                size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if start + size > end:
                break
            self.frame(fd, data[at] & 15, data, start, start + size)
            at = start + size
        if at < end:
            self.rest[fd] = data[at:]

    def frame(self, fd: int, opcode: int, data: bytes, start: int, end: int) -> None:
        if opcode == 9:
            self.sockets[fd].send(PONG)
            return
        event = EVENT.match(data, start, end)
        number = self.number[fd]
        if event is not None:
            seq, known = int(event[1]), self.seqs[number]
            self.delivered += 1
            if seq <= known:
                self.doubled += 1
            else:
                self.lost += seq - known - 1
                self.seqs[number] = seq
        elif fd in self.waiting and data.startswith(b'{"type":"recovered"', start):
            self.waiting.discard(fd)
            if b'"recovered":false' in data[start:end]:
                self.unrecovered += 1

    def tell(self, **more: object) -> None:
        """A line for the parent."""
        live = len(self.sockets) - len(self.waiting)
        print(
            json.dumps({
                "live": live, "delivered": self.delivered, "lost": self.lost, "doubled": self.doubled, "cut": self.cut,
                "unrecovered": self.unrecovered, "refused": self.refused, **more,
            }), flush=True,
        )  # fmt: skip

    def run(self) -> None:
        """Connect, say so, and read until the parent says where every channel ended."""
        for number in range(len(self.keys)):
            while True:
                try:
                    self.open(number)
                    break
                except OSError as error:
                    raise SystemExit(f"no connection after {number}: {error}") from None
            limit = time.monotonic() + 60
            while len(self.waiting) > 64:
                self.turn(0.5)
                if time.monotonic() > limit:
                    raise SystemExit(f"{len(self.waiting)} sessions do not become live")
        while self.waiting or self.late:
            self.turn(0.5)
        self.tell(ready=True)
        told = time.monotonic()
        while not select.select([sys.stdin], [], [], 0)[0]:
            until = time.monotonic() + 0.2
            while time.monotonic() < until:
                self.turn(0.05)
            if time.monotonic() - told > 1:
                told = time.monotonic()
                self.tell()
        final = json.loads(sys.stdin.readline())
        end = time.monotonic() + 20
        while time.monotonic() < end and (
            self.late or self.waiting or any(s < final.get(k, 0) for k, s in zip(self.keys, self.seqs, strict=True))
        ):
            self.turn(0.5)
        self.lost += sum(max(0, final.get(key, 0) - seq) for key, seq in zip(self.keys, self.seqs, strict=True))
        self.tell(over=True)


class Group:
    """One client process, from the parent's side."""

    def __init__(self, port: int, sessions: int, first: int, count: int) -> None:
        command = [sys.executable, __file__, "--client", str(port), str(sessions), str(first), str(count)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.last: dict = {}
        self.ready, self.over = threading.Event(), threading.Event()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        for line in self.process.stdout:
            self.last = json.loads(line)
            if self.last.get("ready"):
                self.ready.set()
            if self.last.get("over"):
                self.over.set()
        self.ready.set()
        self.over.set()


class Publisher:
    """Posts comments at a steady rate over a few connections."""

    def __init__(self, url: str, port: int, sessions: int, rate: float) -> None:
        from tests.support.client import Visitor

        self.token = Visitor(url).token
        self.port = port
        self.rate = rate
        self.random = Random(2)
        channels = layout(sessions)
        # Of 100 messages so many go to channels of each size.
        self.mix = [
            (weight, [key for key, _ in channels if key.startswith(kind)])
            for kind, weight in (("crowd", 1), ("large", 4), ("page", 25), ("small", 70))
        ]
        self.mix = [(weight, keys) for weight, keys in self.mix if keys]
        self.final: dict[str, int] = {}
        self.lock = threading.Lock()
        self.sent = self.failed = 0
        self.slowest = 0.0
        self.stop = threading.Event()
        self.next = time.monotonic()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(8)]

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.stop.is_set():
            with self.lock:
                at = self.next
                self.next = max(self.next + 1 / self.rate, time.monotonic() - 1)
                keys = self.random.choices([k for _, k in self.mix], [w for w, _ in self.mix])[0]
                key = self.random.choice(keys)
            pause = at - time.monotonic()
            if pause > 0 and self.stop.wait(pause):
                return
            body = json.dumps({
                "channel": {"key": key, "url": "http://localhost/p", "title": key}, "parent": None, "name": "Ann",
                "text": f"A comment of some length, as people write them, number {at:.6f}.",
            })  # fmt: skip
            try:
                began = time.monotonic()
                connection.request("POST", "/api/v1/sites/1/comments", body, {
                    "Content-Type": "application/json", "Authorization": f"Bearer {self.token}",
                    "Idempotency-Key": f"{at:.9f}-{key}",
                })  # fmt: skip
                answer = connection.getresponse()
                told = json.loads(answer.read())
                if answer.status != 201:
                    raise ValueError(f"{answer.status} {told}")
                seq = int(told["position"].rpartition("@")[2])
                with self.lock:
                    self.slowest = max(self.slowest, time.monotonic() - began)
                    self.sent += 1
                    self.final[key] = max(seq, self.final.get(key, 0))
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failed += 1
                print(f"a post failed: {error}", file=sys.stderr)
                connection.close()


def rss(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def worst_lag(daemon: Any) -> float:
    """The greatest lag of the workers' reactors in the last 10 s, in ms."""
    return max((row["reactor_lag_max_seconds"] or 0.0) * 1e3 for row in daemon.admin("workers"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Many sessions on one machine.")
    parser.add_argument("--sessions", type=int, default=60_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=100.0, help="messages a second")
    parser.add_argument("--history", type=float, default=600.0, help="[realtime] history_seconds")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = min(PER_PROCESS, hard - 500) if hard > 0 else PER_PROCESS

    from tests.support.daemon import Daemon
    from tests.support.valkey import Valkey

    valkey = Valkey(save="")
    valkey.start()
    daemon = None
    groups: list[Group] = []
    try:
        daemon = Daemon(
            f'workers = {options.workers}\nredis = {{url = "unix://{valkey.socket}"}}\n'
            'limits = {exempt = ["127.0.0.0/8"]}\nmanhole = {enabled = false}\ndns = {enabled = false}\n'
            f'http = {{max_connections = {hard - 600}, max_connections_per_address = {options.sessions}}}\n'
            f"realtime = {{history_seconds = {options.history}}}\n"
        )
        while sum(row["state"] == "ready" for row in daemon.admin("workers")) < options.workers:
            time.sleep(0.1)
        time.sleep(1)
        pids = [row["pid"] for row in daemon.admin("workers")]
        empty, used = sum(map(rss, pids)), sum(map(cpu, pids))
        began = time.monotonic()
        for first in range(0, options.sessions, most):
            groups.append(Group(daemon.port, options.sessions, first, min(most, options.sessions - first)))
        for group in groups:
            group.ready.wait()
            if not group.last.get("ready"):
                print(daemon.log()[-3000:], file=sys.stderr)
                raise SystemExit("a client process has given up")
        took = time.monotonic() - began
        time.sleep(3)
        rows = {row["worker"]: row["sessions"] for row in daemon.admin("workers")}
        grown = (sum(map(rss, pids)) - empty) * 2**20 / options.sessions
        spent = (sum(map(cpu, pids)) - used) / options.sessions * 1e6
        channels = len(layout(options.sessions))
        print(f"{options.sessions} sessions in {took:.1f} s on {channels} channels; by worker: {rows}")
        print(f"worst reactor lag of the last 10 s of connecting: {worst_lag(daemon):.0f} ms")
        print(f"per session: {grown / 1024:.2f} KB of workers' memory, {spent:.0f} us of their CPU to connect\n")
        publisher = Publisher(daemon.url, daemon.port, options.sessions, options.rate)
        for thread in publisher.threads:
            thread.start()
        heads = (
            "s", "sessions", "posts", "deliveries/s", "lost", "doubled", "cut off", "workers' memory, MB", "parent",
            "valkey", "CPU/delivery, us", "workers' cores", "slowest post, ms", "worst reactor lag, ms",
        )  # fmt: skip
        print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
        started = at = time.monotonic()
        before, used = 0, sum(map(cpu, pids))
        while time.monotonic() - started < options.seconds:
            time.sleep(min(10.0, max(0.1, options.seconds - (time.monotonic() - started))))
            now, spent = time.monotonic(), sum(map(cpu, pids))
            total = {name: sum(group.last[name] for group in groups) for name in groups[0].last if name != "ready"}
            some = total["delivered"] - before
            row = (
                f"{now - started:.0f}", total["live"], publisher.sent, f"{some / (now - at):.0f}", total["lost"],
                total["doubled"], total["cut"], "+".join(f"{rss(pid):.0f}" for pid in pids),
                f"{rss(daemon.process.pid):.0f}", f"{rss(valkey.server._process.pid):.0f}",
                f"{(spent - used) / max(1, some) * 1e6:.1f}", f"{(spent - used) / (now - at):.2f}",
                f"{publisher.slowest * 1e3:.0f}", f"{worst_lag(daemon):.0f}",
            )  # fmt: skip
            print("| " + " | ".join(map(str, row)) + " |", flush=True)
            at, before, used = now, total["delivered"], spent
            publisher.slowest = 0.0
        publisher.stop.set()
        for thread in publisher.threads:
            thread.join(30)
        final = json.dumps(publisher.final) + "\n"
        for group in groups:
            group.process.stdin.write(final)
            group.process.stdin.flush()
        for group in groups:
            group.over.wait(60)
        names = ("delivered", "lost", "doubled", "cut", "unrecovered", "refused")
        total = {name: sum(group.last[name] for group in groups) for name in ("live", *names)}
        expected = dict(layout(options.sessions))
        due = sum(seq * expected[key] for key, seq in publisher.final.items())
        told = ", ".join(f"{total[name]} {name}" for name in names)
        posts = f"{publisher.sent} posts, {publisher.failed} failed"
        print(f"\nat the end: {total['live']} sessions; {posts}; {due} deliveries due; {told}")
        if "Traceback" in daemon.log():
            print("there are tracebacks in the log")
    finally:
        for group in groups:
            group.process.kill()
        if daemon is not None:
            daemon.remove()
        valkey.remove()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--client"]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        port, sessions, first, count = map(int, sys.argv[2:])
        Client(port, assignments(sessions)[first : first + count], first).run()
    else:
        main()
