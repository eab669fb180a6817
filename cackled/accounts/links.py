"""Links that work once: to sign in for the first time, and to choose a new password."""

from __future__ import annotations

from typing import Any, Literal

from cackled.accounts.tokens import LONGEST, hash_token, make_token
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database

Kind = Literal["welcome", "reset", "verify"]
# Seconds that a link works.
LIFETIMES: dict[str, float] = {"welcome": 7 * 86_400.0, "reset": 3_600.0, "verify": 7 * 86_400.0}

# One at a time of a kind: who asks twice for a link uses the last.
INSERT_ACCOUNT_LINK = Query(
    "insert_account_link",
    """
    with old as (delete from catalog.account_link where account_id = $1 and (kind = $2 or expires_at < now()))
    insert into catalog.account_link (account_id, kind, token_hash, expires_at)
    values ($1, $2, $3, now() + make_interval(secs => $4))
    """,
    ("bigint", "text", "bytea", "float8"),
)
USE_ACCOUNT_LINK = Query(
    "use_account_link",
    "delete from catalog.account_link where token_hash = $1 and expires_at > now() returning account_id, kind",
    ("bytea",),
)
SELECT_ACCOUNT_LINK = Query(
    "select_account_link",
    "select account_id, kind from catalog.account_link where token_hash = $1 and expires_at > now()",
    ("bytea",),
)


class AccountLinks:
    """The links of all accounts."""

    def __init__(self, database: Database, random: Any) -> None:
        self._database = database.system
        self._random = random

    async def make(self, account: int, kind: Kind) -> str:
        """A token for a link; one of that kind that was made before works no more."""
        token = make_token(self._random)
        await self._database.write(INSERT_ACCOUNT_LINK, account, kind, hash_token(token), LIFETIMES[kind])
        return token

    async def look(self, token: str) -> tuple[int, str] | None:
        """Account and kind of a link that still works."""
        if len(token) > LONGEST:
            return None
        rows = await self._database.read(SELECT_ACCOUNT_LINK, hash_token(token), preference=ReadPreference.PRIMARY)
        return (rows.rows[0][0], rows.rows[0][1]) if rows.rows else None

    async def use(self, token: str) -> tuple[int, str] | None:
        """Account and kind of a link, which works no more from now on; None where it did not before."""
        if len(token) > LONGEST:
            return None
        rows = await self._database.write(USE_ACCOUNT_LINK, hash_token(token))
        return (rows[0][0], rows[0][1]) if rows else None
