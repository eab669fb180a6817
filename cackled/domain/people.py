"""People: visitors of a site who signed in. Who they are, which name they write under, and what becomes of what they
wrote as guests.

A person is a visitor with a row in ``person``. The first time somebody signs in, the guest they were becomes that
person, so that nothing has to be moved. Where the identity is known already, what the guest wrote is carried over
(`Authored`), in steps, by the outbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred

from cackled.database.errors import DatabaseError
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.errors import BadField, Conflict, NotFound, Unauthorized
from cackled.domain.names import skeleton
from cackled.domain.outbox import Retry, Work
from cackled.domain.sessions import BY_SITE, GUEST, Session
from cackled.domain.site import Site
from cackled.domain.staff import Staff
from cackled.domain.text import clean_name
from cackled.events import Position
from cackled.shared_calls import SharedCalls

# Things of a product that are carried in one transaction.
BATCH = 100
TRIES = 10_000
# For so many seconds it is remembered that a site has people, or none. So long its guests may have a new person's name.
SOME_SECONDS, NONE_SECONDS = 600.0, 5.0
MOST_SITES = 10_000
# For so many seconds a session that a site's own server began is made anew without another word of it.
SITE_SECONDS = 24 * 3600
# The same of other ways to sign in.
PERSON_SECONDS = 90 * 24 * 3600

SIGN_IN = Query(
    "sign_in",
    """
    with s as materialized (
      select * from sign_in($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, to_timestamp($16))
    ), work as (
      insert into outbox (site_id, kind, body)
      select $1, 'people', concat('{"visitor":"', s.visitor, '","from":"', coalesce(s.carry, 0), '"}')
      from s where s.carry is not null or s.changed
    )
    select visitor, groups, staff from s
    """,
    (
        "int", "text", "text", "bigint", "bigint", "int", "text", "text", "text", "boolean", "text", "text", "text[]",
        "text[]", "text", "float8",
    ),
)  # fmt: skip
SELECT_PERSON = Query(
    "select_person",
    """
    select p.name, p.email, p.email_verified, p.avatar, p.url, p.groups, p.badges, p.staff, p.level, p.private,
      p.gravatar, case when p.signed_out_at = '-infinity' then 0 else extract(epoch from p.signed_out_at)::float8 end,
      extract(epoch from p.created_at)::float8, p.picture, p.staff_picture
    from person p where p.site_id = $1 and p.visitor_id = $2
    """,
    ("int", "bigint"),
)
SELECT_IMPORTED_PICTURE = Query(
    "select_imported_picture",
    "select a.picture from import_author a where a.site_id = $1 and a.visitor_id = $2 and a.picture <> '' limit 1",
    ("int", "bigint"),
)
DROP_IMPORTED_PICTURE = Query(
    "drop_imported_picture",
    """
    update import_author a set picture = '' where a.site_id = $1 and a.visitor_id = $2 and a.picture <> ''
    returning a.visitor_id
    """,
    ("int", "bigint"),
)
SELECT_NAME = Query(
    "select_name_taken", "select taken, person from name_taken($1, $2, $3)", ("int", "bigint", "text")
)
SELECT_WHOSE = Query(
    "select_whose_identity",
    "select visitor_id from person_identity where site_id = $1 and provider = $2 and subject = $3",
    ("int", "text", "text"),
)
SELECT_ANY = Query("select_any_person", "select from person where site_id = $1 limit 1", ("int",))
UPDATE_PERSON = Query(
    "update_person",
    """
    with before as materialized (
      select p.name, author_extra($1, $2) as extra from person p where p.site_id = $1 and p.visitor_id = $2
    ), changed as (
      update person p set name = coalesce($3, p.name), skeleton = coalesce($4, p.skeleton),
        private = coalesce($5, p.private), gravatar = coalesce($6, p.gravatar)
      from before where p.site_id = $1 and p.visitor_id = $2
      returning before.name is distinct from p.name or $6 is not null as shown
    ), work as (
      insert into outbox (site_id, kind, body)
      select $1, 'people', concat('{"visitor":"', $2, '","from":"0"}') from changed where shown
    )
    select 1 from changed
    """,
    ("int", "bigint", "text", "text", "boolean", "boolean"),
)
SET_PICTURE = Query(
    "set_own_picture",
    """
    with changed as (
      update person p set picture = $3 where p.site_id = $1 and p.visitor_id = $2 and p.picture <> $3 returning 1
    ), work as (
      insert into outbox (site_id, kind, body)
      select $1, 'people', concat('{"visitor":"', $2, '","from":"0"}') from changed
    )
    select exists (select from changed) from person p where p.site_id = $1 and p.visitor_id = $2
    """,
    ("int", "bigint", "text"),
)
# $2: whose, by what signed them in; what they wrote shows it, too.
SET_STAFF_PICTURE = Query(
    "set_staff_picture",
    """
    with changed as (
      update person p set staff_picture = $3 from person_identity i
      where i.site_id = any($1) and i.provider = 'staff' and i.subject = $2 and p.site_id = i.site_id
        and p.visitor_id = i.visitor_id and p.staff_picture <> $3
      returning p.site_id, p.visitor_id
    )
    insert into outbox (site_id, kind, body)
    select site_id, 'people', concat('{"visitor":"', visitor_id, '","from":"0"}') from changed
    """,
    ("int[]", "text", "text"),
)
IS_BANNED = Query(
    "is_person_banned", "select coalesce(ban_of($1, '', $2, $3::text::inet) = 'ban', false)",
    ("int", "bigint", "text"),
)  # fmt: skip
SIGN_OUT = Query(
    "sign_out", "update person set signed_out_at = now() where site_id = $1 and visitor_id = $2", ("int", "bigint")
)
CARRY_GUEST = Query("carry_guest", "select carry_guest($1, $2, $3)", ("int", "bigint", "bigint"))


class Authored(Struct, frozen=True, kw_only=True):
    """How what a product has of a visitor follows them.

    Each query does at most so many things in its transaction and gives rows ``(channel, seq)``: where that led to, and
    a last row of nulls as long as there is more. ``carry`` is called with ``(site, person, guest, most)``, ``spread``,
    which shows name and picture as they are now, with ``(site, person, most)``.
    """

    carry: Query
    spread: Query


class Facts(Struct, frozen=True, kw_only=True):
    """What somebody who signed in is, as a provider or the site's own server says.

    ``provider`` and ``subject`` name the identity; ``verified``: the address of mail is theirs for sure. ``stated`` is
    when it was said, in seconds since 1970.
    """

    provider: str
    subject: str
    level: int
    name: str
    email: str = ""
    verified: bool = False
    avatar: str = ""
    url: str = ""
    groups: tuple[str, ...] = ()
    badges: tuple[str, ...] = ()
    staff: str = ""
    stated: float


class Person(Struct, frozen=True):
    """A person as the database knows them; times are in seconds since 1970."""

    name: str
    email: str
    email_verified: bool
    avatar: str
    url: str
    groups: tuple[str, ...]
    badges: tuple[str, ...]
    staff: str
    level: int
    private: bool
    gravatar: bool
    signed_out: float
    created: float
    # The number of a picture that they uploaded, or "".
    picture: str = ""
    # What stands in the address of their account's picture, of staff; or "".
    staff_picture: str = ""


class Crowd:
    """Which sites have people at all: guests of the others go by any name, and nothing is looked up for them."""

    def __init__(self, seconds: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._known: dict[int, tuple[bool, float]] = {}
        self.calls: SharedCalls[bool] = SharedCalls()

    def known(self, site: int) -> bool | None:
        """Whether a site has people; None where it has to be asked again."""
        found, until = self._known.get(site, (False, 0.0))
        return found if self._seconds() < until else None

    def note(self, site: int, found: bool) -> None:
        """A site has people, or none."""
        if len(self._known) >= MOST_SITES:
            self._known.clear()
        self._known[site] = found, self._seconds() + (SOME_SECONDS if found else NONE_SECONDS)


class People:
    """The people of one site."""

    def __init__(self, site: Site, database: Database, crowd: Crowd | None = None) -> None:
        self._site = site
        self._database = database.site(site.id)
        self._crowd = Crowd() if crowd is None else crowd

    async def sign_in(self, facts: Facts, guest: int, new: int, now: float) -> Session:
        """Who *facts* are about: the guest *guest* (0: nobody) becomes that person, else *new* is their number.

        What the guest wrote before follows.
        """
        rows = await self._database.write(
            SIGN_IN, self._site.id, facts.provider, facts.subject, guest, new, facts.level, facts.name,
            skeleton(facts.name), facts.email, facts.verified, facts.avatar, facts.url, list(facts.groups),
            list(facts.badges), facts.staff, facts.stated,
        )  # fmt: skip
        self._crowd.note(self._site.id, True)
        visitor, groups, staff = rows[0]
        return self._session(visitor, facts.level, groups, staff, int(now))

    async def whose(self, provider: str, subject: str) -> int | None:
        """The visitor that an identity is; None where nobody signed in with it."""
        rows = await self._database.read(
            SELECT_WHOSE, self._site.id, provider, subject, preference=ReadPreference.PRIMARY
        )
        return rows.rows[0][0] if rows.rows else None

    async def renew(self, old: Session, now: float) -> Session | None:
        """*old*, as the person is now; None where they have to sign in again."""
        if now - old.since > (SITE_SECONDS if old.level == BY_SITE else PERSON_SECONDS):
            return None
        person = await self.find(old.visitor)
        if person is None or old.since < person.signed_out:
            return None
        return self._session(old.visitor, old.level, person.groups, person.staff, old.since)

    def _session(self, visitor: int, level: int, groups: Iterable[str], staff: str, since: int) -> Session:
        if level != BY_SITE:
            # Only the site's own server says who is in which group, and it said so of its own visitors.
            return Session(self._site.id, visitor, level, since=since)
        return Session(self._site.id, visitor, level, frozenset(groups), staff, since)

    async def sign_out(self, session: Session) -> None:
        """End all sessions of a person: none is made anew."""
        await self._database.write(SIGN_OUT, self._site.id, session.visitor)

    async def find(self, visitor: int, preference: ReadPreference = ReadPreference.PRIMARY) -> Person | None:
        """The person that a visitor is; None where they are none."""
        rows = (await self._database.read(SELECT_PERSON, self._site.id, visitor, preference=preference)).rows
        if not rows:
            return None
        return msgspec.convert(dict(zip(Person.__struct_fields__, rows[0], strict=True)), Person)

    async def imported_picture(self, visitor: int) -> str:
        """The number of the picture that came with what the author wrote elsewhere; ``""`` where there is none."""
        rows = await self._database.read(
            SELECT_IMPORTED_PICTURE, self._site.id, visitor, preference=ReadPreference.NEAREST
        )
        return str(rows.rows[0][0]) if rows.rows else ""

    async def drop_imported_picture(self, visitor: int) -> bool:
        """Remove the picture that an import brought; whether there was one."""
        return bool(await self._database.write(DROP_IMPORTED_PICTURE, self._site.id, visitor))

    async def author(self, session: Session, name: str) -> str:
        """The name that *session* writes under: a person's own, whatever *name* says; a guest's *name*, which is clean.

        Raises:
            BadField: somebody's who signed in looks like it (``reason``: ``taken``).
            Unauthorized: a guest's session of somebody who is a person by now.
        """
        if session.level != GUEST:
            person = await self.find(session.visitor)
            if person is None:
                raise Unauthorized("Sign in again.", slug="token-expired")
            return person.name
        if not await self._any():
            return name
        rows = await self._database.read(
            SELECT_NAME, self._site.id, session.visitor, skeleton(name), preference=ReadPreference.PRIMARY
        )
        taken, person_by_now = rows.rows[0]
        if person_by_now:
            raise Unauthorized("Sign in again, or go on as a guest.", slug="token-expired")
        if taken:
            error = BadField("Somebody who signed in here has that name, or one like it. Choose another.", field="name")
            error.extra = {"reason": "taken"}
            raise error
        return name

    async def is_person(self, visitor: int) -> bool:
        """Whether a visitor signed in ever."""
        return await self._any() and await self.find(visitor) is not None

    async def _any(self) -> bool:
        known = self._crowd.known(self._site.id)
        if known is None:
            # Those who write at the same moment ask once.
            known = await self._crowd.calls.ask(str(self._site.id), lambda: Deferred.fromCoroutine(self._ask_any()))
        return known

    async def _ask_any(self) -> bool:
        rows = await self._database.read(SELECT_ANY, self._site.id, preference=ReadPreference.PRIMARY)
        known = bool(rows.rows)
        self._crowd.note(self._site.id, known)
        return known

    async def change(
        self, session: Session, *, name: str | None = None, private: bool | None = None, gravatar: bool | None = None
    ) -> None:
        """Change what a person shows.

        Raises:
            BadField: the name can't be used.
            Conflict: the name is the site's to give.
            NotFound: the visitor is no person.
        """
        if name is not None:
            name = clean_name(name)
            person = await self.find(session.visitor)
            if person is not None and person.level == BY_SITE and person.name != name:
                raise Conflict("The name comes from the site. Change it there.", field="name")
        rows = await self._database.write(
            UPDATE_PERSON, self._site.id, session.visitor, name, None if name is None else skeleton(name), private,
            gravatar,
        )  # fmt: skip
        if not rows:
            raise NotFound("You are not signed in.")


    async def set_picture(self, visitor: int, number: str) -> bool:
        """Show a picture of their own as the person's, ``""``: none; tells whether that is another than before.

        Raises:
            NotFound: the visitor is no person.
            QueryFailed: the picture is not theirs.
        """
        rows = await self._database.write(SET_PICTURE, self._site.id, visitor, number)
        if not rows:
            raise NotFound("There is no such person.")
        return bool(rows[0][0])

    async def set_staff_picture(self, staff: Staff) -> None:
        """Show the picture of a colleague who writes here, as their account has it now."""
        await self._database.write(SET_STAFF_PICTURE, [self._site.id], staff.actor, staff.picture)

    async def banned(self, visitor: int, address: str) -> bool:
        """Whether a visitor, or whoever has that address, is banned from the whole site."""
        found = await self._database.read(
            IS_BANNED, self._site.id, visitor, address or None, preference=ReadPreference.PRIMARY
        )
        return bool(found.rows[0][0])


class Following:
    """The outbox's handler of kind ``people``: what products have of a guest or a person follows them."""

    def __init__(self, database: Database, authored: Iterable[Authored], evict: Callable[[Position], None]) -> None:
        self._database = database
        self._authored = tuple(authored)
        self._evict = evict

    async def deliver(self, work: Work) -> None:
        """Do what a row of the outbox asks for.

        Raises:
            Retry: the database could not be reached.
        """
        asked = msgspec.json.decode(work.body, type=dict[str, int], strict=False)
        try:
            await self.follow(work.site, asked["visitor"], asked["from"])
        except DatabaseError as error:
            raise Retry(str(error)) from None

    async def follow(self, site: int, visitor: int, guest: int) -> int:
        """Carry over what *guest* (0: nobody) had, and show the person as they are now; gives how many events told."""
        told = 0
        for one in self._authored:
            if guest:
                told += await self._to_the_end(one.carry, site, visitor, guest)
            told += await self._to_the_end(one.spread, site, visitor)
        if guest:
            await self._database.site(site).write(CARRY_GUEST, site, visitor, guest)
        return told

    async def _to_the_end(self, query: Query, site: int, *who: int) -> int:
        told = 0
        for _ in range(TRIES):
            rows: list[tuple[Any, ...]] = await self._database.site(site).write(query, site, *who, BATCH)
            more = bool(rows) and rows[-1][0] is None
            for channel, seq in rows[: len(rows) - more]:
                self._evict(Position(site, channel, seq))
                told += 1
            if not more:
                break
        return told
