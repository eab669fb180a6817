"""Hands events on: from the event log, from writes of this process and from other processes, to caches and live pages.

The order matters: caches are evicted before anybody is told, so whoever reads again gets the new state.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from msgspec import structs

from cackled.cache.soft import SoftCache
from cackled.cluster.messages import Hint, Signal
from cackled.database.errors import Unavailable
from cackled.database.eventlog import load_events, load_seqs
from cackled.database.routing import Database
from cackled.domain.listening import Private, guard
from cackled.domain.signed_media import SignedMedia
from cackled.domain.sites import SiteDirectory
from cackled.events import Event, Position
from cackled.realtime.hub import Hub
from cackled.realtime.latest_numbers import LogAway
from cackled.realtime.presence import read_names
from cackled.transport.microcache import Microcache

# The last that a room of staff is told.
STAFF_MOVED = "staff.moved"


class Hints(Protocol):
    """What tells other processes of a write."""

    def hint(self, site: int, channel: int, seq: int) -> None:
        """Tell them that a channel has come to *seq*."""

    def announce(self, site: int, channel: int, type: str, data: Mapping[str, Any]) -> None:
        """Tell them of something that nothing keeps."""


class EventRouter:
    """Hands events on; *outward* tells other processes, if there are any.

    *moved* is called with the site and the number of a room of staff that has ended.
    """

    def __init__(
        self, *, sites: SiteDirectory, hub: Hub, cache: SoftCache, microcache: Microcache, outward: Hints | None,
        signer: SignedMedia, moved: Callable[[int, int], None] = lambda site, room: None,
    ) -> None:  # fmt: skip
        self._moved = moved
        self._sites = sites
        self._hub = hub
        self._cache = cache
        self._microcache = microcache
        self._outward = outward
        self._signer = signer

    # Writes

    def wrote(self, position: Position) -> None:
        """A write led to *position*: nothing older is answered from here on."""
        group = (position.site, position.channel)
        self._cache.outdate(group, position.seq)
        self._microcache.evict(group, position.seq)

    def wrote_here(self, position: Position) -> None:
        """A write of this process: the others are told what is stale, in case that is faster than the log."""
        self.wrote(position)
        if self._outward is not None:
            self._outward.hint(position.site, position.channel, position.seq)

    def hinted(self, hint: Hint) -> None:
        """Another process wrote; this comes earlier than the event through the log."""
        if self._sites.find(hint.site) is not None:
            self.wrote(Position(hint.site, hint.channel, hint.seq))

    # The event log

    def arrived(self, event: Event) -> None:
        """An event came through the log: evict first, then keep and deliver."""
        self.wrote(event.position)
        self._hub.deliver(self._signed(event))
        if event.type == STAFF_MOVED:
            self._moved(event.site, event.channel)

    def _signed(self, event: Event) -> Event:
        return signed_event(event, self._sites, self._signer)

    def lost(self, channels: Collection[tuple[int, int]] | None = None) -> None:
        """The log can't tell what happened meanwhile: trust nothing that is in memory (of these channels)."""
        if channels is None:
            self.forget()
        else:
            for group in channels:
                self.evict(group)
        self._hub.reset(channels)

    def evict(self, group: tuple[int, int]) -> None:
        """Drop what was built from one channel."""
        self._cache.evict(group)
        self._microcache.evict(group)

    def forget(self) -> None:
        """Empty the caches."""
        self._cache.clear()
        self._microcache.clear()

    def closed(self, site_id: int) -> None:
        """A site has other rights than before: caches are evicted, and its listeners' rights are checked again."""
        self._microcache.clear()
        self._hub.expel(site_id)

    def signal(self, site: int, channel: int, type: str, data: Mapping[str, Any]) -> None:
        """Tell whoever listens to a channel, here and elsewhere, of something that nothing keeps."""
        self._hub.signal(site, channel, type, data)
        if self._outward is not None:
            self._outward.announce(site, channel, type, data)

    # Other processes

    def signalled(self, source: str, signal: Signal) -> None:
        """Something ephemeral began on another node, or in another worker."""
        if self._sites.find(signal.site) is None:
            return
        if signal.type == "presence":
            count = signal.data.get("count")
            if isinstance(count, int) and count >= 0:
                names = read_names(signal.data)
                self._hub.presence.remote(source, signal.site, signal.channel, count, names)
        elif signal.type == "typing" and ("by" in signal.data or self._sites.allows(signal.site, "typing")):
            # With ``by`` it is of a private conversation, where a site can't switch it off.
            self._hub.signal(signal.site, signal.channel, signal.type, signal.data)

    def came(self, source: str) -> None:
        """Another process has started: it is told who is present here."""
        self._hub.presence.renew()

    def gone(self, source: str) -> None:
        """Another process has ended: nobody is present through it any more."""
        self._hub.presence.forget(source)


def signed_event(event: Event, sites: SiteDirectory, signer: SignedMedia) -> Event:
    """*event* for readers of its channel: a closed site's pictures need signed addresses."""
    if b"/media/" not in event.data:
        return event
    site = sites.find(event.site)
    return event if site is None else structs.replace(event, data=signer.in_site(event.data, site))


class EventLog:
    """The event log as the hub reads it. *private*: which channels are private, by product."""

    def __init__(
        self, database: Database, sites: SiteDirectory, signer: SignedMedia, private: Mapping[str, Private]
    ) -> None:
        self._private = private
        self._products = tuple(private)
        self._database = database
        self._sites = sites
        self._signer = signer

    async def events(self, site: int, channel: int, after: int, limit: int) -> tuple[int, list[Event] | None]:
        """Events of a channel.

        Raises:
            LogAway: no server answers.
        """
        try:
            number, events = await load_events(self._database, site, channel, after, limit)
            return number, events and [signed_event(one, self._sites, self._signer) for one in events]
        except Unavailable as error:
            raise LogAway(str(error)) from None

    async def seqs(self, site: int, channels: Sequence[int]) -> dict[int, tuple[int, str]]:
        """Where channels stand, and what guards them.

        Raises:
            LogAway: no server answers.
        """
        try:
            found = await load_seqs(self._database, site, channels, self._products)
        except Unavailable as error:
            raise LogAway(str(error)) from None
        return {one: (seq, self._guard(product, key)) for one, (seq, product, key) in found.items()}

    def _guard(self, product: str | None, key: str | None) -> str:
        return guard(product, key) if product and key is not None and self._private[product](key) else ""
