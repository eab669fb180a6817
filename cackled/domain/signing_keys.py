"""The keys of a site's own servers that it may sign with: those for the scope ``sso``.

Who makes and ends them is `cackled.accounts.keys`; here they are only read, for whoever checks what a site signed.
"""

from __future__ import annotations

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database

SELECT_SIGNING_KEYS = Query(
    "select_signing_keys",
    """
    select secret from catalog.site_key
    where site_id = $1 and secret is not null and (expires_at is null or expires_at > now()) order by id desc
    """,
    ("int",),
)


async def signing_keys(database: Database, site: int) -> list[str]:
    """The texts of the keys of *site* that live and are for ``sso``, the newest first."""
    rows = await database.system.read(SELECT_SIGNING_KEYS, site, preference=ReadPreference.NEAREST)
    return [row[0] for row in rows.rows]
