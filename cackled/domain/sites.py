"""Sites: the tenants. All of them are held in memory; the catalog's own notifications keep them fresh.

Whatever names a tenant's data (cache group, channel, position) is built from a `Site`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct
from twisted.logger import Logger

from cackled.database.errors import QueryFailed
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.errors import BadField, Misdirected, NotFound, Refused, from_sqlstate
from cackled.domain.origins import normalise
from cackled.domain.residency import Residency
from cackled.events import Position, channel_id
from cackled.turns import Turns

log = Logger()

SELECT_SITES = Query(
    "select_sites",
    """
    select s.id, s.name, s.settings::text, coalesce(array_agg(d.pattern) filter (where d.pattern is not null), '{}'),
      s.deployment
    from catalog.site s left join catalog.domain d on d.site_id = s.id
    group by s.id
    """,
)
INSERT_SITE = Query(
    "insert_site",
    """
    insert into catalog.site (id, name, settings)
    values (
      coalesce($1, (
        select coalesce(max(id), $4 - 1) + 1
        from (
          select id from catalog.site union all select site_id from catalog.pin
          union all select site_id from catalog.deleted_site
        ) as taken
        where id between $4 and $5
      )),
      $2, $3::jsonb
    )
    on conflict (id) do nothing
    returning id
    """,
    ("int", "text", "text", "int", "int"),
)
SELECT_PINS = Query("select_pins", "select site_id, deployment from catalog.pin")
UPSERT_PIN = Query(
    "upsert_pin",
    """
    insert into catalog.pin (site_id, deployment) values ($1, $2)
    on conflict (site_id) do update set deployment = excluded.deployment
    """,
    ("int", "text"),
)
DELETE_PIN = Query("delete_pin", "delete from catalog.pin where site_id = $1 returning site_id", ("int",))
# One setting alone: what others change meanwhile, and what a newer release knows, stays.
UPDATE_SETTING = Query(
    "update_setting",
    "update catalog.site set settings = settings || jsonb_build_object($2, $3::jsonb) where id = $1 returning id",
    ("int", "text", "text"),
)
UPDATE_NAME = Query(
    "update_site_name", "update catalog.site set name = $2 where id = $1 returning id", ("int", "text")
)
SELECT_DELETED = Query("select_deleted_site", "select from catalog.deleted_site where site_id = $1", ("int",))
# From here on nobody serves it; its rows go afterwards.
DELETE_SITE = Query(
    "delete_site",
    """
    with noted as (
      insert into catalog.deleted_site (site_id) values ($1) on conflict do nothing
    )
    delete from catalog.site where id = $1 returning id
    """,
    ("int",),
)
INSERT_DOMAIN = Query(
    "insert_domain",
    "insert into catalog.domain (site_id, pattern) values ($1, $2) on conflict do nothing",
    ("int", "text"),
)
DELETE_DOMAIN = Query(
    "delete_domain", "delete from catalog.domain where site_id = $1 and pattern = $2 returning pattern", ("int", "text")
)
SELECT_SECRET = Query("select_secret", "select value from catalog.secret where name = $1", ("text",))

_PATTERN = re.compile(
    r"(?:(https?)://)?((?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:]+\])(?::([0-9]{1,5}|\*))?"
)
MOST_NAME = 200
_DEFAULT_PORTS = {"http": 80, "https": 443}


class SiteSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a site's owner may choose; times in seconds, lengths in characters."""

    level: Annotated[int, Meta(ge=0, le=20)] = 5
    edit_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 900
    max_length: Annotated[int, Meta(ge=1, le=10_000)] = 8_000
    # False: nobody writes or changes a comment; all can be read.
    posting: bool = True
    votes: bool = True
    typing: bool = True
    presence: bool = True
    # Who has no grant signed with the secret sees nothing of the site (see `cackled.domain.grants`).
    private: bool = False
    channel_secret: Annotated[str, Meta(max_length=512)] = ""
    webhook_url: str = ""
    webhook_secret: str = ""
    # Who is written to, and of what.
    moderator_email: Annotated[str, Meta(max_length=250, pattern="^([!-~]+@[!-~]+)?$")] = ""
    notify: Literal["flags", "comments", "all"] = "flags"
    # True: mail to moderators names the address that a comment came from.
    mail_address: bool = False

    @property
    def mails_flags(self) -> bool:
        """Whether moderators are told of what is reported."""
        return bool(self.moderator_email) and self.notify != "comments"

    @property
    def mails_comments(self) -> bool:
        """Whether moderators are told of new comments."""
        return bool(self.moderator_email) and self.notify != "flags"

    def public(self) -> dict[str, Any]:
        """What a browser may know."""
        return {
            "level": self.level,
            "edit_seconds": self.edit_seconds,
            "max_length": self.max_length,
            "votes": self.votes,
            "typing": self.typing,
            "presence": self.presence,
            "private": self.private,
        }


