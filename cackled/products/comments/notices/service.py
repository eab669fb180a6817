"""What one visitor follows, what they were told, and how they want to be told."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from secrets import randbits
from typing import Literal, get_args

import msgspec
from msgspec import Struct

from cackled.database.errors import QueryFailed
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import BadField, Conflict
from cackled.domain.people import People
from cackled.domain.read_options import Reading
from cackled.domain.sessions import GUEST, Session
from cackled.domain.site import Site
from cackled.events import Position
from cackled.products.comments.permalink import permalink

Kind = Literal["conversation", "person"]
KINDS: dict[str, int] = {"conversation": 1, "person": 2}
KIND_NAMES = {number: name for name, number in KINDS.items()}
Reason = Literal["reply", "conversation", "person", "mention"]
REASONS: tuple[Reason, ...] = get_args(Reason)
Digest = Literal["off", "soon", "hourly", "daily"]
EmailState = Literal["none", "asked", "confirmed", "bounced", "complained"]
# One visitor follows at most so much, and is told by at most so many browsers.
MOST_FOLLOWS = 500
MOST_BROWSERS = 10
SIZE = 20
# Seconds between two letters that ask an address.
ASK_PAUSE = 3_600

FOLLOWER = Query(
    "follower_of",
    "select channel_id, email, email_state, language, digest, replies, zone, quiet_from, quiet_to, seen "
    "from follower_of($1, $2, $3, $4)",
    ("int", "bigint", "bigint", "text"),
)
SELECT_FOLLOWER = Query(
    "select_follower",
    "select channel_id, email, email_state, language, digest, replies, zone, quiet_from, quiet_to, seen "
    "from follower where site_id = $1 and visitor_id = $2",
    ("int", "bigint"),
)
SELECT_FOLLOWS = Query(
    "select_follows",
    f"""
    select w.kind, w.target, coalesce(h.title, ''), coalesce(h.url, ''), coalesce(h.key, ''),
      coalesce((select c.author_name from comment c where w.kind = 2 and c.site_id = $1 and c.visitor_id = w.target
                and c.status = 1 order by c.id desc limit 1), '')
    from follow w left join channel h on w.kind = 1 and h.site_id = $1 and h.id = w.target
    where w.site_id = $1 and w.visitor_id = $2 order by w.created_at desc limit {MOST_FOLLOWS}
    """,
    ("int", "bigint"),
)
ADD_FOLLOW = Query(
    "add_follow",
    f"""
    insert into follow (site_id, visitor_id, kind, target)
    select $1, $2, $3, $4
    where (select count(*) from follow x where x.site_id = $1 and x.visitor_id = $2) < {MOST_FOLLOWS}
    on conflict (site_id, visitor_id, kind, target) do update set kind = excluded.kind returning 1
    """,
    ("int", "bigint", "smallint", "bigint"),
)
DROP_FOLLOW = Query(
    "drop_follow", "delete from follow where site_id = $1 and visitor_id = $2 and kind = $3 and target = $4",
    ("int", "bigint", "smallint", "bigint"),
)  # fmt: skip
DROP_FOLLOWS = Query("drop_follows", "delete from follow where site_id = $1 and visitor_id = $2", ("int", "bigint"))
SELECT_NOTICES = Query(
    "select_notices",
    """
    select n.id, n.reason, n.channel_id, h.key, h.title, h.url, n.id <= f.seen, comment_json(c)
    from notice n join comment c on c.site_id = $1 and c.id = n.comment_id and c.status = 1 and c.shown and not c.shadow
      join channel h on h.site_id = $1 and h.id = n.channel_id
      join follower f on f.site_id = $1 and f.visitor_id = $2
    where n.site_id = $1 and n.visitor_id = $2 and n.id < $3 order by n.id desc limit $4
    """,
    ("int", "bigint", "bigint", "int"),
)
SELECT_UNREAD = Query(
    "select_unread_notices",
    """
    select unread_notices(f), coalesce((select h.seq from channel h where h.site_id = $1 and h.id = f.channel_id), 0)
    from follower f where f.site_id = $1 and f.visitor_id = $2
    """,
    ("int", "bigint"),
)
# Other pages of the same reader hear of it.
SET_SEEN = Query(
    "set_notices_seen",
    """
    with f as (
      update follower x set seen = greatest(x.seen, least($3, (
        select coalesce(max(n.id), 0) from notice n where n.site_id = $1 and n.visitor_id = $2)))
      where x.site_id = $1 and x.visitor_id = $2 and x.seen < $3 returning x.*
    ), moved as materialized (
      select y.channel_id, advance_seq($1, y.channel_id) as seq, (
        select count(*) from (
          select from notice n where n.site_id = $1 and n.visitor_id = $2 and n.id > y.seen limit 100
        ) z
      ) as unread from f y
    )
    select unread, announce($1, channel_id, seq, 'notice.created', concat('{"unread":', unread, '}'), false)
    from moved where seq is not null
    """,
    ("int", "bigint", "bigint"),
)
SET_FOLLOWER = Query(
    "set_follower",
    """
    update follower x set language = $3, digest = $4, replies = $5, zone = $6, quiet_from = $7, quiet_to = $8
    where x.site_id = $1 and x.visitor_id = $2 and (now() at time zone $6) is not null returning 1
    """,
    ("int", "bigint", "text", "text", "boolean", "text", "smallint", "smallint"),
)
SET_EMAIL = Query(
    "set_follower_email",
    f"""
    update follower x set email = $3, email_state = $4, mail_due = null,
      asked_at = case when $4 = 'asked' and (x.asked_at is null or x.asked_at < now() - interval '{ASK_PAUSE} seconds')
                 then now() else x.asked_at end
    where x.site_id = $1 and x.visitor_id = $2
    returning $4 = 'asked' and x.asked_at = now()
    """,
    ("int", "bigint", "text", "text"),
)
# No address is asked by more than three letters an hour, whoever wants it.
ASK_EMAIL = Query(
    "ask_follower_email",
    f"""
    insert into outbox (site_id, kind, body)
    select $1, 'notice-confirm', $3 where (
      select count(*) from follower y where y.site_id = $1 and lower(y.email) = lower($2)
        and y.asked_at > now() - interval '{ASK_PAUSE} seconds') <= 3
    returning 1
    """,
    ("int", "text", "text"),
)
CONFIRM_EMAIL = Query(
    "confirm_follower_email",
    """
    update follower x set email_state = 'confirmed', digest = case when x.digest = 'off' then 'soon' else x.digest end
    where x.site_id = $1 and x.visitor_id = $2 and x.email_state in ('asked', 'confirmed')
      and sha256(convert_to(lower(x.email), 'UTF8')) = $3 returning 1
    """,
    ("int", "bigint", "bytea"),
)
SELECT_STOPPED = Query("select_mail_stop", "select reason from mail_stop where site_id = $1 and hash = $2",
                       ("int", "bytea"))  # fmt: skip
STOP_MAIL = Query("stop_mail", "select stop_mail($1, $2, $3, $4)", ("int", "bigint", "bytea", "text"))
MAIL_OFF = Query(
    "notice_mail_off",
    "update follower set digest = 'off', mail_due = null where site_id = $1 and visitor_id = $2 returning 1",
    ("int", "bigint"),
)  # fmt: skip
ADD_BROWSER = Query(
    "add_push_browser",
    f"""
    insert into push_browser (site_id, visitor_id, hash, endpoint, p256dh, auth)
    select $1, $2, $3, $4, $5, $6 where (
      select count(*) from push_browser x where x.site_id = $1 and x.visitor_id = $2 and x.hash <> $3) < {MOST_BROWSERS}
    on conflict (site_id, visitor_id, hash) do update set p256dh = excluded.p256dh, auth = excluded.auth returning 1
    """,
    ("int", "bigint", "bytea", "text", "bytea", "bytea"),
)
DROP_BROWSER = Query(
    "drop_push_browser", "delete from push_browser where site_id = $1 and visitor_id = $2 and hash = $3",
    ("int", "bigint", "bytea"),
)  # fmt: skip
_LAST = 2**63 - 1


class Follower(Struct, frozen=True):
    """How somebody is told. ``channel``: where their pages listen; hours are of the day in their ``zone``."""

    channel: int
    email: str
    email_state: EmailState
    language: str
    digest: Digest
    replies: bool
    zone: str
    quiet_from: int
    quiet_to: int
    seen: int


NOBODY = Follower(0, "", "none", "en", "off", True, "UTC", 0, 0, 0)


class Notice(Struct, frozen=True):
    """One thing that somebody was told; ``comment`` is JSON text."""

    id: int
    reason: Reason
    key: str
    title: str
    permalink: str
    read: bool
    comment: str


class Followed(Struct, frozen=True):
    """One thing that is followed; ``name`` is a title or a person's name, ``key`` that of a conversation."""

    kind: str
    target: int
    name: str
    url: str
    key: str


