"""What is stored of visitors: said, given out, shortened, removed by age, and forgotten when they ask."""

from __future__ import annotations

from collections.abc import Sequence

from cackled.database.row_counts import Counted
from cackled.domain.personal_data import Held
from cackled.privacy.api import ROUTES
from cackled.privacy.letters import KIND, PrivacyMail
from cackled.privacy.parts import PrivacyParts
from cackled.privacy.settings import PrivacySettings
from cackled.privacy.store import JOBS, PrivacyLinks, RuleCopies
from cackled.products.product import Feature, Limit


def make_feature(held: Sequence[Held]) -> Feature:
    """What gives out, and forgets, what features declare in *held*."""
    return Feature(
        name="privacy",
        routes=ROUTES,
        settings=PrivacySettings,
        shared={
            PrivacyParts: lambda parts: PrivacyParts(parts, held),
            PrivacyLinks: lambda parts: PrivacyLinks(parts.sites.secret, parts.wall_time, parts.random),
            RuleCopies: lambda parts: RuleCopies(parts.database, parts.sites, parts.clock),
        },
        starts=(RuleCopies,),
        limits=(Limit(name="page", rate=0.2, burst=30), Limit(name="own", rate=0.05, burst=10)),
        outbox={KIND: lambda parts: PrivacyMail(parts).deliver},
        jobs=JOBS,
        counted=(
            Counted(table="privacy_rule", word="privacy rules", kept=False),
            Counted(table="privacy_removed", word="figures of removals", kept=False),
            Counted(table="erasure", word="erased visitors", kept=False),
        ),
        sql="cackled.privacy",
    )
