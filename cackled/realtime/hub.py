"""The hub: takes in events and delivers each of them once and in order to every subscriber.

One hub serves a process. Clock, random source, settings and the loader of the event log are injected; it does not
deal with sockets.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from random import Random
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled import config
from cackled.clock import Periodic
from cackled.events import Event, EventType, Position
from cackled.metrics import Metrics
from cackled.realtime import messages
from cackled.realtime.channel import FROM_NOW, GONE, Admit, Channel, Client, Key, Subscription
from cackled.realtime.drain import drain, each
from cackled.realtime.fanout import FanOut
from cackled.realtime.heartbeat import Heartbeat
from cackled.realtime.history import UNKNOWN, HistoryStore, fitting
from cackled.realtime.latest_numbers import Seqs
from cackled.realtime.messages import Message
from cackled.realtime.presence import Presence
from cackled.realtime.recovery import Load, Recovery

# How long a channel without subscribers is remembered (seconds), and how many such channels at most.
LINGER = 120.0
IDLE_CHANNELS = 10_000
# Number of channels for which the ``recovered`` message of a client that missed nothing is cached.
KNOWN_ENDS = 4_096
# Seconds between checks for expired subscriptions, and the time over which those that were granted together are ended.
ENDING_SECONDS = 10
ENDING_SPREAD = 30.0
KINDS = ("ws", "sse", "poll")

log = Logger()


class HubStats(Struct, frozen=True):
    """Figures of a hub at one moment. ``sessions`` is counted by transport."""

    sessions: dict[str, int]
    channels: int
    idle: int
    subscriptions: int
    history_bytes: int
    draining: bool


def everything_allowed(site: int, feature: str) -> bool:
    """The default for ``allows``: presence and typing are on for every site."""
    return True


class Hub:
    """All channels and connections of a process.

    ``seqs(site, channels)`` answers where channels stand (what is not in the answer: at 0), and
    ``load(site, channel, after, limit)`` ``(current seq, events after `after` in order, or None where they are no
    longer all there)``. Both read the event log, at least as fresh as the events already given to `deliver`.

    ``allows(site, feature)`` switches ``presence`` and ``typing`` per site. ``announce(site, channel, type, data)`` is
    called for signals that begin here (typing, presence counts), for whoever carries them to other processes.
    ``types`` are the types of events that hold words, change those of others, or are private.
    """

    def __init__(
        self,
        *,
        clock: IReactorTime,
        random: Random,
        config: config.Realtime,
        load: Load,
        seqs: Seqs,
        metrics: Metrics,
        types: Iterable[EventType] = (),
        allows: Callable[[int, str], bool] = everything_allowed,
        announce: Callable[[int, int, str, Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.clock = clock
        self.random = random
        self.config = config
        self.draining = False
        # Counts seconds while the hub runs; rate limits are measured by it.
        self.tick = 0
        self._channels: dict[Key, Channel] = {}
        self._idle: OrderedDict[Key, float] = OrderedDict()
        self._clients: set[Client] = set()
        self._lingering: dict[Client, int] = {}
        # Subscriptions with a time limit, and when each ends.
        self._ending: dict[Subscription, float] = {}
        self._origins: dict[str, str] = {}
        self._ends: dict[Channel, Message] = {}
        self._kinds: dict[str, int] = {}
        types = tuple(types)
        self._private = frozenset(one.type for one in types if one.private)
        self._durable = messages.DurableMessages(types)
        self._store = HistoryStore(config.history_events, config.history_seconds, config.history_bytes)
        self._count(metrics)
        self._fan_out = FanOut(clock, self._deliveries.inc, self._seconds.observe, self._end)
        self.recovery = Recovery(
            clock=clock, random=random, store=self._store, durable=self._durable, load=load, seqs=seqs,
            append=self._append, welcome=self._welcome, lost=Channel.mistrust,
            count=lambda result: self._loads.labels(result).inc(),
        )  # fmt: skip
        self.presence = Presence(self, self._channels, allows, announce)
        self.heartbeat = Heartbeat(clock, config.heartbeat)
        self._seconds_job = Periodic(clock, 1.0, self._second, "realtime second")

    def _count(self, metrics: Metrics) -> None:
        self._sessions = metrics.gauge("realtime_sessions", "Open connections.", ("transport",))
        for kind in KINDS:
            self._new_kind(kind)
        self._deliveries = metrics.counter("realtime_deliveries", "Messages sent to subscribers.")
        self._dropped = metrics.counter("realtime_dropped", "Connections ended by the server.", ("reason",))
        recovered = metrics.counter("realtime_recovered", "Subscriptions by how they began.", ("result",))
        # Metric children are kept because looking up a label costs more than counting.
        self._recovered_yes, self._recovered_no = recovered.labels("yes"), recovered.labels("no")
        self._recovered_part = recovered.labels("part")
        self._loads = metrics.counter("realtime_loads", "Loads of the event log by outcome.", ("result",))
        self._duplicates = metrics.counter("realtime_duplicates", "Events that came twice.")
        self._gaps = metrics.counter("realtime_gaps", "Events that came before their turn.")
        self._seconds = metrics.histogram("realtime_fanout_seconds", "From an event's arrival to its last send.")
        metrics.watch("realtime_history_bytes", "Bytes kept for recovery.", lambda: self._store.bytes)
        metrics.watch("realtime_channels", "Channels remembered.", lambda: len(self._channels))

    def start(self) -> None:
        """Start heartbeats and housekeeping."""
        self._seconds_job.start()
        self.heartbeat.start()

    def stop(self) -> None:
        """Stop heartbeats and housekeeping, and abort every connection."""
        self._seconds_job.stop()
        self.heartbeat.stop()
        self.recovery.stop()
        for client in list(self._clients):
            client.abort()

    # Called by other parts of the daemon.

    def deliver(self, event: Event) -> None:
        """Take an event of a channel from the tail: keep it, and send it to the channel's subscribers.

        A duplicate is dropped. An event that comes early waits until its predecessors have come or were loaded from the
        log.
        """
        channel = self._channels.get((event.site, event.channel))
        if channel is None:
            return
        history = channel.history
        if channel.guard is None and history.known:
            # The first event that comes where nobody had written.
            if event.type in self._private:
                # By now the log knows what guards the channel: everybody is looked at once more before this is told.
                self._store.forget(history)
                channel.early.clear()
                channel.pause()
                self.recovery.settle(channel)
                return
            channel.guard = ""
        if event.seq == history.seq + 1 and history.known:
            self._append(channel, self._durable(event, self.clock.seconds()))
            if channel.early:
                self.recovery.absorb(channel)
            if channel.waiting:
                self.recovery.settle(channel)
            return
        if history.known and event.seq <= history.seq:
            self._duplicates.inc()
            return
        if channel.idle:
            # Events are missing, but nobody is subscribed: the next subscriber loads what it needs.
            self._forget(channel)
            return
        self._gaps.inc()
        early = channel.early
        early[event.seq] = event
        if len(early) > self.config.history_events:
            del early[min(early)]
        self.recovery.settle(channel)

    def hold(self, more: bool) -> None:
        """With *more* true: several events follow in this turn, so send nothing yet.

        With false: they are all here, send them.
        """
        if more:
            self._fan_out.hold()
        else:
            self._fan_out.release()

    def signal(
        self, site: int, channel: int, type: str, data: Mapping[str, Any], *, skip: Client | None = None
    ) -> None:
        """Send an ephemeral signal to a channel's subscribers (except *skip*). It has no number and may be lost."""
        found = self._channels.get((site, channel))
        if found is not None and not found.idle:
            message = messages.ephemeral(found.sub, type, data)
            message.at = self.clock.seconds()
            self._fan_out.spread(found, message, skip)

    def reset(self, keys: Collection[Key] | None = None) -> None:
        """Discard the histories of *keys*, or all: the tail missed more than the log holds, or numbers went back.

        Every subscriber is told ``recovered: false`` with the current seq, and continues from there.
        """
        for channel in [one for key, one in self._channels.items() if keys is None or key in keys]:
            self._store.forget(channel.history)
            channel.early.clear()
            if channel.idle:
                self._forget(channel)
            else:
                channel.mistrust()
                self.recovery.settle(channel)

    def expel(self, site: int) -> Deferred[None]:
        """Close all connections that listen to *site*. They may reconnect, and their permission is checked again.

        Fires when all have been told.
        """
        found = [
            client for client in self._clients
            if any(subscription.channel.key[0] == site for subscription in client.subscriptions)
        ]  # fmt: skip
        return Deferred.fromCoroutine(each(self.clock, found, lambda client: client.close("changed")))

    def drain(self, seconds: float, host: Callable[[], str | None]) -> Deferred[None]:
        """Send all connections away in batches over *seconds*; each is told what *host* answers, then closed.

        From now on `draining` is true and new connections should be refused. Fires when all are gone, at the latest
        shortly after *seconds*.
        """
        self.draining = True
        return drain(
            self.clock, self.random, lambda: list(self._clients) if self.draining else [], seconds, host
        )

    def stay(self) -> None:
        """Cancel a drain: the remaining connections stay, and new ones are accepted."""
        self.draining = False

    def send_away(self, seconds: float, host: Callable[[], str | None], most: int | None = None) -> Deferred[None]:
        """As `drain` for the present connections, or *most* of them; new connections are still accepted."""
        clients = list(self._clients)
        here = set(clients if most is None else self.random.sample(clients, min(most, len(clients))))
        return drain(self.clock, self.random, lambda: list(here & self._clients), seconds, host)

    def stats(self) -> HubStats:
        """Figures for operators and tests."""
        sessions = {kind: number for kind, number in self._kinds.items() if number}
        subscriptions = sum(channel.count for channel in self._channels.values())
        return HubStats(
            sessions, len(self._channels), len(self._idle), subscriptions, self._store.bytes, self.draining
        )

    def of_sites(self) -> dict[int, int]:
        """Subscriptions by site."""
        found: dict[int, int] = {}
        for (site, _), channel in self._channels.items():
            found[site] = found.get(site, 0) + channel.count
        return found

    def busiest(self, most: int) -> list[tuple[str, int, int]]:
        """At most *most* channels with the most subscribers: name, subscribers, last seq known."""
        channels = sorted(self._channels.values(), key=lambda channel: -channel.count)[:most]
        return [(channel.sub, channel.count, channel.history.seq) for channel in channels]

    # Called by connections.

    def known(self, site: int, channel: int) -> bool:
        """Whether a channel is in memory, so that subscribing to it needs no new database query."""
        return (site, channel) in self._channels

    def join(self, client: Client) -> None:
        """Register *client* and start its heartbeat."""
        self._clients.add(client)
        if client.kind not in self._kinds:
            self._new_kind(client.kind)
        self._kinds[client.kind] += 1
        self.heartbeat.add(client)

    def leave(self, client: Client) -> None:
        """Unregister *client* and end its subscriptions. Does nothing if it is not registered."""
        if client not in self._clients:
            return
        self._clients.discard(client)
        self._lingering.pop(client, None)
        self._kinds[client.kind] -= 1
        self.heartbeat.discard(client)
        subscriptions, client.subscriptions = client.subscriptions, []
        for subscription in subscriptions:
            self._leave(subscription)

    def guard(self, site: int, channel: int) -> str | None:
        """What guards a channel (``""``: nothing); None where that is not known here."""
        found = self._channels.get((site, channel))
        return None if found is None else found.guard

    def subscribe(
        self, client: Client, position: Position, name: str = "", left: float | None = None,
        admit: Admit | None = None,
    ) -> Subscription:
        """Send *client* a channel's events after ``position.seq`` (-1: from now), then ``recovered``, then live events.

        Replaces an earlier subscription of the client to the same channel. *name* is shown to others; after *left*
        seconds the client is told that its permission has run out. *admit*: see `Subscription`; it is asked before
        anything of a guarded channel is told.
        """
        key = (position.site, position.channel)
        if client.subscriptions:
            self.unsubscribe(client, *key)
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel(*key)
        if self._idle:
            self._idle.pop(key, None)
        subscription = Subscription(client, channel, position.seq, name, admit)
        if name:
            self.presence.came(channel, name)
        if left is not None:
            self.limit(subscription, left)
        client.subscriptions.append(subscription)
        self.presence.changed(channel)
        history = channel.history
        if history.seq != UNKNOWN and position.seq in (history.seq, FROM_NOW) and not channel.waiting:
            # Nothing was missed, and no other subscription waits before it.
            self._welcome(subscription, [])
            return subscription
        self.recovery.admit(subscription)
        return subscription

    def limit(self, subscription: Subscription, left: float) -> None:
        """End *subscription* in about *left* seconds, a little more or less so that not all end at once."""
        self._ending[subscription] = self.clock.seconds() + left - self.random.uniform(0, min(left, ENDING_SPREAD))

    def recheck(self, site: int) -> None:
        """End the subscriptions to guarded channels of *site* whose permission was taken back, as if it had run out."""
        over = [
            one for one in self._ending
            if one.channel.key[0] == site and one.channel.guard and not self._admitted(one, one.channel.guard)
        ]  # fmt: skip
        Deferred.fromCoroutine(each(self.clock, over, self._expire))

    def unsubscribe(self, client: Client, site: int, channel: int) -> bool:
        """End *client*'s subscription to a channel; returns whether there was one."""
        for subscription in client.subscriptions:
            if subscription.channel.key == (site, channel):
                client.subscriptions.remove(subscription)
                self._leave(subscription)
                return True
        return False

    def condemn(self, client: Client, reason: str) -> None:
        """End *client*, which is dead, too slow or breaks rules, as soon as no loop over connections is running."""
        self._fan_out.condemn(client, reason)

    def linger(self, client: Client, seconds: int = 3) -> None:
        """Abort *client* in about *seconds* unless it has closed by then. It was sent a last message."""
        self._lingering.setdefault(client, self.tick + seconds)

    def intern(self, origin: str) -> str:
        """Return one shared string object for equal origins, because thousands of connections have the same few."""
        if len(self._origins) > 4_096:
            self._origins.clear()
        return self._origins.setdefault(origin, origin)

    # Internal.

    def _new_kind(self, kind: str) -> None:
        self._kinds[kind] = 0
        self._sessions.labels(kind).set_function(partial(self._kinds.__getitem__, kind))

    def _append(self, channel: Channel, message: Message) -> None:
        self._store.append(channel.history, message)
        self._fan_out.spread(channel, message)

    def _admitted(self, subscription: Subscription, guard: str) -> bool:
        """Whether a subscription may listen where *guard* is; a time limit is noted."""
        left = 0.0 if subscription.admit is None else subscription.admit(guard)
        if left is not None:
            if left <= 0:
                return False
            self.limit(subscription, left)
        return True

    def _refuse(self, subscription: Subscription) -> None:
        if subscription.seq != GONE:
            subscription.client.refuse(subscription)

    def _welcome(self, subscription: Subscription, missed: list[Message] | None) -> None:
        channel, client = subscription.channel, subscription.client
        guard = channel.guard
        if subscription.admit is not None or guard:
            # Where nobody has written so far, it is for everybody until there is a guard.
            if not self._admitted(subscription, guard or ""):
                # It neither lives nor waits; what goes over the channel's subscriptions now is not to be disturbed.
                self.clock.callLater(0, self._refuse, subscription)
                return
            if guard == "":
                subscription.admit = None
        if missed and (part := fitting(missed, client.room(), client.overhead())) is not None:
            if part or 2 * len(missed[0].body) <= self.config.client_buffer:
                # More than may be buffered beside what already waits: send as much as fits. The client reconnects and
                # gets the rest.
                if part:
                    subscription.seq = part[-1].seq
                channel.enter(subscription)
                self._recovered_part.inc()
                client.catch_up(subscription, part, messages.move(None, self.random.uniform(0.05, 0.5)), True)
                client.close("rest")
                return
            missed = None
        seq = subscription.seq = channel.history.seq
        channel.enter(subscription)
        (self._recovered_no if missed is None else self._recovered_yes).inc()
        end = self._end_of(channel, seq, missed is not None)
        client.catch_up(subscription, missed or (), end, missed is not None)
        self.presence.greet(subscription)

    def _end_of(self, channel: Channel, seq: int, whole: bool) -> Message:
        """The ``recovered`` message, shared by all clients that arrive at one position of a channel."""
        if whole:
            known = self._ends.get(channel)
            if known is not None and known.seq == seq:
                return known
        end = messages.recovered(channel.sub, seq, whole)
        end.seq = seq
        if whole:
            if len(self._ends) >= KNOWN_ENDS:
                self._ends.clear()
            self._ends[channel] = end
        return end

    def _leave(self, subscription: Subscription) -> None:
        channel = subscription.channel
        channel.leave(subscription)
        if self._ending:
            self._ending.pop(subscription, None)
        if subscription.name:
            self.presence.went(channel, subscription.name)
        self.presence.changed(channel)
        if not channel.idle:
            return
        if not channel.history.known or channel.early:
            self._forget(channel)
            self.recovery.left(channel)
            return
        self.recovery.left(channel)
        self._idle[channel.key] = self.clock.seconds()
        if len(self._idle) > IDLE_CHANNELS:
            self._forget(self._channels[next(iter(self._idle))])

    def _forget(self, channel: Channel) -> None:
        if self._channels.get(channel.key) is channel:
            del self._channels[channel.key]
            self._idle.pop(channel.key, None)
            self._ends.pop(channel, None)
        channel.early.clear()
        self._store.forget(channel.history)

    def _end(self, client: Client, reason: str) -> None:
        if client in self._clients:
            self._dropped.labels(reason).inc()
            client.abort()

    def _expire(self, subscription: Subscription) -> None:
        # The subscription may have ended while others were told.
        if self._ending.pop(subscription, None) is not None:
            subscription.client.expire(subscription)

    def _second(self) -> None:
        self.tick += 1
        now = self.clock.seconds()
        for client in [client for client, tick in self._lingering.items() if tick <= self.tick]:
            self._lingering.pop(client, None)
            client.abort()
        while self._idle:
            key, since = next(iter(self._idle.items()))
            if since > now - LINGER:
                break
            self._forget(self._channels[key])
        if self._ending and self.tick % ENDING_SECONDS == 0:
            over = [one for one, when in self._ending.items() if when <= now]
            Deferred.fromCoroutine(each(self.clock, over, self._expire))
        self._store.expire(now)
        self.recovery.tidy()
        self.presence.second(now)
