"""How reviews forget a visitor and follow one who signs in, and what keeps their counts right."""

from __future__ import annotations

from cackled.database.query import Query
from cackled.domain.activity import Activity
from cackled.domain.erasure import Erasable
from cackled.domain.housekeeping import BATCH
from cackled.domain.people import Authored
from cackled.domain.personal_data import FOREVER, Held
from cackled.products.reviews.events import REVIEW

ERASE_REVIEWS = Query(
    "erase_reviews", "select channel, seq from erase_reviews($1, $2, $3)", ("int", "bigint", "int")
)
SELECT_CHANNELS = Query(
    "select_review_channels_of_visitor",
    "select distinct channel_id from review where site_id = $1 and visitor_id = $2",
    ("int", "bigint"),
)
ERASABLE = Erasable(
    steps=(ERASE_REVIEWS,), channels=SELECT_CHANNELS, subjects=(REVIEW,),
    anonymise=Query(
        "anonymise_reviews", "select channel, seq from anonymise_reviews($1, $2, $3, $4)",
        ("int", "bigint", "bigint", "int"),
    ),
)  # fmt: skip

AUTHORED = Authored(
    carry=Query(
        "carry_reviews", "select channel, seq from carry_reviews($1, $2, $3, $4)", ("int", "bigint", "bigint", "int")
    ),
    spread=Query("spread_reviews", "select channel, seq from spread_reviews($1, $2, $3)", ("int", "bigint", "int")),
)

ACTIVITY = Activity(
    find=Query(
        "select_review_activity",
        """
        select (select count(*) from (select from review x where x.site_id = $1 and x.visitor_id = $2 and x.status = 1
          and not x.shadow limit $3) n), r.id,
          concat(repeat('★', r.star), case when r.star is not null then ' ' end,
            coalesce(nullif(r.title, ''), nullif(r.src, ''), nullif(r.pros, ''), r.cons)), h.url,
          to_char(r.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        from review r join channel h on h.site_id = r.site_id and h.id = r.channel_id
        where r.site_id = $1 and r.visitor_id = $2 and r.status = 1 and not r.shadow
        order by r.created_at desc, r.id desc limit $4
        """,
        ("int", "bigint", "int", "int"),
    ),
    anchor="cr-",
)

RECOUNTS = (Query("recount_reviews", "select checked, wrong from recount_reviews()"),)

# For how long removed reviews are kept, so that what was removed and why can be shown (ISO 20488 asks for one year).
KEPT_YEARS = 3
WIPE_REMOVED = Query(
    "wipe_removed_reviews",
    f"""
    select count(wipe_review(x.site_id, x.id)) from (
      select r.site_id, r.id from review r
      where r.status in (2, 3, 4) and not r.wiped and r.modified_at < now() - interval '{KEPT_YEARS} years'
      limit {BATCH}
    ) x
    """,
)
# Nobody is asked for reviews so late: the address goes, its hash stays with the order.
FORGET_BUYERS = Query(
    "forget_review_buyers",
    f"""
    with old as (
      update review_order set mail = '', name = '' where ctid = any(array(
        select o.ctid from review_order o where o.mail <> '' and (
          o.created_at < now() - interval '200 days' or exists (
            select from review_request r where r.site_id = o.site_id and r.order_id = o.id
              and r.state in ('answered', 'stopped', 'failed', 'reminded'))) limit {BATCH}
      )) returning 1
    )
    select count(*) from old
    """,
)
JOBS = (WIPE_REMOVED, FORGET_BUYERS)

HELD = (
    Held(table="review", what="their reviews, questions and answers", until=FOREVER,
         secret=("html", "lexemes", "shadow", "rank", "wiped")),
    Held(table="review_vote", what="their votes on reviews", until=FOREVER, secret=("counted",)),
    Held(table="review_flag", what="reviews that they reported", until=FOREVER, secret=("counted",)),
)  # fmt: skip
