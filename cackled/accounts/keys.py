"""Keys of a site's own servers: random, shown once, stored as a hash; each is for some scopes.

Two of a name live at a time, so that a server can change to a new one before the old one ends.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cackled.accounts.store import MOST_NAME
from cackled.accounts.tokens import LONGEST, hash_token, make_token
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import BadField, Conflict
from cackled.domain.staff import KEY_PREFIX, SCOPES
from cackled.domain.staff_channels import end_rooms
from cackled.domain.text import clean_line

PREFIX = KEY_PREFIX
AT_A_TIME = 2
MOST_KEYS = 20
# Seconds for which a key that was replaced still works, unless it is ended; and how often its use is noted.
OVERLAP = 7 * 86_400
NOTE_EVERY = 60

LIVE = "(expires_at is null or expires_at > now())"
# Whoever makes a key waits for whoever makes another of that site.
INSERT_SITE_KEY = Query(
    "insert_site_key",
    f"""
    with one as materialized (select id from catalog.site where id = $1 for update),
    live as materialized (
      select count(*) filter (where k.name = $2) as same, count(*) as whole
      from one left join catalog.site_key k on k.site_id = one.id and {LIVE.replace("expires", "k.expires")}
    )
    insert into catalog.site_key (site_id, name, scopes, secret_hash, secret, hint, created_by)
    select $1, $2, $3, $4, $5, $6, $7 from live where same < $8 and whole < $9
    returning id
    """,
    ("int", "text", "text[]", "bytea", "text", "text", "text", "int", "int"),
)
_COLUMNS = """id, name, scopes, hint, created_by, to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
  to_char(used_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
  to_char(expires_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""
SELECT_SITE_KEYS = Query(
    "select_site_keys",
    f"select {_COLUMNS} from catalog.site_key where site_id = $1 and {LIVE} order by name, id", ("int",),
)  # fmt: skip
SELECT_SITE_KEY = Query(
    "select_site_key",
    f"""
    select id, name, scopes, coalesce(extract(epoch from now() - used_at), 1e9)::float8 from catalog.site_key
    where secret_hash = $1 and site_id = $2 and {LIVE}
    """,
    ("bytea", "int"),
)
USE_SITE_KEY = Query("use_site_key", "update catalog.site_key set used_at = now() where id = $1", ("bigint",))
END_SITE_KEY = Query(
    "end_site_key",
    f"""
    update catalog.site_key set
      expires_at = now() + make_interval(secs => $3), secret = case when $3 > 0 then secret end
    where site_id = $1 and id = $2 and {LIVE} returning name, scopes
    """,
    ("int", "bigint", "float8"),
)
DROP_DEAD_KEYS = Query(
    "drop_dead_site_keys",
    """
    with gone as (
      delete from catalog.site_key where id in (
        select id from catalog.site_key where expires_at < now() - interval '90 days' limit 1000) returning 1
    ) select count(*) from gone
    """,
)


class SiteKey(Struct, frozen=True):
    """A key without its secret; ``hint`` is its last characters. Times are text, in UTC."""

    id: str
    name: str
    scopes: list[str]
    hint: str
    created_by: str
    created: str
    used: str | None
    expires: str | None


class KnownKey(Struct, frozen=True):
    """Which key a call came with."""

    id: int
    name: str
    scopes: list[str]
    used_age: float


def check_scopes(scopes: list[str]) -> list[str]:
    """*scopes*, in their order.

    Raises:
        BadField: there are none, or one that there is not.
    """
    made: list[str] = [scope for scope in SCOPES if scope in scopes]
    if not made or len(made) < len(set(scopes)):
        raise BadField(f"A key is for some of {', '.join(SCOPES)}.", field="scopes")
    return made


class SiteKeys:
    """The keys of all sites."""

    def __init__(self, database: Database, random: Any) -> None:
        self._whole = database
        self._database = database.system
        self._random = random

    async def add(self, site: int, name: str, scopes: list[str], by: str = "") -> tuple[int, str]:
        """A new key: its number, and what it is, which nobody can ask for again.

        Raises:
            BadField: the name or the scopes can't be used.
            Conflict: two of that name live, or the site has too many.
        """
        name = clean_line(name).strip() or "server"
        if len(name) > MOST_NAME:
            raise BadField(f"A key's name has at most {MOST_NAME} characters.", field="name")
        scopes = check_scopes(scopes)
        key = f"{PREFIX}{site}_{make_token(self._random)}"
        signs = key if "sso" in scopes else None
        rows = await self._database.write(
            INSERT_SITE_KEY, site, name, scopes, hash_token(key), signs, key[-4:], by, AT_A_TIME, MOST_KEYS
        )
        if not rows:
            raise Conflict(
                f"Two keys of that name live already (and {MOST_KEYS} of a site at most). End one first.", slug="keys"
            )
        return int(rows[0][0]), key

    async def rotate(self, site: int, number: int, by: str = "", overlap: int = OVERLAP) -> tuple[int, str] | None:
        """A key in place of another, which goes on for *overlap* seconds; None where there is none of that number.

        Raises:
            Conflict: two live already.
        """
        old = next((one for one in await self.listed(site) if one.id == str(number)), None)
        if old is None:
            return None
        made = await self.add(site, old.name, old.scopes, by)
        await self.end(site, number, overlap)
        return made

    async def end(self, site: int, number: int, seconds: int = 0) -> bool:
        """It works for *seconds* more; False where there is none of that number."""
        rows = await self._database.write(END_SITE_KEY, site, number, float(seconds))
        if rows and not seconds and "moderate" in rows[0][1]:
            await end_rooms(self._whole, [site])
        return bool(rows)

    async def listed(self, site: int, preference: ReadPreference = ReadPreference.PRIMARY) -> list[SiteKey]:
        """The keys that live."""
        rows = await self._database.read(SELECT_SITE_KEYS, site, preference=preference)
        return [SiteKey(str(row[0]), *row[1:]) for row in rows.rows]

    async def find(self, site: int, key: str, preference: ReadPreference) -> KnownKey | None:
        """Which one *key* is; None where it is none of that site's, or has ended."""
        if not key.startswith(PREFIX) or len(key) > LONGEST:
            return None
        args = (hash_token(key), site)
        rows = (await self._database.read(SELECT_SITE_KEY, *args, preference=preference)).rows
        if not rows and preference is not ReadPreference.PRIMARY:
            preference = ReadPreference.PRIMARY_PREFERRED
            rows = (await self._database.read(SELECT_SITE_KEY, *args, preference=preference)).rows
        return KnownKey(*rows[0]) if rows else None

    async def use(self, number: int) -> None:
        """It is used now."""
        await self._database.write(USE_SITE_KEY, number)
