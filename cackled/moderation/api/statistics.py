"""The route of a site's statistics."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.database.query import ReadPreference
from cackled.moderation.moderation import Moderation
from cackled.moderation.statistics import Statistics


class StatisticsQuery(Struct, frozen=True):
    """The number of days, today included."""

    days: Annotated[int, Meta(ge=1, le=366)] = 30


async def get_statistics(call: Call) -> Statistics:
    """Get moderation statistics of the last days."""
    query: StatisticsQuery = call.query
    return await call.shared(Moderation).counting.statistics(call.site, query.days, call.reading)


ROUTES = (
    Route(
        method="GET", path="/sites/{site}/moderation/statistics", name="getStatistics",
        summary="Get moderation statistics of the last days.",
        handler=get_statistics, query=StatisticsQuery, answer=Statistics, caller=Caller.STAFF, role="analyst",
        scope="read", limit="reads", preference=ReadPreference.NEAREST,
    ),
)  # fmt: skip
