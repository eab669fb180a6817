"""Caches before a replica with delayed replay: stale reads, stale entries, and how many reads the primary gets.

    .venv/bin/python scripts/bench/lag.py [--writes 300] [--pause 0.0]

Two nodes, one writer that reads its own writes on both, readers on both (see tests/replicas/lag.py). ``--pause`` is the
seconds between writes: with 0, every read follows a write at once, the worst case for the share of the primary.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

# This folder holds modules named like packages (http); what is wanted lies two above it.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from twisted.internet import task  # noqa: E402

from cackled.clock import install_monotonic_reactor, sleep  # noqa: E402
from cackled.database.migrate import migrate  # noqa: E402
from cackled.database.testing import TestServer, shipped_packages  # noqa: E402
from tests.replicas.lag import delay, measure, servers  # noqa: E402


async def main(clock: Any) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writes", type=int, default=300)
    parser.add_argument("--readers", type=int, default=6)
    parser.add_argument("--pause", type=float, default=0.0)
    options = parser.parse_args()
    primary = TestServer()
    replica = TestServer(replica_of=primary)
    print("| apply delay | writes | own reads, stale | reads, backwards | entries after 1 s, stale "
          "| replica / primary reads | primary |")
    print("|---|---|---|---|---|---|---|")
    try:
        for milliseconds in (0, 20, 200):
            name = primary.create()
            await migrate(primary.dsn(name), clock=clock, packages=shipped_packages())
            (end,) = primary.execute("select pg_current_wal_flush_lsn()")[0]
            while not replica.execute("select pg_last_wal_replay_lsn() >= %s", end)[0][0]:
                await sleep(clock, 0.05)
            delay(replica, milliseconds)
            found = await measure(
                clock, servers(primary, replica, name), writes=options.writes, readers=options.readers, hot=20,
                pause=options.pause,
            )
            print(f"| {milliseconds} ms | {found.writes} | {found.own}, {found.stale_own} "
                  f"| {found.reads}, {found.backwards} | {found.entries}, {found.stale_entries} "
                  f"| {found.from_replica} / {found.from_primary} | {found.primary_share:.0%} |", flush=True)
    finally:
        replica.stop()
        primary.stop()


install_monotonic_reactor()
task.react(main)
