"""Pages of comments: the one statement behind each sort order, and the JSON put together from its rows.

May touch: database (the Query type), cache (Loaded). Rows carry each comment's JSON text ready made; replies are
spliced into their parents' text, nothing is parsed.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Literal

import msgspec
from msgspec import Struct

from cackled.cache.types import Loaded
from cackled.database.query import Query
from cackled.domain.errors import BadField
from cackled.domain.sites import Site

Sort = Literal["best", "new", "old"]
MAX_SIZE = 100
# Replies that come with a root; the rest is asked for by `parent=`.
REPLIES = 50
_LAST = 2**63 - 1


class Wanted(Struct, frozen=True):
    """Which page: order, how many roots, where it begins, and below which root (None: the roots themselves)."""

    sort: Sort = "best"
    size: int = 25
    cursor: str = ""
    parent: int | None = None


# One snapshot for the channel's seq and for all rows: that is what makes the seq the version of the page.
_PAGE = """
    with roots as (
      select c as row, c.id, row_number() over (order by {order}) as n
      from comment c
      where c.site_id = $1 and c.channel_id = $2 and c.parent_id is null and c.shown and {begin}
      order by {order} limit $3 + 1
    )
    select 0, 0::bigint, 0::bigint, '', ch.key, ch.seq, ch.n_visible, ch.locked::int, ch.url, ch.title
      from channel ch where ch.site_id = $1 and ch.id = $2
    union all
    select 1, r.id, 0, comment_json(r.row), (r.row).rank::text, (r.row).n_thread, r.n::int, 0, '', '' from roots r
    union all
    select 2, (x.row).id, (x.row).parent_id, comment_json(x.row), '', (x.row).root_id, 0, 0, '', '' from roots r
      cross join lateral (
        select y as row from comment y
        where y.site_id = $1 and y.channel_id = $2 and y.root_id = r.id and y.parent_id is not null and y.shown
        order by y.id limit {replies}
      ) x
    where r.n <= $3
"""
PAGE_BEST = Query(
    "page_best",
    _PAGE.format(begin="(c.rank, c.id) < ($4, $5)", order="c.rank desc, c.id desc", replies=REPLIES),
    ("int", "bigint", "int", "real", "bigint"),
)
PAGE_NEW = Query(
    "page_new",
    _PAGE.format(begin="c.id < $4", order="c.id desc", replies=REPLIES),
    ("int", "bigint", "int", "bigint"),
)
PAGE_OLD = Query(
    "page_old", _PAGE.format(begin="c.id > $4", order="c.id", replies=REPLIES), ("int", "bigint", "int", "bigint")
)
PAGE_REPLIES = Query(
    "page_replies",
    """
    select 0, 0::bigint, 0::bigint, '', ch.key, ch.seq, ch.n_visible, ch.locked::int, ch.url, ch.title
      from channel ch where ch.site_id = $1 and ch.id = $2
    union all
    (select 1, x.id, x.parent_id, comment_json(x), '', 0, 0, 0, '', '' from comment x
      where x.site_id = $1 and x.channel_id = $2 and x.root_id = $4 and x.parent_id is not null and x.shown
        and x.id > $5
      order by x.id limit $3 + 1)
    """,
    ("int", "bigint", "int", "bigint", "bigint"),
)


def statement(wanted: Wanted) -> tuple[Query, tuple[Any, ...]]:
    """The query of a page and its arguments after site and channel.

    Raises:
        BadField: the cursor is not one of ours.
    """
    rank, last = _cursor(wanted.cursor)
    if wanted.parent is not None:
        return PAGE_REPLIES, (wanted.size, wanted.parent, last or 0)
    if wanted.sort == "best":
        return PAGE_BEST, (wanted.size, rank or "infinity", last or _LAST)
    if wanted.sort == "new":
        return PAGE_NEW, (wanted.size, last or _LAST)
    return PAGE_OLD, (wanted.size, last or 0)


def check_cursor(cursor: str) -> str:
    """*cursor*, when it is one of ours.

    Raises:
        BadField: it is not.
    """
    _cursor(cursor)
    return cursor


def _cursor(cursor: str) -> tuple[str | None, int | None]:
    if not cursor:
        return None, None
    try:
        if len(cursor) > 64:
            raise ValueError
        rank, _, last = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode().partition(",")
        if rank:
            # A rank as the column holds it: PostgreSQL refuses what a real can't.
            number = float(rank)
            if not (number == 0 or 1e-37 < abs(number) <= 1):
                raise ValueError
            rank = repr(number)
        if not 0 <= int(last) <= _LAST:
            raise ValueError
        return rank or None, int(last)
    except (ValueError, UnicodeError):
        raise BadField("That cursor is not one of ours.", field="cursor") from None


def _next_cursor(rank: str, last: int) -> str:
    return urlsafe_b64encode(f"{rank},{last}".encode()).decode().rstrip("=")


def build(site: Site, channel: int, key: str, wanted: Wanted, rows: list[tuple[Any, ...]]) -> Loaded:
    """The members ``channel``, ``position`` and ``page`` of an answer, without outer braces, at the rows' seq."""
    seq, count, locked, url, title = 0, 0, False, "", ""
    tops: list[tuple[Any, ...]] = []
    below: dict[int, list[tuple[Any, ...]]] = {}
    for row in rows:
        if row[0] == 1:
            tops.append(row)
        elif row[0] == 2:
            below.setdefault(row[2], []).append(row)
        elif row[4] == key:
            _, _, _, _, _, seq, count, locked, url, title = row
        else:
            # Another key of this site has the same id: this one can't have comments.
            return build(site, channel, key, wanted, [])
    if wanted.parent is None:
        tops.sort(key=lambda row: int(row[6]))
    cursor = None
    if len(tops) > wanted.size:
        tops = tops[: wanted.size]
        cursor = _next_cursor(tops[-1][4], tops[-1][1])
    sent: dict[int, int] = {}
    for replies in below.values():
        for row in replies:
            sent[row[5]] = sent.get(row[5], 0) + 1
    if wanted.parent is None:
        comments = ",".join(
            _splice(row[3], row[1], below, f',"more":{max(0, row[5] - sent.get(row[1], 0))}') for row in tops
        )
    else:
        comments = ",".join(row[3][:-1] + ',"replies":[]}' for row in tops)
    head = msgspec.json.encode(
        {
            "channel": {
                "id": str(channel),
                "key": key,
                "seq": seq,
                "url": url,
                "title": title,
                "comments": count,
                "locked": bool(locked),
            },
            "position": str(site.position(channel, seq)),
        }
    )
    tail = f',"page":{{"sort":"{wanted.sort}","comments":[{comments}],"cursor":{_json(cursor)}}}'
    return Loaded(head[1:-1] + tail.encode(), seq)


def _splice(json: str, comment_id: int, below: dict[int, list[tuple[Any, ...]]], more: str = "") -> str:
    replies = below.get(comment_id, ())
    inner = ",".join(_splice(row[3], row[1], below) for row in replies)
    return f'{json[:-1]},"replies":[{inner}]{more}}}'


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def with_source(json: str, source: str) -> bytes:
    """A comment's JSON with its Markdown source: for its author only."""
    return f'{json[:-1]},"source":{_json(source)}}}'.encode()


def mine(rows: list[tuple[Any, ...]]) -> bytes:
    """The object ``me`` from rows of (kind, id, value)."""
    votes = {str(row[1]): row[2] for row in rows if row[0] == "v"}
    blocked = [str(row[1]) for row in rows if row[0] == "b"]
    return msgspec.json.encode({"votes": votes, "blocked": blocked})


NOBODY = mine([])
