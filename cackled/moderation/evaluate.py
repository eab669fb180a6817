"""How good a site's filter is, measured on the site's own decisions: it learns the older ones and judges the newer."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.read_options import Reading
from cackled.domain.site import Site
from cackled.moderation.bayes import Filter
from cackled.moderation.rules import Rules
from cackled.moderation.slices import sliced

# So many of the newest decisions are looked at; of them this part is learnt.
MOST = 20_000
LEARNT = 0.7
# With fewer of either kind in a part, figures would say nothing.
LEAST = 10

SELECT_TAUGHT = Query(
    "select_taught",
    """
    select learnt, buckets from (
      select learnt, buckets, decided_at, item from spam_lesson
      where site_id = $1 and learnt is not null and buckets is not null order by decided_at desc limit $2
    ) x order by decided_at, item
    """,
    ("int", "int"),
)


class Figures(Struct, frozen=True):
    """Quality at one threshold.

    ``precision``: the share of what was caught that was spam. ``recall``: the share of spam that was caught.
    ``false_positives``: the share of everything else that was caught. None: there was nothing to measure.
    """

    threshold: float
    taken: int
    right: int
    precision: float | None
    recall: float | None
    false_positives: float | None


class Evaluation(Struct, frozen=True):
    """``learnt`` and ``judged`` are numbers of decisions; ``figures`` are by threshold."""

    learnt: int
    judged: int
    spam: int
    ham: int
    enough: bool
    figures: list[Figures] = []


Lesson = tuple[bool, Sequence[int]]


def figures(scores: Sequence[tuple[bool, float]], threshold: float) -> Figures:
    """What a threshold does with texts of known kind and score."""
    taken = [spam for spam, score in scores if score >= threshold]
    all_spam = sum(spam for spam, _ in scores)
    others = len(scores) - all_spam
    right = sum(taken)
    return Figures(
        threshold,
        len(taken),
        right,
        right / len(taken) if taken else None,
        right / all_spam if all_spam else None,
        (len(taken) - right) / others if others else None,
    )


async def evaluate(lessons: Sequence[Lesson], thresholds: Sequence[float], clock: IReactorTime) -> Evaluation:
    """Learn the first of *lessons*, judge the others."""
    middle = int(len(lessons) * LEARNT)
    made = Filter()
    async for spam, buckets in sliced(lessons[:middle], clock, 100):
        made.learn(buckets, spam)
    scores: list[tuple[bool, float]] = []
    async for spam, buckets in sliced(lessons[middle:], clock, 50):
        # What a filter says that knows too little lets everything pass.
        scores.append((spam, made.score(buckets) or 0.0))
    all_spam = sum(spam for spam, _ in scores)
    enough = min(all_spam, len(scores) - all_spam, made.spam, made.ham) >= LEAST
    return Evaluation(
        middle, len(scores), all_spam, len(scores) - all_spam, enough, [figures(scores, one) for one in thresholds]
    )


async def evaluate_site(
    site: Site, database: Database, rules: Rules, clock: IReactorTime, reading: Reading | None = None
) -> Evaluation:
    """As `evaluate`, with the decisions and thresholds of *site*."""
    how = reading or Reading.of(ReadPreference.NEAREST)
    rows = how.found(await how.rows(database.site(site.id), SELECT_TAUGHT, site.id, MOST))
    thresholds = sorted({0.5, rules.spam.hold_at, min(1.0, rules.spam.spam_at)})
    return await evaluate(rows, thresholds, clock)
