"""Accounts: making them, finding them, and what they may do on which site."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from msgspec import Struct

from cackled.accounts.pictures import show_picture
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import BadField, Conflict
from cackled.domain.staff import ROLES
from cackled.domain.staff_channels import end_rooms
from cackled.domain.text import clean_line, clean_name

INSERT_ACCOUNT = Query(
    "insert_account",
    """
    insert into catalog.account (email, email_key, name) values ($1, $2, $3)
    on conflict (email_key) do nothing returning id
    """,
    ("text", "text", "text"),
)
_COLUMNS = "id, email, name, password, totp, totp_step, verified_at is not null, picture"
SELECT_ACCOUNT = Query("select_account", f"select {_COLUMNS} from catalog.account where id = $1", ("bigint",))
SELECT_ACCOUNT_BY_EMAIL = Query(
    "select_account_by_email", f"select {_COLUMNS} from catalog.account where email_key = $1", ("text",)
)
UPSERT_MEMBER = Query(
    "upsert_member",
    """
    insert into catalog.membership (site_id, account_id, role, sections) values ($1, $2, $3, $4)
    on conflict (site_id, account_id) do update set role = excluded.role, sections = excluded.sections
    """,
    ("int", "bigint", "text", "text[]"),
)
SELECT_SITES_OF = Query(
    "select_sites_of_account",
    """
    select m.site_id, s.name, m.role, m.sections from catalog.membership m join catalog.site s on s.id = m.site_id
    where m.account_id = $1 order by m.site_id
    """,
    ("bigint",),
)
UPDATE_PASSWORD = Query(
    "update_password",
    "update catalog.account set password = $2, password_at = now() where id = $1 returning id", ("bigint", "text"),
)  # fmt: skip
UPDATE_ACCOUNT_NAME = Query(
    "update_account_name", "update catalog.account set name = $2 where id = $1 returning id", ("bigint", "text")
)
VERIFY_ACCOUNT = Query(
    "verify_account",
    "update catalog.account set verified_at = coalesce(verified_at, now()) where id = $1 returning id", ("bigint",),
)  # fmt: skip
LOG_ACCOUNT = Query(
    "log_account",
    "insert into catalog.account_log (account_id, what, address, agent) values ($1, $2, $3, $4)",
    ("bigint", "text", "text", "text"),
)
SELECT_ACCOUNT_LOG = Query(
    "select_account_log",
    """
    select to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), what, address, agent
    from catalog.account_log where account_id = $1 order by id desc limit 100
    """,
    ("bigint",),
)

LIST_ACCOUNTS = Query(
    "list_accounts",
    """
    select a.id, a.email, a.name, coalesce((
        select string_agg(m.site_id || ' ' || m.role, ', ' order by m.site_id)
        from catalog.membership m where m.account_id = a.id), ''),
      coalesce((select to_char(max(s.seen_at) at time zone 'utc', 'YYYY-MM-DD HH24:MI')
        from catalog.account_session s where s.account_id = a.id), '')
    from catalog.account a order by a.id limit 1000
    """,
)
# Sites that would be without an owner.
SELECT_ORPHANS = Query(
    "select_orphaned_sites",
    """
    select m.site_id from catalog.membership m where m.account_id = $1 and m.role = 'owner' and not exists (
      select from catalog.membership o where o.site_id = m.site_id and o.role = 'owner' and o.account_id <> $1)
    order by 1
    """,
    ("bigint",),
)
DELETE_ACCOUNT = Query("delete_account", "delete from catalog.account where id = $1 returning id", ("bigint",))
# The log says that somebody did it, and no more who.
FORGET_IN_AUDIT = Query("forget_in_audit", "update audit set name = '' where actor = $1 and name <> ''", ("text",))

SELECT_DEEDS = Query(
    "select_audit_of_account",
    """
    select site_id, to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), action, target from audit
    where actor = $1 and site_id = any($2) order by id desc limit 10000
    """,
    ("text", "int[]"),
)
# Whoever signed up and never followed the link; a stranger may have typed the address.
DROP_UNVERIFIED = Query(
    "drop_unverified_accounts",
    """
    with gone as (
      delete from catalog.account where id in (
        select a.id from catalog.account a
        where a.verified_at is null and a.password is null and a.created_at < now() - interval '8 days'
          and not exists (select from catalog.membership m where m.account_id = a.id)
          and not exists (select from catalog.account_session s where s.account_id = a.id)
          and not exists (select from catalog.account_link l where l.account_id = a.id and l.expires_at > now())
        limit 1000) returning 1
    ) select count(*) from gone
    """,
)
DROP_ACCOUNT_LOG = Query(
    "drop_account_log",
    """
    with gone as (
      delete from catalog.account_log where id in (
        select id from catalog.account_log where at < now() - interval '1 year' limit 1000) returning 1
    ) select count(*) from gone
    """,
)

MOST_EMAIL, MOST_NAME, MOST_AGENT = 250, 80, 200
# One mark between visible characters; the server that takes the mail knows the rest (RFC 5321 section 4.1.2).
_EMAIL = re.compile(r"[^\s@<>(),;:\\\"\[\]\x00-\x20\x7f-\x9f]{1,64}@[^\s@<>(),;:\\\"\[\]\x00-\x20\x7f-\x9f]{1,185}")


class Account(Struct, frozen=True):
    """An account. ``password`` and ``totp`` are what is stored of them, None where there is none;
    ``picture`` is what stands in the address of its picture, ``""`` where it has none."""

    id: int
    email: str
    name: str
    password: str | None
    totp: bytes | None
    totp_step: int
    verified: bool
    picture: str = ""

    @property
    def shown(self) -> str:
        """Change the name that colleagues see."""
        return self.name or self.email.partition("@")[0]


class SiteRole(Struct, frozen=True):
    """What an account is on a site."""

    site: int
    name: str
    role: str
    sections: list[str]


class ListedAccount(Struct, frozen=True):
    """An account as operators see it; ``sites`` and ``seen`` are text."""

    id: int
    email: str
    name: str
    sites: str
    seen: str


def link_address(base: str, token: str) -> str:
    """The address that a link of *token* leads to, below *base*. What stands after ``#`` is sent to no server."""
    return f"{base}/panel/link#token={token}"


