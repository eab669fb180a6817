"""Who follows what on a site, as JSON lines: with it another system can go on telling them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.domain.site import Site
from cackled.importing.exports import export_lines

_TIME = "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'"
# Addresses that were never confirmed, or that stopped mail, are left out: nobody is to be written to by them.
SELECT_FOLLOWERS = Query(
    "export_followers",
    f"""
    select f.visitor_id::text, json_build_object(
      'type', 'follower', 'visitor', f.visitor_id::text,
      'email', case when f.email_state = 'confirmed' then f.email else '' end, 'state', f.email_state,
      'language', f.language, 'zone', f.zone, 'digest', f.digest, 'replies', f.replies,
      'quiet', json_build_array(f.quiet_from, f.quiet_to),
      'created', to_char(f.created_at at time zone 'utc', {_TIME}),
      'follows', (
        select coalesce(json_agg(case
          when w.kind = 1 then json_build_object('page', h.key, 'url', h.url,
            'created', to_char(w.created_at at time zone 'utc', {_TIME}))
          else json_build_object('visitor', w.target::text,
            'created', to_char(w.created_at at time zone 'utc', {_TIME})) end order by w.created_at, w.target), '[]')
        from follow w left join channel h on h.site_id = $1 and h.id = w.target and w.kind = 1
        where w.site_id = $1 and w.visitor_id = f.visitor_id and (w.kind = 2 or h.id is not null)))::text
    from follower f where f.site_id = $1 and f.visitor_id > $2::bigint order by f.visitor_id limit $3
    """,
    ("int", "text", "int"),
)


def write_follows(database: Database, site: Site, base: str = "") -> AsyncIterator[bytes]:
    """All followers."""
    return export_lines(database, site, "follows", ((SELECT_FOLLOWERS, "0"),))
