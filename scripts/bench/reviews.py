"""How long pages of a product with many reviews take in the daemon: first page, orders, filters, search, summary.

    .venv/bin/python scripts/bench/reviews.py [--reviews 100000] [--rounds 20]

Starts a daemon of its own on free ports and a fresh embedded PostgreSQL, fills one channel, and asks for each page one
after the other from the primary, past all caches. Prints the median and the slowest in milliseconds.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

# Beside this file lies one called http.py, which must not hide the library's.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from cackled.events import channel_id  # noqa: E402
from scripts.bench.harness import Daemon, quantiles, request  # noqa: E402
from scripts.bench.polls import database  # noqa: E402

KEY = "bench"
CHANNEL = channel_id("reviews", KEY)
FILL = """
select open_channel(1, 'reviews', {channel}, '{key}', 'https://bench.example/', 'Bench');
insert into review (site_id, id, channel_id, visitor_id, author_name, star, title, src, html, media, up, down, rank,
                    verified, created_at, lexemes)
select 1, n, {channel}, n, 'Visitor ' || n, n % 5 + 1, 'Title ' || n, w.src, '<p>' || w.src || '</p>',
  case when n % 20 = 0 then '[{{"url":"https://bench.example/a.jpg","alt":""}}]'::jsonb else '[]' end,
  n % 17, n % 3, helpful_rank(n % 17, n % 3), case when n % 4 = 0 then 'order' else '' end,
  now() - make_interval(mins => {count} - n),
  review_words(1, {channel}, n, null, 'Visitor', 'Title ' || w.src)
from generate_series(1, {count}) n, lateral (
  select 'It works well for me and it came quickly, word' || n % 1000 || ', and I would buy it again.' as src) w;
select count_reviews('{{}}', (select array_agg(r) from review r where r.site_id = 1 and r.channel_id = {channel}));
"""
ASKED = {
    "first page": "", "newest": "&sort=new", "most stars": "&sort=high", "fewest stars": "&sort=low",
    "with photos": "&sort=media", "two stars": "&star=2", "two stars, newest": "&star=2&sort=new",
    "buyers": "&verified=1", "photos only": "&media=1", "a rare word": "&q=word77", "a frequent word": "&q=quickly",
    "summary": None,
}  # fmt: skip


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reviews", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cackled-bench-") as folder:
        os.chmod(folder, 0o755)
        daemon = Daemon(folder)
        try:
            database(daemon, FILL.format(channel=CHANNEL, key=KEY, count=args.reviews))
            database(daemon, "analyze review")
            for name, query in ASKED.items():
                path = "/api/v1/sites/1/reviews" + ("/summary" if query is None else "")
                took = []
                for _ in range(args.rounds):
                    began = time.perf_counter()
                    status = request(
                        daemon.port, "GET", f"{path}?channel={KEY}&readPreference=primary{query or ''}"
                    )[0]
                    took.append(time.perf_counter() - began)
                    if status != 200:
                        raise SystemExit(f"{name}: {status}")
                print(f"{name}: {quantiles(took)[0]:.1f} ms, slowest {1000 * max(took):.1f} ms", flush=True)
        finally:
            daemon.stop()


if __name__ == "__main__":
    main()
