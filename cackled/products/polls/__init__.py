"""Polls: questions with answers to choose from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from cackled.database.row_counts import Counted
from cackled.domain.outbox import Work
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.importing.exports import Export
from cackled.importing.formats import Imports
from cackled.products.polls import api, moderated, staff_api
from cackled.products.polls.closing import Closing
from cackled.products.polls.editor import PollEditor
from cackled.products.polls.events import EVENTS
from cackled.products.polls.proposals import JUDGED, KIND
from cackled.products.polls.refusals import PROBLEMS, REFUSALS
from cackled.products.polls.seed import fill
from cackled.products.polls.service import PRODUCT_NAME, Polls
from cackled.products.polls.settings import PollSettings
from cackled.products.polls.thread import THREAD
from cackled.products.polls.upkeep import ACTIVITY, AUTHORED, ERASABLE, HELD, JOBS, RECOUNTS
from cackled.products.polls.videos import PollVideos
from cackled.products.product import Limit, OutboxParts, Product


def make_polls(parts: ServiceParts, site: Site) -> Polls:
    """The polls of *site*."""
    return Polls(parts, site)


def make_editor(parts: ServiceParts, site: Site) -> PollEditor:
    """The polls of *site*, for its staff."""
    return PollEditor(parts, site)


def make_closing(parts: OutboxParts) -> Callable[[Work], Awaitable[None]]:
    """The handler that tells pages when a poll opens or closes."""
    return Closing(parts).deliver


def _imports() -> Imports:
    from cackled.products.polls.importing import IMPORTS

    return IMPORTS


def _exports() -> tuple[Export, ...]:
    from cackled.products.polls.exporting import EXPORTS

    return EXPORTS


def make_videos(parts: OutboxParts) -> Callable[[Work], Awaitable[None]]:
    """The handler that asks for titles of videos."""
    return PollVideos(parts).deliver


PRODUCT = Product(
    name=PRODUCT_NAME,
    routes=(*api.ROUTES, *staff_api.ROUTES),
    widgets=api.WIDGETS,
    threads=(THREAD,),
    settings=PollSettings,
    services={Polls: make_polls, PollEditor: make_editor},
    limits=(
        Limit(name="vote", rate=1, burst=20),
        Limit(name="propose", rate=0.02, burst=5),
        Limit(name="staff", rate=5, burst=100),
    ),
    events=EVENTS,
    refusals=REFUSALS,
    problems=PROBLEMS,
    outbox={"poll": make_closing, "poll-videos": make_videos},
    jobs=JOBS,
    recounts=RECOUNTS,
    sql=__name__,
    web=__name__,
    counted=(Counted(table="poll", word="polls"), Counted(table="ballot", word="poll votes", kept=False)),
    moderated={KIND: moderated.make},
    judged=JUDGED,
    erase=ERASABLE,
    held=HELD,
    authored=AUTHORED,
    activity=ACTIVITY,
    exports=_exports,
    imports=_imports,
    seed=fill,
)
