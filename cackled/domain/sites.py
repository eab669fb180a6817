"""The directory of sites. All of them are held in memory; the catalog's own notifications keep them fresh."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from twisted.logger import Logger

from cackled.database.errors import QueryFailed
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.errors import BadField, Misdirected, NotFound, Refused, from_sqlstate
from cackled.domain.locks import locks_of
from cackled.domain.origins import OriginPattern, normalise
from cackled.domain.residency import Residency
from cackled.domain.settings import SettingsShape
from cackled.domain.site import Site as Site
from cackled.domain.site import build_site
from cackled.turns import Turns

log = Logger()

SELECT_SITES = Query(
    "select_sites",
    """
    select s.id, s.name, s.settings::text, coalesce(array_agg(d.pattern) filter (where d.counts), '{}'),
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
# The same of a product's setting. $5: under its old name, too, for servers of an older release that run beside.
UPDATE_PRODUCT_SETTING = Query(
    "update_product_setting",
    """
    update catalog.site set settings = settings
      || case when $5 then jsonb_build_object($3, $4::jsonb) else '{}'::jsonb end
      || jsonb_build_object('products', coalesce(settings -> 'products', '{}'::jsonb) || jsonb_build_object(
           $2, coalesce(settings -> 'products' -> $2, '{}'::jsonb) || jsonb_build_object($3, $4::jsonb)))
    where id = $1
    returning id
    """,
    ("int", "text", "text", "text", "bool"),
)
UPDATE_NAME = Query(
    "update_site_name", "update catalog.site set name = $2 where id = $1 returning id", ("int", "text")
)
SELECT_DELETED = Query("select_deleted_site", "select from catalog.deleted_site where site_id = $1", ("int",))
# From here on nobody serves it; its rows are deleted afterwards.
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
    """
    insert into catalog.domain (site_id, pattern) values ($1, $2)
    on conflict (site_id, pattern) do update set counts = true
    """,
    ("int", "text"),
)
DELETE_DOMAIN = Query(
    "delete_domain", "delete from catalog.domain where site_id = $1 and pattern = $2 returning pattern", ("int", "text")
)
SELECT_SECRET = Query("select_secret", "select value from catalog.secret where name = $1", ("text",))

MOST_NAME = 200


def check_name(name: str) -> str:
    """A site's name as it is kept.

    Raises:
        BadField: it is none.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= MOST_NAME or not name.isprintable():
        raise BadField(f"a site's name has 1 to {MOST_NAME} printable characters", field="name")
    return name


def _access(site: Site) -> tuple[object, ...]:
    settings = site.settings
    keys = (settings.channel_secret, settings.channel_old_secret, settings.channel_public_key)
    return settings.private, settings.readers, settings.locks, *keys


class SiteDirectory:
    """All sites, in memory."""

    def __init__(
        self,
        database: Database,
        residency: Residency | None = None,
        on_closed: Callable[[int], None] = lambda site_id: None,
        shape: SettingsShape | None = None,
    ) -> None:
        self._database = database
        self.residency = residency or Residency()
        # Which settings there are.
        self.shape = shape or SettingsShape()
        self._sites: dict[int, Site] = {}
        # Called with a site that has become private or locked, or takes other grants than before.
        self._on_closed = on_closed
        # Called with what a site was and is, where that is another, after it was read anew.
        self.watchers: list[Callable[[Site, Site], None]] = []
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
            closed = site.settings.private or locks_of(site.settings).any
            if old is not None and closed and _access(old) != _access(site):
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
        self._sites = {
            row[0]: build_site(row[0], row[1], row[2], row[3], self.shape)
            for row in rows.rows if row[0] not in strangers
        }  # fmt: skip
        self._tell_closed(before)
        for site in self._sites.values():
            old = before.get(site.id)
            if old is not None and old != site:
                for watcher in self.watchers:
                    watcher(old, site)

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
        settings = self.shape.checked(settings)
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
        """Change a site's name.

        Raises:
            BadField: that is no name.
        """
        self.get(site_id)
        await self._database.system.write(UPDATE_NAME, site_id, check_name(name))
        await self.refresh(ReadPreference.PRIMARY)
        return self.get(site_id)

    async def drop(self, site_id: int) -> None:
        """Delete a site from the catalog. `Deletions` deletes its other rows."""
        await self._database.system.write(DELETE_SITE, site_id)
        await self.refresh(ReadPreference.PRIMARY)

    async def change(self, site_id: int, name: str, value: Any) -> Site:
        """Set one setting.

        Raises:
            BadField: there is no such setting, or the value is of the wrong kind.
        """
        self.get(site_id)
        product, key, old = self.shape.place(name)
        self.shape.check(product, key, value, name)
        text = msgspec.json.encode(value).decode()
        if product:
            await self._database.system.write(UPDATE_PRODUCT_SETTING, site_id, product, key, text, old)
        else:
            await self._database.system.write(UPDATE_SETTING, site_id, key, text)
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
