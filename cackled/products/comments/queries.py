"""What comments ask of the database, each in one statement."""

from __future__ import annotations

from typing import Any

import msgspec

from cackled.database.query import Query
from cackled.moderation.verdict import Verdict

POST_COMMENT = Query(
    "post_comment",
    "select comment, seq, replayed, source from "
    "post_comment($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
    (
        "int", "bigint", "text", "text", "text", "bigint", "text", "inet", "text", "bigint", "text", "text", "text",
        "text", "int", "boolean", "text",
    ),
)  # fmt: skip
# Several of one channel. One that is refused, or was written before, takes the others with it: then each is written by
# itself.
POST_COMMENTS = Query(
    "post_comments",
    "select comment, seq, replayed, source from "
    "post_comments($1, $2, $3, $4, $5, $6, $7, $8::inet[], $9, $10, $11, $12, $13, $14, $15, $16)",
    (
        "int", "bigint", "text", "text[]", "text[]", "bigint[]", "text[]", "text[]", "text[]", "bigint[]", "text[]",
        "text[]", "text[]", "text[]", "int", "boolean",
    ),
)  # fmt: skip
# The same, and the moderators are written to in a minute of all that there is by then, unless that is due already.
_MAILED = """
    with p as materialized ({posted}), m as (
      insert into outbox (site_id, kind, body, next_at)
      select $1, 'mail', concat('{{"about":"comments","id":"', p.comment::json ->> 'id', '"}}'),
             now() + interval '1 minute'
      from p where not p.replayed and not exists (
        select from outbox x where x.site_id = $1 and x.kind = 'mail' and x.done_at is null and x.dead_at is null
          and x.tries = 0 and x.body like '{{"about":"comments"%')
      order by p.seq limit 1
    )
    select * from p
"""
POST_COMMENT_MAILED = Query("post_comment_mailed", _MAILED.format(posted=POST_COMMENT.sql), POST_COMMENT.types)
POST_COMMENTS_MAILED = Query("post_comments_mailed", _MAILED.format(posted=POST_COMMENTS.sql), POST_COMMENTS.types)
EDIT_COMMENT = Query(
    "edit_comment",
    "select comment, seq, channel from edit_comment($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    ("int", "bigint", "bigint", "inet", "text", "text", "text", "int", "boolean", "text"),
)
# Whether a visitor may change a comment: asked before any work is done for its new text. EDIT_COMMENT asks again.
SELECT_EDITABLE = Query(
    "select_editable",
    """
    select c.visitor_id = $3, c.created_at >= now() - make_interval(secs => $4), c.channel_id, h.key, c.author_name,
      coalesce((select r.media from comment_revision r where r.site_id = $1 and r.comment_id = c.id), c.media) <> ''
    from comment c join channel h on h.site_id = $1 and h.id = c.channel_id where c.site_id = $1 and c.id = $2
      and (c.status = 1 or c.visitor_id = $3 and (c.status in (0, 2) or c.shadow))
    """,
    ("int", "bigint", "bigint", "int"),
)
DELETE_COMMENT = Query(
    "delete_comment",
    "select seq, channel from delete_comment($1, $2, $3, $4, $5)",
    ("int", "bigint", "bigint", "boolean", "text"),
)
VOTE_COMMENTS = Query(
    "vote_comments",
    "select up, down, seq, channel, refused, counted from vote_comments($1, $2, $3, $4, $5)",
    ("int", "bigint", "bigint[]", "int[]", "text[]"),
)
REACT_COMMENTS = Query(
    "react_comments",
    "select reactions, seq, channel, refused from react_comments($1, $2, $3, $4, $5, $6)",
    ("int", "bigint", "bigint[]", "text[]", "boolean[]", "text[]"),
)
SELECT_COMMENT = Query(
    "select_comment",
    """
    select case when c.visitor_id = $3 then own_comment_json(c) else comment_json(c) end, c.src, c.visitor_id, h.seq,
      c.channel_id, h.url
    from comment c join channel h on h.site_id = c.site_id and h.id = c.channel_id
    where c.site_id = $1 and c.id = $2 and (c.shown or c.visitor_id = $3 and (c.status in (0, 2) or c.shadow))
    """,
    ("int", "bigint", "bigint"),
)
SELECT_CHANNEL_OF = Query(
    "select_channel_of", "select channel_id from comment where site_id = $1 and id = $2", ("int", "bigint")
)
SELECT_COUNTS = Query(
    "select_counts",
    """
    select h.key, k.n_visible, h.seq from channel h join comment_channel k on k.site_id = $1 and k.channel_id = h.id
    where h.site_id = $1 and h.id = any($2)
    """,
    ("int", "bigint[]"),
)
# Votes, reactions, blocks, and comments that look to their author, or to a voter, as to nobody else: what waits, what
# nobody else sees, what is going to be changed, and what of a visitor's own is counted for them alone.
SELECT_MINE = Query(
    "select_mine",
    """
    (select 'v', v.comment_id, v.value::int, '' from vote v
     where v.site_id = $1 and v.channel_id = $2 and v.visitor_id = $3 order by v.comment_id desc limit 1000)
    union all
    (select 'b', b.author_id, 0, '' from block b where b.site_id = $1 and b.visitor_id = $3 limit 1000)
    union all
    (select 'o', c.id, 0, own_comment_json(c) from comment c
     where c.site_id = $1 and c.visitor_id = $3 and c.channel_id = $2 and (c.status in (0, 2) or c.shadow)
     order by c.id desc limit 100)
    union all
    (select 'o', c.id, 0, revised_comment_json(c) from comment_revision r
     join comment c on c.site_id = $1 and c.id = r.comment_id
     where r.site_id = $1 and c.visitor_id = $3 and c.channel_id = $2 and c.status = 1 limit 100)
    union all
    (select 'r', r.comment_id, 0, r.name from comment_reaction r
     where r.site_id = $1 and r.channel_id = $2 and r.visitor_id = $3 order by r.comment_id desc limit 1000)
    union all
    (select 'o', c.id, 0, seen_comment_json(c, $3) from (
       select v.comment_id from vote v
       where v.site_id = $1 and v.channel_id = $2 and v.visitor_id = $3 and not v.counted
       union
       select r.comment_id from comment_reaction r
       where r.site_id = $1 and r.channel_id = $2 and r.visitor_id = $3 and not r.counted
     ) x join comment c on c.site_id = $1 and c.id = x.comment_id and c.status = 1 limit 100)
    """,
    ("int", "bigint", "bigint"),
)

_STATES = ("pending", "approved", "spam", "rejected")
_STATUS = {"pending": 0, "approved": 1, "spam": 2, "rejected": 3}


def state_of(verdict: str) -> str:
    """The state that a stored verdict leads to."""
    return _STATES[msgspec.json.decode(verdict).get("status", _STATUS["approved"])]


def stored_verdict(verdict: Verdict, mail: int | None = None) -> str | None:
    """*verdict* as the database functions take it; None where there is nothing to note.

    *mail*: moderators are written to in so many seconds of what waits by then.
    """
    if verdict.shown and not verdict.reasons:
        return None
    made = {
        "status": _STATUS[verdict.state], "marks": verdict.reasons or (verdict.state,), "score": verdict.score,
        "words": verdict.words, "mail": mail,
    }  # fmt: skip
    return msgspec.json.encode(made).decode()


def with_pictures(verdict: str | None, pictures: list[dict[str, Any]]) -> str:
    """A stored verdict, or none, as the database functions take it, with the pictures of the comment."""
    made = {} if verdict is None else msgspec.json.decode(verdict)
    return msgspec.json.encode({**made, "media": pictures or ""}).decode()
