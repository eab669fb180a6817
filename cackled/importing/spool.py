"""A file that puts what a reader yields in order, so that memory stays bounded however large an import is.

Filled once (`fill`), in a thread: items are made ready to be stored, get their pages, parents, depth and number, and
know how many answers they have. Then it is read in batches, page by page, parents before children. It is thrown away
when the import is over; as long as it is there an import that was cut off goes on from it.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from cackled.domain.page_facts import page_title, page_url
from cackled.domain.page_keys import fit
from cackled.domain.site import Site
from cackled.importing import storable
from cackled.importing.formats import Ready, Spooled, Target
from cackled.importing.mapping import UrlMap, whole
from cackled.importing.records import Item, Left, Page, Record

# Raised when the file's shape changes: an older one is made anew.
VERSION = 2
# Ids of each reason in a report.
EXAMPLES = 20
# Pages of the source that became one, and addresses, in a report.
MOST_SHOWN = 50
# Numbers: microseconds since 2025, twelve bits for what came in the same one. What was written before February of that
# year gets those of January, in order, a thousandth as fine.
_EPOCH = 1_735_689_600_000_000
_FEBRUARY = 1_738_368_000.0
# No deeper: the column is a smallint.
DEEPEST = 30_000
# Circles that are looked for one by one, and steps to find one.
MOST_CIRCLES, LONGEST_WALK = 100, 100_000

_SCHEMA = """
pragma journal_mode = off;
pragma synchronous = off;
pragma temp_store = file;
pragma cache_size = -32000;
create table about (name text primary key, value text) without rowid;
create table page (id text primary key, channel integer not null, key text not null, url text not null,
                   title text not null, closed integer not null) without rowid;
create table item (row integer primary key, id text not null unique, page text not null, parent text not null,
                   channel integer, created real, at real, up integer, root integer, depth integer, number integer,
                   given integer, shown integer not null, replies integer not null default 0,
                   thread integer not null default 0, stored blob not null);
