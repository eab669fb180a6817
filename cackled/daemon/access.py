"""Who may listen to which channel, under which name, and for how long.

A private channel (a conversation, or a room of staff) is listened to by whoever proves that they may, and its number
opens nothing: its visitor by the conversation's token, staff by a ticket (`cackled.domain.staff_tickets`). Both are
signed, so that nobody asks the database. Which channels are private the hub learns with where they stand, and asks
here (`Access.admits`) before it tells anything of one; where it knows already, a stranger is refused at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from cackled.api.public_root import listening_refused
from cackled.database.errors import DatabaseError
from cackled.domain.conversation_access import Doors
from cackled.domain.errors import Refused, TooFast
from cackled.domain.grants import MOST_TOKENS, Grants
from cackled.domain.limits import CallLimits
from cackled.domain.listening import Proof
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.domain.staff_tickets import PREFIX, StaffTickets, Ticket
from cackled.realtime.access import Refusal

NEEDED = "That channel needs a token of it."


class Access:
    """What realtime asks before it lets a client listen.

    *proofs*: who knows visitors' tokens of private channels, by product; *guard*: what is known to guard a channel.
    """

    def __init__(
        self, sites: SiteDirectory, grants: Grants, doors: Doors, wall_time: Callable[[], float],
        tickets: StaffTickets, proofs: Mapping[str, Proof], guard: Callable[[int, int], str | None],
    ) -> None:  # fmt: skip
        self.sites = sites
        self.grants = grants
        self._doors = doors
        self._wall_time = wall_time
        self._tickets = tickets
        self._proofs = proofs
        self._guard = guard

    def authorize(
        self, site_id: int, channel: int, origin: str | None, tokens: tuple[str, ...]
    ) -> Refusal | Awaitable[Refusal | None] | None:
        """Who may listen to a channel; an awaitable where the channel's key has to be looked up for that."""
        guard = self._guard(site_id, channel)
        if guard != "" and tokens and self.sites.find(site_id) is not None and self._of_staff(site_id, tokens):
            # However the site is closed to readers. Where it is not known what the channel is, `admits` decides.
            wrong = guard is not None and self._left(site_id, channel, guard, tokens) == 0
            return Refusal(403, "not-granted", "The token does not grant that channel.") if wrong else None
        refused = listening_refused(self.sites, self.grants, site_id, channel, origin, tokens)
        if refused is not None:
            return _refusal(refused)
        if guard and self._left(site_id, channel, guard, tokens) == 0:
            return Refusal(401, "bad-token" if tokens else "no-token", NEEDED)
        site = self.sites.find(site_id)
        if site is None or not self._doors.locked(site):
            return None
        return self._look(site, channel, tokens)

    def admits(self, site_id: int, channel: int, guard: str, tokens: tuple[str, ...]) -> float | None:
        """For how many seconds the bearer of *tokens* may listen where *guard* is; None: no limit, 0: not at all.

        Of a channel without a guard that is asked where `authorize` has not looked: somebody of the staff came.
        """
        if guard:
            return self._left(site_id, channel, guard, tokens)
        site = self.sites.find(site_id)
        if site is None or not self._of_staff(site_id, tokens):
            return None
        closed = self.grants.refused(site, tokens, channel) is not None or self._doors.locked(site)
        return 0.0 if closed else None

    def _of_staff(self, site: int, tokens: tuple[str, ...]) -> list[Ticket]:
        """The tickets among *tokens* that hold."""
        found = (self._tickets.read(site, one) for one in tokens[:MOST_TOKENS] if one.startswith(PREFIX))
        return [one for one in found if one is not None]

    def _left(self, site: int, channel: int, guard: str, tokens: tuple[str, ...]) -> float | None:
        """As `admits`, of a guarded channel."""
        product, _, key = guard.partition(":")
        proof = self._proofs.get(product)
        if proof is not None and any(proof.holds(site, key, one) for one in tokens[:MOST_TOKENS]):
            return None
        fitting = (one for one in self._of_staff(site, tokens) if one.room == channel or product == one.opens)
        return max(map(self._tickets.seconds_left, fitting), default=0.0)

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
        guard = self._guard(site_id, channel)
        if guard:
            left = self._left(site_id, channel, guard, tokens)
            if left is not None:
                return left
        elif guard is None and (tickets := self._of_staff(site_id, tokens)):
            # What the channel is will be known in a moment.
            return max(map(self._tickets.seconds_left, tickets))
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
