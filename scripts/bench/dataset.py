"""A data set of comments, made inside PostgreSQL: 1.2 million in a minute or two.

    .venv/bin/python scripts/bench/dataset.py DSN [--size 1200000] [--channels 12000]

DSN names a migrated database without comments, as its owner. Site 1 gets channels ``bench-0`` (the largest) to
``bench-N``; sizes fall with the square root of the number. Every fourth comment is a root, with two replies and one
reply to the second of them below it. `fill` is the same for other benchmarks.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])

import psycopg2  # noqa: E402

from cackled.events import channel_id  # noqa: E402

WORDS = (
    "I have been reading this for a while now, and I think that the second part is much better than the first; "
    "the rest of it I shall see."
)
# n counts the comments of a channel, from 1; the ids of one channel rise with it.
COMMENTS = """
insert into comment (id, site_id, channel_id, parent_id, root_id, depth, visitor_id, author_name, ip, up, down, rank,
                     n_replies, n_thread, created_at, modified_at, src, html)
select i.id, 1, c.id,
  case i.pos when 0 then null when 3 then i.id - {step} else i.id - i.pos * {step} end,
  i.id - i.pos * {step}, case i.pos when 0 then 0 when 3 then 2 else 1 end,
  (c.n * 7919 + i.n * 104729) %% 200000 + 1, 'Visitor ' || (c.n * 7919 + i.n * 104729) %% 200000, '192.0.2.7', i.up,
  i.down, vote_rank(i.up, i.down),
  case i.pos when 0 then least(2, c.size - i.n) when 2 then least(1, c.size - i.n) else 0 end,
  case i.pos when 0 then least(3, c.size - i.n) else 0 end,
  now() - make_interval(mins => c.size - i.n), now() - make_interval(mins => c.size - i.n),
  t.words || i.n, '<p>' || t.words || i.n || '</p>'
from unnest(%s::bigint[], %s::int[]) with ordinality c(id, size, n)
cross join (select %s::text) t(words)
cross join lateral (
  select n, (n - 1) %% 4 as pos, 1000000000000000 + (n::bigint * {channels} + c.n) * 64 as id,
    ((n * 31 + c.n) %% 13)::int as up, ((n * 17 + c.n) %% 5)::int as down
  from generate_series(1, c.size) n
) i
"""


def sizes(size: int, channels: int) -> list[int]:
    """How many comments each channel gets; *size* in all, or nearly."""
    scale = size / sum((n + 1) ** -0.5 for n in range(channels))
    return [max(1, int(scale * (n + 1) ** -0.5)) for n in range(channels)]


def fill(dsn: str, size: int = 1_200_000, channels: int = 12_000) -> int:
    """Make it; gives how many comments there are."""
    counts = sizes(size, channels)
    keys = [f"bench-{n}" for n in range(channels)]
    ids = [channel_id("comments", key) for key in keys]
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("select indexdef, indexname from pg_indexes where tablename = 'comment' "
                       "and indexname <> 'comment_pkey'")  # fmt: skip
        indexes = cursor.fetchall()
        cursor.execute("set synchronous_commit = off; set maintenance_work_mem = '256MB'")
        for _, name in indexes:
            cursor.execute(f"drop index {name}")
        cursor.execute(COMMENTS.format(channels=channels, step=channels * 64), (ids, counts, WORDS))
        for definition, _ in indexes:
            cursor.execute(definition)
        cursor.execute(
            "insert into channel (site_id, id, key, url, title, seq, n_visible, n_root, last_comment_id) "
            "select 1, id, key, 'https://example.com/' || key, key, n, n, (n + 3) / 4, 2000000000000000 "
            "from unnest(%s::bigint[], %s::text[], %s::int[]) x(id, key, n)",
            (ids, keys, counts),
        )
        cursor.execute(
            "insert into comment_channel (site_id, channel_id, n_visible, n_root, last_comment_id) "
            "select site_id, id, n_visible, n_root, last_comment_id from channel on conflict do nothing"
        )
        cursor.execute("vacuum (analyze) comment")
        cursor.execute("vacuum (analyze) comment_channel")
        cursor.execute("vacuum (analyze) channel")
        cursor.execute("checkpoint")
    connection.close()
    return sum(counts)


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dsn", metavar="DSN")
    parser.add_argument("--size", type=int, default=1_200_000)
    parser.add_argument("--channels", type=int, default=12_000)
    args = parser.parse_args()
    began = time.monotonic()
    made = fill(args.dsn, args.size, args.channels)
    print(f"{made} comments in {args.channels} channels, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
