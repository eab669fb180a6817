"""Chat under load: from a visitor's request to the listener, CPU of a message, launchers that listen, consoles.

    .venv/bin/python scripts/bench/chat.py [--conversations 2000] [--rate 200] [--seconds 20] [--launchers 20000]
        [--consoles 20] [--shown 30] [--core 0]

Starts a daemon of its own on free ports and a fresh embedded PostgreSQL. Each conversation has a listener: a message is
written by its visitor and comes back over that listener, and the time between is told. Half of the consoles listen in
the operators' channel alone, half in the first --shown conversations too: what each is sent for a message is told, and
how many rows each message writes and how often a lock was waited for, whatever else the machine does.
Launchers listen for presence only; their memory is the daemon's growth. --core pins the daemon, and the rest to the
other cores.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import selectors
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, cast

# Beside this file lies one called http.py, which must not hide the library's.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import psycopg2  # noqa: E402

from cackled.database import stale_files  # noqa: E402
from cackled.domain.staff_tickets import StaffTickets  # noqa: E402
from scripts.bench.harness import Daemon, quantiles, request  # noqa: E402

API = "/api/v1/sites/1/chats"
# Of one address: as many conversations as are let through.
EACH = 15


def connect(daemon: Daemon) -> Any:
    """A connection to the database, as the owner."""
    where = f"host={daemon.state / 'postgres' / 'run'} port={stale_files.PORT} user=cackled dbname=cackled"
    return psycopg2.connect(where)


def database(daemon: Daemon, sql: str) -> list[tuple[object, ...]]:
    """Run SQL as the owner."""
    connection = connect(daemon)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


class Listeners(threading.Thread):
    """EventSource connections: when each message came, and how many bytes in all."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.chooser = selectors.DefaultSelector()
        self.came: dict[bytes, float] = {}
        self.bytes = 0
        self.count = 0
        self.over = False

    def listen(self, sub: str, source: str = "127.0.0.1", token: str = "") -> None:
        """One more."""
        one = socket.create_connection(("127.0.0.1", self.port), source_address=(source, 0))
        more = f"&token={token}" if token else ""
        one.sendall(f"GET /rt/sse?sub={sub}{more} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        one.setblocking(False)
        self.chooser.register(one, selectors.EVENT_READ)
        self.count += 1

    def watch(self, subs: list[str], ticket: str) -> None:
        """One more console: a WebSocket that listens in several channels by a ticket of staff."""
        one = socket.create_connection(("127.0.0.1", self.port))
        query = "&".join(f"sub={sub}" for sub in subs)
        one.sendall(
            f"GET /rt/ws?{query}&token={ticket} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        one.setblocking(False)
        self.chooser.register(one, selectors.EVENT_READ)
        self.count += 1

    def run(self) -> None:
        while not self.over:
            for key, _ in self.chooser.select(0.2):
                try:
                    data = os.read(key.fd, 262_144)
                except BlockingIOError:
                    continue
                now = time.perf_counter()
                self.bytes += len(data)
                at = data.find(b"bench-")
                while at >= 0:
                    self.came.setdefault(data[at : at + 14], now)
                    at = data.find(b"bench-", at + 14)


class Caller(threading.Thread):
    """Sends its share of messages on one connection, at its pace."""

    def __init__(self, port: int, jobs: list[tuple[str, str, str]], pause: float, begin: float) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.jobs = jobs
        self.pause = pause
        self.begin = begin
        self.sent: dict[bytes, float] = {}
        self.took: list[float] = []
        self.bad = 0

    def run(self) -> None:
        one = socket.create_connection(("127.0.0.1", self.port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number, (chat, token, mark) in enumerate(self.jobs):
            time.sleep(max(0.0, self.begin + number * self.pause - time.perf_counter()))
            body = json.dumps({"text": mark}).encode()
            began = time.perf_counter()
            self.sent[mark.encode()] = began
            one.sendall(
                f"POST {API}/{chat}/messages HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
                f"Idempotency-Key: {mark}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode() + body
            )
            answer = one.recv(65_536)
            self.took.append(time.perf_counter() - began)
            self.bad += answer[9:12] != b"201"


class Waits(threading.Thread):
    """Looks twenty times a second which sessions wait for a lock, and for which kind of one."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon=True)
        self.daemon_ = daemon
        self.looks = 0
        self.seen: dict[str, int] = {}
        self.over = False

    def run(self) -> None:
        sql = "select wait_event, count(*) from pg_stat_activity where wait_event_type = 'Lock' group by 1"
        connection = connect(self.daemon_)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not self.over:
                cursor.execute(sql)
                self.looks += 1
                for kind, many in cursor.fetchall():
                    self.seen[kind] = self.seen.get(kind, 0) + many
                time.sleep(0.05)
        connection.close()


def written(daemon: Daemon) -> dict[str, int]:
    """Rows that were written so far, by table."""
    rows = database(daemon, "select relname, n_tup_ins + n_tup_upd + n_tup_del from pg_stat_user_tables")
    return {str(name): int(str(many)) for name, many in rows}


def rss(pid: int) -> int:
    """Bytes of memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def conversations(daemon: Daemon, count: int) -> list[tuple[str, str, str]]:
    """So many conversations: id, token, channel; from as many addresses as that takes."""
    made = []
    for number in range(count):
        raw = request(daemon.port, "POST", "/api/v1/sites/1/sessions")[1]
        session = json.loads(raw)["token"]
        body = {"key": "k", "text": "Hello", "name": f"V{number}"}
        status, raw = request(daemon.port, "POST", API, body, Authorization=f"Bearer {session}")
        if status != 201:
            raise SystemExit(f"no conversation: {status} {raw!r}")
        told = json.loads(raw)
        made.append((told["chat"], told["token"], told["channel"]))
        if number % EACH == EACH - 1:
            # All come from one address here: they count as others' for the bound of an address.
            database(daemon, f"update chat set address = '10.{number >> 16}.{number >> 8 & 255}.{number & 255}'"
                             " where address << '127.0.0.0/8'")  # fmt: skip
    return made


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=200, help="messages a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--callers", type=int, default=40)
    parser.add_argument("--launchers", type=int, default=20_000)
    parser.add_argument("--consoles", type=int, default=20)
    parser.add_argument("--shown", type=int, default=30, help="conversations that half of the consoles show")
    parser.add_argument("--core", type=int, help="of the daemon")
    args = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="cackled-bench-") as folder:
        os.chmod(folder, 0o755)
        if args.core is not None:
            os.sched_setaffinity(0, os.sched_getaffinity(0) - {args.core})
        extra = "[http]\nmax_connections_per_address = 60_000\nmax_connections = 60_000\n"
        daemon = Daemon(folder, extra + "[products.chat]\nrush = 0\n", core=args.core)
        try:
            run(daemon, args)
        finally:
            daemon.stop()


def run(daemon: Daemon, args: argparse.Namespace) -> None:
    """Measure."""
    pid = daemon.process.pid
    chats = conversations(daemon, args.conversations)
    # An operator who is never lost has them.
    database(daemon, "insert into chat_desk (site_id, account_id, name, seen_at)"
                     " values (1, 1, 'A', now() + interval '1 day')")
    database(daemon, "update chat set state = 'open', assignee = 1, waiting_since = null, offered_at = null")
    listeners = Listeners(daemon.port)
    listeners.start()
    for _, token, channel in chats:
        listeners.listen(f"1/{channel}", token=token)
    # Consoles hear the operators' channel; some of them show conversations, too.
    ((there,),) = database(daemon, "select c.id from staff_channel(1, 4242424242, array[chr(1) || 'chat']) c (id)")
    ((secret,),) = database(daemon, "select value from catalog.secret where name = 'session'")
    tickets = StaffTickets(time.time)
    tickets.use(bytes(cast(bytes, secret)))
    bare, showing = Listeners(daemon.port), Listeners(daemon.port)
    bare.start()
    showing.start()
    shown = [f"1/{channel}" for _, _, channel in chats[: args.shown]]
    for number in range(args.consoles):
        subs = [f"1/{there}", *(shown if number % 2 else [])]
        (showing if number % 2 else bare).watch(subs, tickets.make(1, cast(int, there), "account:1", "chat"))
    time.sleep(2)
    waits = Waits(daemon)
    waits.start()
    rows = written(daemon)
    bare.bytes = showing.bytes = 0
    count = int(args.rate * args.seconds)
    jobs = [(*chats[n % len(chats)][:2], f"bench-{n:08d}") for n in range(count)]
    begin = time.perf_counter() + 1
    pause = args.callers / args.rate
    callers = [
        Caller(daemon.port, jobs[n :: args.callers], pause, begin + n * pause / args.callers)
        for n in range(args.callers)
    ]
    cpu, spent = daemon.cpu(), daemon.database_cpu()
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    time.sleep(2)
    waits.over = True
    cpu, spent = daemon.cpu() - cpu, daemon.database_cpu() - spent
    sent = {mark: at for one in callers for mark, at in one.sent.items()}
    through = [listeners.came[mark] - at for mark, at in sent.items() if mark in listeners.came]
    took = [second for one in callers for second in one.took]
    p50, p99 = quantiles(through)
    a50, a99 = quantiles(took)
    print(f"{len(chats)} conversations, {args.rate:.0f} messages a second for {args.seconds:.0f} s; "
          f"{sum(one.bad for one in callers)} refused, {len(sent) - len(through)} not heard")  # fmt: skip
    print(f"from the request to the listener: p50 {p50:.1f} ms, p99 {p99:.1f} ms; answered: {a50:.1f}, {a99:.1f} ms")
    print(f"CPU of a message: daemon {cpu / count * 1e3:.2f} ms, PostgreSQL {spent / count * 1e3:.2f} ms")
    made = {name: many - rows.get(name, 0) for name, many in written(daemon).items() if many > rows.get(name, 0)}
    told = (f"{name} {many / count:.2f}" for name, many in sorted(made.items()) if many > count / 20)
    print(f"rows written for a message: {', '.join(told)}")
    print(f"sessions that waited for a lock, in {waits.looks} looks: {waits.seen or 'none'}")
    for consoles, what in ((bare, "shows no conversation"), (showing, f"shows {len(shown)} of them")):
        if consoles.count:
            each = consoles.bytes / consoles.count / count
            print(f"a console that {what} is sent {each:.0f} bytes for a message of the site")
    for heard in (listeners, bare, showing):
        heard.over = True
        heard.join()
    raw = request(daemon.port, "GET", "/bootstrap?widget=Chat&site=1")[1]
    position = json.loads(raw)["chat"]["position"]
    before = rss(pid)
    idle = Listeners(daemon.port)
    for number in range(args.launchers):
        idle.listen(position, source=f"127.0.{1 + number // 10_000}.1")
        if number % 1000 == 999:
            time.sleep(0.3)
    time.sleep(3)
    grown = rss(pid) - before
    print(f"{args.launchers} launchers that listen for presence: {grown / max(1, args.launchers) / 1024:.2f} KiB each")


if __name__ == "__main__":
    main()
