"""What rules would have done with what was written lately: a batch at a time, with a cursor to go on with.

Rules that depend on the moment (bursts, slow mode, repetitions, servers that are asked) are not in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from cackled.database.query import ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import BadField
from cackled.domain.site import Site
from cackled.moderation.compiled import Compiled, Finding, strongest
from cackled.moderation.features import features
from cackled.moderation.judge import FORGIVEN
from cackled.moderation.judged import Item, Judged, item
from cackled.moderation.rules import Rules
from cackled.moderation.slices import sliced
from cackled.moderation.store import Held
from cackled.turns import Turns

DAYS = 30
BATCH = 500
# No more is counted, or looked at in one dry run.
MOST = 50_000
MOST_EXAMPLES = 20


class Progress(Struct, frozen=True):
    """What one batch came to; the whole is the sum of all batches.

    ``looked`` of ``total`` (at most `MOST`) were looked at so far, ``acted`` of this batch would not have been shown at
    once; ``marks`` says by which rule how often, ``states`` what would have become of them, ``words`` which words
    matched. ``cursor`` is for the next batch, None at the end.
    """

    total: int
    looked: int
    batch: int
    acted: int
    marks: dict[str, int]
    states: dict[str, int]
    words: dict[str, int]
    examples: list[str]
    cursor: str | None


class DryRuns:
    """Dry runs of all sites; one batch of a site at a time."""

    def __init__(self, database: Database, clock: IReactorTime, kinds: Sequence[Judged]) -> None:
        self._database = database
        self._clock = clock
        self._kinds = kinds
        self._turns = Turns(2)

    @staticmethod
    @lru_cache(maxsize=4)
    def compiled(rules: Rules) -> Compiled:
        """*rules*, ready: a dry run of many batches makes them so once.

        Raises:
            BadField: a word or pattern can't be used.
        """
        return Compiled(rules)

    async def batch(self, site: Site, compiled: Compiled, held: Held, now: float, cursor: str) -> Progress:
        """The batch at *cursor* (``""``: the first); *now* in seconds since 1970.

        Raises:
            BadField: that is no cursor.
        """
        number, after, looked, begin, total = _read(cursor, len(self._kinds))
        database = self._database.site(site.id)
        begin = begin or now - DAYS * 86_400
        if not cursor:
            for one in self._kinds:
                rows = await database.read(one.total, site.id, begin, MOST, preference=ReadPreference.NEAREST)
                total += rows.rows[0][0]
            total = min(total, MOST)
        async with self._turns:
            kind = self._kinds[number]
            rows = await database.read(
                kind.recent, site.id, after, begin, BATCH, preference=ReadPreference.NEAREST
            )
            marks: Counter[str] = Counter()
            states: Counter[str] = Counter()
            words: Counter[str] = Counter()
            examples: list[str] = []
            async for row in sliced(rows.rows, self._clock):
                one_item = item(row)
                findings = self._findings(kind.kind, compiled, held, one_item)
                action = strongest(findings)
                if action is None:
                    continue
                states[action] += 1
                marks.update({one.mark for one in findings})
                words.update({one.word for one in findings if one.word and one.mark in ("word", "pattern")})
                if len(examples) < MOST_EXAMPLES:
                    examples.append(f"{kind.kind}:{one_item.id}")
        looked += len(rows.rows)
        following: str | None = None
        if len(rows.rows) == BATCH and looked < MOST:
            following = f"{number}.{rows.rows[-1][0]}.{looked}.{begin:.0f}.{total}"
        elif number + 1 < len(self._kinds) and looked < total:
            following = f"{number + 1}.0.{looked}.{begin:.0f}.{total}"
        return Progress(
            max(total, looked), looked, len(rows.rows), sum(states.values()), dict(marks), dict(states),
            dict(words.most_common(50)), examples, following,
        )  # fmt: skip

    @staticmethod
    def _findings(kind: str, compiled: Compiled, held: Held, one: Item) -> list[Finding]:
        rules = compiled.rules
        if not one.text:
            return []
        draft = one.draft(kind)
        if rules.close_days and one.at - one.since > rules.close_days * 86_400:
            return [Finding("refuse", "closed")]
        found = features(draft)
        findings = compiled.findings(draft, found.words)
        if rules.spam.enabled and held.filter is not None:
            score = held.filter.score(found.places)
            if score is not None and score >= rules.spam.hold_at:
                findings.append(Finding("spam" if score >= rules.spam.spam_at else "hold", "spam"))
        if rules.moderation == "pre":
            findings.append(Finding("hold", "premoderation"))
        if one.visitor in compiled.trusted or (rules.trusted_after and one.before >= rules.trusted_after):
            return [finding for finding in findings if finding.mark not in FORGIVEN]
        if one.before < rules.first:
            findings.append(Finding("hold", "first"))
        return findings


def _read(cursor: str, kinds: int) -> tuple[int, int, int, float, int]:
    if not cursor:
        return 0, 0, 0, 0.0, 0
    parts = cursor.split(".")
    if len(parts) != 5 or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        raise BadField("That is no cursor.", field="cursor")
    number, after, looked, begin, total = map(int, parts)
    if number >= kinds or looked > MOST or total > MOST:
        raise BadField("That is no cursor.", field="cursor")
    return number, after, looked, float(begin), total
