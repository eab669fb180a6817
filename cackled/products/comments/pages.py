"""Pages of comments: the one statement behind each sort order, and the JSON put together from its rows.

Rows carry each comment's JSON text ready made; replies are spliced into their parents' text, nothing is parsed.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Literal

import msgspec
from msgspec import Struct

from cackled.cache.types import Loaded
from cackled.database.query import Query
from cackled.domain.errors import BadField
from cackled.domain.site import Site

Sort = Literal["best", "new", "old", "discussed"]
MAX_SIZE = 100
# Replies that come with a root; the rest is asked for by `parent=`.
REPLIES = 50
_LAST = 2**63 - 1
# What a page may hold of roots (at least one comes) and of replies to them, in bytes of HTML and what goes with it.
# JSON takes up to twice that: quotation marks and line ends are two characters in it.
ROOT_BYTES = 80 * 1024
REPLY_BYTES = 144 * 1024
# What a comment's JSON takes beside its HTML.
COMMENT_BYTES = 400
# No page is longer, whatever was written: what the first render and every read are bounded by.
MOST_BYTES = 2 * (ROOT_BYTES + REPLY_BYTES) + 16 * 1024


class Wanted(Struct, frozen=True):
    """Which page: order, how many roots, where it begins, and below which root (None: the roots themselves)."""

    sort: Sort = "best"
    size: int = 25
    cursor: str = ""
    parent: int | None = None


# One snapshot for the channel's seq and for all rows: that is what makes the seq the version of the page. One row, as
# each value, and each piece that the server sends, costs time to read:
#   seq, key, rest of its JSON                            the channel; seq is null where there is none
#   id,id,..   n_thread,..   rank   JSON<sep>JSON..       roots in their order, or what was asked for; rank of the last
#   id,id,..   parent,..            JSON<sep>JSON..       replies below them, by id
# The rank is null where nothing comes after these. JSON is without its last brace, as replies go in before it; it holds
# no control character, so the separator is none of its own. Sizes are known without reading what is stored out of line,
# and JSON is made of what is sent only. Where not all replies fit, each root has its first before any has its second:
# those that are there are always the oldest ones.
_SEPARATOR = "\x1f"
# What a comment without replies goes on with.
_LEAF = ',"replies":[]}'
_CHANNEL = """
    (select 1) one left join (
      select h.seq, h.key, concat(
               '"url":', to_json(h.url), ',"title":', to_json(h.title), ',"comments":', coalesce(k.n_visible, 0),
               ',"locked":', case when h.locked then 'true' else 'false' end, channel_extra(k)) as rest
      from channel h left join comment_channel k on k.site_id = $1 and k.channel_id = $2
      where h.site_id = $1 and h.id = $2
    ) ch on true
"""
_BYTES = f"octet_length(c.html) + octet_length(c.media) + {COMMENT_BYTES}"
_PAGE = """
    with roots as (
      select c as row, c.id, c.rank, row_number() over w as n, sum({bytes}) over w as bytes
      from comment c
      where c.site_id = $1 and c.channel_id = $2 and c.parent_id is null and c.shown and {begin}
      window w as (order by {order} rows unbounded preceding)
      order by {order} limit $3 + 1
    ), replies as (
      select x.row, x.id, x.parent_id, x.bytes, r.n
      from roots r cross join lateral (
        select c as row, c.id, c.parent_id, {bytes} as bytes from comment c
        where c.site_id = $1 and c.channel_id = $2 and c.root_id = r.id and c.parent_id is not null and c.shown
        order by c.id limit {replies}
      ) x
      where {sent}
    )
    select ch.seq, ch.key, ch.rest, t.ids, t.counts, t.rank, t.jsons, b.ids, b.parents, b.jsons
    from {channel}, (
      select string_agg(r.id::text, ',' order by r.n) as ids,
             string_agg((r.row).n_thread::text, ',' order by r.n) as counts,
             case when count(*) < (select count(*) from roots) then {rank} end as rank,
             string_agg(comment_open(r.row), chr(31) order by r.n) as jsons
      from roots r where {sent}
    ) t, (
      select string_agg(x.id::text, ',' order by x.id) as ids,
             string_agg(x.parent_id::text, ',' order by x.id) as parents,
             string_agg(comment_open(x.row), chr(31) order by x.id) as jsons
      from replies x
      where (select sum(s.bytes) from replies s) <= {reply_bytes} or x.id in (
        select f.id
        from (
          select s.id, sum(s.bytes) over (order by s.k, s.n rows unbounded preceding) as bytes
          from (select i.*, row_number() over (partition by i.n order by i.id) as k from replies i) s
        ) f
        where f.bytes <= {reply_bytes}
      )
    ) b
