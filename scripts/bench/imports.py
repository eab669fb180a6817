#!/usr/bin/env python3
"""An import of comments or reviews: how long it takes, what it costs, and how much memory it needs.

    .venv/bin/python scripts/bench/imports.py [--reviews] [--size 100000] [--pages 1000] [--write FILE] [--limit 1200]

With --reviews it is a table of reviews as Judge.me exports them; else a WordPress export (WXR) of so many comments in
trees, by people who wrote several each. Starts a daemon with a fresh embedded PostgreSQL, and runs ``cackled import``
beside it. Then it is imported again, which must add nothing. --write only writes the file. With --limit the import is
stopped after so many seconds, and not done again; each minute says how far it is, and what memory it has.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

# Beside this file lies one called dns.py.
sys.path[0] = str(Path(__file__).resolve().parents[2])

import psycopg2  # noqa: E402

from cackled.database import stale_files  # noqa: E402
from scripts.bench.harness import Daemon  # noqa: E402

TEXT = (
    "the a of and to in that it is was for on are with they be at one have this from by hot but some what there we can "
    "out other were all your when up use word how said an each she which do their time if will way about many then "
)
WORDS = TEXT.split()
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" xmlns:wp="http://wordpress.org/export/1.2/" '
    'xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>Blog</title>'
    "<link>https://blog.example</link><wp:wxr_version>1.2</wp:wxr_version>"
    "<wp:base_blog_url>https://blog.example</wp:base_blog_url>\n"
)
PAGE = (
    "<item><title>Post {n}</title><link>https://blog.example/post-{n}/</link><wp:post_id>{n}</wp:post_id>"
    "<wp:comment_status>open</wp:comment_status><wp:status>publish</wp:status><wp:post_type>post</wp:post_type>\n"
)
COMMENT = (
    "<wp:comment><wp:comment_id>{id}</wp:comment_id><wp:comment_author><![CDATA[{name}]]></wp:comment_author>"
    "<wp:comment_author_email>{mail}</wp:comment_author_email><wp:comment_author_url></wp:comment_author_url>"
    "<wp:comment_author_IP>192.0.2.{ip}</wp:comment_author_IP><wp:comment_date>{at}</wp:comment_date>"
    "<wp:comment_date_gmt>{at}</wp:comment_date_gmt><wp:comment_content><![CDATA[{text}]]></wp:comment_content>"
    "<wp:comment_approved>{state}</wp:comment_approved><wp:comment_type>comment</wp:comment_type>"
    "<wp:comment_parent>{parent}</wp:comment_parent><wp:comment_user_id>0</wp:comment_user_id></wp:comment>\n"
)


def text(random: Random) -> str:
    """What somebody wrote: mostly plain, with some of what people do in HTML."""
    paragraphs = []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        words = random.choices(WORDS, k=random.randint(4, 45))
        chance = random.random()
        if chance < 0.08:
            words[0] = f'<a href="https://example.com/{random.randrange(1000)}">{words[0]}</a>'
        elif chance < 0.16:
            words[-1] = f"<em>{words[-1]}</em>"
        elif chance < 0.2:
            words.insert(0, f"<blockquote>{' '.join(random.choices(WORDS, k=8))}</blockquote>")
        paragraphs.append(" ".join(words) + random.choice((".", "!", " &amp; so on.", "?")))
    return "\n\n".join(paragraphs)


def export(size: int, pages: int) -> Iterator[str]:
    """The file, piece by piece."""
    random = Random(5)
    yield HEAD
    id = 0
    for page in range(1, pages + 1):
        yield PAGE.format(n=page)
        here: list[int] = []
        for n in range(size * page // pages - size * (page - 1) // pages):
            id += 1
            who = int(random.paretovariate(1.1)) % 50_000
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(1_400_000_000 + page * 90_000 + n * 600))
            yield COMMENT.format(
                id=id, name=f"Reader {who}", mail=f"reader{who}@mail.example", ip=who % 250, at=at, text=text(random),
                state=random.choices(("1", "0", "spam", "trash"), (92, 2, 4, 2))[0],
                parent=random.choice(here[-20:]) if here and random.random() < 0.6 else 0,
            )  # fmt: skip
            here.append(id)
        yield "</item>\n"
    yield "</channel></rss>\n"


def reviews(size: int, pages: int) -> Iterator[str]:
    """A table of reviews, row by row."""
    random = Random(5)
    yield (
        "title,body,rating,review_date,source,curated,reviewer_name,reviewer_email,product_id,product_handle,reply,"
        "reply_date,picture_urls,ip_address,location\n"
    )
    for n in range(size):
        page = n % pages
        at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(1_600_000_000 + n * 600))
        words = text(random).replace('"', "'")
        reply = "Thank you for telling us." if n % 10 == 0 else ""
        # A person has one review for a page.
        who = n // pages * 7 + page % 7
        yield (
            f'{random.choice(WORDS)},"{words}",{random.choices((1, 2, 3, 4, 5), (1, 1, 2, 5, 10))[0]},{at},web,ok,'
            f"Reader {who},reader{who}@mail.example,{page},product-{page},{reply},,,192.0.2.{n % 250},\n"
        )


def write(path: Path, size: int, pages: int, kind: str) -> None:
    """Write the file."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(export(size, pages) if kind == "wxr" else reviews(size, pages))


