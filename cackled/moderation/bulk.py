"""Decisions on all that matches, and large undoings: work of the outbox, a part at a time, which survives restarts.

Between two parts it is looked whether somebody paused or stopped it. A part that broke off is done again: an item that
was decided on matches no more, or is told to be as it should be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from cackled.database.query import ReadPreference
from cackled.database.routing import Database
from cackled.domain.outbox import GiveUp, Work
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.moderation.items import Deed, Found, Moderated
from cackled.moderation.queue import COUNT_ACTION, SELECT_ACTION, STEER_ACTION, Queue

# Items from one look at its state to the next; and of one piece of work, which ends well before its claim does.
LOOK = 25
PART = 500


class Told(Struct):
    """The work's body."""

    action: int


class Filter(Struct):
    """What an action is for, as it is stored."""

    found: Found
    product: str = ""


class BulkDecisions:
    """The outbox's handler of kind ``moderation``."""

    def __init__(
        self, sites: SiteDirectory, database: Database,
        kinds: Mapping[str, Callable[[Database, Site], Moderated]],
    ) -> None:  # fmt: skip
        self._sites = sites
        self._database = database
        self._kinds = kinds

    async def deliver(self, work: Work) -> None:
        """Do a part of an action, and ask for the next.

        Raises:
            GiveUp: there is no such site or action.
        """
        site = self._sites.find(work.site)
        number = msgspec.json.decode(work.body, type=Told).action
        if site is None:
            raise GiveUp("there is no such site")
        queue = Queue(site, self._database, self._kinds)
        database = self._database.site(site.id)
        rows = await database.read(SELECT_ACTION, site.id, number, preference=ReadPreference.PRIMARY)
        if not rows.rows:
            raise GiveUp("there is no such action")
        _, who, name, action, why, filter_, state, *_, last = rows.rows[0]
        if state == "undoing":
            done, failed = await queue.undo_steps(number, who, name, PART)
            more = len(done) + len(failed) == PART and bool(done)
            await self._next(site.id, number, "undoing" if more else "undone", ["undoing"])
            return
        if state != "running" or not filter_:
            return
        filter = msgspec.json.decode(filter_, type=Filter)
        deed = Deed(action=action, number=number, who=who, name=name, why=why)
        ended = await self._part(queue, filter, deed, last)
        if ended is not None:
            await self._next(site.id, number, "done" if ended else "running", ["running"])

    async def _part(self, queue: Queue, filter: Filter, deed: Deed, last: int | None) -> bool | None:
        """Decide on the next items; whether there are no more, or None where somebody stopped it."""
        site = queue.site
        for _ in range(PART // LOOK):
            numbers: list[tuple[int, str, Any]] = []
            for kind, one in queue.kinds.items():
                if filter.product in ("", one.product):
                    ids = await one.ids(filter.found, before=last, size=LOOK)
                    numbers += [(id, kind, one) for id in ids]
            numbers = sorted(numbers, key=lambda entry: -entry[0])[:LOOK]
            if not numbers:
                return True
            done = failed = 0
            for id, kind, one in numbers:
                below, outcome = await queue.apply(one, kind, id, None, deed)
                done += len(below) + (outcome.outcome in ("done", "same"))
                failed += outcome.outcome not in ("done", "same")
            last = numbers[-1][0]
            rows = await self._database.site(site).write(COUNT_ACTION, site, deed.number, done, failed, last)
            if not rows or rows[0][0] != "running":
                return None
        return False

    async def _next(self, site: int, number: int, to: str, before: list[str]) -> None:
        await self._database.site(site).write(STEER_ACTION, site, number, to, before)
