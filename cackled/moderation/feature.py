"""What moderation declares."""

from __future__ import annotations

from collections.abc import Sequence

from cackled.database.query import Query
from cackled.database.row_counts import Counted
from cackled.domain.erasure import Erasable
from cackled.moderation.api import rules, statistics
from cackled.moderation.commands import COMMANDS
from cackled.moderation.judged import Judged
from cackled.moderation.moderation import Moderation
from cackled.moderation.shared_texts import EXPIRE_RECENT_TEXTS
from cackled.moderation.statistics import JOBS
from cackled.moderation.trainer import EXPIRE_LESSONS
from cackled.products.product import Feature, Limit, SharedParts

ERASE_LESSONS = Query(
    "erase_lessons", "select channel, seq from erase_lessons($1, $2, $3)", ("int", "bigint", "int")
)
# Lessons are in no channel.
SELECT_LESSON_CHANNELS = Query(
    "select_lesson_channels", "select 0::bigint where $1::int is null and $2::bigint is null", ("int", "bigint")
)


def make_feature(kinds: Sequence[Judged]) -> Feature:
    """The feature, judging items of these *kinds*."""

    def make(parts: SharedParts) -> Moderation:
        return Moderation(
            parts.database, parts.sites, parts.clock, parts.wall_time, parts.random, kinds, parts.metrics,
            parts.http.ask, parts.readers,
        )  # fmt: skip

    return Feature(
        name="moderation",
        routes=(*rules.ROUTES, *statistics.ROUTES),
        shared={Moderation: make},
        limits=(
            Limit(name="rules", rate=0.5, burst=30),
            Limit(name="dry-run", rate=4, burst=120),
            Limit(name="evaluate", rate=0.2, burst=20),
        ),
        problems=rules.PROBLEMS,
        jobs=(EXPIRE_LESSONS, EXPIRE_RECENT_TEXTS, *JOBS),
        commands=COMMANDS,
        sql="cackled.moderation",
        counted=(Counted(table="spam_lesson", word="lessons", kept=False),),
        erase=Erasable(steps=(ERASE_LESSONS,), channels=SELECT_LESSON_CHANNELS),
    )
