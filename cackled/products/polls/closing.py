"""Polls open and close by the clock: pages are told when the time has come.

A vote is taken or refused by the clock anyway. The outbox keeps these times, so nothing is forgotten over a restart.
"""

from __future__ import annotations

import msgspec

from cackled.database.errors import QueryFailed
from cackled.domain.outbox import Work
from cackled.products.polls.queries import TELL_POLL
from cackled.products.product import OutboxParts


class Closing:
    """The outbox's handler of kind ``poll``."""

    def __init__(self, parts: OutboxParts) -> None:
        self._parts = parts

    async def deliver(self, work: Work) -> None:
        """Tell the pages of a poll that it has opened or closed, where it has."""
        poll = msgspec.json.decode(work.body, type=dict[str, int], strict=False)["poll"]
        site = self._parts.sites.find(work.site)
        hooked = site is not None and bool(site.settings.webhook_url)
        try:
            await self._parts.database.site(work.site).write(TELL_POLL, work.site, poll, hooked)
        except QueryFailed as error:
            # It was deleted with its site meanwhile.
            if error.sqlstate != "CK404":
                raise
