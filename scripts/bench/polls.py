"""Votes a second in one poll, with people watching: latency, CPU of daemon and PostgreSQL, events, and exact counts.

    .venv/bin/python scripts/bench/polls.py [--seconds 5] [--clients 600] [--watchers 1000] [--core 0]

Starts a daemon of its own on free ports and a fresh embedded PostgreSQL. Each client is many voters, one after the
other, each with a session of their own; every third vote is a changed one. In the end the counts must be those of the
ballots that were acknowledged, and every watcher must have come to them. --core pins the daemon, and the rest to the
other cores.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import selectors
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

# Beside this file lies one called http.py, which must not hide the library's.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import psycopg2  # noqa: E402

from cackled.database import stale_files  # noqa: E402
from scripts.bench.harness import Daemon, drive, quantiles, request  # noqa: E402

POLL = 1


class Watchers(threading.Thread):
    """Reads what *count* EventSource connections of a poll get."""

    def __init__(self, port: int, position: str, count: int) -> None:
        super().__init__(daemon=True)
        self.chooser = selectors.DefaultSelector()
        self.last: dict[int, bytes] = {}
        self.bytes = 0
        self.events = 0
        self.over = False
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", port))
            one.sendall(f"GET /rt/sse?sub={position} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            self.chooser.register(one, selectors.EVENT_READ)
        self.start()

    def run(self) -> None:
        while not self.over:
            for key, _ in self.chooser.select(0.2):
                data = os.read(key.fd, 262_144)
                self.bytes += len(data)
                self.events += data.count(b'"type":"poll.voted"')
                # The end of what came is enough to find the last event.
                self.last[key.fd] = (self.last.get(key.fd, b"") + data)[-4_000:]

    def complete(self, voters: int) -> int:
        """How many have come to the last count."""
        return sum(f'"voters":{voters},'.encode() in last for last in self.last.values())


def votes(tokens: list[str]) -> Iterator[bytes]:
    """A vote of each voter; of every third two."""
    for number, token in enumerate(tokens):
        for choice in (1, 2) if number % 3 == 0 else (3,):
            body = b'{"options":["%d"]}' % choice
            yield (
                b"PUT /api/v1/sites/1/polls/%d/vote HTTP/1.1\r\nHost: localhost\r\n"
                b"Origin: http://localhost:8080\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (POLL, token.encode(), len(body), body)
            )


def database(daemon: Daemon, sql: str) -> list[tuple[int, ...]]:
    """Run SQL as the owner."""
    where = f"host={daemon.state / 'postgres' / 'run'} port={stale_files.PORT} user=cackled dbname=cackled"
    connection = psycopg2.connect(where)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def sessions(daemon: Daemon, count: int) -> list[str]:
    """Tokens of so many new visitors."""
    found: list[str] = []
    asked = b"POST /api/v1/sites/1/sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
    streams = [itertools.repeat(asked, count // 8 + 1) for _ in range(8)]
    drive(daemon.port, list(streams), 600, lambda answer, _: found.append(
        json.loads(answer.partition(b"\r\n\r\n")[2])["token"]))  # fmt: skip
    return found


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, default=600)
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--voters", type=int, default=20_000, help="sessions that are made before")
    parser.add_argument("--core", type=int, help="of the daemon")
    args = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="cackled-bench-") as folder:
        os.chmod(folder, 0o755)
        if args.core is not None:
            os.sched_setaffinity(0, os.sched_getaffinity(0) - {args.core})
        # All come from one address.
        daemon = Daemon(folder, "[http]\nmax_connections_per_address = 20_000\n", core=args.core)
        try:
            database(daemon, f"delete from ballot where poll_id = {POLL}")
            database(daemon, f"update poll set quota = 0, burst = 0, voters = 0 where id = {POLL}")
            database(daemon, f"update poll_option set votes = 0 where poll_id = {POLL}")
            tokens = sessions(daemon, args.voters)
            raw = request(daemon.port, "GET", f"/api/v1/sites/1/polls/{POLL}")[1]
            watchers = Watchers(daemon.port, json.loads(raw)["position"], args.watchers)
            time.sleep(2)
            took: list[float] = []
            bad: list[bytes] = []

            def answered(answer: bytes, seconds: float) -> None:
                took.append(seconds)
                if answer[9:12] != b"200":
                    bad.append(answer)

            share = len(tokens) // args.clients
            streams = [votes(tokens[n * share : (n + 1) * share]) for n in range(args.clients)]
            cpu, spent_there = daemon.cpu(), daemon.database_cpu()
            span = drive(daemon.port, streams, args.seconds, answered)
            cpu, spent_there = daemon.cpu() - cpu, daemon.database_cpu() - spent_there
            time.sleep(2)
            watchers.over = True
            watchers.join()
            ((voters, options, ballots),) = database(
                daemon,
                f"select p.voters, (select sum(votes) from poll_option o where o.poll_id = p.id), "
                f"(select count(*) from ballot b where b.poll_id = p.id) from poll p where p.id = {POLL}",
            )
            ((events,),) = database(daemon, "select count(*) from event where type = 'poll.voted'")
            p50, p99 = quantiles(took)
            count = len(took)
            print(f"{args.clients} clients, {args.watchers} watchers")
            print(f"votes            {count / span:9.0f}/s  p50 {p50:.0f} ms  p99 {p99:.0f} ms  errors {len(bad)}")
            print(f"daemon           {cpu / count * 1e6:9.0f} us a vote, {cpu / span:.0%} of a core")
            print(f"PostgreSQL       {spent_there / count * 1e6:9.0f} us a vote, {spent_there / span:.0%} of a core")
            print(f"events           {events:9}  {count / max(1, events):.0f} votes each, {watchers.events} deliveries")
            print(f"exact            voters {voters}, votes {options}, ballots {ballots}")
            print(f"watchers at end  {watchers.complete(voters)} of {args.watchers}")
            if bad:
                print(bad[0][:500])
        finally:
            daemon.stop()


if __name__ == "__main__":
    main()
