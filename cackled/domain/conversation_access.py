"""Who may read or write in which conversation: locks of the site, held against how the caller is known.

A caller is known by a session, by view tickets of sessions (where no header can be sent), and by tokens that the site's
own server signed about its visitor (`cackled.domain.grants`). All of them count together.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.domain.errors import Refused
from cackled.domain.grants import Grants
from cackled.domain.locks import NOBODY, Deed, Locks, Standing, locks_of
from cackled.domain.sessions import LEEWAY, Session, Sessions
from cackled.domain.site import Site

# Keys of channels that are remembered: they never change.
MOST_KEYS = 50_000
# What a token begins with that only tells the key of a channel where nobody has written yet. It needs no proof: the
# channel's number is made from the key.
KEY = "key:"

SELECT_KEY = Query("select_channel_key", "select key from channel where site_id = $1 and id = $2", ("int", "bigint"))


class Doors:
    """The locks of all sites. *products*: by whose names channels are numbered."""

    def __init__(
        self, grants: Grants, sessions: Sessions, database: Database, products: Iterable[str]
    ) -> None:
        self._grants = grants
        self._sessions = sessions
        self._database = database
        self._products = tuple(products)
        self._keys: OrderedDict[tuple[int, int], str] = OrderedDict()

    def locked(self, site: Site) -> bool:
        """Whether any conversation of *site* has a lock."""
        return locks_of(site.settings).any

    def locks(self, site: Site) -> Locks:
        """The locks of *site*."""
        return locks_of(site.settings)

    def standing(self, site: Site, session: Session | None, tokens: Sequence[str]) -> Standing:
        """How a caller is known."""
        found = [Standing.of(session)]
        for token in tokens:
            if token.partition(".")[0].isdigit():
                seen = self._sessions.check_view(site, token)
                if seen is not None:
                    expires = self._sessions.view_expires(token)
                    found.append(Standing(seen.level, seen.groups, expires and expires + LEEWAY))
        found += self._grants.standings(site, tokens)
        best = max(found, key=lambda one: (one.level, one.until))
        if best.level == 0:
            return NOBODY
        return Standing(best.level, frozenset().union(*(one.groups for one in found)), best.until)

    def refused(
        self, site: Site, key: str | None, deed: Deed, session: Session | None, tokens: Sequence[str] = ()
    ) -> Refused | None:
        """Why a caller may not read, or write, in the channel *key* (None: an unknown one); None where they may."""
        locks = locks_of(site.settings)
        return locks.refused(key, deed, self.standing(site, session, tokens)) if locks.any else None

    async def refused_in(
        self, site: Site, channel: int | None, deed: Deed, session: Session | None, tokens: Sequence[str] = ()
    ) -> Refused | None:
        """The same of a channel by its number."""
        if not locks_of(site.settings).any:
            return None
        key = None if channel is None else await self.key(site, channel, tokens)
        return self.refused(site, key, deed, session, tokens)

    def known_key(self, site: int, channel: int) -> str | None:
        """The key of a channel that was looked up lately."""
        return self._keys.get((site, channel))

    async def key(self, site: Site, channel: int, tokens: Sequence[str] = ()) -> str | None:
        """The key of a channel; of one where nobody has written, what the caller says, if that is its number."""
        place = (site.id, channel)
        known = self._keys.get(place)
        if known is not None:
            self._keys.move_to_end(place)
            return known
        found = await self._database.site(site.id).read(SELECT_KEY, *place, preference=ReadPreference.NEAREST)
        if not found.rows:
            told = (token[len(KEY) :] for token in tokens if token.startswith(KEY))
            return next((key for key in told if any(site.channel(one, key) == channel for one in self._products)), None)
        self._keys[place] = key = found.rows[0][0]
        if len(self._keys) > MOST_KEYS:
            self._keys.popitem(last=False)
        return str(key)

    def until(self, site: Site, channel: int, tokens: Sequence[str]) -> float | None:
        """Until when *tokens* let their bearer read a channel, in seconds since 1970; None: for good."""
        locks = locks_of(site.settings)
        if not locks.any:
            return None
        key = self.known_key(site.id, channel)
        if locks.rule(key, "read").open:
            return None
        return self.standing(site, None, tokens).until or None
