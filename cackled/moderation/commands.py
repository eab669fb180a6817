"""Operator commands on spam filters."""

from __future__ import annotations

from collections.abc import Sequence

from cackled.database.query import ReadPreference
from cackled.domain.commands import Command, Data, Facts, OperatorParts, Table, Usage, site_number
from cackled.domain.read_options import Reading
from cackled.moderation.evaluate import evaluate_site
from cackled.moderation.store import SELECT_FILTER, RuleStore


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


async def spam(parts: OperatorParts, words: Sequence[str]) -> Data:
    """What a site's filter has seen, or how good it is."""
    match list(words):
        case ["show", number]:
            return await _show(parts, site_number(number))
        case ["evaluate", number]:
            return await _evaluate(parts, site_number(number))
    raise Usage


async def _show(parts: OperatorParts, number: int) -> Facts:
    site = parts.site(number)
    kept = await RuleStore(parts.database, parts.clock).kept(site)
    how = Reading.of(ReadPreference.PRIMARY_PREFERRED)
    rows = how.found(await how.rows(parts.database.site(site.id), SELECT_FILTER, site.id, 2**62))
    version, seen_spam, seen_others, _ = rows[0] if rows else (0, 0, 0, b"")
    rules = kept.rules.spam
    return {
        "site": site.id, "enabled": rules.enabled, "spam": seen_spam, "other": seen_others, "version": version,
        "hold_at": rules.hold_at, "spam_at": rules.spam_at, "shared": rules.share,
    }  # fmt: skip


async def _evaluate(parts: OperatorParts, number: int) -> Data:
    site = parts.site(number)
    kept = await RuleStore(parts.database, parts.clock).kept(site)
    found = await evaluate_site(site, parts.database, kept.rules, parts.clock)
    summary: Facts = {
        "site": site.id, "learnt": found.learnt, "judged": found.judged, "spam": found.spam, "other": found.ham,
        "enough": "yes" if found.enough else "no: with so few decisions the figures say little",
    }  # fmt: skip
    table: Table = [
        {
            "threshold": f"{one.threshold:g}", "taken": one.taken, "right": one.right,
            "precision": _share(one.precision), "recall": _share(one.recall),
            "false_positives": _share(one.false_positives),
        }
        for one in found.figures
    ]  # fmt: skip
    report: dict[str, Facts | Table] = {"decisions": summary, "filter": table}
    return report


COMMANDS = (
    Command(
        "spam",
        "show SITE | evaluate SITE",
        "what a site's spam filter has learnt; its precision and recall on the site's own decisions, split by time",
        spam,
    ),
)
