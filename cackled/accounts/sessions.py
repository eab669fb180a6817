"""Sessions of accounts: a random token in a cookie, its hash in the catalog. A session can be ended from everywhere."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cackled.accounts.store import MOST_AGENT
from cackled.accounts.tokens import LONGEST, hash_token, make_token
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.staff_channels import end_rooms
from cackled.domain.text import clean_line

# Seconds: a session nobody used for so long has run out, and each in the end.
IDLE = 14 * 86_400
LIFETIME = 90 * 86_400
# How long after somebody signed in they may do what needs a fresh proof, and how often use is noted.
FRESH = 900
NOTE_EVERY = 300
# Of one account; the oldest goes when there is one more.
MOST_SESSIONS = 50

INSERT_ACCOUNT_SESSION = Query(
    "insert_account_session",
    """
    with old as (
      delete from catalog.account_session where account_id = $1 and id in (
        select id from catalog.account_session where account_id = $1 order by seen_at desc offset $6)
    )
    insert into catalog.account_session (account_id, token_hash, address, agent, way, expires_at)
    values ($1, $2, $3, $4, $5, now() + make_interval(secs => $7)) returning id
    """,
    ("bigint", "bytea", "text", "text", "text", "int", "float8"),
)
SELECT_ACCOUNT_SESSION = Query(
    "select_account_session",
    """
    select s.id, a.id, a.email, a.name, m.role, m.sections, extract(epoch from now() - s.fresh_at)::float8,
      extract(epoch from now() - s.seen_at)::float8, a.picture
    from catalog.account_session s join catalog.account a on a.id = s.account_id
    left join catalog.membership m on m.account_id = a.id and m.site_id = $2
    where s.token_hash = $1 and s.expires_at > now() and s.seen_at > now() - make_interval(secs => $3)
    """,
    ("bytea", "int", "float8"),
)
SEE_ACCOUNT_SESSION = Query(
    "see_account_session", "update catalog.account_session set seen_at = now() where id = $1", ("bigint",)
)
FRESHEN_ACCOUNT_SESSION = Query(
    "freshen_account_session",
    "update catalog.account_session set fresh_at = now() where id = $1 returning id", ("bigint",),
)  # fmt: skip
SELECT_ACCOUNT_SESSIONS = Query(
    "select_account_sessions",
    """
    select id, to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
      to_char(seen_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), address, agent, way
    from catalog.account_session
    where account_id = $1 and expires_at > now() and seen_at > now() - make_interval(secs => $2)
    order by seen_at desc
    """,
    ("bigint", "float8"),
)
DELETE_ACCOUNT_SESSION = Query(
    "delete_account_session",
    "delete from catalog.account_session where account_id = $1 and id = $2 returning id", ("bigint", "bigint"),
)  # fmt: skip
DELETE_OTHER_SESSIONS = Query(
    "delete_other_account_sessions",
    "delete from catalog.account_session where account_id = $1 and id <> $2 returning id", ("bigint", "bigint"),
)  # fmt: skip

# The sites whose queue or conversations an account may have listened to.
SELECT_SITES_HEARD = Query(
    "select_sites_heard",
    """
    select site_id from catalog.membership
    where account_id = $1 and role in ('owner', 'admin', 'moderator', 'operator')
    """,
    ("bigint",),
)

DROP_OLD_SESSIONS = Query(
    "drop_old_account_sessions",
    f"""
    with gone as (
      delete from catalog.account_session where id in (
        select id from catalog.account_session
        where expires_at < now() or seen_at < now() - make_interval(secs => {IDLE}) limit 1000) returning 1
    ) select count(*) from gone
    """,
)


class Known(Struct, frozen=True):
    """Whose session a token is, with the role on the site that was asked about."""

    session: int
    account: int
    email: str
    name: str
    role: str | None
    sections: list[str] | None
    fresh_age: float
    seen_age: float
    picture: str


class Listed(Struct, frozen=True):
    """A session, as the owner of the account sees it."""

    id: str
    created: str
    seen: str
    address: str
    agent: str
    way: str


class AccountSessions:
    """The sessions of all accounts."""

    def __init__(self, database: Database, random: Any) -> None:
        self._whole = database
        self._database = database.system
        self._random = random

    async def open(self, account: int, address: str, agent: str, way: str) -> str:
        """A new session; gives its token. *way* is how its owner proved to be that: ``password``, ``passkey``, ..."""
        token = make_token(self._random)
        await self._database.write(
            INSERT_ACCOUNT_SESSION, account, hash_token(token), address[:60], clean_line(agent)[:MOST_AGENT], way,
            MOST_SESSIONS - 1, float(LIFETIME),
        )  # fmt: skip
        return token

    async def find(self, token: str, site: int, preference: ReadPreference) -> Known | None:
        """Whose session *token* is; None where it is none, was ended, or has run out.

        A copy of the database that is behind does not know what has just begun: there the primary is asked, too.
        """
        if not token or len(token) > LONGEST:
            return None
        args = (hash_token(token), site, float(IDLE))
        rows = (await self._database.read(SELECT_ACCOUNT_SESSION, *args, preference=preference)).rows
        if not rows and preference is not ReadPreference.PRIMARY:
            preference = ReadPreference.PRIMARY_PREFERRED
            rows = (await self._database.read(SELECT_ACCOUNT_SESSION, *args, preference=preference)).rows
        return Known(*rows[0]) if rows else None

    async def see(self, session: int) -> None:
        """It is used now."""
        await self._database.write(SEE_ACCOUNT_SESSION, session)

    async def freshen(self, session: int) -> None:
        """Its owner has just shown again that it is them."""
        await self._database.write(FRESHEN_ACCOUNT_SESSION, session)

    async def listed(self, account: int) -> list[Listed]:
        """The sessions of an account, the last used first."""
        rows = await self._database.read(
            SELECT_ACCOUNT_SESSIONS, account, float(IDLE), preference=ReadPreference.PRIMARY
        )
        return [Listed(str(row[0]), *row[1:]) for row in rows.rows]

    async def end(self, account: int, session: int) -> bool:
        """End one; False where the account has none of that number. What it listened to ends with it."""
        ended = bool(await self._database.write(DELETE_ACCOUNT_SESSION, account, session))
        await self._leave(account, ended)
        return ended

    async def end_others(self, account: int, session: int = 0) -> int:
        """End all but *session*; gives how many. What they listened to ends with them."""
        ended = len(await self._database.write(DELETE_OTHER_SESSIONS, account, session))
        await self._leave(account, bool(ended))
        return ended

    async def _leave(self, account: int, ended: bool) -> None:
        if ended:
            rows = await self._database.read(SELECT_SITES_HEARD, account, preference=ReadPreference.PRIMARY)
            await end_rooms(self._whole, [row[0] for row in rows.rows])
