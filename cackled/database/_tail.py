"""The queries and message types of `cackled.database.tail`."""

from __future__ import annotations

from typing import Annotated

import msgspec

IDENTITY = """
select pg_is_in_recovery(), (select system_identifier from pg_control_system()), oid,
       case when pg_is_in_recovery() then '' else left(pg_walfile_name(pg_current_wal_lsn()), 8) end
from pg_database where datname = current_database()
"""
FIND = """
with h as materialized (select pg_snapshot_xmin(pg_current_snapshot()) as xmin)
select h.xmin::text, e.site_id, e.channel_id, e.first, e.last
from h left join (
  select site_id, channel_id, min(seq) as first, max(seq) as last from event
  where xid >= %s::xid8 group by site_id, channel_id
) e on true
"""
FETCH = """
select e.site_id, e.channel_id, e.seq, e.type, e.data::text
from unnest(%s::int[], %s::bigint[], %s::bigint[]) k (site_id, channel_id, seq)
join event e on e.site_id = k.site_id and e.channel_id = k.channel_id and e.seq > k.seq
order by 1, 2, 3 limit %s
"""


class Note(msgspec.Struct):
    """The payload of ``NOTIFY cackled_event``. ``d`` is absent if the payload would have been too large with it."""

    s: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    c: Annotated[str, msgspec.Meta(pattern="^[0-9]{1,19}$")]
    q: Annotated[int, msgspec.Meta(ge=1, le=2**62)]
    t: str
    d: msgspec.Raw = msgspec.Raw(b"")


class Want:
    """Events of a channel to be read from the table, up to *target*."""

    __slots__ = ("not_before", "target", "tries")

    def __init__(self, target: int) -> None:
        self.target = target
        self.tries = 0
        self.not_before = 0.0


BIGGEST = 2**63 - 1
decode = msgspec.json.Decoder(Note).decode
