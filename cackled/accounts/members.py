"""Who works on a site, and who was asked to."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cackled.accounts.store import check_role, clean_email, email_key
from cackled.accounts.tokens import LONGEST, hash_token, make_token
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import BadField, Conflict, Forbidden, NotFound, Outdated
from cackled.domain.staff import Staff
from cackled.domain.staff_channels import end_rooms
from cackled.domain.text import clean_line

# Seconds that an invitation holds; of each site so many at a time, so that nobody's mail is flooded through us.
INVITATION_LIFETIME = 7 * 86_400
MOST_INVITATIONS = 50
MOST_MEMBERS = 500
MOST_SECTIONS, LONGEST_SECTION = 20, 100
# What a key needs, besides what the call takes, to name or take away a member of a role.
SCOPE_OF: dict[str, str] = {"moderator": "moderate", "operator": "chat", "analyst": "read"}

_VERSION = "content_version(row(m.role, m.sections)::text)"
_TIME = "to_char({} at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
SELECT_MEMBERS = Query(
    "select_members",
    f"""
    select a.id, a.email, a.name, m.role, m.sections, {_TIME.format("m.created_at")}, (
      select {_TIME.format("max(s.seen_at)")} from catalog.account_session s where s.account_id = a.id), {_VERSION},
      case when a.picture <> '' then '/avatar/staff/' || a.picture else '' end
    from catalog.membership m join catalog.account a on a.id = m.account_id
    where m.site_id = $1 order by m.created_at, a.id
    """,
    ("int",),
)
# An owner goes, or is one no more, only where another stays: two who take each other away wait for one another here.
CHANGE_MEMBER = Query(
    "change_member",
    f"""
    with one as materialized (select id from catalog.site where id = $1 for update),
    others as materialized (
      select count(*) filter (where m.account_id <> $2) as owners
      from one join catalog.membership m on m.site_id = one.id and m.role = 'owner'
    )
    update catalog.membership m set role = $3, sections = $4 from others
    where m.site_id = $1 and m.account_id = $2 and (m.role <> 'owner' or $3 = 'owner' or others.owners > 0)
      and {_VERSION} = $5
    returning {_VERSION}
    """,
    ("int", "bigint", "text", "text[]", "bigint"),
)
REMOVE_MEMBER = Query(
    "remove_member",
    """
    with one as materialized (select id from catalog.site where id = $1 for update),
    others as materialized (
      select count(*) filter (where m.account_id <> $2) as owners
      from one join catalog.membership m on m.site_id = one.id and m.role = 'owner'
    )
    delete from catalog.membership m using others
    where m.site_id = $1 and m.account_id = $2 and (m.role <> 'owner' or others.owners > 0)
    returning m.account_id
    """,
    ("int", "bigint"),
)
SELECT_MEMBER = Query(
    "select_member",
    f"select role, sections, {_VERSION} from catalog.membership m where site_id = $1 and account_id = $2",
    ("int", "bigint"),
)
INSERT_INVITATION = Query(
    "insert_invitation",
    """
    with old as (delete from catalog.invitation where expires_at < now() and site_id = $1)
    insert into catalog.invitation (site_id, email, email_key, role, sections, token_hash, invited_by, expires_at)
    select $1, $2, $3, $4, $5, $6, $7, now() + make_interval(secs => $8)
    where (select count(*) from catalog.invitation i where i.site_id = $1 and i.expires_at > now()
      and i.email_key <> $3) < $9
    on conflict (site_id, email_key) do update set role = excluded.role, sections = excluded.sections,
      token_hash = excluded.token_hash, invited_by = excluded.invited_by, expires_at = excluded.expires_at,
      created_at = now()
    returning id
    """,
    ("int", "text", "text", "text", "text[]", "bytea", "bigint", "float8", "int"),
)
SELECT_INVITATIONS = Query(
    "select_invitations",
    f"""
    select id, email, role, sections, {_TIME.format("created_at")}, {_TIME.format("expires_at")}
    from catalog.invitation where site_id = $1 and expires_at > now() order by id
    """,
    ("int",),
)
DELETE_INVITATION = Query(
    "delete_invitation", "delete from catalog.invitation where site_id = $1 and id = $2 returning email",
    ("int", "bigint"),
)  # fmt: skip
LOOK_INVITATION = Query(
    "look_invitation",
    """
    select i.site_id, s.name, i.email, i.role, i.sections from catalog.invitation i
    join catalog.site s on s.id = i.site_id where i.token_hash = $1 and i.expires_at > now()
    """,
    ("bytea",),
)
# Whoever was something more already stays that.
ACCEPT_INVITATION = Query(
    "accept_invitation",
    """
    with gone as (
      delete from catalog.invitation where token_hash = $1 and expires_at > now() returning site_id, role, sections
    )
    insert into catalog.membership (site_id, account_id, role, sections)
    select site_id, $2, role, sections from gone
    on conflict (site_id, account_id) do update set role = excluded.role, sections = excluded.sections
      where catalog.membership.role <> 'owner'
    returning site_id
    """,
    ("bytea", "bigint"),
)


class Member(Struct, frozen=True):
    """A member of a site; times are text, in UTC. ``version``: the ETag of role and sections;
    ``picture``: the address of their picture on this server, or ``""``."""

    account: str
    email: str
    name: str
    role: str
    sections: list[str]
    since: str
    seen: str | None
    version: int
    picture: str


class Invitation(Struct, frozen=True):
    """An open invitation."""

    id: str
    email: str
    role: str
    sections: list[str]
    created: str
    expires: str


class Invited(Struct, frozen=True):
    """What an invitation's link is about."""

    site: int
    site_name: str
    email: str
    role: str
    sections: list[str]


