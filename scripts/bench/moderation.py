#!/usr/bin/env python3
"""The moderators' queue of a large site: its pages, filters, searches, counts, and how long a decision takes.

    .venv/bin/python scripts/bench/moderation.py [--size 1000000] [--pending 100000] [--rounds 20]

Starts a daemon of its own with a fresh embedded PostgreSQL, makes so many comments of site 1, of which the newest wait,
and asks as a server with a key, one call after the other: median and slowest. Aims: a search of a million below 300 ms;
a page of the queue, which the panel's first paint waits for, well below a second. It also says how large the index of
the search is, and what adding a comment to it costs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

# Beside this file lies one called dns.py.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import psycopg2  # noqa: E402

from cackled.accounts.tokens import hash_token  # noqa: E402
from cackled.database import stale_files  # noqa: E402
from cackled.events import channel_id  # noqa: E402
from scripts.bench.harness import Daemon, request  # noqa: E402

KEY = "cackled_1_" + "k" * 43
CHANNELS = 1_000
# Without triggers: what they would put in stands here. Number n of all; the last wait.
COMMENTS = """
insert into comment (id, site_id, channel_id, root_id, depth, visitor_id, author_name, ip, up, down, rank, status, seen,
                     created_at, modified_at, src, html)
select i.id, 1, (%(channels)s::bigint[])[1 + n %% 1000], i.id, 0, 1 + n * 7919 %% 50000,
  'Visitor ' || n * 7919 %% 50000, ('192.0.' || n %% 250 || '.' || n * 31 %% 250)::inet, 0, 0, 0,
  case when n > %(size)s - %(pending)s then 0 else 1 end, n <= %(size)s - %(pending)s, i.at, i.at,
  t.words, '<p>' || t.words || '</p>'
from generate_series(1::bigint, %(size)s) n
cross join lateral (select now() - make_interval(secs => (%(size)s - n) * 10 + 120) as at,
  (((extract(epoch from now()) - (%(size)s - n) * 10 - 120) * 1000000 - 1735689600000000)::bigint << 12) as id) i
cross join lateral (select concat('this is what w', n * 31 %% 20011, ' wrote about w', n * 17 %% 997, ' and w', n %% 7,
  ' today, with some more of it') as words) t
"""


def fill(connection: Any, size: int, pending: int) -> tuple[float, str]:
    """Make the comments; gives microseconds to add one to the search, and what the search takes on disk."""
    keys = [f"page-{n}" for n in range(CHANNELS)]
    ids = [channel_id("comments", key) for key in keys]
    with connection.cursor() as cursor:
        cursor.execute("set session_replication_role = replica; set synchronous_commit = off")
        cursor.execute(
            "insert into channel (site_id, id, key, url, title) select 1, id, key, 'https://example.com/' || key, key "
            "from unnest(%s::bigint[], %s::text[]) x (id, key) on conflict do nothing", (ids, keys))  # fmt: skip
        cursor.execute("insert into comment_channel (site_id, channel_id) select 1, unnest(%s::bigint[]) "
                       "on conflict do nothing", (ids,))  # fmt: skip
        cursor.execute(COMMENTS, {"channels": ids, "size": size, "pending": pending})
        began = time.monotonic()
        cursor.execute("insert into comment_search select c.site_id, c.id, comment_lexemes(c) from comment c "
                       "where c.site_id = 1 on conflict do nothing")  # fmt: skip
        cost = (time.monotonic() - began) * 1e6 / size
        cursor.execute("update comment_search_reached set id = (select max(id) from comment)")
        for table in ("comment", "comment_search", "channel"):
            cursor.execute(f"vacuum analyze {table}")
        cursor.execute("select pg_size_pretty(pg_indexes_size('comment_search')), "
                       "pg_size_pretty(pg_table_size('comment_search'))")  # fmt: skip
        indexes, table_size = cursor.fetchone()
        cursor.execute(
            "insert into catalog.site_key (site_id, name, scopes, secret_hash, hint) "
            "values (1, 'bench', '{read,moderate}', %s, 'kkkk')", (hash_token(KEY),))  # fmt: skip
    return cost, f"indexes {indexes}, table {table_size}"


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--pending", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cackled-bench-") as folder:
        os.chmod(folder, 0o755)
        daemon = Daemon(folder, "[demo]\nenabled = true\n")
        try:
            where = f"host={daemon.state / 'postgres' / 'run'} port={stale_files.PORT} user=cackled dbname=cackled"
            connection = psycopg2.connect(where)
            connection.autocommit = True
            cost, disk = fill(connection, args.size, args.pending)
            print(f"{args.size} comments, {args.pending} pending; search: {cost:.0f} us to add one, {disk}; "
                  f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
            measure(daemon, connection, args.rounds)
            connection.close()
        finally:
            daemon.stop()


def measure(daemon: Daemon, connection: Any, rounds: int) -> None:
    """Ask, and print how long it took."""
    base = "/api/v1/sites/1/moderation"

    def call(method: str, path: str, body: Any = None) -> Any:
        more = {"Content-Type": "application/json"} if body is not None else {}
        status, answer = request(daemon.port, method, base + path, body, Authorization=f"Bearer {KEY}", **more)
        if status != 200:
            raise SystemExit(f"{method} {path}: {status} {answer[:300]!r}")
        return json.loads(answer)

    def timed(what: str, ask: Callable[[int], Any]) -> None:
        took = []
        before = daemon.cpu(), daemon.database_cpu()
        for n in range(rounds):
            began = time.perf_counter()
            ask(n)
            took.append((time.perf_counter() - began) * 1e3)
        cpu, database = ((now - old) * 1e3 / rounds for now, old in zip(
            (daemon.cpu(), daemon.database_cpu()), before, strict=True))  # fmt: skip
        took.sort()
        print(f"{what:44} {took[len(took) // 2]:8.1f} ms median {took[-1]:8.1f} slowest; CPU {cpu:.1f} daemon, "
              f"{database:.1f} PostgreSQL")  # fmt: skip

    def listed(**query: Any) -> Callable[[int], Any]:
        return lambda n: call("GET", "/items?" + urlencode(query))

    first = call("GET", "/items?state=pending")
    timed("first page of what waits", listed(state="pending"))
    cursor = first["cursor"]
    for _ in range(20):
        cursor = call("GET", "/items?" + urlencode({"state": "pending", "cursor": cursor}))["cursor"]
    timed("page 22 of what waits", listed(state="pending", cursor=cursor))
    timed("count of what waits", lambda n: call("GET", "/count?state=pending"))
    timed("filter: one page's", listed(state="pending", channel="page-7"))
    timed("filter: an author's name", listed(state="all", author="Visitor 777"))
    timed("filter: an address", listed(state="all", ip="192.0.7.0/24"))
    timed("search: a rare word", lambda n: call("GET", "/items?" + urlencode({"state": "all", "q": f"w{9000 + n}"})))
    timed("search: a word of a seventh of all", listed(state="all", q="w3"))
    timed("search: two words", listed(state="all", q="w3 w5 wrote"))
    timed("search: a phrase", listed(state="all", q='"wrote about w5 "'))
    timed("search: a word that nobody wrote", listed(state="all", q="absent"))
    timed("search: a common word among what waits", listed(state="pending", q="today"))
    items = [one["id"] for one in first["items"]]
    timed("a decision", lambda n: call("POST", "/actions", {"action": "approve", "items": [items[n % len(items)]]}))


if __name__ == "__main__":
    main()
