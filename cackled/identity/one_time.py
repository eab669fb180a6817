"""What may be used once: states and codes of signing in, numbers of statements. Kept by the hash of what its bearer
has."""

from __future__ import annotations

from hashlib import sha256
from typing import Literal

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.housekeeping import BATCH
from cackled.domain.site import Site

# ``state``: a way to a provider and back; ``code``: who came back; ``statement``: a site's statement that was used;
# ``mail``: a letter on its way; ``written``: an address that was written to; ``guessed``: figures tried for an address;
# ``client``: our registration elsewhere; ``share-state``, ``share-code``: a way to a network and back, and its end.
Kind = Literal[
    "state", "code", "statement", "mail", "written", "guessed", "client", "chat", "share-state", "share-code",
]  # fmt: skip

INSERT_ONE_TIME = Query(
    "insert_one_time",
    """
    insert into one_time as x (site_id, kind, hash, data, expires_at) values ($1, $2, $3, $4, to_timestamp($5))
    on conflict (site_id, kind, hash) do update set data = excluded.data, expires_at = excluded.expires_at
      where x.expires_at < now()
    returning 1
    """,
    ("int", "text", "bytea", "text", "float8"),
)
KEEP_ONE_TIME = Query(
    "keep_one_time",
    """
    insert into one_time (site_id, kind, hash, data, expires_at)
    values ($1, $2, $3, $4, now() + make_interval(secs => $5))
    on conflict (site_id, kind, hash) do update set data = excluded.data, expires_at = excluded.expires_at
    """,
    ("int", "text", "bytea", "text", "float8"),
)
COUNT_ONE_TIME = Query(
    "count_one_time",
    """
    insert into one_time as x (site_id, kind, hash, data, expires_at)
    values ($1, $2, $3, '1', now() + make_interval(secs => $4))
    on conflict (site_id, kind, hash) do update set
      data = case when x.expires_at < now() then '1' else (x.data::int + 1)::text end,
      expires_at = case when x.expires_at < now() then excluded.expires_at else x.expires_at end
    returning data::int
    """,
    ("int", "text", "bytea", "float8"),
)
PEEK_ONE_TIME = Query(
    "peek_one_time",
    "select data from one_time where site_id = $1 and kind = $2 and hash = $3 and expires_at > now()",
    ("int", "text", "bytea"),
)
TAKE_ONE_TIME = Query(
    "take_one_time",
    "delete from one_time where site_id = $1 and kind = $2 and hash = $3 returning data, expires_at > now()",
    ("int", "text", "bytea"),
)
DROP_OLD = Query(
    "drop_one_time",
    f"""
    with gone as (
      delete from one_time where ctid = any(array(select ctid from one_time where expires_at < now() limit {BATCH}))
      returning 1
    )
    select count(*) from gone
    """,
)


def digest(secret: str) -> bytes:
    """What *secret* is kept as."""
    return sha256(secret.encode("utf-8", "replace")).digest()


class OneTime:
    """What may be used once on one site."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site
        self._database = database.site(site.id)

    async def put(self, kind: Kind, secret: str, data: str, expires: float) -> bool:
        """Keep *data* for whoever has *secret* until *expires* (seconds since 1970); False where it is kept already."""
        return bool(
            await self._database.write(INSERT_ONE_TIME, self._site.id, kind, digest(secret), data, expires)
        )

    async def keep(self, kind: Kind, secret: str, data: str, seconds: float) -> None:
        """Keep *data* for whoever has *secret*, for *seconds*, instead of what there was."""
        await self._database.write(KEEP_ONE_TIME, self._site.id, kind, digest(secret), data, seconds)

    async def count(self, kind: Kind, secret: str, seconds: float) -> int:
        """Count once more for *secret*; gives how often that was in *seconds* from the first."""
        rows = await self._database.write(COUNT_ONE_TIME, self._site.id, kind, digest(secret), seconds)
        count: int = rows[0][0]
        return count

    async def peek(self, kind: Kind, secret: str) -> str | None:
        """What is kept for *secret*, which stays."""
        rows = await self._database.read(
            PEEK_ONE_TIME, self._site.id, kind, digest(secret), preference=ReadPreference.PRIMARY
        )
        return rows.rows[0][0] if rows.rows else None

    async def take(self, kind: Kind, secret: str) -> str | None:
        """What is kept for *secret*, which is gone with that; None where there is nothing (any more)."""
        rows = await self._database.write(TAKE_ONE_TIME, self._site.id, kind, digest(secret))
        return rows[0][0] if rows and rows[0][1] else None
