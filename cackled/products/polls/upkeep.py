"""How polls forget a visitor and follow one who signs in, and what keeps their tables tidy and their counts right."""

from __future__ import annotations

from cackled.database.query import Query
from cackled.domain.activity import Activity
from cackled.domain.erasure import Erasable
from cackled.domain.housekeeping import BATCH
from cackled.domain.people import Authored
from cackled.domain.personal_data import FOREVER, Held

ERASE_BALLOTS = Query(
    "erase_ballots", "select channel, seq from erase_ballots($1, $2, $3)", ("int", "bigint", "int")
)
SELECT_POLLS_OF = Query(
    "select_polls_of_visitor",
    """
    select p.channel_id from poll p where p.site_id = $1 and p.id in (
      select b.poll_id from ballot b where b.site_id = $1 and b.visitor_id = $2)
    """,
    ("int", "bigint"),
)
ERASABLE = Erasable(steps=(ERASE_BALLOTS,), channels=SELECT_POLLS_OF)

AUTHORED = Authored(
    carry=Query(
        "carry_ballots", "select channel, seq from carry_ballots($1, $2, $3, $4)", ("int", "bigint", "bigint", "int")
    ),
    # Names of voters are read when they are shown.
    spread=Query(
        "spread_ballots", "select null::bigint, null::bigint where $1 + $2 + $3 < 0", ("int", "bigint", "int")
    ),
)

# Who voted is secret but where voters are shown; what they chose is not told here.
ACTIVITY = Activity(
    find=Query(
        "select_poll_activity",
        """
        select (select count(*) from (select from ballot x join poll y on y.site_id = x.site_id and y.id = x.poll_id
          where x.site_id = $1 and x.visitor_id = $2 and x.state = 1 and y.voters_shown limit $3) n),
          p.id, p.question, h.url, to_char(b.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        from ballot b join poll p on p.site_id = b.site_id and p.id = b.poll_id
        join channel h on h.site_id = p.site_id and h.id = p.channel_id
        where b.site_id = $1 and b.visitor_id = $2 and b.state = 1 and p.voters_shown
        order by b.created_at desc limit $4
        """,
        ("int", "bigint", "int", "int"),
    ),
)

EXPIRE_NETWORK_COUNTS = Query(
    "expire_poll_networks",
    f"""
    with gone as (
      delete from poll_network where ctid = any(array(
        select ctid from poll_network where since < now() - interval '2 hours' limit {BATCH}
      )) returning 1
    )
    select count(*) from gone
    """,
)
FORGET_NETWORKS = Query(
    "forget_ballot_networks",
    f"""
    with old as (
      update ballot set network = null where ctid = any(array(
        select ctid from ballot where network is not null and created_at < now() - interval '30 days' limit {BATCH}
      )) returning 1
    )
    select count(*) from old
    """,
)
JOBS = (EXPIRE_NETWORK_COUNTS, FORGET_NETWORKS)
RECOUNTS = (Query("recount_poll", "select checked, wrong from recount_poll()"),)

HELD = (
    Held(table="ballot", what="their votes in polls", until=FOREVER, secret=("network", "voter")),
    Held(table="poll_option", column="proposer_id", what="answers that they proposed", until=FOREVER),
)
