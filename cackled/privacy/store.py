"""Whose data it is: visitors by mail, name or number; links that show that somebody may have theirs; the figures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any

import jwt
from msgspec import Struct

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.housekeeping import BATCH
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.privacy.settings import PrivacySettings

# Seconds that a link of a letter works, and what it opens.
LETTER, OPENED = 24 * 3600, 1800
MOST_FOUND = 50
SYNC = 30.0

# Whoever reads the mail of an address: people who showed that it is theirs, what was imported under it, followers.
OF_MAIL = Query(
    "select_visitors_of_mail",
    """
    select p.visitor_id from person p where p.site_id = $1 and lower(p.email) = lower($2) and p.email_verified
    union select a.visitor_id from import_author a
      where a.site_id = $1 and lower(a.email) = lower($2) and a.email <> ''
        and not exists (select from person p where p.site_id = $1 and p.visitor_id = a.visitor_id and p.email_verified)
    union select f.visitor_id from follower f
      where f.site_id = $1 and lower(f.email) = lower($2) and f.email <> '' and f.email_state = 'confirmed'
    limit 50
    """,
    ("int", "text"),
)
SEARCH = Query(
    "search_visitors",
    """
    select v.id, coalesce(nullif(p.name, ''), nullif(a.name, ''), v.name, ''),
      coalesce(nullif(p.email, ''), a.email, ''), v.n_comments,
      to_char(v.last_seen at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    from (
      select x.id from visitor x where x.site_id = $1 and x.id = $3
      union select x.visitor_id from person x where x.site_id = $1 and $4
        and (lower(x.email) = lower($2) or lower(x.name) = lower($2))
      union select x.visitor_id from import_author x where x.site_id = $1 and $4
        and (lower(x.email) = lower($2) or lower(x.name) = lower($2))
      union select x.id from visitor x where x.site_id = $1 and $4 and lower(x.name) = lower($2)
    ) f
    join visitor v on v.site_id = $1 and v.id = f.id
    left join person p on p.site_id = $1 and p.visitor_id = v.id
    left join lateral (
      select y.name, y.email from import_author y where y.site_id = $1 and y.visitor_id = v.id limit 1
    ) a on true
    order by v.last_seen desc limit 50
    """,
    ("int", "text", "bigint", "boolean"),
)
# Given where nobody has used it yet.
SPEND = Query(
    "spend_privacy_link",
    """
    insert into used_link (site_id, id, expires_at) values ($1, $2, to_timestamp($3)) on conflict do nothing
    returning 1
    """,
    ("int", "bigint", "float8"),
)
PUT_RULE = Query(
    "put_privacy_rule",
    """
    insert into privacy_rule as r (site_id, truncated, address_months, deleted_months, audit_months)
    values ($1, $2, $3, $4, $5)
    on conflict (site_id) do update set truncated = $2, address_months = $3, deleted_months = $4, audit_months = $5
      where (r.truncated, r.address_months, r.deleted_months, r.audit_months) is distinct from ($2, $3, $4, $5)
    """,
    ("int", "boolean", "int", "int", "int"),
)
SELECT_REMOVED = Query(
    "select_privacy_removed",
    """
    select to_char(r.day, 'YYYY-MM-DD'), r.what, r.count from privacy_removed r
    where r.site_id = $1 order by r.day desc, r.what limit 400
    """,
    ("int",),
)
JOBS = tuple(
    Query(name, f"select {name}({BATCH})")
    for name in (
        "forget_comment_addresses", "forget_visitor_addresses", "forget_other_addresses", "forget_deleted_texts",
        "forget_audit",
    )
)


class Found(Struct, frozen=True):
    """A visitor that was looked for."""

    id: str
    name: str
    email: str
    comments: int
    seen: str


class Removed(Struct, frozen=True):
    """How many things of a kind were removed on a day, because the site's settings say so."""

    day: str
    what: str
    count: int


class Grant(Struct, frozen=True):
    """What a link says: whose data of which site. ``email``: everybody's of that address; else ``visitor``'s."""

    site: int
    email: str
    visitor: int
    number: int
    expires: int
    opened: bool


class PrivacyLinks:
    """Makes and reads links; *secret* gives the key that all nodes share, by name."""

    def __init__(
        self, secret: Callable[[str], Awaitable[bytes]], wall_time: Callable[[], float], random: Any
    ) -> None:
        self._secret = secret
        self._wall_time = wall_time
        self._random = random
        self._key = b""

    async def _ready(self) -> bytes:
        if not self._key:
            self._key = blake2b(await self._secret("session"), person=b"cackled.privacy").digest()
        return self._key

    async def token(self, site: int, *, email: str = "", visitor: int = 0, opened: bool = False) -> str:
        """A token for whoever reads the mail of *email*, or for *visitor*. *opened*: it is that of a page."""
        claims = {
            "aud": "privacy", "site": site, "email": email, "visitor": str(visitor), "open": opened,
            "jti": str(self._random.getrandbits(62)),
            "exp": int(self._wall_time()) + (OPENED if opened else LETTER),
        }  # fmt: skip
        return jwt.encode(claims, await self._ready(), algorithm="HS256")

    async def read(self, token: str) -> Grant | None:
        """What *token* says; None where it is not genuine, or has run out."""
        if len(token) > 2_000 or not token.isascii():
            return None
        try:
            told = jwt.decode(
                token, await self._ready(), algorithms=["HS256"], audience="privacy",
                options={"require": ["aud", "exp", "jti"], "verify_exp": False},
            )  # fmt: skip
            made = Grant(
                int(told["site"]), str(told["email"]), int(told["visitor"]), int(told["jti"]), int(told["exp"]),
                bool(told["open"]),
            )  # fmt: skip
        except (jwt.InvalidTokenError, KeyError, ValueError, TypeError, RecursionError):
            return None
        return made if made.expires > self._wall_time() else None


class PrivacyData:
    """The data of one site's visitors."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site = site.id
        self._database = database.site(site.id)

    async def of_mail(self, email: str) -> list[int]:
        """The visitors of an address of mail."""
        rows = await self._database.read(OF_MAIL, self._site, email, preference=ReadPreference.PRIMARY)
        return [row[0] for row in rows.rows]

    async def whose(self, grant: Grant) -> list[int]:
        """Whose data a link is about."""
        return await self.of_mail(grant.email) if grant.email else [grant.visitor]

    async def spend(self, grant: Grant) -> bool:
        """Use a link; False where it was used."""
        return bool(await self._database.write(SPEND, self._site, grant.number, float(grant.expires)))

    async def search(self, text: str) -> list[Found]:
        """Visitors of that number, address of mail or name."""
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
        number = number if number < 2**63 else 0
        rows = await self._database.read(
            SEARCH, self._site, text, number, bool(text), preference=ReadPreference.PRIMARY
        )
        return [Found(str(id_), *more) for id_, *more in rows.rows]

    async def removed(self) -> list[Removed]:
        """What was removed by age, the latest first."""
        rows = await self._database.read(SELECT_REMOVED, self._site, preference=ReadPreference.PRIMARY)
        return [Removed(*row) for row in rows.rows]


class RuleCopies:
    """Copies the settings of sites to where their rows are, twice a minute: there they hold for every process."""

    def __init__(self, database: Database, sites: SiteDirectory, clock: Any) -> None:
        self._database = database
        self._sites = sites
        self._known: dict[int, tuple[bool, int, int, int]] = {}
        self._job = Periodic(clock, SYNC, self.sync, "privacy")

    def start(self) -> None:
        """Copy them every half minute."""
        self._job.start()

    def stop(self) -> None:
        """Copy no more."""
        self._job.stop()

    async def sync(self) -> None:
        """Copy what changed."""
        for site in self._sites.all():
            one = site.product(PrivacySettings)
            rule = one.truncated, one.address_months, one.deleted_months, one.audit_months
            if self._known.get(site.id) == rule:
                continue
            try:
                await self._database.site(site.id).write(PUT_RULE, site.id, *rule)
                self._known[site.id] = rule
            except DatabaseError:
                return
