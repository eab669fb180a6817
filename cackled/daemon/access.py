"""Who may listen to which channel, under which name, and for how long."""

from __future__ import annotations

from cackled.api.public_root import listening_refused
from cackled.domain.errors import TooFast
from cackled.domain.grants import Grants
from cackled.domain.limits import CallLimits
from cackled.domain.sites import SiteDirectory
from cackled.realtime.access import Refusal


class Access:
    """What realtime asks before it lets a client listen."""

    def __init__(self, sites: SiteDirectory, grants: Grants) -> None:
        self.sites = sites
        self.grants = grants

    def authorize(self, site_id: int, channel: int, origin: str | None, tokens: tuple[str, ...]) -> Refusal | None:
        """Who may listen to a channel."""
        refused = listening_refused(self.sites, self.grants, site_id, channel, origin, tokens)
        return None if refused is None else Refusal(refused.status, refused.slug, refused.detail)

    def name_of(self, site_id: int, channel: int, tokens: tuple[str, ...]) -> str:
        """Under which name the bearer of *tokens* is in a channel."""
        site = self.sites.find(site_id)
        return "" if site is None else self.grants.name(site, tokens, channel)

    def seconds_left(self, site_id: int, channel: int, tokens: tuple[str, ...]) -> float | None:
        """For how many seconds the bearer of *tokens* may listen to a channel; None where nobody has to ask."""
        site = self.sites.find(site_id)
        return None if site is None else self.grants.seconds_left(site, tokens, channel)

    @staticmethod
    def charge(limits: CallLimits, address: str, cost: float) -> float | None:
        """Count what subscribing costs among the reads of *address*; the seconds to wait where that is too much."""
        try:
            limits.take("reads", address, 0, cost)
        except TooFast as error:
            return error.retry_after or 1.0
        return None
