"""Pictures of accounts: one each, a small square made anew, in the catalog beside the account.

Accounts are in the catalog of their deployment, and so are their pictures: every node reads them there, no site's shard
has one, and they end with the account. What a site keeps is the name that stands in the address. It is random, and
stays while the account has a picture, so that another picture takes the place of the one before at once wherever that
is shown, and a picture that is taken away is nowhere any more.
"""

from __future__ import annotations

from secrets import token_urlsafe

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.people import SET_STAFF_PICTURE

# Points of a side.
SIDE = 160

SET_ACCOUNT_PICTURE = Query(
    "set_account_picture",
    """
    update catalog.account a set picture_body = $3, picture = case
      when $3::bytea is null then '' when a.picture = '' then $2 else a.picture end
    where a.id = $1 returning a.picture
    """,
    ("bigint", "text", "bytea"),
)
SELECT_ACCOUNT_PICTURE = Query(
    "select_account_picture",
    "select picture_body from catalog.account where picture = $1 and picture <> ''", ("text",),
)  # fmt: skip
SELECT_SITES_SHOWN = Query(
    "select_sites_shown", "select site_id from catalog.membership where account_id = $1", ("bigint",)
)


class AccountPictures:
    """The pictures of all accounts."""

    def __init__(self, database: Database) -> None:
        self._whole = database
        self._database = database.system

    async def body(self, name: str) -> bytes | None:
        """The WebP of the picture of that name; None where there is none (any more)."""
        found = (await self._database.read(SELECT_ACCOUNT_PICTURE, name, preference=ReadPreference.NEAREST)).rows
        return bytes(found[0][0]) if found and found[0][0] is not None else None

    async def set(self, account: int, body: bytes | None) -> str:
        """Keep the picture of an account (None: it has none), and show it with what they wrote on their sites.

        Gives what stands in its address, ``""`` where there is none.
        """
        rows = await self._database.write(SET_ACCOUNT_PICTURE, account, token_urlsafe(16), body)
        name = str(rows[0][0]) if rows else ""
        await show_picture(self._whole, account, name)
        return name


async def show_picture(database: Database, account: int, name: str) -> None:
    """What an account wrote on its sites shows that picture, ``""``: none."""
    found = await database.system.read(SELECT_SITES_SHOWN, account, preference=ReadPreference.PRIMARY)
    sites = [row[0] for row in found.rows]
    if sites:
        for part in database.parts:
            await part.system.write(SET_STAFF_PICTURE, sites, f"account:{account}", name)
