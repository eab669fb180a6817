"""A site's name, origins and settings as one document, changed as a whole or not at all.

Each change raises the document's version; one that builds on an older version is refused, so that of two colleagues
none undoes unseen what the other did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import BadField, NotFound, Outdated
from cackled.domain.origins import OriginPattern, normalise
from cackled.domain.setting_table import SettingTable
from cackled.domain.site import build_site
from cackled.domain.sites import SiteDirectory, check_name

MOST_ORIGINS = 100

SELECT_SITE_DOCUMENT = Query(
    "select_site_document",
    """
    select s.name, s.settings::text, s.version,
      coalesce(array_agg(d.pattern order by d.pattern) filter (where d.counts), '{}'),
      coalesce(array_agg(d.pattern order by d.pattern) filter (where not d.counts), '{}')
    from catalog.site s left join catalog.domain d on d.site_id = s.id where s.id = $1 group by s.id
    """,
    ("int",),
)
CHANGE_SITE = Query(
    "change_site",
    """
    with now as (
      update catalog.site set name = $3, settings = $4::jsonb, version = version + 1
      where id = $1 and version = $2 returning id
    ), gone as (
      delete from catalog.domain d using now where d.site_id = now.id and d.pattern <> all($5) and d.pattern <> all($6)
    ), came as (
      insert into catalog.domain (site_id, pattern, counts)
      select now.id, p.pattern, p.counts from now, (
        select unnest($5) as pattern, true as counts union all select unnest($6), false) p
      on conflict (site_id, pattern) do nothing
    )
    select id from now
    """,
    ("int", "bigint", "text", "text", "text[]", "text[]"),
)


class SiteDocument(Struct, frozen=True):
    """A site as its owner may change it. ``waiting`` are origins that do not count before their host is proven; of a
    secret setting only is told whether it is set."""

    site: int
    version: int
    name: str
    origins: list[str]
    waiting: list[str]
    settings: dict[str, Any]


class SiteChanges:
    """Reads and changes the documents of sites.

    *check_url* refuses (ValueError) addresses that nothing is sent to.
    """

    def __init__(
        self, sites: SiteDirectory, database: Database, check_url: Callable[[str], None] | None = None
    ) -> None:
        self._sites = sites
        self._database = database.system
        self._check_url = check_url
        self.table = SettingTable(sites.shape)

    async def get(self, site: int) -> SiteDocument:
        """The document.

        Raises:
            NotFound: there is no such site.
        """
        name, raw, version, origins, waiting = await self._row(site)
        made = build_site(site, name, raw, origins, self._sites.shape)
        values = self._sites.shape.values(made.settings, made.products)
        shown = {key: bool(value) if self.table.settings[key].secret else value for key, value in values.items()}
        return SiteDocument(site, version, name, list(origins), list(waiting), shown)

    async def change(
        self, site: int, version: int, *, name: str | None = None, origins: Iterable[str] | None = None,
        settings: Mapping[str, Any] | None = None, proven: Callable[[str], bool] = lambda pattern: True,
    ) -> SiteDocument:
        """Change what is given. A setting that is None goes back to its default; an origin that counted, or of which
        *proven* says that it does, counts.

        Raises:
            BadField: something can't be used; nothing was changed.
            Outdated: the document has another version by now.
        """
        old_name, raw, _, counted, waiting = await self._row(site)
        named = old_name if name is None else check_name(name)
        tree = self._merged(raw, settings or {})
        wanted = [*counted, *waiting] if origins is None else origin_patterns(origins)
        good = [one for one in wanted if one in counted or proven(one)]
        others = [one for one in wanted if one not in good]
        text = msgspec.json.encode(tree).decode()
        if not await self._database.write(CHANGE_SITE, site, version, named, text, good, others):
            raise Outdated
        await self._sites.refresh(ReadPreference.PRIMARY)
        return await self.get(site)

    async def _row(self, site: int) -> tuple[str, str, int, list[str], list[str]]:
        rows = await self._database.read(SELECT_SITE_DOCUMENT, site, preference=ReadPreference.PRIMARY)
        if not rows.rows:
            raise NotFound("There is no such site.", slug="unknown-site")
        return rows.rows[0]

    def _merged(self, raw: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        tree = msgspec.json.decode(raw, type=dict[str, Any])
        products = tree.get("products")
        for name, given in settings.items():
            product, key, old = self._sites.shape.place(name)
            value = self.table.checked(name, given, self._check_url)
            if product:
                products = products if isinstance(products, dict) else {}
                tree["products"] = products
                _put(products.setdefault(product, {}), key, value)
            if old or not product:
                _put(tree, key, value)
        return tree


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    if value is None:
        tree.pop(key, None)
    else:
        tree[key] = value


def origin_patterns(origins: Iterable[str]) -> list[str]:
    """*origins* as they are stored.

    Raises:
        BadField: one is none, or there are too many.
    """
    wanted = list(dict.fromkeys(_pattern(one) for one in origins))
    if len(wanted) > MOST_ORIGINS:
        raise BadField(f"A site has at most {MOST_ORIGINS} origins.", field="origins")
    return wanted


def _pattern(text: str) -> str:
    try:
        made = normalise(text)
        OriginPattern.parse(made)
    except ValueError as error:
        raise BadField(str(error), field="origins") from None
    return made