"""


def _page(begin: str, order: str, rank: str) -> str:
    sent = f"(r.n = 1 or (r.n <= $3 and r.bytes <= {ROOT_BYTES}))"
    return _PAGE.format(
        begin=begin, order=order, rank=rank, replies=REPLIES, channel=_CHANNEL, bytes=_BYTES, sent=sent,
        reply_bytes=REPLY_BYTES,
    )  # fmt: skip


PAGE_BEST = Query(
    "page_best",
    _page("(c.rank, c.id) < ($4, $5)", "c.rank desc, c.id desc", "min(r.rank)::text"),
    ("int", "bigint", "int", "real", "bigint"),
)
PAGE_NEW = Query("page_new", _page("c.id < $4", "c.id desc", "''"), ("int", "bigint", "int", "bigint"))
PAGE_OLD = Query("page_old", _page("c.id > $4", "c.id", "''"), ("int", "bigint", "int", "bigint"))
PAGE_DISCUSSED = Query(
    "page_discussed",
    _page("(c.n_thread, c.id) < ($4, $5)", "c.n_thread desc, c.id desc", "min((r.row).n_thread)::text"),
    ("int", "bigint", "int", "int", "bigint"),
)
PAGE_REPLIES = Query(
    "page_replies",
    f"""
    select ch.seq, ch.key, ch.rest, t.ids, null, t.rank, t.jsons, null, null, null
    from {_CHANNEL}, (
      select string_agg(x.id::text, ',' order by x.id) filter (where x.sent) as ids,
             case when bool_or(not x.sent) then '' end as rank,
             string_agg(comment_open(x.row), chr(31) order by x.id) filter (where x.sent) as jsons
      from (
        select y.*, y.n = 1 or (y.n <= $3 and y.bytes <= {ROOT_BYTES + REPLY_BYTES}) as sent
        from (
          select c as row, c.id, row_number() over w as n, sum({_BYTES}) over w as bytes from comment c
          where c.site_id = $1 and c.channel_id = $2 and c.root_id = $4 and c.parent_id is not null and c.shown
            and c.id > $5
          window w as (order by c.id rows unbounded preceding)
          order by c.id limit $3 + 1
        ) y
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
    if wanted.sort == "discussed":
        return PAGE_DISCUSSED, (wanted.size, 2**31 - 1 if rank is None else int(float(rank)), last or _LAST)
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
            # A rank as the column holds it: PostgreSQL refuses what a real can't. Of the most discussed, a count.
            number = float(rank)
            if not (number == 0 or 1e-37 < abs(number) < 2**31):
                raise ValueError
            rank = repr(number)
        if not 0 <= int(last) <= _LAST:
            raise ValueError
        return rank or None, int(last)
    except (ValueError, UnicodeError):
        raise BadField("That cursor is not one of ours.", field="cursor") from None


def next_cursor(rank: str, last: int) -> str:
    """The cursor of the page behind a comment of that rank (``""`` where order goes by numbers) and number."""
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
    cursor = None if row[5] is None else next_cursor(row[5], int(ids[-1]))
    parts = [
        f'"channel":{{"id":"{channel}","key":{_json(key)},"seq":{seq},{row[2] or _NO_CHANNEL}}},'
        f'"position":"{site.position(channel, seq)}","page":{{"sort":"{wanted.sort}","comments":['
    ]
    add = parts.append
    if wanted.parent is not None:
        add(_joined(jsons))
    else:
        below, counts = _replies(ids, row) if row[7] is not None else ({}, {})
        head = ""
        for one, json, count in zip(ids, jsons, (row[4] or "").split(","), strict=False):
            if one in below:
                add(f'{head}{json},"replies":[{below[one]}],"more":{max(0, int(count) - counts[one])}}}')
            else:
                add(f'{head}{json},"replies":[],"more":{count}}}')
            head = ","
    add(f'],"cursor":{_json(cursor)}}}')
    return Loaded("".join(parts).encode(), seq)


def _parts(ids: str | None, jsons: str | None) -> tuple[list[str], list[str]]:
    return ([], []) if ids is None or jsons is None else (ids.split(","), jsons.split(_SEPARATOR))


def _joined(jsons: list[str]) -> str:
    return f"{_LEAF},".join(jsons) + _LEAF if jsons else ""


def _replies(roots: list[str], row: tuple[Any, ...]) -> tuple[dict[str, str], dict[str, int]]:
    """By comment: the JSON of all that is below it, and how much that is; only for *roots* it is complete."""
    ones, parents, jsons = row[7].split(","), row[8].split(","), row[9].split(_SEPARATOR)
    answered = set(parents).difference(roots)
    groups: dict[str, list[str]] = {}
    if not answered:
        # Nobody answers a reply.
        for parent, json in zip(parents, jsons, strict=True):
            if parent in groups:
                groups[parent].append(json)
            else:
                groups[parent] = [json]
        return {one: _joined(group) for one, group in groups.items()}, {one: len(them) for one, them in groups.items()}
    # From the last: an answer has a higher number than what it answers, so that its own answers are complete before it.
    deeper: dict[str, int] = {}
    for lists in (ones, parents, jsons):
        lists.reverse()
    for one, parent, json in zip(ones, parents, jsons, strict=True):
        if one in answered and one in groups:
            group = groups.pop(one)
            group.reverse()
            deeper[parent] = deeper.get(parent, 0) + deeper.get(one, 0) + len(group)
            json = f'{json},"replies":[{",".join(group)}]}}'
        else:
            json += _LEAF
        if parent in groups:
            groups[parent].append(json)
        else:
            groups[parent] = [json]
    below = {}
    for one, group in groups.items():
        group.reverse()
        below[one] = ",".join(group)
        deeper[one] = deeper.get(one, 0) + len(group)
    return below, deeper


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def with_source(json: str, source: str) -> bytes:
    """A comment's JSON with its Markdown source: for its author only."""
    return f'{json[:-1]},"source":{_json(source)}}}'.encode()


def mine(rows: list[tuple[Any, ...]]) -> bytes:
    """The object ``me`` from rows of (kind, id, value, JSON or name).

    ``own`` and ``reactions`` are there where there is something in them.
    """
    votes = {str(row[1]): row[2] for row in rows if row[0] == "v"}
    blocked = [str(row[1]) for row in rows if row[0] == "b"]
    reactions: dict[str, list[str]] = {}
    for row in rows:
        if row[0] == "r":
            reactions.setdefault(str(row[1]), []).append(row[3])
    own = [msgspec.Raw(row[3]) for row in rows if row[0] == "o"]
    return msgspec.json.encode(
        {"votes": votes, "blocked": blocked}
        | ({"reactions": reactions} if reactions else {}) | ({"own": own} if own else {})
    )  # fmt: skip


NOBODY = mine([])
