"""Presence and typing: how many are here, and who writes. Ephemeral: never kept, may be lost, cost is bounded.

Counts go out at most once a second per channel, less often in a crowd (a change among 15,000 is 15,000 sends); typing
is limited per connection by the transport and per channel here.
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

# Subscribers of a channel that one signal a second is sent to; with more, signals are rarer in proportion.
CROWD = 500
# What another process said of a channel's count holds for this long, and so many processes are believed.
REMOTE_SECONDS = 60.0
REMOTES = 64
# So they are told again of all our channels in this time, or so many channels a second when one of them is new.
REFRESH_SECONDS = 20
HURRY = 1_000
TYPING_PAUSE = 0.2
# Channels whose counts are told in one turn.
SLICE = 100
# Of those who are here with a name, so many are named; and other processes hear so many characters of names.
NAMES = 20
NAMES_LENGTH = 500


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
        # Who came since the count was told, and heard of another one than the others.
        self._ahead: dict[Channel, list[Subscription]] = {}
        # Whether counts are being told, a slice a turn.
        self._telling = False
        # Channels that other processes are to be told of, whether or not the count has changed.
        self._owed: set[Channel] = set()
        self._round: deque[Channel] = deque()
        self._pace = 0

    def counts(self, site: int) -> bool:
        """Whether *site* shows presence."""
        return self._hub.config.presence and self._allows(site, "presence")

    def came(self, channel: Channel, name: str) -> None:
        """Somebody who is called *name* came to *channel*."""
        if channel.names is None:
            channel.names = {}
        channel.names[name] = channel.names.get(name, 0) + 1
        self._named(channel)

    def went(self, channel: Channel, name: str) -> None:
        """Somebody who is called *name* left *channel*."""
        names = channel.names or {}
        if names.get(name, 0) > 1:
            names[name] -= 1
        elif names.pop(name, None) is not None:
            self._named(channel)

    def _named(self, channel: Channel) -> None:
        # Also where the count is the same again before it is told.
        channel.reported = -1
        self.changed(channel)

    def names(self, channel: Channel) -> tuple[str, ...]:
        """Who is in *channel* with a name, here and elsewhere: the first of them by the alphabet."""
        if not channel.names and not channel.others:
            return ()
        found = set(channel.names or ())
        oldest = self._hub.clock.seconds() - REMOTE_SECONDS
        for _, at, theirs in (channel.others or {}).values():
            if at >= oldest:
                found.update(theirs)
        return tuple(nsmallest(NAMES, found))

    def changed(self, channel: Channel) -> None:
        """Somebody came to *channel* or left it."""
        if self._hub.config.presence:
            self._changed.add(channel)

    def total(self, channel: Channel) -> int:
        """Subscribers of *channel* here and, as far as told, on other processes."""
        count = channel.count
        if channel.others:
            oldest = self._hub.clock.seconds() - REMOTE_SECONDS
            count += sum(number for number, at, _ in channel.others.values() if at >= oldest)
        return count

    def remote(self, source: str, site: int, channel: int, count: int, names: tuple[str, ...] = ()) -> None:
        """Process *source* has *count* subscribers of a channel, among them those who are called *names*."""
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
                # It has just begun with this channel, so it may not know of us.
                self._owed.add(found)
            found.others[source] = (count, self._hub.clock.seconds(), names)
            self.changed(found)

    def forget(self, source: str) -> None:
        """Process *source* is gone, and its subscribers with it."""
        for channel in self._channels.values():
            if channel.others and channel.others.pop(source, None) is not None:
                self.changed(channel)

    def renew(self) -> None:
        """A process has come that knows nothing yet: tell it of all our channels, soon."""
        if self._announce is not None and self._hub.config.presence:
            self._round = deque(self._channels.values())
            self._pace = HURRY

    def greet(self, subscription: Subscription) -> None:
        """Tell a new subscriber the count."""
        channel = subscription.channel
        if channel.present and self.counts(channel.key[0]):
            total, names = self.total(channel), self.names(channel)
            message = messages.ephemeral(channel.sub, "presence", _data(total, names))
            subscription.client.deliver(subscription, message)
            if total != channel.present or names != channel.reported_names:
                # Others were told something else. Should that be true again before it is their turn, this one is told.
                self._ahead.setdefault(channel, []).append(subscription)
                self.changed(channel)

    def second(self, now: float) -> None:
        """Tell the counts that have changed, some in a turn; to be called once a second."""
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
            # It was forgotten, and others are there under its name.
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
        """Counts that changed, and a part of those that did not: what was told holds for a while only."""
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
        """Drop what was told too long ago: the news that somebody left may have been lost."""
        others, oldest = channel.others or {}, self._hub.clock.seconds() - REMOTE_SECONDS
        silent = [source for source, (_, at, _) in others.items() if at < oldest]
        for source in silent:
            del others[source]
        if silent:
            self.changed(channel)

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


def write_names(names: Iterable[str]) -> dict[str, str]:
    """*names* for another process, as one text: a line for each, as many as fit."""
    text = ""
    for name in nsmallest(NAMES, names):
        if len(text) + len(name) >= NAMES_LENGTH:
            break
        text = f"{text}\n{name}" if text else name
    return {"names": text} if text else {}


def read_names(data: Mapping[str, Any]) -> tuple[str, ...]:
    """What `write_names` of another process has put into *data*."""
    text = data.get("names")
    if not isinstance(text, str) or not text:
        return ()
    return tuple(name for name in text[:NAMES_LENGTH].split("\n")[:NAMES] if name.isprintable())


def _data(count: int, names: tuple[str, ...]) -> dict[str, Any]:
    return {"count": count, "names": list(names)} if names else {"count": count}
