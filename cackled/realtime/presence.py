"""Presence and typing: how many are here, and who writes. Ephemeral: never kept, may be lost, cost is bounded.

May touch: the ground, realtime.channel, realtime.messages. Counts go out at most once a second per channel, less
often in a crowd (a change among 15,000 is 15,000 sends); typing is limited per connection by the transport and per
channel here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from cackled.realtime import messages
from cackled.realtime.channel import Channel, Client, Key, Subscription

if TYPE_CHECKING:
    from cackled.realtime.hub import Hub

# Subscribers of a channel that one signal a second is sent to; with more, signals are rarer in proportion.
CROWD = 500
# What another process said of a channel's count holds for this long, and so many processes are believed.
REMOTE_SECONDS = 60.0
REMOTES = 64
TYPING_PAUSE = 0.2


class Presence:
    """Counts of channels, told to their subscribers.

    ``allows(site, feature)`` switches ``presence`` and ``typing`` per site, over the configuration's own switch.
    """

    def __init__(
        self,
        hub: Hub,
        channels: Mapping[Key, Channel],
        allows: Callable[[int, str], bool],
        announce: Callable[[int, int, str, Mapping[str, Any]], None] | None,
    ) -> None:
        self._hub = hub
        self._channels = channels
        self._allows = allows
        self._announce = announce
        self._changed: set[Channel] = set()

    def counts(self, site: int) -> bool:
        """Whether *site* shows presence."""
        return self._hub.config.presence and self._allows(site, "presence")

    def changed(self, channel: Channel) -> None:
        """Somebody came to *channel* or left it."""
        if self._hub.config.presence:
            self._changed.add(channel)

    def total(self, channel: Channel) -> int:
        """Subscribers of *channel* here and, as far as told, on other processes."""
        count = channel.count
        if channel.others:
            oldest = self._hub.clock.seconds() - REMOTE_SECONDS
            count += sum(number for number, at in channel.others.values() if at >= oldest)
        return count

    def remote(self, source: str, site: int, channel: int, count: int) -> None:
        """Process *source* has *count* subscribers of a channel."""
        found = self._channels.get((site, channel))
        if found is None:
            return
        if found.others is None:
            found.others = {}
        if source in found.others or len(found.others) < REMOTES:
            found.others[source] = (count, self._hub.clock.seconds())
            self.changed(found)

    def greet(self, subscription: Subscription) -> None:
        """Tell a new subscriber the count."""
        channel = subscription.channel
        if channel.present and self.counts(channel.key[0]):
            subscription.client.deliver(
                subscription, messages.ephemeral(channel.sub, "presence", {"count": self.total(channel)})
            )

    def second(self, now: float) -> None:
        """Tell the counts that have changed; to be called once a second."""
        later: set[Channel] = set()
        for channel in self._changed:
            site, number = channel.key
            local = channel.count
            if not self.counts(site):
                continue
            if local and now - channel.presence_at < local / CROWD:
                later.add(channel)
                continue
            total = self.total(channel)
            if total == channel.present:
                continue
            channel.present = total
            channel.presence_at = now
            self._hub.signal(site, number, "presence", {"count": total})
            if self._announce is not None:
                self._announce(site, number, "presence", {"count": local})
        self._changed = later

    def typing(self, client: Client, site: int, channel: int, name: str) -> bool:
        """*client*'s user writes in a channel it is subscribed to; tells whether that was passed on."""
        found = self._channels.get((site, channel))
        if found is None or not self._hub.config.typing or not self._allows(site, "typing"):
            return False
        now = self._hub.clock.seconds()
        if found.typing_at and now - found.typing_at < max(TYPING_PAUSE, found.count / CROWD):
            return False
        found.typing_at = now
        data = {"name": "".join(letter for letter in name if letter.isprintable())}
        self._hub.signal(site, channel, "typing", data, skip=client)
        if self._announce is not None:
            self._announce(site, channel, "typing", data)
        return True