class OriginPattern(Struct, frozen=True):
    """``[scheme://][*.]host[:port|:*]``; without a scheme both, without a port the scheme's own."""

    scheme: str | None
    host: str
    port: str | None

    @classmethod
    def parse(cls, text: str) -> OriginPattern:
        """Read a pattern.

        Raises:
            ValueError: it is none.
        """
        match = _PATTERN.fullmatch(text.lower())
        if match is None:
            raise ValueError(f"{text!r} is no origin pattern: write example.com, *.example.com or localhost:*")
        return cls(match[1], match[2], match[3])

    def matches(self, scheme: str, host: str, port: int) -> bool:
        """Whether an origin taken apart fits."""
        if self.scheme is not None and self.scheme != scheme:
            return False
        if self.host.startswith("*."):
            if not host.endswith(self.host[1:]) or len(host) < len(self.host):
                return False
        elif host != self.host:
            return False
        if self.port == "*":
            return True
        return port == (int(self.port) if self.port else _DEFAULT_PORTS[scheme])


@lru_cache(maxsize=1024)
def split_origin(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an ``Origin`` header, or None where it is not one of a web page (``null`` too)."""
    if len(origin) > 300:
        return None
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.path or parts.query or parts.fragment:
        return None
    if parts.username is not None or parts.password is not None:
        return None
    host = parts.hostname.lower()
    if ":" in host:
        host = f"[{host}]"
    if parts.netloc.lower() not in (host, f"{host}:{port}"):
        return None  # something around the host that a browser would not write
    return parts.scheme, host, port if port is not None else _DEFAULT_PORTS[parts.scheme]


class Site(Struct, frozen=True):
    """One tenant."""

    id: int
    name: str
    settings: SiteSettings
    origins: tuple[OriginPattern, ...] = ()
    patterns: tuple[str, ...] = ()

    def allows_origin(self, origin: str) -> bool:
        """Whether a page of *origin* may speak for this site."""
        parts = split_origin(origin)
        return parts is not None and any(pattern.matches(*parts) for pattern in self.origins)

    def channel(self, key: str) -> int:
        """The id of this site's channel *key*."""
        return channel_id(key)

    def position(self, channel: int, seq: int = -1) -> Position:
        """A place in a channel of this site."""
        return Position(self.id, channel, seq)

    def group(self, channel: int) -> tuple[int, int]:
        """The cache group of a channel of this site: the only way such a key is made."""
        return (self.id, channel)


def build_site(site_id: int, name: str, settings: str, patterns: Iterable[str]) -> Site:
    """A `Site` from catalog columns; settings this release does not know are left out, broken ones logged."""
    try:
        raw = msgspec.json.decode(settings, type=dict[str, Any])
        known = {key: value for key, value in raw.items() if key in SiteSettings.__struct_fields__}
        chosen = msgspec.convert(known, SiteSettings)
    except msgspec.MsgspecError as error:
        log.error("settings of site {site} can't be used: {reason}", site=site_id, reason=str(error))
        chosen = SiteSettings()
    origins = []
    for pattern in patterns:
        try:
            origins.append(OriginPattern.parse(pattern))
        except ValueError as error:
            log.error("an origin of site {site} can't be used: {reason}", site=site_id, reason=str(error))
    return Site(site_id, name, chosen, tuple(origins), tuple(sorted(patterns)))


def check_name(name: str) -> str:
    """A site's name as it is kept.

    Raises:
        BadField: it is none.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= MOST_NAME or not name.isprintable():
        raise BadField(f"a site's name has 1 to {MOST_NAME} printable characters", field="name")
    return name


def _access(site: Site) -> tuple[bool, str]:
    return site.settings.private, site.settings.channel_secret


class SiteDirectory:
    """All sites, in memory."""

    def __init__(
        self,
        database: Database,
        residency: Residency | None = None,
        on_closed: Callable[[int], None] = lambda site_id: None,
    ) -> None:
        self._database = database
        self.residency = residency or Residency()
        self._sites: dict[int, Site] = {}
        # Called with a site that has become private, or takes other grants than before.
        self._on_closed = on_closed
        self._strangers: set[int] = set()
        self.reading = Turns()

    def __len__(self) -> int:
        return len(self._sites)

    def get(self, site_id: int) -> Site:
        """The site.

        Raises:
            NotFound: there is none of that id.
            Misdirected: it lives in another deployment.
        """
        try:
            return self._sites[site_id]
        except KeyError:
            raise self.missing(site_id) from None

    def missing(self, site_id: int) -> Refused:
        """Why there is no such site here."""
        try:
            self.residency.check(site_id)
        except Misdirected as error:
            return error
        return NotFound("There is no such site.", slug="unknown-site")

    def _tell_closed(self, before: dict[int, Site]) -> None:
        for site_id in before.keys() - self._sites.keys():
            self._on_closed(site_id)
        for site in self._sites.values():
            old = before.get(site.id)
            if old is not None and site.settings.private and _access(old) != _access(site):
                self._on_closed(site.id)

    def find(self, site_id: int) -> Site | None:
        """The site, or None."""
        return self._sites.get(site_id)

    def allows(self, site_id: int, feature: str) -> bool:
        """Whether a site has presence or typing switched on."""
        site = self.find(site_id)
        return site is not None and bool(getattr(site.settings, feature))

    def all(self) -> list[Site]:
        """Every site, by id."""
        return [self._sites[key] for key in sorted(self._sites)]

    async def refresh(self, preference: ReadPreference = ReadPreference.PRIMARY_PREFERRED) -> None:
        """Read the catalog anew.

        One after the other: of two under way, the answer that was read first could come last, and stay.
        """
        async with self.reading:
            await self._read(preference)

    async def _read(self, preference: ReadPreference) -> None:
        await self._database.learn()
        pins = await self._database.system.read(SELECT_PINS, preference=preference)
        rows = await self._database.system.read(SELECT_SITES, preference=preference)
        residency = self.residency
        residency.pinned(dict(pins.rows))
        strangers = {row[0] for row in rows.rows if (row[4] or residency.own) != residency.own}
        strangers |= {row[0] for row in rows.rows if not residency.is_here(row[0])}
        for site in sorted(strangers - self._strangers):
            log.error("site {site} is stored here and lives elsewhere: it is not served", site=site)
        self._strangers = strangers
        before = self._sites
        self._sites = {row[0]: build_site(*row[:4]) for row in rows.rows if row[0] not in strangers}
        self._tell_closed(before)

    async def add(
        self, name: str, patterns: Iterable[str], *, site_id: int | None = None, settings: str = "{}"
    ) -> Site | None:
        """Make a site; None where *site_id* is taken.

        Raises:
            BadField: a pattern or the settings can't be used.
            Misdirected: a site of that id lives in another deployment.
        """
        if site_id is not None:
            self.residency.check(site_id)
        name = check_name(name)
        patterns = [self._pattern(pattern) for pattern in patterns]
        try:
            msgspec.json.decode(settings, type=SiteSettings)
        except msgspec.MsgspecError as error:
            raise BadField(str(error), field="settings") from None
        if site_id is not None and (
            await self._database.system.read(SELECT_DELETED, site_id, preference=ReadPreference.PRIMARY)
        ).rows:
            raise BadField(
                f"site {site_id} was deleted, and its number is not given again: pages and tokens of it may be about",
                field="site",
            )
        rows = await self._database.system.write(INSERT_SITE, site_id, name, settings, *self.residency.numbers)
        if not rows:
            return None
        for pattern in patterns:
            await self._database.system.write(INSERT_DOMAIN, rows[0][0], pattern)
        await self.refresh(ReadPreference.PRIMARY)
        return self.get(rows[0][0])

    async def add_origin(self, site_id: int, pattern: str) -> Site:
        """Let pages of *pattern* speak for the site."""
        self.get(site_id)
        await self._database.system.write(INSERT_DOMAIN, site_id, self._pattern(pattern))
        await self.refresh(ReadPreference.PRIMARY)
        return self.get(site_id)

    async def remove_origin(self, site_id: int, pattern: str) -> Site:
        """Take an origin away."""
        site = self.get(site_id)
        # As it stands there, or as one would write it today.
        stored = pattern.lower()
        if stored not in site.patterns:
            stored = self._pattern(pattern)
        if not await self._database.system.write(DELETE_DOMAIN, site_id, stored):
            raise NotFound(f"{pattern} is not an origin of site {site_id}; it has {', '.join(site.patterns) or 'none'}")
        await self.refresh(ReadPreference.PRIMARY)
        return self.get(site_id)

    async def rename(self, site_id: int, name: str) -> Site:
        """Call it otherwise.

        Raises:
            BadField: that is no name.
        """
        self.get(site_id)
        await self._database.system.write(UPDATE_NAME, site_id, check_name(name))
        await self.refresh(ReadPreference.PRIMARY)
        return self.get(site_id)

    async def drop(self, site_id: int) -> None:
        """Take a site out of the catalog: from now on there is none. What it has elsewhere is `Deletions`' business."""
        await self._database.system.write(DELETE_SITE, site_id)
        await self.refresh(ReadPreference.PRIMARY)

    async def change(self, site_id: int, name: str, value: Any) -> Site:
        """Set one setting.

        Raises:
            BadField: there is no such setting, or the value is of the wrong kind.
        """
        site = self.get(site_id)
        tree = {**msgspec.to_builtins(site.settings), name: value}
        try:
            msgspec.convert(tree, SiteSettings)
        except msgspec.ValidationError as error:
            raise BadField(str(error), field=name) from None
        await self._database.system.write(UPDATE_SETTING, site_id, name, msgspec.json.encode(value).decode())
        await self.refresh(ReadPreference.PRIMARY)
        return self.get(site_id)

    async def pin(self, site_id: int, deployment: str) -> None:
        """Note that a site lives in *deployment*, whatever its number says.

        Raises:
            BadField: there is no such deployment, or the site is stored here and was to be elsewhere.
        """
        self.residency.check_name(deployment)
        try:
            await self._database.system.write(UPSERT_PIN, site_id, deployment)
        except QueryFailed as error:
            raise from_sqlstate(error.sqlstate, str(error)) or error from None
        await self.refresh(ReadPreference.PRIMARY)

    async def unpin(self, site_id: int) -> bool:
        """Let the number alone say where a site lives; False where it was not pinned."""
        gone = await self._database.system.write(DELETE_PIN, site_id)
        await self.refresh(ReadPreference.PRIMARY)
        return bool(gone)

    async def secret(self, name: str) -> bytes:
        """A key that all nodes share."""
        rows = await self._database.system.read(SELECT_SECRET, name, preference=ReadPreference.PRIMARY_PREFERRED)
        return bytes(rows.rows[0][0])

    @staticmethod
    def _pattern(text: str) -> str:
        try:
            made = normalise(text)
            OriginPattern.parse(made)
        except ValueError as error:
            raise BadField(str(error), field="origin") from None
        return made