def check_sections(sections: list[str]) -> list[str]:
    """*sections*, as they are kept.

    Raises:
        BadField: there are too many, or one is too long.
    """
    made = [one for text in sections if (one := clean_line(text).strip())]
    if len(made) > MOST_SECTIONS or any(len(one) > LONGEST_SECTION for one in made):
        raise BadField(f"At most {MOST_SECTIONS} sections of {LONGEST_SECTION} characters.", field="sections")
    return list(dict.fromkeys(made))


def check_rank(by: Staff, *roles: str) -> None:
    """See that *by* may give, or take, *roles*: owners are made and unmade by owners.

    A key gives and takes what it may do itself, and no role that makes keys.

    Raises:
        Forbidden: it may not.
    """
    if by.key:
        for role in roles:
            scope = SCOPE_OF.get(role)
            if scope is None:
                raise Forbidden("Owners and admins are named, and taken away, by people who sign in.", slug="role")
            if scope not in by.scopes:
                raise Forbidden(f"The key needs the scope {scope} too, for a member who is {role}.", slug="role")
        return
    if by.role != "owner" and "owner" in roles:
        raise Forbidden("Owners are named, and taken away, by owners.", slug="role")


class Members:
    """The members of all sites."""

    def __init__(self, database: Database, random: Any) -> None:
        self._whole = database
        self._database = database.system
        self._random = random

    async def listed(self, site: int, preference: ReadPreference = ReadPreference.PRIMARY) -> list[Member]:
        """The members, in the order in which they came."""
        rows = await self._database.read(SELECT_MEMBERS, site, preference=preference)
        return [Member(str(row[0]), *row[1:]) for row in rows.rows]

    async def invitations(self, site: int, preference: ReadPreference = ReadPreference.PRIMARY) -> list[Invitation]:
        """Who was asked, and did not answer yet."""
        rows = await self._database.read(SELECT_INVITATIONS, site, preference=preference)
        return [Invitation(str(row[0]), *row[1:]) for row in rows.rows]

    async def role(self, site: int, account: int) -> tuple[str, list[str]]:
        """Role and sections of a member.

        Raises:
            NotFound: it is none.
        """
        role, sections, _ = await self._now(site, account)
        return role, sections

    async def _now(self, site: int, account: int) -> tuple[str, list[str], int]:
        rows = await self._database.read(SELECT_MEMBER, site, account, preference=ReadPreference.PRIMARY)
        if not rows.rows:
            raise NotFound("Nobody of that number works on this site.")
        return rows.rows[0]

    async def change(
        self, by: Staff, site: int, account: int, role: str, sections: list[str], version: int
    ) -> int:
        """Give a member of that *version* another role; gives the new version.

        Raises:
            NotFound, BadField, Forbidden: there is no such member or role, or *by* may not.
            Outdated: they have another version by now.
            Conflict: the site would be without an owner.
        """
        role, sections = check_role(role), check_sections(sections)
        old, _ = await self.role(site, account)
        check_rank(by, old, role)
        rows = await self._database.write(CHANGE_MEMBER, site, account, role, sections, version)
        if not rows:
            if (await self._now(site, account))[2] != version:
                raise Outdated
            raise Conflict("A site has an owner. Name another one first.", slug="last-owner")
        await end_rooms(self._whole, [site])
        return int(rows[0][0])

    async def remove(self, by: Staff, site: int, account: int) -> None:
        """Take a member away; everybody may take themselves away.

        Raises:
            NotFound, Forbidden: there is no such member, or *by* may not.
            Conflict: the site would be without an owner.
        """
        old, _ = await self.role(site, account)
        if by.account != account:
            check_rank(by, old)
        if not await self._database.write(REMOVE_MEMBER, site, account):
            raise Conflict("A site has an owner. Name another one first.", slug="last-owner")
        await end_rooms(self._whole, [site])

    async def invite(
        self, by: Staff, site: int, email: str, role: str, sections: list[str]
    ) -> tuple[str, str, int]:
        """Ask somebody; gives the address, the token of the link and the invitation's number. A new one replaces one
        to the same address.

        Raises:
            BadField, Forbidden: that is no address or role, or *by* may not.
            Conflict: too many were asked and did not answer.
        """
        email, role, sections = clean_email(email), check_role(role), check_sections(sections)
        check_rank(by, role)
        token = make_token(self._random)
        rows = await self._database.write(
            INSERT_INVITATION, site, email, email_key(email), role, sections, hash_token(token), by.account or None,
            float(INVITATION_LIFETIME), MOST_INVITATIONS,
        )  # fmt: skip
        if not rows:
            raise Conflict(f"{MOST_INVITATIONS} invitations wait for an answer. Take some back.", slug="invitations")
        return email, token, int(rows[0][0])

    async def withdraw(self, site: int, number: int) -> bool:
        """Take an invitation back; False where there is none of that number."""
        return bool(await self._database.write(DELETE_INVITATION, site, number))

    async def look(self, token: str) -> Invited | None:
        """What an invitation is about; None where it was used, taken back, or has run out."""
        if len(token) > LONGEST:
            return None
        rows = await self._database.read(LOOK_INVITATION, hash_token(token), preference=ReadPreference.PRIMARY)
        return Invited(*rows.rows[0]) if rows.rows else None

    async def accept(self, token: str, account: int) -> bool:
        """Make *account* what the invitation says; False where it holds no more."""
        rows = await self._database.write(ACCEPT_INVITATION, hash_token(token), account)
        # Whoever was something else here before is that no more.
        await end_rooms(self._whole, [row[0] for row in rows])
        return bool(rows)
