"""Who may listen to which channel, under which name, and for how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from cackled.api.public_root import listening_refused
from cackled.database.errors import DatabaseError
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.conversation_access import Doors
from cackled.domain.errors import Refused, TooFast
from cackled.domain.grants import Grants
from cackled.domain.limits import CallLimits
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.realtime.access import Refusal

# With this token somebody of the staff asks for the channel of the queue, or of a conversation. Their numbers are
# random and told to those alone whom they concern: whoever names one may listen, however the site is closed to readers.
STAFF = "staff"
SELECT_STAFF_CHANNEL = Query(
    "select_staff_channel",
    """
    select false from staff_channel where site_id = $1 and channel_id = $2
    union all select false from staff_section_channel where site_id = $1 and channel_id = $2
    union all select true from channel where site_id = $1 and id = $2 and product = 'chat'
    """,
    ("int", "bigint"),
)
# Staff's channels that are remembered.
MOST_STAFF = 10_000


class Access:
    """What realtime asks before it lets a client listen."""

    def __init__(
        self, sites: SiteDirectory, grants: Grants, doors: Doors, wall_time: Callable[[], float], database: Database
    ) -> None:
        self._database = database
        self._staff: set[tuple[int, int]] = set()
        # Those of them that are conversations: nothing is told in one that is over, so that nobody has to ask again, as
        # consoles do for each row that they show.
        self._conversations: set[tuple[int, int]] = set()
        self.sites = sites
        self.grants = grants
        self._doors = doors
        self._wall_time = wall_time

    def authorize(
        self, site_id: int, channel: int, origin: str | None, tokens: tuple[str, ...]
    ) -> Refusal | Awaitable[Refusal | None] | None:
        """Who may listen to a channel; an awaitable where the channel's key has to be looked up for that."""
        if STAFF in tokens and self.sites.find(site_id) is not None:
            return self._staffed(site_id, channel, origin, tuple(one for one in tokens if one != STAFF))
        refused = listening_refused(self.sites, self.grants, site_id, channel, origin, tokens)
        if refused is not None:
            return _refusal(refused)
        site = self.sites.find(site_id)
        if site is None or not self._doors.locked(site):
            return None
        return self._look(site, channel, tokens)

    async def _staffed(self, site: int, channel: int, origin: str | None, others: tuple[str, ...]) -> Refusal | None:
        if (site, channel) in self._conversations:
            return None
        try:
            found = await self._database.site(site).read(
                SELECT_STAFF_CHANNEL, site, channel, preference=ReadPreference.PRIMARY_PREFERRED
            )
        except DatabaseError:
            return Refusal(503, "unavailable", "Not available right now.", 2.0)
        if found.rows:
            if len(self._staff) >= MOST_STAFF:
                self._staff.clear()
                self._conversations.clear()
            self._staff.add((site, channel))
            if found.rows[0][0]:
                self._conversations.add((site, channel))
            return None
        usual = self.authorize(site, channel, origin, others)
        return usual if usual is None or isinstance(usual, Refusal) else await usual

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
        if site is None or (STAFF in tokens and (site_id, channel) in self._staff):
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
