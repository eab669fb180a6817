"""Pages of comments: the one statement behind each sort order, and the JSON put together from its rows.

Rows carry each comment's JSON text ready made; replies are spliced into their parents' text, nothing is parsed.
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


# One snapshot for the channel's seq and for all rows: that is what makes the seq the version of the page. One row, as
# each value, and each piece that the server sends, costs time to read:
#   seq, key, rest of its JSON                            the channel; seq is null where there is none
#   id,id,..   n_thread,..   rank   JSON}<sep>JSON}..     roots in their order, or what was asked for; rank of the last
#   id,id,..   parent,..            JSON}<sep>JSON}..     replies below them, by id
# JSON text holds no control character, so the separator is none of its own.
_SEPARATOR = "}\x1f"
_CHANNEL = """
    (select 1) one left join (
      select seq, key, concat('"url":', to_json(url), ',"title":', to_json(title), ',"comments":', n_visible,
                              ',"locked":', case when locked then 'true' else 'false' end) as rest
      from channel where site_id = $1 and id = $2
    ) ch on true
"""
_PAGE = """
    with roots as (
      select c as row, c.id, row_number() over (order by {order}) as n
      from comment c
      where c.site_id = $1 and c.channel_id = $2 and c.parent_id is null and c.shown and {begin}
      order by {order} limit $3 + 1
    )
    select ch.seq, ch.key, ch.rest, t.ids, t.counts, t.rank, t.jsons, b.ids, b.parents, b.jsons
    from {channel}, (
      select string_agg(r.id::text, ',' order by r.n) as ids,
             string_agg((r.row).n_thread::text, ',' order by r.n) as counts,
             max((r.row).rank::text) filter (where r.n = $3) as rank,
             string_agg(comment_json(r.row), chr(31) order by r.n) as jsons
      from roots r
    ) t, (
      select string_agg(x.id::text, ',' order by x.id) as ids,
             string_agg(x.parent_id::text, ',' order by x.id) as parents,
             string_agg(comment_json(x.row), chr(31) order by x.id) as jsons
      from roots r cross join lateral (
        select y as row, y.id, y.parent_id from comment y
        where y.site_id = $1 and y.channel_id = $2 and y.root_id = r.id and y.parent_id is not null and y.shown
        order by y.id limit {replies}
      ) x
      where r.n <= $3
    ) b
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
    select ch.seq, ch.key, ch.rest, t.ids, null, null, t.jsons, null, null, null
    from {_CHANNEL}, (
      select string_agg(x.id::text, ',' order by x.id) as ids,
             string_agg(comment_json(x.row), chr(31) order by x.id) as jsons
      from (
        select y as row, y.id from comment y
        where y.site_id = $1 and y.channel_id = $2 and y.root_id = $4 and y.parent_id is not null and y.shown
          and y.id > $5
        order by y.id limit $3 + 1
      ) x
    ) t
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


_NONE = (None,) * 10
_NO_CHANNEL = '"url":"","title":"","comments":0,"locked":false'


def build(site: Site, channel: int, key: str, wanted: Wanted, rows: list[tuple[Any, ...]]) -> Loaded:
    """The members ``channel``, ``position`` and ``page`` of an answer, without outer braces, at the row's seq."""
    row = rows[0]
    if row[1] != key:
        # Nobody has written here, or another key of this site has the same id: then this one can't have comments.
        row = _NONE
    seq = row[0] or 0
    ids, jsons = _parts(row[3], row[6])
    cursor = None
    if len(ids) > wanted.size:
        ids = ids[: wanted.size]
        cursor = _next_cursor(row[5] or "", int(ids[-1]))
    parts = [
        f'"channel":{{"id":"{channel}","key":{_json(key)},"seq":{seq},{row[2] or _NO_CHANNEL}}},'
        f'"position":"{site.position(channel, seq)}","page":{{"sort":"{wanted.sort}","comments":['
    ]
    add = parts.append
    if wanted.parent is not None:
        add(_joined(jsons[: len(ids)]))
    else:
        below: dict[str, list[tuple[str, str]]] = {}
        if row[7] is not None:
            for one, parent, json in zip(row[7].split(","), row[8].split(","), _split(row[9]), strict=True):
                siblings = below.get(parent)
                if siblings is None:
                    below[parent] = [(one, json)]
                else:
                    siblings.append((one, json))
        head = ""
        for one, json, count in zip(ids, jsons, (row[4] or "").split(","), strict=False):
            siblings = below.get(one)
            if siblings is None:
                add(f'{head}{json},"replies":[],"more":{count}}}')
            else:
                add(f'{head}{json},"replies":[')
                sent = _splice(siblings, below, add)
                add(f'],"more":{max(0, int(count) - sent)}}}')
            head = ","
    add(f'],"cursor":{_json(cursor)}}}')
    return Loaded("".join(parts).encode(), seq)


def _split(jsons: str) -> list[str]:
    """The comments in *jsons*, each without its last brace."""
    found = jsons.split(_SEPARATOR)
    found[-1] = found[-1][:-1]
    return found


def _parts(ids: str | None, jsons: str | None) -> tuple[list[str], list[str]]:
    return ([], []) if ids is None or jsons is None else (ids.split(","), _split(jsons))


def _joined(jsons: list[str]) -> str:
    return ',"replies":[]},'.join(jsons) + ',"replies":[]}' if jsons else ""


def _splice(
    siblings: list[tuple[str, str]], below: dict[str, list[tuple[str, str]]], add: Callable[[str], None]
) -> int:
    """Add *siblings* and all that is below them; gives how many there were."""
    count = len(siblings)
    head = ""
    for one, json in siblings:
        children = below.get(one)
        if children is None:
            add(f'{head}{json},"replies":[]}}')
        else:
            add(f'{head}{json},"replies":[')
            count += _splice(children, below, add)
            add("]}")
        head = ","
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