"""


class Report(Struct, kw_only=True):
    """What comes of a file, what does not and why. ``examples`` are ids of the source by reason.

    ``pictures``: how many are to be fetched.
    ``merged``: keys of pages that several addresses of the source became, with those.
    """

    pages: int = 0
    items: int = 0
    shown: int = 0
    left: dict[str, int] = {}
    changed: dict[str, int] = {}
    examples: dict[str, list[str]] = {}
    merged: dict[str, list[str]] = {}
    without_address: int = 0
    pictures: int = 0
    added: int = 0
    present: int = 0


def number_of(created: float, id: str) -> int:
    """The number that something written then gets, unless an earlier one has it: numbers follow time.

    It is even: odd ones are for what finds its own taken.
    """
    low = int.from_bytes(blake2b(id.encode("utf-8", "replace"), digest_size=2).digest(), "big") & 4094
    slot = int(created * 1000) if created < _FEBRUARY else int(created * 1_000_000) - _EPOCH
    return max(slot, 1) << 12 | low


class Spool:
    """The file at *path*, for a site.

    *by*: ``"address"``: a page is known by its address, or where it has none by its name; ``"name"``: by the name that
    the source's site gave it, where it did.
    """

    def __init__(self, path: Path, site: Site, urls: UrlMap, *, host: str = "", by: str = "address") -> None:
        self._path = path
        self._site = site
        self._urls = urls
        self._host = host
        self._by = by
        self._db: sqlite3.Connection | None = None
        self.report = Report()
        self._changed: Counter[str] = Counter()
        self._left: Counter[str] = Counter()

    def close(self) -> None:
        """Close it; the file stays."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def remove(self) -> None:
        """Throw the file away."""
        self.close()
        with suppress(FileNotFoundError):
            self._path.unlink()

    def reopen(self, told: str) -> bool:
        """Take up what was filled before, of the same file and options (*told*); whether there is that."""
        if not self._path.is_file():
            return False
        try:
            db = sqlite3.connect(self._path, check_same_thread=False)
            about = dict(db.execute("select name, value from about"))
        except sqlite3.DatabaseError:
            return False
        if about.get("version") != str(VERSION) or about.get("told") != told or "report" not in about:
            db.close()
            return False
        self._db = db
        self.report = msgspec.json.decode(about["report"], type=Report)
        return True

    def fill(
        self,
        records: Iterable[Record],
        channel: Callable[[str], int],
        prepare: Callable[[Item], Ready | Left],
        missing: Callable[[str, str, float], Ready | None],
        now: float,
        told: str,
        seen: Callable[[int], None] = lambda count: None,
    ) -> Report:
        """Read *records* to their end, and put all in order. *seen* is told how many items there are by now.

        Raises:
            BadFile: the file can't be read on.
        """
        self.remove()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        db = self._db = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        db.executescript(_SCHEMA)
        db.execute("begin")
        self._read(db, records, channel, prepare, now, seen)
        db.execute("create index item_page on item (page)")
        self._join_pages(db)
        self._join_parents(db, missing, now)
        self._levels(db, now)
        self._number(db)
        self._count(db)
        db.execute("create index item_place on item (channel, depth, number)")
        report = self.report
        report.pages = db.execute("select count(distinct channel) from item").fetchone()[0]
        report.items, report.shown = db.execute("select count(*), coalesce(sum(shown), 0) from item").fetchone()
        report.left, report.changed = dict(self._left), dict(self._changed)
        for name, value in (("version", str(VERSION)), ("told", told)):
            db.execute("insert into about values (?, ?)", (name, value))
        db.execute("insert into about values ('report', ?)", (msgspec.json.encode(report).decode(),))
        db.execute("commit")
        return report

    def _leave(self, reason: str, id: str, count: int = 1) -> None:
        self._left[reason] += count
        some = self.report.examples.setdefault(reason, [])
        if id and len(some) < EXAMPLES:
            some.append(id[:storable.MOST_ID])

    def _read(
        self,
        db: sqlite3.Connection,
        records: Iterable[Record],
        channel: Callable[[str], int],
        prepare: Callable[[Item], Ready | Left],
        now: float,
        seen: Callable[[int], None],
    ) -> None:
        count = 0
        for record in records:
            if isinstance(record, Page):
                self._add_page(db, _mended(record), channel)
                continue
            if isinstance(record, Left):
                # Which one it is: its id, or the row that it stands in, and what of it.
                self._leave(record.reason, ": ".join(one for one in (record.id, record.detail) if one))
                continue
            if not storable.is_id(record.id):
                self._leave("broken", "")
                continue
            made = prepare(record)
            if isinstance(made, Left):
                self._leave(made.reason, made.id or record.id)
                continue
            created = record.created
            if created is not None and created > now:
                created = now
                self._changed["future"] += 1
            if created is None or created < 0:
                created = None
                self._changed["no-date"] += 1
            try:
                db.execute(
                    "insert into item (id, page, parent, created, shown, stored, given) values (?, ?, ?, ?, ?, ?, ?)",
                    (record.id, _written(record.page), record.parent if storable.is_text(record.parent) else "",
                     created, int(made.shown), made.stored, record.number),
                )  # fmt: skip
            except sqlite3.IntegrityError:
                self._leave("repeated", record.id)
                continue
            self._changed.update(made.changes)
            self.report.pictures += made.pictures
            count += 1
            if count % 100 == 0:
                seen(count)
        seen(count)

    def _add_page(self, db: sqlite3.Connection, page: Page, channel: Callable[[str], int]) -> None:
        url, key = "", ""
        if page.url:
            found = self._urls.find(whole(page.url, self._host))
            if found is None:
                db.execute("insert or ignore into page values (?, 0, '', '', '', 0)", (page.id,))
                return
            url = page_url(whole(found, self._host))
            if not (page.exact and found == whole(page.url, self._host)):
                key = self._site.key("", whole(found, self._host))
        if page.key and (self._by == "name" or not key):
            key = page.key if page.exact else self._site.key(page.key)
        # Another line of the same page may know more of it; the first says which page it is.
        key = fit(" ".join(key.split()))
        if not key:
            self.report.without_address += 1
            return
        db.execute(
            "insert into page values (?, ?, ?, ?, ?, ?) on conflict (id) do update set "
            "title = case when title = '' then excluded.title else title end, closed = max(closed, excluded.closed)",
            (page.id, channel(key), key, url, page_title(page.title), int(page.closed)),
        )

    def _join_pages(self, db: sqlite3.Connection) -> None:
        for reason, condition in (
            ("no-page", "not exists (select 1 from page where page.id = item.page)"),
            ("not-mapped", "exists (select 1 from page where page.id = item.page and page.key = '')"),
        ):
            for (id,) in db.execute(f"select id from item where {condition} limit {EXAMPLES}").fetchall():
                self._leave(reason, id, 0)
            gone = db.execute(f"delete from item where {condition}").rowcount
            if gone:
                self._left[reason] += gone
        db.execute("update item set channel = (select channel from page where page.id = item.page)")
        rows = db.execute(
            "select key, group_concat(address, char(10)) from ("
            "  select page.key as key, substr(coalesce(nullif(page.url, ''), page.id), 1, 200) as address from page"
            "  where page.key <> '' order by 1, 2) group by key having count(*) > 1 limit ?", (MOST_SHOWN,),
        ).fetchall()  # fmt: skip
        self.report.merged = {key: addresses.split("\n")[:10] for key, addresses in rows}

    def _join_parents(
        self, db: sqlite3.Connection, missing: Callable[[str, str, float], Ready | None], now: float
    ) -> None:
        """Find each item's parent. One that is not there gets a stone in its place, on the page of its oldest child."""
        db.execute("update item set at = coalesce(created, 0)")
        db.execute(
            "create temp table orphan as select parent, page, channel, min(at) as at from item where parent <> '' "
            "and not exists (select 1 from item above where above.id = item.parent) group by parent"
        )
        for some in _some(db.execute("select parent, page, channel, at from orphan")):
            for parent, page, channel, at in some:
                made = missing(str(parent), str(page), at or now)
                if made is None or len(str(parent)) > storable.MOST_ID:
                    continue
                db.execute(
                    "insert into item (id, page, parent, channel, created, at, shown, stored) "
                    "values (?, ?, '', ?, ?, ?, ?, ?)",
                    (parent, page, channel, at or None, at, int(made.shown), made.stored),
                )
                self._changed["parent-missing"] += 1
        db.execute("drop table orphan")
        db.execute(
            "update item set up = (select above.row from item above where above.id = item.parent "
            "and above.row <> item.row) where parent <> ''"
        )
        elsewhere = db.execute(
            "update item set up = null where up is not null and channel <> "
            "(select above.channel from item above where above.row = item.up)"
        ).rowcount
        if elsewhere:
            self._changed["parent-elsewhere"] += elsewhere

    def _levels(self, db: sqlite3.Connection, now: float) -> None:
        """Walk down from what answers nothing. What is not reached answers itself in a circle, which is cut."""
        db.execute("create index item_up on item (up) where up is not null")
        # What has no date was written before the first answer to it.
        db.execute(
            "update item set at = coalesce((select min(below.created) from item below where below.up = item.row), ?) "
            "where created is null",
            (now,),
        )
        db.execute("create index item_depth on item (depth)")
        db.execute("update item set depth = 0, root = row where up is null")
        level = circles = 0
        while True:
            # Answers are looked up by what they answer, not among all that were not reached yet.
            reached = db.execute(
                "update item set depth = ?, root = above.root, at = max(item.at, above.at) "
                "from item above where above.depth = ? and item.up = above.row and +item.depth is null",
                (level + 1, level),
            ).rowcount
            if reached > 0:
                level += 1
                continue
            first = db.execute("select min(row) from item where depth is null").fetchone()[0]
            if first is None:
                return
            circles += 1
            self._cut(db, first, circles)
            level = 0

    def _cut(self, db: sqlite3.Connection, first: int, circles: int) -> None:
        where, values = "depth is null", list[int]()
        if circles <= MOST_CIRCLES:
            # Going up from anything that was not reached leads into a circle.
            seen: set[int] = set()
            while first not in seen and len(seen) < LONGEST_WALK:
                seen.add(first)
                first = db.execute("select up from item where row = ?", (first,)).fetchone()[0]
            where, values = "row = ?", [first]
        cut = db.execute(f"update item set up = null, depth = 0, root = row where {where}", values).rowcount
        self._changed["circle"] += cut

    def _number(self, db: sqlite3.Connection) -> None:
        """Numbers that follow time, a parent's below its children's."""
        last = 0
        db.execute("create temp table placed as select row, id, at from item order by at, depth, row")
        for some in _some(db.execute("select row, id, at from placed order by rowid")):
            batch = []
            for row, id, at in some:
                last = max(last + 2, number_of(at, id))
                batch.append((last, row))
            db.executemany("update item set number = coalesce(given, ?) where row = ?", batch)
        db.execute("drop table placed")

    def _count(self, db: sqlite3.Connection) -> None:
        """How many answers each has that are shown. What is not shown itself stays as a stone above those that are."""
        deepest = db.execute("select coalesce(max(depth), 0) from item").fetchone()[0]
        for level in range(deepest, 0, -1):
            db.execute(
                "update item set replies = found.n, shown = 1 from ("
                "select up, count(*) as n from item where depth = ? and shown = 1 and up is not null group by up"
                ") found "
                "where item.row = found.up",
                (level,),
            )
        db.execute(
            "update item set thread = found.n from (select root, count(*) as n from item where depth > 0 and shown = 1 "
            "group by root) found where item.row = found.root"
        )

    @property
    def _open(self) -> sqlite3.Connection:
        assert self._db is not None
        return self._db

    def ids(self, count: int) -> Iterator[list[str]]:
        """All ids, *count* at a time."""
        for rows in _some(self._open.execute("select id from item order by row"), count):
            yield [row[0] for row in rows]

    def batch(self, channel: int, depth: int, number: int, most: int) -> list[Spooled]:
        """At most *most* items after the one on *channel* at *depth* with *number*."""
        rows = self._open.execute(
            "select item.row, item.channel, item.id, coalesce(above.id, ''), top.id, item.depth, item.number, "
            "coalesce(item.created, item.at), item.shown, item.replies, item.thread, item.stored "
            "from item join item top on top.row = item.root left join item above on above.row = item.up "
            "where (item.channel, item.depth, item.number) > (?, ?, ?) "
            "order by item.channel, item.depth, item.number limit ?",
            (channel, depth, number, most),
        )
        return [
            Spooled(row, on, id, parent, root, min(deep, DEEPEST), own, at, bool(shown), replies, thread, stored)
            for row, on, id, parent, root, deep, own, at, shown, replies, thread, stored in rows
        ]

    def channels(self, after: int, to: int) -> Iterator[list[int]]:
        """The channels above *after*, and not above *to*, some at a time."""
        rows = self._open.execute(
            "select distinct channel from item where channel > ? and channel <= ? order by channel", (after, to)
        )
        for some in _some(rows, 200):
            yield [row[0] for row in some]

    def targets(self, channels: Iterable[int]) -> list[Target]:
        """The pages of these channels."""
        made = []
        for channel in sorted(set(channels)):
            key, url, title, closed = self._open.execute(
                "select key, max(url), max(title), min(closed) from page where channel = ? group by channel", (channel,)
            ).fetchone()
            made.append(Target(channel, key, url, title, bool(closed)))
        return made


def _written(text: str) -> str:
    """*text* without what no database takes."""
    return text if storable.is_text(text) else text.replace("\0", "").encode("utf-8", "replace").decode()


def _mended(page: Page) -> Page:
    texts = (page.id, page.url, page.key, page.title)
    if all(storable.is_text(one) for one in texts):
        return page
    id, url, key, title = (_written(one) for one in texts)
    return msgspec.structs.replace(page, id=id, url=url, key=key, title=title)


def _some(rows: sqlite3.Cursor, count: int = 1000) -> Iterator[list[tuple[Any, ...]]]:
    while some := rows.fetchmany(count):
        yield some
