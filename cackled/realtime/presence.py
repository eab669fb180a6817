"""Presence and typing: how many users are in a channel, and who is typing. Ephemeral: never stored, may be lost.

Cost is bounded. Counts are sent at most once a second per channel, less often in large channels (a change among 15,000
subscribers is 15,000 sends). Typing is limited per connection by the transport and per channel here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import nsmallest
from typing import TYPE_CHECKING, Any

from cackled.realtime import messages
from cackled.realtime.channel import GONE, Channel, Client, Key, Subscription

if TYPE_CHECKING:
    from cackled.realtime.hub import Hub

# A channel with up to this many subscribers gets one signal a second; with more, signals are rarer in proportion.
CROWD = 500
# Seconds for which the count of another process stays valid, and how many processes are counted.
REMOTE_SECONDS = 60.0
REMOTES = 64
# Seconds in which all our counts are sent to other processes again; channels per second when a process is new.
REFRESH_SECONDS = 20
HURRY = 1_000
TYPING_PAUSE = 0.2
# Channels whose counts are sent in one reactor turn.
SLICE = 100
# How many names of a channel are shown, and how many characters of names other processes are sent.
NAMES = 20
NAMES_LENGTH = 500


class Presence:
    """Counts the subscribers of channels and tells them the counts.

    ``allows(site, feature)`` switches ``presence`` and ``typing`` per site, in addition to the configuration's own
    switch.
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
        # Subscriptions that came since the last count was sent, and were told a different count than the others.
        self._ahead: dict[Channel, list[Subscription]] = {}
        # Whether counts are being sent, a slice per turn.
        self._telling = False
        # Channels whose counts other processes need, whether or not they have changed.
        self._owed: set[Channel] = set()
        self._round: deque[Channel] = deque()
        self._pace = 0

    def counts(self, site: int) -> bool:
        """Whether *site* shows presence."""
        return self._hub.config.presence and self._allows(site, "presence")

    def came(self, channel: Channel, name: str) -> None:
        """A subscriber shown as *name* ("" for none) came to *channel*."""
        if channel.names is None:
            channel.names = {}
        channel.names[name] = channel.names.get(name, 0) + 1
        self._named(channel)

    def went(self, channel: Channel, name: str) -> None:
        """A subscriber shown as *name* ("" for none) left *channel*."""
        names = channel.names or {}
        if names.get(name, 0) > 1:
            names[name] -= 1
        elif names.pop(name, None) is not None:
            self._named(channel)

    def _named(self, channel: Channel) -> None:
        # Also when the count is back at its old value before it is sent.
        channel.reported = -1
        self.changed(channel)

    def names(self, channel: Channel) -> tuple[str, ...]:
        """Names in *channel*, in this and other processes: the first ones in alphabetical order."""
        if not channel.names and not channel.others:
            return ()
        found = set(channel.names or ())
        oldest = self._hub.clock.seconds() - REMOTE_SECONDS
        for _, at, theirs in (channel.others or {}).values():
            if at >= oldest:
                found.update(theirs)
        return tuple(nsmallest(NAMES, found))

    def changed(self, channel: Channel) -> None:
        """A subscriber came to *channel* or left it."""
        if self._hub.config.presence:
            self._changed.add(channel)

    def total(self, channel: Channel) -> int:
        """Subscribers of *channel* in this process and, as far as known, in others."""
        count = channel.count
        if channel.others:
            oldest = self._hub.clock.seconds() - REMOTE_SECONDS
            count += sum(number for number, at, _ in channel.others.values() if at >= oldest)
        return count

    def everywhere(self) -> Iterator[tuple[int, int, int]]:
        """(site, channel, subscribers) of every channel that this process knows, those in others with it."""
        for channel in self._channels.values():
            yield (*channel.key, self.total(channel))

    def remote(self, source: str, site: int, channel: int, count: int, names: tuple[str, ...] = ()) -> None:
        """Process *source* says that it has *count* subscribers of a channel, among them *names*."""
        found = self._channels.get((site, channel))
        if found is None or not self._hub.config.presence:
            return
        if found.others is None:
            found.others = {}
        if not count:
            if found.others.pop(source, None) is not None:
                self.changed(found)
        elif source in found.others or len(found.others) < REMOTES:
            if source not in found.others and self._announce is not None:
                # *source* is new in this channel, so it may not know our count.
                self._owed.add(found)
            found.others[source] = (count, self._hub.clock.seconds(), names)
            self.changed(found)

    def forget(self, source: str) -> None:
        """Process *source* has ended, and its subscribers with it."""
        for channel in self._channels.values():
            if channel.others and channel.others.pop(source, None) is not None:
                self.changed(channel)

    def renew(self) -> None:
        """A new process has started that knows no counts: send it all of ours soon."""
        if self._announce is not None and self._hub.config.presence:
            self._round = deque(self._channels.values())
            self._pace = HURRY

    def greet(self, subscription: Subscription) -> None:
        """Send a new subscriber the count."""
        channel = subscription.channel
        if channel.present and self.counts(channel.key[0]):
            total, names = self.total(channel), self.names(channel)
            message = messages.ephemeral(channel.sub, "presence", _data(total, names))
            subscription.client.deliver(subscription, message)
            if total != channel.present or names != channel.reported_names:
                # The others were last sent another count. If that is right again at the next sending, this subscriber
                # is still sent it.
                self._ahead.setdefault(channel, []).append(subscription)
                self.changed(channel)

    def second(self, now: float) -> None:
        """Send the counts that have changed, a slice per turn. To be called once a second."""
        if not self._telling:
            self._telling = True
            changed, self._changed = self._changed, set()
            self._some(iter(changed), now)

    def _some(self, changed: Iterator[Channel], now: float) -> None:
        for told, channel in enumerate(changed, 1):
            self._tell(channel, now)
            if told == SLICE:
                self._hub.clock.callLater(0, self._some, changed, now)
                return
        self._telling = False
        if self._announce is not None:
            self._tell_others(self._announce)

    def _tell(self, channel: Channel, now: float) -> None:
        site, number = channel.key
        local = channel.count
        if self._channels.get(channel.key, channel) is not channel:
            # The channel was removed, and another one has its key now.
            self._ahead.pop(channel, None)
            return
        if not self.counts(site):
            self._ahead.pop(channel, None)
            return
        if local and now - channel.presence_at < local / CROWD:
            self._changed.add(channel)
            return
        if local != channel.reported and self._announce is not None:
            self._owed.add(channel)
        total, names = self.total(channel), self.names(channel)
        ahead = self._ahead.pop(channel, ())
        if total == channel.present and names == channel.reported_names:
            for subscription in ahead:
                if subscription.seq != GONE:
                    message = messages.ephemeral(channel.sub, "presence", _data(total, names))
                    subscription.client.deliver(subscription, message)
            return
        channel.present, channel.reported_names = total, names
        channel.presence_at = now
        self._hub.signal(site, number, "presence", _data(total, names))

    def _tell_others(self, announce: Callable[[int, int, str, Mapping[str, Any]], None]) -> None:
        """Send other processes the counts that changed, and a part of the rest, because counts expire there."""
        owed, self._owed = self._owed, set()
        if not self._round:
            self._round = deque(self._channels.values())
            self._pace = -(-len(self._round) // REFRESH_SECONDS)
        for _ in range(min(self._pace, len(self._round))):
            channel = self._round.popleft()
            if channel.others:
                self._outdate(channel)
            if channel.count and self.counts(channel.key[0]):
                owed.add(channel)
        for channel in owed:
            if self._channels.get(channel.key, channel) is not channel:
                continue
            channel.reported = channel.count
            announce(*channel.key, "presence", {"count": channel.reported, **write_names(channel.names or ())})

    def _outdate(self, channel: Channel) -> None:
        """Drop expired counts of other processes: the message that subscribers left may have been lost."""
        others, oldest = channel.others or {}, self._hub.clock.seconds() - REMOTE_SECONDS
        silent = [source for source, (_, at, _) in others.items() if at < oldest]
        for source in silent:
            del others[source]
        if silent:
            self.changed(channel)

    def typing(self, client: Client, site: int, channel: int, name: str) -> bool:
        """*client*'s user is typing in a channel it is subscribed to; returns whether that was passed on."""
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


def write_names(names: Iterable[str]) -> dict[str, str]:
    """Encode *names* for another process as one text, one per line, as many as fit."""
    text = ""
    for name in nsmallest(NAMES, names):
        if len(text) + len(name) >= NAMES_LENGTH:
            break
        text = f"{text}\n{name}" if text else name
    return {"names": text} if text else {}


def read_names(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Decode the names that `write_names` in another process put into *data*."""
    text = data.get("names")
    if not isinstance(text, str) or not text:
        return ()
    return tuple(name for name in text[:NAMES_LENGTH].split("\n")[:NAMES] if name.isprintable())


def _data(count: int, names: tuple[str, ...]) -> dict[str, Any]:
    return {"count": count, "names": list(names)} if names else {"count": count}
