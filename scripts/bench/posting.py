"""Posting: comments a second, their latency, and CPU of daemon and PostgreSQL for each, with subscribers listening.

    .venv/bin/python scripts/bench/posting.py [--seconds 5] [--clients 16] [--subscribers 50] [--core 0] [--only hot]
        [--rules]

Starts a daemon of its own on free ports and a fresh embedded PostgreSQL. "hot" writes on one page, "spread" on a
thousand, "votes" votes on one comment each visitor anew. Every acknowledged comment must reach every subscriber of the
hot page, once and in order: that is checked too. --core pins the daemon, and the rest to the other cores.
--rules gives the site rules of every kind, none of which takes what is written, and a filter that has learnt.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

# Beside this file lies one called http.py, which must not hide the library's.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import http.client  # noqa: E402

import psycopg2  # noqa: E402

from cackled.accounts.tokens import hash_token  # noqa: E402
from cackled.database import stale_files  # noqa: E402
from scripts.bench.harness import Daemon, drive, quantiles, request  # noqa: E402

NUMBERS = itertools.count()
TEXTS = {
    "short": "Something *short* to say.",
    "plain": "I have been reading this for a while, and I think that the second part is much better than the first.",
    "rich": "# Well\n\n> quoted *words*\n\n- one `code`\n- two https://example.com/x?y=1\n\n**Bold**, ~~gone~~ [a](http://b.c)",
}


class Subscriber(threading.Thread):
    """Counts the events of one page over EventSource."""

    def __init__(self, port: int, position: str) -> None:
        super().__init__(daemon=True)
        self.seen: list[int] = []
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.connection.request("GET", f"/rt/sse?sub={position}")
        self.stream = self.connection.getresponse()
        self.start()

    def run(self) -> None:
        try:
            for line in self.stream:
                if line.startswith(b'data: {"sub"') and b'"type":"comment.created"' in line[:120]:
                    self.seen.append(int(line.split(b'"seq":', 1)[1].split(b",", 1)[0]))
        except (OSError, ValueError):
            pass


def posts(token: str, keys: list[str], text: str) -> Iterator[bytes]:
    """Requests that write a comment each."""
    for number in NUMBERS:
        body = json.dumps({"channel": {"key": keys[number % len(keys)]}, "text": text, "name": "Ann"}).encode()
        yield (
            b"POST /api/v1/sites/1/comments HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:8080\r\n"
            b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: */*\r\n"
            b"Accept-Encoding: gzip, deflate, br\r\nAuthorization: Bearer " + token.encode()
            + b"\r\nIdempotency-Key: k%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % (number, len(body)) + body
        )  # fmt: skip


def votes(token: str, comment: str) -> Iterator[bytes]:
    """Requests that vote up, down and not at all in turn."""
    for value in itertools.cycle((1, -1, 0)):
        body = b'{"value":%d}' % value
        yield (
            b"PUT /api/v1/sites/1/comments/" + comment.encode() + b"/vote HTTP/1.1\r\nHost: localhost\r\n"
            b"Origin: http://localhost:8080\r\nAuthorization: Bearer " + token.encode()
            + b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )  # fmt: skip


def session(daemon: Daemon) -> str:
    """The token of a new visitor."""
    token: str = json.loads(request(daemon.port, "POST", "/api/v1/sites/1/sessions")[1])["token"]
    return token


def transactions(daemon: Daemon) -> int:
    """How many transactions the event log holds."""
    where = f"host={daemon.state / 'postgres' / 'run'} port={stale_files.PORT} user=cackled dbname=cackled"
    connection = psycopg2.connect(where)
    try:
        with connection.cursor() as cursor:
            cursor.execute("select count(distinct xid) from event")
            return int(cursor.fetchone()[0])
    finally:
        connection.close()


def measure(daemon: Daemon, name: str, keys: list[str], args: argparse.Namespace, comment: str = "") -> None:
    """One row of the table."""
    raw = request(daemon.port, "GET", f"/api/v1/sites/1/comments?channel={keys[0]}")[1]
    position = json.loads(raw)["position"]
    listeners = [Subscriber(daemon.port, position) for _ in range(args.subscribers)]
    time.sleep(0.3)
    tokens = [session(daemon) for _ in range(args.clients)]
    took: list[float] = []
    bad: list[bytes] = []

    def answered(answer: bytes, seconds: float) -> None:
        took.append(seconds)
        if answer[9:12] not in (b"201", b"200"):
            bad.append(answer)

    streams = [votes(one, comment) if comment else posts(one, keys, TEXTS[args.text]) for one in tokens]
    together = transactions(daemon)
    cpu, database = daemon.cpu(), daemon.database_cpu()
    span = drive(daemon.port, streams, args.seconds, answered)
    spent, database = daemon.cpu() - cpu, daemon.database_cpu() - database
    time.sleep(1)
    together = transactions(daemon) - together
    first = int(position.rsplit("@", 1)[1])
    complete = all(one.seen == list(range(first + 1, first + 1 + len(one.seen))) for one in listeners)
    if len(keys) == 1 and not comment:
        complete = complete and all(len(one.seen) == len(took) - len(bad) for one in listeners)
    p50, p99 = quantiles(took)
    count = len(took)
    print(
        f"{name:8} {count / span:9.0f}/s {spent / count * 1e6:8.0f} us {database / count * 1e6:8.0f} us"
        f" {p50:8.1f} ms {p99:8.1f} ms {len(bad):7} {'all' if complete else 'MISSING':>10} {count / together:9.1f}"
    )
    if bad:
        print(bad[0][:500])


KEY = "cackled_1_" + "k" * 43
RULES = {
    "words": [{"text": f"badword{n}*", "action": "hold"} for n in range(200)],
    "patterns": [{"pattern": f"bad ?pattern{n}", "action": "spam"} for n in range(20)], "links": 5, "capitals": 0.9,
    "repeats": 30, "names": ["admin", "moderator"], "flags": 3, "languages": ["en"],
    "spam": {"proof": "never", "hold_at": 1, "spam_at": 1.01, "duplicates": 100, "burst": 100_000},
}  # fmt: skip
# What teaches the filter: as many of each kind as it takes to be asked.
LESSONS = 120


def govern(daemon: Daemon) -> None:
    """Give the site its rules, and teach its filter by decisions."""
    where = f"host={daemon.state / 'postgres' / 'run'} port={stale_files.PORT} user=cackled dbname=cackled"
    connection = psycopg2.connect(where)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into catalog.site_key (site_id, name, scopes, secret_hash, hint) "
            "values (1, 'bench', '{read,moderate}', %s, 'kkkk')", (hash_token(KEY),))  # fmt: skip
        cursor.execute("select keep_rules(1, 0, %s, 'account:1', false)", (json.dumps(RULES),))
    connection.close()
    bearer = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    for action, words in (("approve", "a good word about the second part"), ("spam", "cheap pills and casino offers")):
        written = []
        for n in range(LESSONS):
            body = {"channel": {"key": "lessons", "url": "http://localhost/x", "title": "x"}, "name": "Teacher",
                    "text": f"{words}, number {n}"}  # fmt: skip
            visitor = {**bearer, "Authorization": f"Bearer {session(daemon)}"}
            answer = request(daemon.port, "POST", "/api/v1/sites/1/comments", body, **visitor)[1]
            written.append(f"comment:{json.loads(answer)['comment']['id']}")
        decision = {"action": action, "items": written}
        request(daemon.port, "POST", "/api/v1/sites/1/moderation/actions", decision, **bearer)
    # The lessons are learnt in the background.
    time.sleep(5)


def main() -> None:
    """Run all three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--subscribers", type=int, default=50)
    parser.add_argument("--text", choices=sorted(TEXTS), default="short")
    parser.add_argument("--core", type=int, help="of the daemon")
    parser.add_argument("--only", choices=("hot", "spread", "votes"), help="one row of the three")
    parser.add_argument("--rules", action="store_true", help="rules of every kind, and a filter that has learnt")
    parser.add_argument("--profile", default="", help="write a cProfile file of the daemon")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cackled-bench-") as folder:
        os.chmod(folder, 0o755)
        if args.core is not None:
            os.sched_setaffinity(0, os.sched_getaffinity(0) - {args.core})
        daemon = Daemon(folder, core=args.core, profile=args.profile)
        try:
            if args.rules:
                govern(daemon)
            print(f"{args.clients} clients, {args.subscribers} subscribers on one page, text: {args.text}")
            print(
                f"{'':8} {'':>11} {'daemon':>11} {'PostgreSQL':>11} {'p50':>11} {'p99':>11} {'errors':>7}"
                f" {'delivered':>10} {'per commit':>10}"
            )
            only = args.only or ""
            if only in ("", "hot"):
                measure(daemon, "hot", ["hot"], args)
            if only in ("", "spread"):
                measure(daemon, "spread", [f"page-{n}" for n in range(1000)], args)
            if only not in ("", "votes"):
                return
            if only:
                written = posts(session(daemon), ["hot"], args.text)
                drive(daemon.port, [itertools.islice(written, 1)], 5, lambda answer, seconds: None)
            raw = request(daemon.port, "GET", "/api/v1/sites/1/comments?channel=hot&size=1")[1]
            measure(daemon, "votes", ["hot"], args, json.loads(raw)["page"]["comments"][0]["id"])
        finally:
            daemon.stop()


main()
