"""What a site says of how its reviews are checked, as the law asks: made from the settings and rules in force.

Each statement is a code, whose words are in the catalogues of the widget, with values. A test sees for each of them
that the site really behaves like that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.moderation.rules import NO_RULES, Rules
from cackled.products.reviews.reasons import REASONS
from cackled.products.reviews.settings import ReviewSettings
from cackled.products.reviews.upkeep import KEPT_YEARS

# The rules as they are stored, and what there is of reviews that are shown and were not simply written here.
SELECT_FACTS = Query(
    "select_review_check_facts",
    """
    select (select r.rules from moderation_rules r where r.site_id = $1),
      exists (select from review_order o where o.site_id = $1),
      array(select distinct source from (
        select x.source from review x where x.site_id = $1 and x.source <> '' and x.status = 1 limit 100000) y
        order by 1),
      exists (select from review x where x.site_id = $1 and x.verified <> 'order' and x.status = 1 and x.kind = 0),
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
        rules, orders, sources, others, paid, staff = rows.rows[0]
        return statements(
            self._settings, msgspec.json.decode(rules, type=Rules) if rules else NO_RULES, orders=orders,
            sources=list(sources), others=others, paid=paid, staff=staff,
        )  # fmt: skip


# Who has one review for a product, as far as the site can tell people apart.
_ONE_EACH = {"everyone": "one-per-visitor", "signed-in": "one-per-person", "buyers": "one-per-order"}


def statements(
    settings: ReviewSettings, rules: Rules, *, orders: bool, sources: list[str], others: bool, paid: bool, staff: bool
) -> list[Statement]:
    """The statements of these settings and rules.

    *orders*: whether orders were noted. *sources*: from where reviews were taken over. *others*, *paid*, *staff*:
    whether there are reviews that came without an order, for a reward, by the site's own.
    """
    made = []
    if settings.writers == "buyers" and not others:
        made.append(Statement("purchase-all"))
    else:
        made.append(Statement("purchase-some" if orders or settings.writers == "buyers" else "purchase-none"))
    made.append(Statement(f"who-{settings.writers}"))
    made.append(Statement(_ONE_EACH[settings.writers]))
    made.append(Statement("order-helpful" if settings.sort == "helpful" else "order-newest"))
    made += _judged(rules)
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
    if rules.flags:
        made.append(Statement("report-hides", {"n": rules.flags}))
    return made


def _judged(rules: Rules) -> list[Statement]:
    """What is done with a review before it is shown."""
    made = []
    held = [name for name, holds in _HOLDS.items() if holds(rules)]
    if rules.moderation == "pre":
        made.append(Statement("premoderated-trusted" if rules.trusted_after or rules.trusted else "premoderated"))
    elif held:
        made.append(Statement("premoderated-some", {"reasons": held}))
    else:
        made.append(Statement("published-at-once"))
    if rules.spam.enabled or held:
        made.append(Statement("filter"))
    if rules.webhook.url or rules.akismet.url:
        made.append(Statement("asked"))
    return made


# What a rule holds back; what it refuses its author is told at once.
_HOLDS: dict[str, Callable[[Rules], bool]] = {
    "first": lambda rules: rules.first > 0,
    "links": lambda rules: rules.links is not None and rules.links_action != "refuse",
    "words": lambda rules: any(one.action != "refuse" for one in rules.words),
    "patterns": lambda rules: any(one.action != "refuse" for one in rules.patterns),
    "languages": lambda rules: bool(rules.languages),
    "form": lambda rules: rules.capitals > 0 or rules.repeats > 0,
    "alike": lambda rules: rules.spam.duplicates > 0,
    "rush": lambda rules: rules.spam.burst > 0 or rules.spam.least_seconds > 0,
    "names": lambda rules: bool(rules.names) and rules.names_action == "hold",
}