class Followers:
    """The followers of one site."""

    def __init__(self, site: Site, database: Database, people: People | None = None) -> None:
        self._site = site
        self._database = database.site(site.id)
        self._people = People(site, database) if people is None else people

    async def find(self, visitor: int, preference: ReadPreference = ReadPreference.PRIMARY) -> Follower:
        """How a visitor is told; `NOBODY` where they follow nothing."""
        rows = (await self._database.read(SELECT_FOLLOWER, self._site.id, visitor, preference=preference)).rows
        return Follower(*rows[0]) if rows else NOBODY

    async def make(self, visitor: int, language: str = "") -> Follower:
        """The same, where they are going to follow something."""
        rows = await self._database.write(
            FOLLOWER, self._site.id, visitor, randbits(62) | 1, language or self._site.settings.language
        )
        return Follower(*rows[0])

    async def follow(self, visitor: int, kind: str, target: int, language: str = "") -> None:
        """Follow something.

        Raises:
            Conflict: that is too much.
        """
        await self.make(visitor, language)
        if not await self._database.write(ADD_FOLLOW, self._site.id, visitor, KINDS[kind], target):
            raise Conflict(f"At most {MOST_FOLLOWS} can be followed. Leave some first.")

    async def leave(self, visitor: int, kind: str, target: int) -> None:
        """Follow something no more."""
        await self._database.write(DROP_FOLLOW, self._site.id, visitor, KINDS[kind], target)

    async def leave_all(self, visitor: int) -> None:
        """Follow nothing more."""
        await self._database.write(DROP_FOLLOWS, self._site.id, visitor)

    async def followed(self, visitor: int, preference: ReadPreference | Reading) -> list[Followed]:
        """What a visitor follows, the latest first."""
        reading = Reading.of(preference)
        rows = reading.found(await reading.rows(self._database, SELECT_FOLLOWS, self._site.id, visitor))
        return [
            Followed(KIND_NAMES[kind], target, title if kind == 1 else name, url, key)
            for kind, target, title, url, key, name in rows
        ]

    async def notices(
        self, visitor: int, before: int, size: int, reading: Reading, sees: Callable[[str], bool]
    ) -> tuple[list[Notice], int | None]:
        """What a visitor was told and may read, the latest first, and where to go on."""
        rows = reading.found(
            await reading.rows(self._database, SELECT_NOTICES, self._site.id, visitor, before or _LAST, size)
        )
        found = [
            Notice(
                number, REASONS[reason - 1], key, title, permalink(self._site, url, msgspec.json.decode(comment)["id"]),
                read, comment,
            )
            for number, reason, _, key, title, url, read, comment in rows if sees(key)
        ]  # fmt: skip
        return found, rows[-1][0] if len(rows) == size else None

    async def unread(self, visitor: int, preference: ReadPreference | Reading) -> tuple[int, int]:
        """How many notices are not read (100: or more), and the seq of where their pages listen."""
        reading = Reading.of(preference)
        rows = reading.found(await reading.rows(self._database, SELECT_UNREAD, self._site.id, visitor))
        return rows[0] if rows else (0, 0)

    async def read(self, visitor: int, upto: int) -> None:
        """All notices up to one were read."""
        await self._database.write(SET_SEEN, self._site.id, visitor, upto)

    async def change(self, visitor: int, wanted: Follower) -> None:
        """Change how a visitor is told, all but the address.

        Raises:
            BadField: there is no such time zone.
        """
        try:
            await self._database.write(
                SET_FOLLOWER, self._site.id, visitor, wanted.language, wanted.digest, wanted.replies, wanted.zone,
                wanted.quiet_from, wanted.quiet_to,
            )  # fmt: skip
        except QueryFailed as error:
            if error.sqlstate != "22023":
                raise
            raise BadField("There is no such time zone.", field="zone") from None

    async def set_email(self, session: Session, email: str) -> EmailState:
        """Mail goes to *email* (``""``: nowhere) from here on, once its bearer has said so; gives what is known of it.

        The address that a person showed to be theirs when they signed in needs no letter.

        Raises:
            Conflict: no mail goes there, as it came back or somebody complained.
        """
        visitor = session.visitor
        if not email:
            await self._database.write(SET_EMAIL, self._site.id, visitor, "", "none")
            return "none"
        before = await self.find(visitor)
        if before.email.lower() == email.lower() and before.email_state == "confirmed":
            return "confirmed"
        stopped = await self._database.read(
            SELECT_STOPPED, self._site.id, hash_of(email), preference=ReadPreference.PRIMARY
        )
        if stopped.rows:
            raise Conflict("Mail to that address came back, or was not wanted. Name another.", field="email")
        person = None if session.level == GUEST else await self._people.find(visitor)
        known = person is not None and person.email_verified and person.email.lower() == email.lower()
        rows = await self._database.write(
            SET_EMAIL, self._site.id, visitor, email, "confirmed" if known else "asked"
        )
        if not known and rows and rows[0][0]:
            body = msgspec.json.encode({"visitor": str(visitor), "email": email}).decode()
            await self._database.write(ASK_EMAIL, self._site.id, email, body)
        return "confirmed" if known else "asked"

    async def confirm(self, visitor: int, hashed: bytes) -> bool:
        """The bearer of an address has said that mail may come; False where it is not asked any more."""
        return bool(await self._database.write(CONFIRM_EMAIL, self._site.id, visitor, hashed))

    async def stop(self, visitor: int) -> bool:
        """No mail any more, until somebody turns it on again."""
        return bool(await self._database.write(MAIL_OFF, self._site.id, visitor))

    async def returned(self, visitor: int, hashed: bytes, reason: Literal["bounced", "complained"]) -> None:
        """Mail to an address came back for good, or was not wanted: none goes there any more."""
        await self._database.write(STOP_MAIL, self._site.id, visitor, hashed, reason)

    async def add_browser(self, visitor: int, endpoint: str, p256dh: bytes, auth: bytes) -> None:
        """A browser is told by its push service.

        Raises:
            Conflict: there are too many.
        """
        await self.make(visitor)
        hashed = sha256(endpoint.encode()).digest()
        if not await self._database.write(ADD_BROWSER, self._site.id, visitor, hashed, endpoint, p256dh, auth):
            raise Conflict(f"At most {MOST_BROWSERS} browsers are told.")

    async def drop_browser(self, visitor: int, endpoint: str) -> None:
        """A browser is told no more."""
        await self._database.write(DROP_BROWSER, self._site.id, visitor, sha256(endpoint.encode()).digest())

    def live(self, channel: int, seq: int) -> Position:
        """Where a follower's pages listen."""
        return self._site.position(channel, seq)


def hash_of(email: str) -> bytes:
    """What an address is known by where it is not kept."""
    return sha256(email.lower().encode()).digest()


__all__ = ["NOBODY", "Followed", "Follower", "Followers", "Notice", "hash_of"]
