"""Recovery: from where a client stands to live, without a hole; and filling the holes of the live stream.

May touch: Twisted's Deferreds, the ground, realtime.channel, realtime.history, realtime.messages. Loads of the event
log are single flight per channel (a herd of a thousand that comes back to one channel costs one), bounded in number,
retried with growing pauses, and their answers are checked for holes before they are believed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.clock import sleep
from cackled.events import Event
from cackled.realtime.channel import FROM_NOW, GONE, LOST, Channel, Subscription
from cackled.realtime.history import HistoryStore
from cackled.realtime.messages import Message, durable
from cackled.turns import Turns

# (site, channel, after, limit) -> (current seq, the events after `after` in order, or None where they are no longer
# all there). limit 0: only the current seq is asked. The answer must be as fresh as the primary.
Answer = tuple[int, list[Event] | None]
Load = Callable[[int, int, int, int], Awaitable[Answer]]

PARALLEL = 8
LOAD_TIMEOUT = 10.0
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
# A position ahead of what the log says is asked for this often before it is called lost: a replica may be late.
AHEAD_TRIES = 3
# A history too small for what it is to hold would be loaded for ever.
MOST_TRIES = 20

SERVED, TOO_LATE, OPEN = range(3)

log = Logger()


class Recovery:
    """Loads what channels miss and moves their subscriptions from waiting to live.

    The hub gives it three ways to act: *append* (the next message of a channel: keep it and fan it out), *welcome* (a
    subscription has caught up: the missed messages or None where they can't be had) and *lost* (a channel's stream is
    broken: all its subscribers have to start anew). *count* is called with a load's outcome: ok, failed or late.
    """

    def __init__(
        self,
        *,
        clock: IReactorTime,
        random: Random,
        store: HistoryStore,
        load: Load,
        append: Callable[[Channel, Message], None],
        welcome: Callable[[Subscription, list[Message] | None], None],
        lost: Callable[[Channel], None],
        count: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._random = random
        self._store = store
        self._load = load
        self._append = append
        self._welcome = welcome
        self._lost = lost
        self._count = count
        self._turns = Turns(PARALLEL)
        self._stopped = False

    def stop(self) -> None:
        """Load no more; what is under way is ignored."""
        self._stopped = True

    def settle(self, channel: Channel) -> None:
        """Let those of *channel* who can be served go live; see to a load for the others."""
        if channel.history.known and channel.waiting:
            waiting, channel.waiting = channel.waiting, {}
            for subscription in waiting:
                if subscription.seq != GONE:
                    self._serve(subscription)
            self._store.settle()
        self._see_to(channel)

    def admit(self, subscription: Subscription) -> None:
        """Let a new *subscription* go live, or wait with the others for what it needs; they are not looked at."""
        channel = subscription.channel
        if channel.history.known:
            self._serve(subscription)
        else:
            channel.waiting[subscription] = None
        self._see_to(channel)

    def _serve(self, subscription: Subscription) -> None:
        channel = subscription.channel
        fate = self._fate(channel, subscription)
        if fate == SERVED:
            self._welcome(subscription, channel.history.after(subscription.seq) if subscription.seq >= 0 else [])
        elif fate == TOO_LATE:
            self._welcome(subscription, None)
        else:
            channel.waiting[subscription] = None

    def _see_to(self, channel: Channel) -> None:
        if not channel.flying and self._wants(channel):
            channel.flying = True
            Deferred.fromCoroutine(self._fly(channel)).addErrback(
                lambda failure: log.failure("recovery of {sub} broke", failure, sub=channel.sub)
            )

    def absorb(self, channel: Channel) -> None:
        """Append the early events whose turn it is, and forget those that came twice."""
        early, history = channel.early, channel.history
        while early:
            event = early.pop(history.seq + 1, None)
            if event is None:
                break
            self._append(channel, durable(event, self._clock.seconds()))
        for seq in [seq for seq in early if seq <= history.seq]:
            del early[seq]

    def _fate(self, channel: Channel, subscription: Subscription) -> int:
        """Whether a subscription can be served from the history, is too late, or a load must tell."""
        history, seq = channel.history, subscription.seq
        if seq == FROM_NOW or history.floor <= seq <= history.seq:
            return SERVED
        if seq == LOST:
            return TOO_LATE
        if seq > history.seq:
            return TOO_LATE if subscription.ahead >= AHEAD_TRIES else OPEN
        return TOO_LATE if subscription.asked >= MOST_TRIES or history.seq - seq > self._store.events else OPEN

    @staticmethod
    def _wants(channel: Channel) -> bool:
        return bool(channel.waiting or (channel.early and channel.history.known))

    def _question(self, channel: Channel, doubt: bool) -> tuple[int, int]:
        """What to ask the event log for: (after, limit). With *doubt* it was asked for too old a place before."""
        history, events = channel.history, self._store.events
        places = [subscription.seq for subscription in channel.waiting if subscription.seq >= 0]
        if not history.known:
            return (min(places), events) if places else (0, 0)
        if channel.early:
            return history.seq, events
        behind = sorted({seq for seq in places if seq < history.floor})
        if not behind:
            return history.seq, events
        return behind[len(behind) // 2 if doubt else 0], events

    async def _fly(self, channel: Channel) -> None:
        pause, doubt = FIRST_PAUSE, False
        try:
            while not self._stopped and self._wants(channel):
                before = (channel.history.seq, channel.history.floor, len(channel.waiting))
                await self._turns.acquire()
                life = channel.history.life
                try:
                    if not self._wants(channel):
                        # Those who wanted it have gone while it was not its turn.
                        break
                    after, limit = self._question(channel, doubt)
                    known = channel.history.known
                    asked = [s for s in channel.waiting if s.seq >= 0]
                    current, events = await self._ask(channel, after, limit)
                except Exception as error:
                    self._count("failed")
                    log.warn("event log of {sub} did not answer: {error}", sub=channel.sub, error=repr(error))
                else:
                    if not self._wants(channel):
                        break
                    if channel.history.life != life:
                        # It was asked before everything known was given up: of another database, perhaps.
                        continue
                    for subscription in asked:
                        subscription.ahead += subscription.seq > current
                        if known and events is None and subscription.seq <= after:
                            # The log does not reach back to `after`, so neither to what is older.
                            subscription.asked = MOST_TRIES
                        subscription.asked += 1
                    doubt = events is None
                    self._land(channel, after, limit, current, events)
                finally:
                    self._turns.release()
                if (channel.history.seq, channel.history.floor, len(channel.waiting)) != before:
                    pause = FIRST_PAUSE
                elif self._wants(channel):
                    self._count("late")
                    await sleep(self._clock, pause * self._random.uniform(0.5, 1.0))
                    pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            channel.flying = False

    async def _ask(self, channel: Channel, after: int, limit: int) -> Answer:
        current, events = await self._call(*channel.key, after, limit)
        if events is not None:
            for expected, event in enumerate(events, after + 1):
                if event.seq != expected or (event.site, event.channel) != channel.key:
                    raise ValueError("the event log has a hole")
            if events and events[-1].seq > current:
                current = events[-1].seq
            elif limit and after + len(events) < current:
                # Cut off at the limit: it goes on from the live end, but does not reach it from an older place.
                if after != channel.history.seq:
                    events = None
            elif not limit:
                events = None
        self._count("ok")
        return current, events

    def _call(self, *question: int) -> Deferred[Answer]:
        """The injected load with a time limit; a load that is given up is left to end by itself, not cancelled."""
        answer: Deferred[Answer] = Deferred()

        async def ask() -> Answer:
            return await self._load(*question)

        def pass_on(result: Any) -> None:
            if not answer.called:
                answer.callback(result)

        Deferred.fromCoroutine(ask()).addBoth(pass_on)
        return answer.addTimeout(LOAD_TIMEOUT, self._clock)

    def _land(self, channel: Channel, after: int, limit: int, current: int, events: list[Event] | None) -> None:
        history, now = channel.history, self._clock.seconds()
        if not history.known:
            if events is None or after > current:
                self._store.restart(history, current)
            else:
                self._store.restart(history, after)
        elif events is None and after == history.seq and current > after:
            # The hole is older than the log: whoever listens has missed something.
            self._lost(channel)
            self._store.restart(history, current)
        if events:
            behind = [durable(event, now) for event in events if event.seq <= history.floor]
            if behind and behind[-1].seq == history.floor:
                self._store.prepend(history, behind)
            for event in events[max(0, history.seq - after):]:
                if event.seq == history.seq + 1:
                    self._append(channel, durable(event, now))
        self.absorb(channel)
        self.settle(channel)

