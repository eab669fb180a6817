"""The channels where those who work on a site listen: they end whenever somebody stops being one of them.

They are listened to by tickets (`cackled.domain.staff_tickets`), which end with them, also those to conversations.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.logger import Logger

from cackled.database.errors import DatabaseError
from cackled.database.query import Query
from cackled.database.routing import Database

log = Logger()

END_STAFF_CHANNELS = Query("end_staff_channels", "select end_staff_channels($1)", ("int",))
# A session may run out, or a shard be away at the moment that somebody leaves: no number holds for longer than this.
RENEW_STAFF_CHANNELS = Query(
    "renew_staff_channels",
    """
    with old as (
      select site_id from staff_channel where created_at < now() - interval '1 day'
      union select site_id from staff_section_channel where created_at < now() - interval '1 day' limit 1000
    ), ended as materialized (select end_staff_channels(site_id) as n from old)
    select count(*) from ended
    """,
)


async def end_rooms(database: Database, sites: Iterable[int]) -> None:
    """End the staff's channels of *sites*; a site whose database is away now keeps them for a day at most."""
    for site in sites:
        try:
            await database.site(site).write(END_STAFF_CHANNELS, site)
        except DatabaseError as error:
            log.error("the staff's channel of site {site} could not be ended: {reason}", site=site, reason=str(error))
