"""Pages of comments: the one statement behind each sort order, and the JSON put together from its rows.

May touch: database (the Query type), cache (Loaded). Rows carry each comment's JSON text ready made; replies are
spliced into their parents' text, nothing is parsed.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
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


# One snapshot for the channel's seq and for all rows: that is what makes the seq the version of the page. Five columns,
# as each value costs time to read:
#   0, seq, -, key, rest of its JSON        the channel
#   1, id, place, JSON, rank/n_thread       a root, or what else was asked for
#   2, id, parent, JSON, -                  a reply below one of them
_CHANNEL = """
    select 0, ch.seq, 0::bigint, ch.key,
        concat('"url":', to_json(ch.url), ',"title":', to_json(ch.title), ',"comments":', ch.n_visible,
               ',"locked":', case when ch.locked then 'true' else 'false' end)
      from channel ch where ch.site_id = $1 and ch.id = $2
"""
_PAGE = """
    with roots as (
      select c as row, c.id, row_number() over (order by {order}) as n
      from comment c
      where c.site_id = $1 and c.channel_id = $2 and c.parent_id is null and c.shown and {begin}
      order by {order} limit $3 + 1
    )
    {channel}
    union all
    select 1, r.id, r.n, comment_json(r.row), concat((r.row).rank, '/', (r.row).n_thread) from roots r
    union all
    select 2, x.id, x.parent_id, comment_json(x.row), null from roots r
      cross join lateral (
        select y as row, y.id, y.parent_id from comment y
        where y.site_id = $1 and y.channel_id = $2 and y.root_id = r.id and y.parent_id is not null and y.shown
        order by y.id limit {replies}
      ) x
    where r.n <= $3
"""
PAGE_BEST = Query(
    "page_best",
    _PAGE.format(
        begin="(c.rank, c.id) < ($4, $5)", order="c.rank desc, c.id desc", replies=REPLIES, channel=_CHANNEL
    ),
    ("int", "bigint", "int", "real", "bigint"),
)
PAGE_NEW = Query(
    "page_new",
    _PAGE.format(begin="c.id < $4", order="c.id desc", replies=REPLIES, channel=_CHANNEL),
    ("int", "bigint", "int", "bigint"),
)
PAGE_OLD = Query(
    "page_old",
    _PAGE.format(begin="c.id > $4", order="c.id", replies=REPLIES, channel=_CHANNEL),
    ("int", "bigint", "int", "bigint"),
)
PAGE_REPLIES = Query(
    "page_replies",
    f"""
    {_CHANNEL}
    union all
    (select 1, x.id, x.id, comment_json(x), '/0' from comment x
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
    seq, rest = 0, '"url":"","title":"","comments":0,"locked":false'
    tops: list[tuple[Any, ...]] = []
    below: dict[int, list[tuple[Any, ...]]] = {}
    for row in rows:
        kind = row[0]
        if kind == 2:
            siblings = below.get(row[2])
            if siblings is None:
                below[row[2]] = [row]
            else:
                siblings.append(row)
        elif kind == 1:
            tops.append(row)
        elif row[3] == key:
            _, seq, _, _, rest = row
        else:
            # Another key of this site has the same id: this one can't have comments.
            return build(site, channel, key, wanted, [])
    tops.sort(key=_place)
    cursor = None
    if len(tops) > wanted.size:
        tops = tops[: wanted.size]
        cursor = _next_cursor(tops[-1][4].partition("/")[0], tops[-1][1])
    parts = [
        f'"channel":{{"id":"{channel}","key":{_json(key)},"seq":{seq},{rest}}},'
        f'"position":"{site.position(channel, seq)}","page":{{"sort":"{wanted.sort}","comments":['
    ]
    add = parts.append
    comma = ""
    for row in tops:
        add(comma)
        add(row[3][:-1])
        comma = ","
        if wanted.parent is not None:
            add(',"replies":[]}')
            continue
        add(',"replies":[')
        sent = _splice(below.get(row[1]), below, add)
        add(f'],"more":{max(0, int(row[4].rpartition("/")[2]) - sent)}}}')
    add(f'],"cursor":{_json(cursor)}}}')
    return Loaded("".join(parts).encode(), seq)


def _place(row: tuple[Any, ...]) -> int:
    place: int = row[2]
    return place


def _splice(rows: list[tuple[Any, ...]] | None, below: Any, add: Callable[[str], None]) -> int:
    """Add *rows* and all that is below them; gives how many there were."""
    if rows is None:
        return 0
    count = len(rows)
    comma = ""
    for row in rows:
        children = below.get(row[1])
        if children is None:
            add(f'{comma}{row[3][:-1]},"replies":[]}}')
        else:
            add(f'{comma}{row[3][:-1]},"replies":[')
            count += _splice(children, below, add)
            add("]}")
        comma = ","
    return count


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
