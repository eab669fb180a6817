"""What is deleted from the tables of comments once nobody needs it."""

from __future__ import annotations

from cackled.database.query import Query
from cackled.domain.housekeeping import BATCH

# A client that never heard its answer asks again within minutes.
EXPIRE_POST_KEYS = Query(
    "expire_post_keys",
    f"""
    with gone as (
      delete from post_key where ctid = any(array(
        select ctid from post_key where created_at < now() - interval '48 hours' limit {BATCH}
      )) returning 1
    )
    select count(*) from gone
    """,
)
# Texts that moderators removed, with them.
EXPIRE_REMOVALS = Query(
    "expire_removals",
    f"""
    with gone as (
      delete from removal where ctid = any(array(
        select ctid from removal where created_at < now() - interval '7 days' limit {BATCH}
      )) returning 1
    )
    select count(*) from gone
    """,
)
# So long moderators can bring back what they deleted.
EXPIRE_KEPT = Query(
    "expire_kept_comments",
    f"""
    with gone as (
      delete from comment_kept where ctid = any(array(
        select ctid from comment_kept where created_at < now() - interval '30 days' limit {BATCH}
      )) returning 1
    )
    select count(*) from gone
    """,
)
EXPIRE_CHANGES = Query(
    "expire_comment_changes",
    f"""
    with gone as (
      delete from comment_change where ctid = any(array(
        select ctid from comment_change where created_at < now() - interval '1 year' limit {BATCH}
      )) returning 1
    )
    select count(*) from gone
    """,
)
# What moderators search.
INDEX_COMMENTS = Query("index_comments", f"select index_comments({BATCH})")
JOBS = (EXPIRE_POST_KEYS, EXPIRE_REMOVALS, EXPIRE_KEPT, EXPIRE_CHANGES, INDEX_COMMENTS)
