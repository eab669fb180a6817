"""How comments forget a visitor."""

from __future__ import annotations

from cackled.database.query import Query
from cackled.domain.erasure import Erasable
from cackled.domain.personal_data import FOREVER, Held
from cackled.products.comments.events import COMMENT

_TYPES = ("int", "bigint", "int")
ERASE_VOTES = Query("erase_votes", "select channel, seq from erase_votes($1, $2, $3)", _TYPES)
ERASE_REACTIONS = Query("erase_reactions", "select channel, seq from erase_reactions($1, $2, $3)", _TYPES)
# The number of reports of each comment goes down with them. They are few: all at once.
ERASE_FLAGS = Query(
    "erase_flags",
    """
    with alone as materialized (select erase_alone($1)), flagged as materialized (
      select c.id from alone, comment c where c.site_id = $1 and c.id in (
        select f.comment_id from flag f where f.site_id = $1 and f.visitor_id = $2
      ) order by c.id for no key update of c
    ), gone as (
      delete from flag f using flagged where f.site_id = $1 and f.comment_id = flagged.id and f.visitor_id = $2
      returning f.comment_id, f.counted
    ), counted as (
      update comment c set n_flags = greatest(0, c.n_flags - 1) from gone
      where c.site_id = $1 and c.id = gone.comment_id and gone.counted
    )
    select null::bigint, null::bigint where $3 < 0
    """,
    _TYPES,
)
ERASE_COMMENTS = Query("erase_comments", "select channel, seq from erase_comments($1, $2, $3)", _TYPES)
ERASE_FOLLOWER = Query(
    "erase_follower",
    "select channel, seq from erase_followed($1, $2, $3)",
    _TYPES,
)
ERASE_MENTIONS = Query("erase_mentions", "select channel, seq from erase_mentions($1, $2, $3)", _TYPES)
SELECT_CHANNELS = Query(
    "select_channels_of_visitor",
    """
    select channel_id from comment where site_id = $1 and visitor_id = $2
    union
    select c.channel_id from comment_mention m join comment c on c.site_id = $1 and c.id = m.comment_id
    where m.site_id = $1 and m.visitor_id = $2
    """,
    ("int", "bigint"),
)

ERASABLE = Erasable(
    steps=(ERASE_FOLLOWER, ERASE_VOTES, ERASE_REACTIONS, ERASE_FLAGS, ERASE_MENTIONS, ERASE_COMMENTS),
    channels=SELECT_CHANNELS,
    subjects=(COMMENT,),
    anonymise=Query(
        "anonymise_comments", "select channel, seq from anonymise_comments($1, $2, $3, $4)",
        ("int", "bigint", "bigint", "int"),
    ),
)

HELD = (
    Held(table="comment", what="what they wrote", until=FOREVER, secret=("html", "shadow", "html_ver", "rank"),
         json=("media",)),
    Held(table="comment_mention", what="comments that mention them", until=FOREVER),
    Held(table="vote", what="their votes", until=FOREVER, secret=("counted",)),
    Held(table="comment_reaction", what="their reactions", until=FOREVER, secret=("counted",)),
    Held(table="flag", what="what they reported", until=FOREVER, secret=("counted",)),
    Held(table="post_key", what="keys of what they sent, against sending it twice", until="two days"),
    Held(table="follow", what="what they follow", until=FOREVER),
    Held(table="follower", what="where and when they want to be told", until=FOREVER),
    Held(table="notice", what="what they were told of", until=FOREVER),
    Held(table="push_browser", what="browsers that are told", until=FOREVER, secret=("p256dh", "auth")),
)
