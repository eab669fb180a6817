"""What servers that keep a copy of a site's comments ask for: what is new on a page, and what changed."""

from __future__ import annotations

from cackled.database.query import Query

_ROW = """
  select c.id, c.parent_id, h.id, h.key, h.url, h.title, c.html, c.up - c.down, c.status,
    floor(extract(epoch from c.created_at) * 1000)::bigint, floor(extract(epoch from c.modified_at) * 1000)::bigint,
    host(c.ip), c.author_name, c.visitor_id, p.name, p.email, p.url, p.avatar, i.provider, i.subject,
    c.media
  from comment c
  join channel h on h.site_id = c.site_id and h.id = c.channel_id
  left join person p on p.site_id = c.site_id and p.visitor_id = c.visitor_id
  left join lateral (
    select x.provider, x.subject from person_identity x where x.site_id = c.site_id and x.visitor_id = c.visitor_id
    order by x.provider = 'sso' desc, x.provider limit 1
  ) i on true
"""
# Of a page, by number: each of the four is read along an index of its own.
SELECT_AFTER = Query(
    "select_comments_after",
    f"""
    {_ROW}
    where c.site_id = $1 and c.id = any(array(
      (select x.id from comment x where x.site_id = $1 and x.channel_id = $2 and x.parent_id is null and x.shown
         and x.id > $3 order by x.id limit $4)
      union all
      (select x.id from comment x where x.site_id = $1 and x.channel_id = $2 and x.parent_id is not null and x.shown
         and x.id > $3 order by x.id limit $4)
      union all
      (select x.id from comment x where x.site_id = $1 and x.status = 0 and x.channel_id = $2 and not x.shown
         and x.id > $3 order by x.id limit $4)
      union all
      (select x.id from comment x where x.site_id = $1 and x.status > 1 and x.channel_id = $2 and not x.shown
         and x.id > $3 order by x.id limit $4)
    )) order by c.id limit $4
    """,
    ("int", "bigint", "bigint", "int"),
)
# Of all pages, by number.
SELECT_ALL_AFTER = Query(
    "select_all_comments_after",
    f"{_ROW} where c.site_id = $1 and c.id > $2 order by c.id limit $3",
    ("int", "bigint", "int"),
)
# What changed at $3 (seconds) or later, in the order of changes. $2: the page, or null.
SELECT_MODIFIED = Query(
    "select_modified_comments",
    f"""
    {_ROW}
    where c.site_id = $1 and ($2::bigint is null or c.channel_id = $2) and c.modified_at >= to_timestamp($3)
    order by c.modified_at, c.id limit $4 offset $5
    """,
    ("int", "bigint", "float8", "int", "int"),
)
COUNT_MODIFIED = Query(
    "count_modified_comments",
    """
    select count(*) from (
      select from comment c where c.site_id = $1 and ($2::bigint is null or c.channel_id = $2)
        and c.modified_at >= to_timestamp($3) limit 1000000) x
    """,
    ("int", "bigint", "float8"),
)
SELECT_CHANNELS = Query(
    "select_modified_channels",
    """
    select h.id, h.key, h.url, h.title, floor(extract(epoch from h.modified_at) * 1000)::bigint from channel h
    where h.site_id = $1 and h.product = 'comments' and h.modified_at >= to_timestamp($2)
    order by h.modified_at, h.id limit $3 offset $4
    """,
    ("int", "float8", "int", "int"),
)
