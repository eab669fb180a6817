"""Reviews as they are judged. Stars are nothing that is judged: no rule can hold back what is not praise."""

from __future__ import annotations

from cackled.database.query import Query
from cackled.moderation.judged import Judged

_WORDS = "concat_ws(E'\\n\\n', nullif(c.title, ''), nullif(c.pros, ''), nullif(c.cons, ''), nullif(c.src, ''))"
_ITEM = f"""
    select c.id, c.channel_id, h.key, c.visitor_id, c.author_name, {_WORDS}, c.html, c.parent_id, h.title, h.url,
      extract(epoch from h.created_at)::float8, extract(epoch from c.created_at)::float8,
      (select count(*) from (
        select from review b where b.site_id = c.site_id and b.visitor_id = c.visitor_id and b.id < c.id
          and b.status = 1 limit 200) x)::int,
      (array['pending', 'approved', 'spam', 'rejected', 'deleted'])[c.status + 1]
    from {{reviews}} c join channel h on h.site_id = c.site_id and h.id = c.channel_id
"""
JUDGED = Judged(
    kind="review",
    items=Query(
        "select_judged_reviews",
        _ITEM.format(reviews="review") + " where c.site_id = $1 and c.id = any($2) and not c.wiped",
        ("int", "bigint[]"),
    ),
    # By their ids, which are in the order of the time that they came.
    recent=Query(
        "select_recent_reviews",
        _ITEM.format(
            reviews="""(
              select * from review x where x.site_id = $1 and not x.wiped and x.id > greatest(
                $2, (($3 * 1000000)::bigint - 1735689600000000) << 12)
              order by x.id limit $4)"""
        )
        + " order by c.id",
        ("int", "bigint", "float8", "int"),
    ),
    record=Query(
        "select_review_record",
        """
        select (count(*) filter (where status = 1))::int, (count(*) filter (where status = 0))::int,
          (count(*) filter (where status = 3))::int, (count(*) filter (where status = 2))::int,
          extract(epoch from now() - max(created_at))::float8
        from (
          select status, created_at from review where site_id = $1 and visitor_id = $2 order by id desc limit 200
        ) x
        """,
        ("int", "bigint"),
    ),
    total=Query(
        "count_recent_reviews",
        """
        select count(*)::int from (
          select from review x where x.site_id = $1 and x.id > (($2 * 1000000)::bigint - 1735689600000000) << 12
          limit $3
        ) y
        """,
        ("int", "float8", "int"),
    ),
)
