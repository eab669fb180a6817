"""Comments as they are judged."""

from __future__ import annotations

from cackled.database.query import Query
from cackled.moderation.judged import Judged

_ITEM = """
    select c.id, c.channel_id, h.key, c.visitor_id, c.author_name, c.src, c.html, c.parent_id, h.title, h.url,
      extract(epoch from h.created_at)::float8, extract(epoch from c.created_at)::float8,
      (select count(*) from (
        select from comment b where b.site_id = c.site_id and b.visitor_id = c.visitor_id and b.id < c.id
          and b.status = 1 limit 200) x)::int,
      (array['pending', 'approved', 'spam', 'rejected', 'deleted'])[c.status + 1]
    from {comments} c join channel h on h.site_id = c.site_id and h.id = c.channel_id
"""
SELECT_JUDGED_COMMENTS = Query(
    "select_judged_comments",
    _ITEM.format(comments="comment") + " where c.site_id = $1 and c.id = any($2) and c.src <> ''",
    ("int", "bigint[]"),
)
# By their ids, which are in the order of time: from the first that may be so young.
SELECT_RECENT_COMMENTS = Query(
    "select_recent_comments",
    _ITEM.format(
        comments="""(
          select * from comment x where x.site_id = $1 and x.id > greatest(
            $2, (($3 * 1000000)::bigint - 1735689600000000) << 12)
          order by x.id limit $4)"""
    )
    + " order by c.id",
    ("int", "bigint", "float8", "int"),
)
SELECT_COMMENT_RECORD = Query(
    "select_comment_record",
    """
    select (count(*) filter (where status = 1))::int, (count(*) filter (where status = 0))::int,
      (count(*) filter (where status = 3))::int, (count(*) filter (where status = 2))::int,
      extract(epoch from now() - max(created_at))::float8
    from (
      select status, created_at from comment where site_id = $1 and visitor_id = $2 order by id desc limit 200
    ) x
    """,
    ("int", "bigint"),
)
COUNT_RECENT_COMMENTS = Query(
    "count_recent_comments",
    """
    select count(*)::int from (
      select from comment x where x.site_id = $1 and x.id > (($2 * 1000000)::bigint - 1735689600000000) << 12 limit $3
    ) y
    """,
    ("int", "float8", "int"),
)

JUDGED = Judged(
    kind="comment",
    items=SELECT_JUDGED_COMMENTS,
    recent=SELECT_RECENT_COMMENTS,
    record=SELECT_COMMENT_RECORD,
    total=COUNT_RECENT_COMMENTS,
)
