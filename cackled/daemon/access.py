"""Who may listen to which channel, under which name, and for how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from cackled.api.public_root import listening_refused
from cackled.database.errors import DatabaseError
from cackled.domain.doors import Doors
from cackled.domain.errors import Refused, TooFast
from cackled.domain.grants import Grants
from cackled.domain.limits import CallLimits
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.realtime.access import Refusal


class Access:
    """What realtime asks before it lets a client listen."""

    def __init__(self, sites: SiteDirectory, grants: Grants, doors: Doors, wall_time: Callable[[], float]) -> None:
        self.sites = sites
        self.grants = grants
        self._doors = doors
        self._wall_time = wall_time

    def authorize(
        self, site_id: int, channel: int, origin: str | None, tokens: tuple[str, ...]
    ) -> Refusal | Awaitable[Refusal | None] | None:
        """Who may listen to a channel; an awaitable where the channel's key has to be looked up for that."""
        refused = listening_refused(self.sites, self.grants, site_id, channel, origin, tokens)
        if refused is not None:
            return _refusal(refused)
        site = self.sites.find(site_id)
        if site is None or not self._doors.locked(site):
            return None
        return self._look(site, channel, tokens)

    async def _look(self, site: Site, channel: int, tokens: tuple[str, ...]) -> Refusal | None:
        try:
            refused = await self._doors.refused_in(site, channel, "read", None, tokens)
        except DatabaseError:
            return Refusal(503, "unavailable", "Not available right now.", 2.0)
        return None if refused is None else _refusal(refused)

    def name_of(self, site_id: int, channel: int, tokens: tuple[str, ...]) -> str:
        """Under which name the bearer of *tokens* is in a channel."""
        site = self.sites.find(site_id)
        return "" if site is None else self.grants.name(site, tokens, channel)

    def seconds_left(self, site_id: int, channel: int, tokens: tuple[str, ...]) -> float | None:
        """For how many seconds the bearer of *tokens* may listen to a channel; None where nobody has to ask."""
        site = self.sites.find(site_id)
        if site is None:
            return None
        until = self._doors.until(site, channel, tokens)
        found = [self.grants.seconds_left(site, tokens, channel), until and max(0.0, until - self._wall_time())]
        return min((one for one in found if one is not None), default=None)

    @staticmethod
    def charge(limits: CallLimits, address: str, cost: float) -> float | None:
        """Count what subscribing costs among the reads of *address*; the seconds to wait where that is too much."""
        try:
            limits.take("reads", address, 0, cost)
        except TooFast as error:
            return error.retry_after or 1.0
        return None


def _refusal(refused: Refused) -> Refusal:
    return Refusal(refused.status, refused.slug, refused.detail)
