"""Reading the event log: the events of a channel after a position."""

from __future__ import annotations

from collections.abc import Sequence

from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.events import Event

# The channel's seq and its events come from one statement, so from one snapshot. One row with nulls: no events.
EVENTS_AFTER = Query(
    "events_after",
    """
    select c.seq, e.seq, e.type, e.data::text
    from (select coalesce((select seq from channel where site_id = $1 and id = $2), 0) as seq) c
    left join lateral (
      select seq, type, data from event
      where site_id = $1 and channel_id = $2 and seq > $3 and seq <= c.seq
      order by seq limit $4
    ) e on true
    order by e.seq
    """,
    ("int", "bigint", "bigint", "int"),
)


# Gives rows only for channels that somebody wrote on. Each other channel costs one index look-up.
SEQS = Query(
    "seqs",
    """
    select id, seq, case when product = any($3) then product end, case when product = any($3) then key end
    from channel where site_id = $1 and id = any($2)
    """,
    ("int", "bigint[]", "text[]"),
)


async def load_seqs(
    db: Database, site: int, channels: Sequence[int], products: Sequence[str] = ()
) -> dict[int, tuple[int, str | None, str | None]]:
    """Those of *channels* that somebody wrote on (all others are at 0), in one statement.

    Gives the current seq; and product and key of those that belong to one of *products*, None of others. It asks the
    server whose log is followed.

    Raises:
        Unavailable, QueryTimeout, QueryFailed
    """
    answer = await db.site(site).read_log(SEQS, site, list(channels), list(products))
    return {row[0]: (row[1], row[2], row[3]) for row in answer.rows}


async def load_events(
    db: Database,
    site: int,
    channel: int,
    after: int,
    limit: int,
) -> tuple[int, list[Event] | None]:
    """The channel's current seq (0: nobody wrote there yet), and its events after *after*, in order.

    It asks the server whose log is followed. The events are None if they can't be given completely: they are more
    than *limit*, they are no longer all in the log, or *after* is higher than the seq that this server knows.

    Raises:
        Unavailable, QueryTimeout, QueryFailed
    """
    answer = await db.site(site).read_log(EVENTS_AFTER, site, channel, after, limit + 1)
    current: int = answer.rows[0][0]
    events = [Event(site, channel, seq, kind, data.encode()) for _, seq, kind, data in answer.rows if seq is not None]
    if after > current or len(events) != current - after or len(events) > limit:
        return current, None
    return current, events