class Watch:
    """Says each minute how far an import is, and ends it after *limit* seconds; *where* is the database."""

    def __init__(self, where: str, limit: float) -> None:
        self._where = where
        self._limit = limit

    def wait(self, process: subprocess.Popen[str]) -> None:
        """Watch *process* until it is over."""
        began = said = time.monotonic()
        connection = psycopg2.connect(self._where)
        connection.autocommit = True
        with closing(connection), connection.cursor() as cursor:
            while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                time.sleep(0.5)
                now = time.monotonic()
                if now - said >= 60:
                    said = now
                    cursor.execute("select state, items, added from import_run order by id desc limit 1")
                    state, items, added = cursor.fetchone() or ("", 0, 0)
                    has = memory(process.pid)
                    print(f"  {now - began:.0f} s: {state}, {items} read, {added} written, {has:.0f} MB; "
                          f"load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
                if now - began > self._limit:
                    process.terminate()
                    return


def memory(process: int) -> float:
    """MB that a process has now."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def run(folder: str, path: Path, kind: str, watch: Watch | None = None) -> tuple[float, float, float, str]:
    """One import: seconds, seconds of CPU of its process, most MB that it had, and what it printed."""
    cackled = str(Path(sys.executable).parent / "cackled")
    began = time.monotonic()
    with open(f"{folder}/out", "w+") as out:
        process = subprocess.Popen(
            [cackled, "import", kind, str(path), "--site", "1", "-c", f"{folder}/c.toml"],
            cwd=folder, env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            stdout=out, stderr=out, text=True,
        )  # fmt: skip
        try:
            if watch is not None:
                watch.wait(process)
        except psycopg2.Error as error:
            process.kill()
            raise SystemExit(f"{error}\n{Path(folder, 'log').read_text()[-3000:]}") from None
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read()
    if process.returncode and watch is None:
        raise SystemExit(said)
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, said


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reviews", action="store_true")
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--pages", type=int, default=1_000)
    parser.add_argument("--limit", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--write", default="", metavar="FILE")
    args = parser.parse_args()
    kind = "reviews" if args.reviews else "wxr"
    if args.write:
        write(Path(args.write), args.size, args.pages, kind)
        return
    with tempfile.TemporaryDirectory(prefix="cackled-bench-") as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / "export.xml"
        write(path, args.size, args.pages, kind)
        what = "reviews" if args.reviews else "comments"
        print(f"{args.size} {what} on {args.pages} pages, {path.stat().st_size / 1e6:.0f} MB; "
              f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
        daemon = Daemon(folder, "[demo]\nenabled = true\n")
        where = f"host={daemon.state / 'postgres' / 'run'} port={stale_files.PORT} user=cackled dbname=cackled"
        watch = Watch(where, args.limit) if args.limit else None
        try:
            for what in ("imported",) if watch else ("imported", "again"):
                before = daemon.database_cpu(), daemon.cpu()
                seconds, cpu, most, said = run(folder, path, kind, watch)
                database, served = daemon.database_cpu() - before[0], daemon.cpu() - before[1]
                print(f"{what}: {seconds:.1f} s; CPU {cpu * 1e3 / args.size:.3f} ms each, PostgreSQL "
                      f"{database * 1e3 / args.size:.3f}, the daemon meanwhile {served:.1f} s; at most {most:.0f} "
                      f"MB; load {os.getloadavg()[0]:.1f}")  # fmt: skip
                print("  " + said.strip().replace("\n", "\n  "))
            connection = psycopg2.connect(where)
            with connection.cursor() as cursor:
                cursor.execute("select count(*) from import_item")
                print("rows:", cursor.fetchone())
                cursor.execute("select pg_size_pretty(pg_database_size('cackled'))")
                print("database:", cursor.fetchone())
            connection.close()
        finally:
            daemon.stop()


if __name__ == "__main__":
    main()
