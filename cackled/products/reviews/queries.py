"""What reviews ask of the database, each in one statement."""

from __future__ import annotations

from cackled.database.query import Query

# One snapshot for the channel's number, the summary and all rows.
_PAGE = """
    select ch.seq, ch.key, ch.rest, s.summary, p.reviews, p.values, p.ids
    from (select 1) one left join (
      select h.seq, h.key, concat('"url":', to_json(h.url), ',"title":', to_json(h.title), ',"locked":', h.locked::text)
        as rest
      from channel h where h.site_id = $1 and h.id = $2
    ) ch on true, (select review_summary_json($1, $2) as summary) s, (
      select coalesce(array_agg(x.review order by x.n), '{{}}') as reviews,
        coalesce(array_agg(x.value order by x.n), '{{}}') as values,
        coalesce(array_agg(x.id order by x.n), '{{}}') as ids
      from (select r.*, row_number() over () as n from {rows} r) x
    ) p
"""
SELECT_PAGE = Query("select_review_page", _PAGE.format(rows="review_page($1, $2, $3)"), ("int", "bigint", "text"))
SELECT_WORDS_PAGE = Query(
    "select_review_words_page", _PAGE.format(rows="review_words_page($1, $2, $4, $3)"),
    ("int", "bigint", "text", "text"),
)  # fmt: skip
POST_REVIEW = Query(
    "post_review",
    """
    select review, seq, replayed, summary, state, case when not replayed then mail_review($1, review, $19)::text end
    from post_review($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
    """,
    (
        "int", "bigint", "text", "text", "text", "bigint", "text", "inet", "text", "int", "bigint", "text", "text",
        "text", "boolean", "bigint", "boolean", "text", "text",
    ),
)  # fmt: skip
EDIT_REVIEW = Query(
    "edit_review",
    """
    select review, seq, channel, summary, mail_review($1, review, $9)::text
    from edit_review($1, $2, $3, $4, $5, $6, $7, $8)
    """,
    ("int", "bigint", "bigint", "inet", "text", "text", "boolean", "text", "text"),
)
DELETE_REVIEW = Query(
    "delete_review", "select seq, channel, summary from delete_review($1, $2, $3, $4)",
    ("int", "bigint", "bigint", "boolean"),
)  # fmt: skip
REPLY_REVIEW = Query(
    "reply_review", "select review, seq, channel from reply_review($1, $2, $3, $4, $5, $6, $7)",
    ("int", "bigint", "text", "text", "text", "text", "boolean"),
)  # fmt: skip
VOTE_REVIEWS = Query(
    "vote_reviews", "select up, down, seq, channel, refused, counted from vote_reviews($1, $2, $3, $4, $5)",
    ("int", "bigint", "bigint[]", "int[]", "text[]"),
)  # fmt: skip
FLAG_REVIEW = Query(
    "flag_review", "select flag_review($1, $2, $3, $4, $5), flags_that_hide($1)",
    ("int", "bigint", "bigint", "inet", "text"),
)  # fmt: skip
HIDE_REPORTED = Query(
    "hide_reported_review", "select seq, channel from hide_reported_review($1, $2, $3)", ("int", "bigint", "boolean")
)
# Whether a visitor may change a review, and what it is now: asked before any work is done for its new words.
SELECT_EDITABLE = Query(
    "select_editable_review",
    """
    select r.visitor_id = $3, r.channel_id, h.key, r.kind, r.author_name, review_members(r)::text, h.url, h.title,
      r.status
    from review r join channel h on h.site_id = $1 and h.id = r.channel_id
    where r.site_id = $1 and r.id = $2 and not r.wiped and (r.status = 1 or r.visitor_id = $3 and r.status <> 4)
    """,
    ("int", "bigint", "bigint"),
)
SELECT_REVIEW = Query(
    "select_review",
    """
    select case when r.visitor_id = $3 then own_review_json(r) else question_json(r) end, h.seq, r.channel_id, h.key
    from review r join channel h on h.site_id = r.site_id and h.id = r.channel_id
    where r.site_id = $1 and r.id = $2 and not r.wiped
      and (r.status = 1 or r.visitor_id = $3 and r.status <> 4)
    """,
    ("int", "bigint", "bigint"),
)
SELECT_VERSIONS = Query(
    "select_review_versions", "select review_versions($1, $2, $3, $4)", ("int", "bigint", "bigint", "int")
)
SELECT_CHANNEL_OF = Query(
    "select_channel_of_review", "select channel_id from review where site_id = $1 and id = $2", ("int", "bigint")
)
SELECT_SUMMARY = Query(
    "select_review_summary",
    """
    select coalesce((select h.seq from channel h where h.site_id = $1 and h.id = $2), 0), review_summary_json($1, $2)
    """,
    ("int", "bigint"),
)
# The Bayesian mean takes so many reviews as the median product has for given, all at the site's mean.
SELECT_RATINGS = Query(
    "select_review_ratings",
    """
    select h.key, s.n, s.total, round(bayesian_mean(s.total, s.n, m.mean, m.weight)::numeric, 3)::float8
    from channel h join review_summary s on s.site_id = $1 and s.channel_id = h.id,
      review_prior($1) m
    where h.site_id = $1 and h.id = any($2)
    """,
    ("int", "bigint[]"),
)
# Votes, blocks, and the visitor's own reviews, which may look to them as to nobody else.
SELECT_MINE = Query(
    "select_my_reviews",
    """
    (select 'v', v.review_id, v.value::int, '' from review_vote v
     where v.site_id = $1 and v.channel_id = $2 and v.visitor_id = $3 order by v.review_id desc limit 1000)
    union all
    (select 'b', b.author_id, 0, '' from block b where b.site_id = $1 and b.visitor_id = $3 limit 1000)
    union all
    (select 'o', r.id, 0, own_review_json(r) from review r
     where r.site_id = $1 and r.visitor_id = $3 and r.channel_id = $2 and r.status <> 4 and not r.wiped
     order by r.id desc limit 100)
    """,
    ("int", "bigint", "bigint"),
)
