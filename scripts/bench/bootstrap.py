"""The first render with nothing cached: misses a second, and the CPU of daemon and PostgreSQL for each.

    .venv/bin/python scripts/bench/bootstrap.py [--size 1200000] [--seconds 8] [--clients 16] [--core 0] [--explain]

Starts a daemon with an embedded PostgreSQL, fills it (`dataset.py`), and asks for 25 roots with their replies, each
time for a page and order that was not asked for before: every answer is read from the database. "gzip" is what a
browser that takes gzip costs, "cached" the same pages asked for again.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

import psycopg2  # noqa: E402

from cackled.database import stale_files  # noqa: E402
from cackled.events import channel_id  # noqa: E402
from cackled.products.comments import pages  # noqa: E402
from scripts.bench.dataset import fill  # noqa: E402
from scripts.bench.harness import Daemon, drive, quantiles  # noqa: E402


def requests(asked: Iterator[tuple[str, str]], more: bytes) -> Iterator[bytes]:
    """First renders of one page after another."""
    for key, sort in asked:
        yield (
            f"GET /bootstrap?widget=Comment&site=1&channel={key}&sort={sort}&size=25 HTTP/1.1\r\nHost: localhost\r\n"
        ).encode() + more + b"\r\n"


def measure(daemon: Daemon, name: str, args: argparse.Namespace, asked: Iterator[tuple[str, str]], more: bytes) -> None:
    """One row of the table."""
    took: list[float] = []
    sent: list[int] = []
    wrong: list[bytes] = []

    def answered(answer: bytes, seconds: float) -> None:
        took.append(seconds)
        sent.append(len(answer))
        if answer[9:12] != b"200":
            wrong.append(answer)

    cpu, database = daemon.cpu(), daemon.database_cpu()
    streams = [requests(asked, more) for _ in range(args.clients)]
    span = drive(daemon.port, streams, args.seconds, answered)
    count = len(took)
    cpu, database = (daemon.cpu() - cpu) / count, (daemon.database_cpu() - database) / count
    p50, p99 = quantiles(took)
    print(
        f"{name:8} {count / span:8.0f}/s {cpu * 1e6:8.0f} us {1 / max(cpu, 1e-9):8.0f}/s {database * 1e6:8.0f} us"
        f" {p50:8.1f} ms {p99:8.1f} ms {sum(sent) / count:9.0f} B {len(wrong):6}"
    )
    if wrong:
        print(wrong[0][:400])


def explain(dsn: str) -> None:
    """Print the plan of the statement behind order ``best``."""
    connection = psycopg2.connect(dsn)
    with connection.cursor() as cursor:
        cursor.execute("set plan_cache_mode = force_generic_plan; set role cackled_app; set app.site = '1'")
        cursor.execute(pages.PAGE_BEST.prepare)
        call = pages.PAGE_BEST.call(5)
        for _ in range(3):
            cursor.execute(f"explain (analyze, buffers, costs off, timing off, summary on) {call}",
                           (1, channel_id("comments", "bench-900"), 25, "infinity", 2**63 - 1))  # fmt: skip
            plan = cursor.fetchall()
    print("\n".join(row[0] for row in plan))
    connection.close()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1_200_000)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--core", type=int, help="of the daemon")
    parser.add_argument("--profile", default="")
    parser.add_argument("--explain", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cackled-bench-") as folder:
        os.chmod(folder, 0o755)
        if args.core is not None:
            os.sched_setaffinity(0, os.sched_getaffinity(0) - {args.core})
        daemon = Daemon(folder, core=args.core, profile=args.profile)
        try:
            dsn = f"host={daemon.state / 'postgres' / 'run'} port={stale_files.PORT} user=cackled dbname=cackled"
            began = time.monotonic()
            channels = max(10, args.size // 100)
            made = fill(dsn, args.size, channels)
            print(f"{made} comments in {channels} channels, made in {time.monotonic() - began:.0f} s", flush=True)
            if args.explain:
                explain(dsn)
            # A quarter of the channels have at least a hundred comments each: full pages.
            pairs = list(itertools.product([f"bench-{n}" for n in range(channels // 4)], ("best", "new", "old")))
            random.Random(7).shuffle(pairs)
            half = len(pairs) // 2
            print(f"{'':8} {'':>10} {'daemon':>11} {'per core':>10} {'PostgreSQL':>11} {'p50':>11} {'p99':>11}")
            measure(daemon, "miss", args, iter(pairs[:half]), b"")
            measure(daemon, "gzip", args, iter(pairs[half:]), b"Accept-Encoding: gzip, deflate, br\r\n")
            measure(daemon, "cached", args, itertools.cycle(pairs[half : half + 500]), b"")
        finally:
            daemon.stop()


main()
