"""What a site says of how its reviews are checked, as the law asks: made from the settings and rules in force.

Each statement is a code, whose words are in the catalogues of the widget, with values. A test sees for each of them
that the site really behaves like that.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.products.reviews.reasons import REASONS
from cackled.products.reviews.settings import ReviewSettings
from cackled.products.reviews.upkeep import KEPT_YEARS

# The rules as they are stored, and what there is of reviews that were not simply written here.
SELECT_FACTS = Query(
    "select_review_check_facts",
    """
    select (select r.rules from moderation_rules r where r.site_id = $1),
      exists (select from review_order o where o.site_id = $1),
      array(select distinct source from (
        select x.source from review x where x.site_id = $1 and x.import_id is not null and x.status = 1 limit 100000) y
        order by 1),
      exists (select from review x where x.site_id = $1 and x.incentivized and x.status = 1),
      exists (select from review x where x.site_id = $1 and x.staff and x.status = 1 and x.kind = 0)
    """,
    ("int",),
)


class Statement(Struct, frozen=True):
    """One statement, by its code, and what stands in its words."""

    code: str
    values: dict[str, Any] = {}


class Checks:
    """What one site says of how its reviews are checked."""

    def __init__(self, parts: ServiceParts, site: Site) -> None:
        self._site = site
        self._settings = site.product(ReviewSettings)
        self._database = parts.database.site(site.id)

    async def statements(self) -> list[Statement]:
        """All that holds now."""
        rows = await self._database.read(SELECT_FACTS, self._site.id, preference=ReadPreference.NEAREST)
        rules, orders, sources, paid, staff = rows.rows[0]
        return statements(
            self._settings, msgspec.json.decode(rules) if rules else {}, orders=orders, sources=list(sources),
            paid=paid, staff=staff,
        )  # fmt: skip


def statements(
    settings: ReviewSettings, rules: dict[str, Any], *, orders: bool, sources: list[str], paid: bool, staff: bool
) -> list[Statement]:
    """The statements of these settings and rules."""
    made = []
    if settings.writers == "buyers" and not sources:
        made.append(Statement("purchase-all"))
    else:
        made.append(Statement("purchase-some" if orders or settings.writers == "buyers" else "purchase-none"))
    made.append(Statement(f"who-{settings.writers}"))
    made.append(Statement("one-per-person"))
    made.append(Statement("order-helpful" if settings.sort == "helpful" else "order-newest"))
    held = [name for name in ("first", "links", "words", "patterns", "languages") if _holds(rules, name)]
    if rules.get("moderation") == "pre":
        made.append(Statement("premoderated"))
    elif held:
        made.append(Statement("premoderated-some", {"reasons": held}))
    else:
        made.append(Statement("published-at-once"))
    if rules.get("spam", {}).get("enabled", True) or held:
        made.append(Statement("filter"))
    made.append(Statement("all-published"))
    made.append(Statement("removal", {"reasons": list(REASONS)}))
    made.append(Statement("kept", {"years": KEPT_YEARS}))
    made.append(Statement("edits-shown" if settings.history else "edits-history"))
    if sources:
        made.append(Statement("imported", {"sources": sources}))
    if paid:
        made.append(Statement("incentivized"))
    if staff:
        made.append(Statement("staff"))
    if settings.requests != "off":
        made.append(Statement("requests", {"days": settings.request_days}))
    made.append(Statement("aggregate"))
    made.append(Statement("report"))
    return made


def _holds(rules: dict[str, Any], name: str) -> bool:
    found = rules.get(name)
    return (found is not None and found not in (0, [], ())) or (name == "links" and found == 0 and "links" in rules)
