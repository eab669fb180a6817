"""Deleting a site takes two: an owner asks, and another owner agrees.

Where a site has one owner, the same one agrees, three days later: enough for whoever did not ask to notice it.
"""

from __future__ import annotations

from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database

# Seconds until the only owner may agree to it, and until nobody may any more.
WAIT = 3 * 86_400
LAPSES = 14 * 86_400

_TIME = "to_char({} at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
ASK_FAREWELL = Query(
    "ask_farewell",
    f"""
    with old as (
      delete from catalog.site_farewell where site_id = $1 and asked_at < now() - interval '{LAPSES} s'
    )
    insert into catalog.site_farewell (site_id, account_id) select $1, $2
    where not exists (
      select from catalog.site_farewell where site_id = $1 and asked_at >= now() - interval '{LAPSES} s')
    on conflict (site_id) do update set account_id = excluded.account_id, asked_at = now()
      where catalog.site_farewell.asked_at < now() - interval '{LAPSES} s'
    """,
    ("int", "bigint"),
)
SELECT_FAREWELL = Query(
    "select_farewell",
    f"""
    select f.account_id, coalesce(nullif(a.name, ''), split_part(a.email, '@', 1)), {_TIME.format("f.asked_at")},
      extract(epoch from now() - f.asked_at)::float8,
      (select count(*) from catalog.membership m where m.site_id = $1 and m.role = 'owner'),
      array(select m.account_id from catalog.membership m
        where m.site_id = $1 and m.role = 'owner' and m.created_at <= f.asked_at)
    from catalog.site_farewell f join catalog.account a on a.id = f.account_id
    where f.site_id = $1 and f.asked_at >= now() - interval '{LAPSES} s'
    """,
    ("int",),
)
CANCEL_FAREWELL = Query(
    "cancel_farewell", "delete from catalog.site_farewell where site_id = $1 returning site_id", ("int",)
)


class Farewell(Struct, frozen=True):
    """Who asked to delete a site, and when; ``owners`` it has, of whom ``then`` were there when it was asked: nobody
    makes the second owner who agrees."""

    account: int
    name: str
    asked: str
    age: float
    owners: int
    then: list[int]

    def agreed(self, account: int) -> bool:
        """Whether it may be done when *account*, an owner, asks again."""
        if account != self.account:
            return account in self.then
        return self.owners == 1 and self.age >= WAIT


class Farewells:
    """What is to be deleted."""

    def __init__(self, database: Database) -> None:
        self._database = database.system

    async def ask(self, site: int, account: int) -> Farewell | None:
        """Note that *account* asks for it, where nobody did before; gives what was noted before."""
        before = await self.look(site)
        if before is None:
            await self._database.write(ASK_FAREWELL, site, account)
        return before

    async def look(self, site: int) -> Farewell | None:
        """Who asked, or None."""
        rows = (await self._database.read(SELECT_FAREWELL, site, preference=ReadPreference.PRIMARY)).rows
        return Farewell(*rows[0]) if rows else None

    async def cancel(self, site: int) -> bool:
        """Nothing is deleted; False where nobody asked."""
        return bool(await self._database.write(CANCEL_FAREWELL, site))
