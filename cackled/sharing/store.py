"""The accounts that visitors of a site connected, and what they shared."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.housekeeping import BATCH
from cackled.domain.read_options import Reading
from cackled.domain.site import Site
from cackled.identity.sealing import Sealing
from cackled.sharing.network import Connected, Tokens

# Shares that a visitor is shown; seconds that one process has to get new tokens.
MOST_LISTED = 50
REFRESHING = 30.0

PUT_ACCOUNT = Query(
    "put_share_account", "select put_share_account($1, $2, $3, $4, $5, $6)",
    ("int", "bigint", "text", "text", "text", "bytea"),
)  # fmt: skip
DROP_ACCOUNT = Query("drop_share_account", "select drop_share_account($1, $2, $3)", ("int", "bigint", "text"))
SELECT_ACCOUNTS = Query(
    "select_share_accounts",
    "select network, server, name, lost from share_account where site_id = $1 and visitor_id = $2 order by network",
    ("int", "bigint"),
)
SELECT_TOKENS = Query(
    "select_share_tokens",
    """
    select network, server, name, lost, sealed, version from share_account
    where site_id = $1 and visitor_id = $2 and network = $3
    """,
    ("int", "bigint", "text"),
)
CLAIM_REFRESH = Query(
    "claim_share_refresh",
    """
    update share_account set refreshing = now() + make_interval(secs => $5)
    where site_id = $1 and visitor_id = $2 and network = $3 and version = $4
      and (refreshing is null or refreshing < now())
    returning 1
    """,
    ("int", "bigint", "text", "int", "float8"),
)
SET_TOKENS = Query(
    "set_share_tokens",
    """
    update share_account set sealed = $5, version = version + 1, refreshing = null, lost = false
    where site_id = $1 and visitor_id = $2 and network = $3 and version = $4 returning 1
    """,
    ("int", "bigint", "text", "int", "bytea"),
)
FREE_REFRESH = Query(
    "free_share_refresh",
    """
    update share_account set refreshing = null, lost = lost or $5
    where site_id = $1 and visitor_id = $2 and network = $3 and version = $4
    """,
    ("int", "bigint", "text", "int", "boolean"),
)
SET_NAME = Query(
    "set_share_name",
    "update share_account set name = $4 where site_id = $1 and visitor_id = $2 and network = $3 and name <> $4",
    ("int", "bigint", "text", "text"),
)
_SHARE = "item, network, visitor_id, state, reason, url, tries, extract(epoch from created_at)::float8"
SHARE_ITEM = Query(
    "share_item", f"select {_SHARE} from share_item($1, $2, $3, $4, $5)", ("int", "bigint", "text", "text", "text")
)
SELECT_SHARE = Query(
    "select_share", f"select {_SHARE} from share where site_id = $1 and item = $2 and network = $3",
    ("int", "text", "text"),
)  # fmt: skip
SELECT_SHARES = Query(
    "select_shares_of_visitor",
    f"""
    select {_SHARE} from share where site_id = $1 and visitor_id = $2 and ($3 = '' or item = $3)
    order by created_at desc, network limit {MOST_LISTED}
    """,
    ("int", "bigint", "text"),
)
END_SHARE = Query(
    "end_share",
    """
    update share set state = $4, reason = $5, url = $6, done_at = now()
    where site_id = $1 and item = $2 and network = $3
    """,
    ("int", "text", "text", "text", "text", "text"),
)
HOLD_SHARE = Query(
    "hold_share", "update share set state = 'held' where site_id = $1 and item = $2 and network = $3 returning 1",
    ("int", "text", "text"),
)  # fmt: skip
DROP_SHARE = Query(
    "drop_share", "delete from share where site_id = $1 and item = $2 and network = $3", ("int", "text", "text")
)
COUNT_TRY = Query(
    "count_share_try",
    "update share set tries = tries + 1 where site_id = $1 and item = $2 and network = $3 returning tries",
    ("int", "text", "text"),
)
# What never came to be seen by others is not shared any more by then, either.
EXPIRE_SHARES = Query(
    "expire_shares",
    f"""
    with gone as (
      delete from share where ctid = any(array(
        select ctid from share where created_at < now() - interval '90 days' limit {BATCH}
      )) returning 1
    )
    select count(*) from gone
    """,
)


class Account(Struct, frozen=True):
    """An account of a visitor; ``lost``: it has to be connected again."""

    network: str
    server: str
    name: str
    lost: bool


class Opened(Struct, frozen=True):
    """An account with what it is used with, and which version of that it is."""

    network: str
    server: str
    name: str
    lost: bool
    tokens: Tokens
    version: int


class Share(Struct, frozen=True):
    """Something that is shared."""

    item: str
    network: str
    visitor: int
    state: str
    reason: str
    url: str
    tries: int
    created: float


async def seal(sealing: Sealing, site: int, network: str, server: str, tokens: Tokens) -> bytes:
    """*tokens*, to be kept."""
    return await sealing.seal(_place(site, network, server), msgspec.json.encode(tokens).decode())


async def unseal(sealing: Sealing, site: int, network: str, server: str, sealed: bytes) -> Tokens | None:
    """What was sealed; None where it is of another site or server, or by another key."""
    opened = await sealing.open(_place(site, network, server), sealed)
    return msgspec.json.decode(opened, type=Tokens) if opened else None


def _place(site: int, network: str, server: str) -> str:
    return f"share {site} {network} {server}"


class Accounts:
    """The accounts of one site's visitors."""

    def __init__(self, site: Site, database: Database, sealing: Sealing) -> None:
        self._site = site
        self._database = database.site(site.id)
        self._sealing = sealing

    async def put(self, visitor: int, network: str, account: Connected) -> None:
        """A visitor connected an account, instead of the one that they had at that network."""
        sealed = await seal(self._sealing, self._site.id, network, account.server, account.tokens)
        await self._database.write(
            PUT_ACCOUNT, self._site.id, visitor, network, account.server, account.name, sealed
        )

    async def drop(self, visitor: int, network: str) -> bool:
        """A visitor lets an account go; False where there is none."""
        return bool((await self._database.write(DROP_ACCOUNT, self._site.id, visitor, network))[0][0])

    async def all(self, visitor: int, reading: ReadPreference | Reading = ReadPreference.PRIMARY) -> list[Account]:
        """Those of a visitor."""
        reading = Reading.of(reading)
        rows = reading.found(await reading.rows(self._database, SELECT_ACCOUNTS, self._site.id, visitor))
        return [Account(*row) for row in rows]

    async def open(self, visitor: int, network: str) -> Opened | None:
        """The account of a visitor at a network, if there is one that can be used."""
        rows = await self._database.read(
            SELECT_TOKENS, self._site.id, visitor, network, preference=ReadPreference.PRIMARY
        )
        if not rows.rows:
            return None
        name, server, called, lost, sealed, version = rows.rows[0]
        tokens = await unseal(self._sealing, self._site.id, name, server, bytes(sealed))
        return None if tokens is None else Opened(name, server, called, lost, tokens, version)

    async def claim(self, visitor: int, one: Opened) -> bool:
        """Get new tokens from here on, alone; False where somebody else does, or did."""
        return bool(await self._database.write(
            CLAIM_REFRESH, self._site.id, visitor, one.network, one.version, REFRESHING
        ))  # fmt: skip

    async def renew(self, visitor: int, one: Opened, tokens: Tokens) -> bool:
        """Keep new tokens; False where the account is another by now."""
        sealed = await seal(self._sealing, self._site.id, one.network, one.server, tokens)
        return bool(
            await self._database.write(SET_TOKENS, self._site.id, visitor, one.network, one.version, sealed)
        )

    async def free(self, visitor: int, one: Opened, *, lost: bool) -> None:
        """There are no new tokens; *lost*: nor will there be."""
        await self._database.write(FREE_REFRESH, self._site.id, visitor, one.network, one.version, lost)

    async def rename(self, visitor: int, network: str, name: str) -> None:
        """The network says whose account it is."""
        await self._database.write(SET_NAME, self._site.id, visitor, network, name)