def clean_email(text: str) -> str:
    """*text* as an address that mail can be sent to.

    Raises:
        BadField: it is none.
    """
    text = unicodedata.normalize("NFKC", text).strip()
    if len(text) > MOST_EMAIL or _EMAIL.fullmatch(text) is None:
        raise BadField("That is no mail address.", field="email")
    return text


def email_key(text: str) -> str:
    """A mail address as it is compared: most servers do not tell large letters from small ones."""
    return unicodedata.normalize("NFKC", text.replace("\0", " ")).strip().lower()[:MOST_EMAIL]


def shown_name(text: str) -> str:
    """*text* as a name that colleagues see, or ``""``, where the mail address stands for it.

    Raises:
        BadField: nothing of it can be seen, or it is too long.
    """
    return clean_name(text) if text.strip() else ""


def check_role(role: str) -> str:
    """*role*, where there is such a one.

    Raises:
        BadField: there is not.
    """
    if role not in ROLES:
        raise BadField(f"A role is one of {', '.join(ROLES)}.", field="role")
    return role


class People:
    """The accounts of this deployment."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._database = database.system

    async def add(self, email: str, name: str = "") -> Account:
        """The account of *email*, made where there is none.

        Raises:
            BadField: that is no address.
        """
        email = clean_email(email)
        await self._database.write(INSERT_ACCOUNT, email, email_key(email), shown_name(name))
        found = await self.by_email(email)
        assert found is not None
        return found

    async def get(self, account: int) -> Account | None:
        """The account, or None."""
        return self._one(await self._database.read(SELECT_ACCOUNT, account, preference=ReadPreference.PRIMARY))

    async def by_email(self, email: str) -> Account | None:
        """The account of *email*, or None."""
        key = email_key(email)
        return self._one(await self._database.read(SELECT_ACCOUNT_BY_EMAIL, key, preference=ReadPreference.PRIMARY))

    @staticmethod
    def _one(rows: Any) -> Account | None:
        if not rows.rows:
            return None
        id_, email, name, password, totp, step, verified, picture = rows.rows[0]
        return Account(id_, email, name, password, None if totp is None else bytes(totp), step, verified, picture)

    async def appoint(self, site: int, account: int, role: str, sections: tuple[str, ...] = ()) -> None:
        """Give an account a role on a site, in place of the one that it has."""
        await self._database.write(UPSERT_MEMBER, site, account, check_role(role), list(sections))
        await end_rooms(self.database, [site])

    async def sites(self, account: int, preference: ReadPreference = ReadPreference.PRIMARY) -> list[SiteRole]:
        """The sites where an account has a role."""
        rows = await self._database.read(SELECT_SITES_OF, account, preference=preference)
        return [SiteRole(*row) for row in rows.rows]

    async def set_password(self, account: int, stored: str) -> None:
        """Keep a password's hash."""
        await self._database.write(UPDATE_PASSWORD, account, stored)

    async def rename(self, account: int, name: str) -> str:
        """What colleagues see from now on.

        Raises:
            BadField: nothing of it can be seen, or it is too long.
        """
        name = shown_name(name)
        await self._database.write(UPDATE_ACCOUNT_NAME, account, name)
        return name

    async def listed(self) -> list[ListedAccount]:
        """The first thousand accounts."""
        rows = await self._database.read(LIST_ACCOUNTS, preference=ReadPreference.PRIMARY_PREFERRED)
        return [ListedAccount(*row) for row in rows.rows]

    async def orphans(self, account: int) -> list[int]:
        """The sites that have no other owner."""
        rows = await self._database.read(SELECT_ORPHANS, account, preference=ReadPreference.PRIMARY)
        return [row[0] for row in rows.rows]

    async def check_owners(self, account: int) -> None:
        """See that an account may be deleted.

        Raises:
            Conflict: a site would be without an owner.
        """
        sites = await self.orphans(account)
        if sites:
            raise Conflict(
                f"Site {', '.join(map(str, sites))} would have no owner. Name another, or delete it, first.",
                slug="last-owner",
            )

    async def remove(self, account: int) -> None:
        """Delete an account with its sessions, roles and passkeys, and take its name out of the logs of sites.

        `cackled.accounts.deleted_accounts.Forgetting.remove` sees that it stays deleted.
        """
        sites = [one.site for one in await self.sites(account)]
        await show_picture(self.database, account, "")
        for part in self.database.parts:
            await part.system.write(FORGET_IN_AUDIT, f"account:{account}")
        await self._database.write(DELETE_ACCOUNT, account)
        await end_rooms(self.database, sites)

    async def deeds(self, account: int) -> list[dict[str, Any]]:
        """What an account did on the sites where it works, as their logs have it; the newest 10,000 of each shard."""
        sites = [one.site for one in await self.sites(account)]
        found: list[dict[str, Any]] = []
        for part in self.database.parts:
            rows = await part.system.read(
                SELECT_DEEDS, f"account:{account}", sites, preference=ReadPreference.PRIMARY_PREFERRED
            )
            found += [dict(zip(("site", "at", "action", "target"), row, strict=True)) for row in rows.rows]
        return found

    async def verify(self, account: int) -> None:
        """Its owner reads mail to its address."""
        await self._database.write(VERIFY_ACCOUNT, account)

    async def log(self, account: int, what: str, address: str = "", agent: str = "") -> None:
        """Note what happened to an account."""
        await self._database.write(LOG_ACCOUNT, account, what, address[:60], clean_line(agent)[:MOST_AGENT])

    async def history(self, account: int) -> list[dict[str, str]]:
        """The latest hundred things that happened to an account."""
        rows = await self._database.read(SELECT_ACCOUNT_LOG, account, preference=ReadPreference.PRIMARY)
        return [dict(zip(("at", "what", "address", "agent"), row, strict=True)) for row in rows.rows]
