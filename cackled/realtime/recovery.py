"""Recovery: bring subscriptions from their position to the live stream without gaps, and fill gaps of the live stream.

Latest numbers are asked for many channels at once; most subscribers have missed nothing and need no more. Events are
loaded per channel with one load at a time (a thousand clients that return to one channel cost one load). The number of
loads is bounded, failures are retried with growing pauses, and answers are checked for gaps before they are used.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.clock import sleep
from cackled.events import Event
from cackled.realtime.channel import FROM_NOW, GONE, LOST, Channel, Subscription
from cackled.realtime.history import HistoryStore
from cackled.realtime.latest_numbers import LogAway, Seqs, Standing
from cackled.realtime.messages import DurableMessages, Message
from cackled.turns import Turns

# (site, channel, after, limit) -> (current seq, the events after `after` in order, or None where they are no longer
# all there). The answer must be as fresh as the primary.
Answer = tuple[int, list[Event] | None]
Load = Callable[[int, int, int, int], Awaitable[Answer]]

# Channels whose events are loaded at the same time.
PARALLEL = 6
LOAD_TIMEOUT = 10.0
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
# A position ahead of the log is asked about this often before it counts as lost: a replica may lag.
AHEAD_TRIES = 3
# Loads before a subscription counts as too late: a history too small for what it must hold would be loaded for ever.
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
        durable: DurableMessages,
        load: Load,
        seqs: Seqs,
        append: Callable[[Channel, Message], None],
        welcome: Callable[[Subscription, list[Message] | None], None],
        lost: Callable[[Channel], None],
        count: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._random = random
        self._store = store
        self._durable = durable
        self._load = load
        self._append = append
        self._welcome = welcome
        self._lost = lost
        self._count = count
        self._turns = Turns(PARALLEL)
        self._standing = Standing(
            clock=clock, random=random, seqs=seqs, wanted=self._wants, told=self._stands, count=count
        )
        self._flights = 0
        self._ended = 0
        self._stopped = False

    def stop(self) -> None:
        """Load no more; what is under way is ignored."""
        self._stopped = True
        self._standing.stop()

    @property
    def waiting(self) -> int:
        """Number of channels that wait for the event log."""
        return self._standing.waiting + self._flights

    @property
    def ended(self) -> int:
        """Number of finished queries to the log: answered, or failed because the log is known to be unreachable."""
        return self._standing.ended + self._ended

    def tidy(self) -> None:
        """Housekeeping; to be called now and then."""
        self._standing.tidy()

    def left(self, channel: Channel) -> None:
        """Nobody listens to *channel* any more: cancel its wait."""
        if self._standing.drop(channel):
            channel.flying = False
        elif channel.turn is not None:
            channel.turn.cancel()

    def settle(self, channel: Channel) -> None:
        """Make those waiting subscriptions of *channel* live that can be served; start a load for the rest."""
        self._settle_waiting(channel)
        self._see_to(channel)

    def _settle_waiting(self, channel: Channel) -> None:
        if channel.history.known and channel.waiting:
            waiting, channel.waiting = channel.waiting, {}
            for subscription in waiting:
                if subscription.seq != GONE:
                    self._serve(subscription)
            self._store.settle()

    def admit(self, subscription: Subscription) -> None:
        """Make a new *subscription* live, or let it wait. Other waiting subscriptions are not checked."""
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
        if channel.flying or not self._wants(channel):
            return
        channel.flying = True
        if self._holey(channel):
            self._start(channel)
        else:
            self._standing.ask(channel)

    def _start(self, channel: Channel, after: int | None = None) -> None:
        """Load the channel's events, first those after *after* if given."""
        self._flights += 1
        Deferred.fromCoroutine(self._fly(channel, after)).addErrback(
            lambda failure: log.failure("recovery of {sub} broke", failure, sub=channel.sub)
        )

    def _stands(self, channel: Channel, current: int, guard: str | None) -> None:
        """The log says what *channel*'s latest number is, and what guards it. That may be all that was needed."""
        if guard is None and channel.early and not channel.history.known:
            # Something was written while the log was asked.
            self._standing.ask(channel)
            return
        channel.guard = guard
        if not self._wants(channel):
            channel.flying = False
            return
        history = channel.history
        if history.known:
            if self._holey(channel) or current > history.seq:
                self._start(channel, None if self._holey(channel) else history.seq)
                return
            for subscription in channel.waiting:
                subscription.ahead += subscription.seq > current
            channel.flying = False
            self._settle_waiting(channel)
            if self._wants(channel):
                # A replica may lag, or the log may be behind what another server told the client.
                channel.flying = True
                self._count("late")
                ahead = min(subscription.ahead for subscription in channel.waiting)
                pause = min(FIRST_PAUSE * 2**ahead, LONGEST_PAUSE) * self._random.uniform(0.5, 1.0)
                self._clock.callLater(pause, self._again, channel)
            return
        # A client too far behind for the history's size is told so, without a load.
        reach = current - self._store.events
        near = min((s.seq for s in channel.waiting if s.seq >= max(0, reach)), default=current)
        if near < current:
            self._start(channel, near)
            return
        channel.flying = False
        self._land(channel, current, current, None)

    def _again(self, channel: Channel) -> None:
        channel.flying = False
        if not self._stopped:
            self._see_to(channel)

    def absorb(self, channel: Channel) -> None:
        """Append the early events whose predecessors are there now, and drop duplicates."""
        early, history = channel.early, channel.history
        while early:
            event = early.pop(history.seq + 1, None)
            if event is None:
                break
            self._append(channel, self._durable(event, self._clock.seconds()))
        for seq in [seq for seq in early if seq <= history.seq]:
            del early[seq]

    def _fate(self, channel: Channel, subscription: Subscription) -> int:
        """Whether a subscription can be served from the history, is too old, or needs a load."""
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

    @staticmethod
    def _holey(channel: Channel) -> bool:
        """Whether events are missing that must be loaded; otherwise only the latest number is needed."""
        floor = channel.history.floor
        return channel.history.known and (
            bool(channel.early) or any(0 <= subscription.seq < floor for subscription in channel.waiting)
        )

    def _question(self, channel: Channel, doubt: bool) -> int:
        """The number after which the event log is asked. With *doubt* the number asked before was too old."""
        history = channel.history
        if channel.early:
            return history.seq
        behind = sorted({s.seq for s in channel.waiting if 0 <= s.seq < history.floor})
        return behind[len(behind) // 2 if doubt else 0]

    async def _fly(self, channel: Channel, first: int | None) -> None:
        """Load events until none is missing; what remains is asking for the channel's latest number."""
        pause, doubt = FIRST_PAUSE, False
        try:
            while not self._stopped and (self._holey(channel) or (first is not None and self._wants(channel))):
                before = (channel.history.seq, channel.history.floor, len(channel.waiting))
                channel.turn = self._turns.acquire()
                try:
                    await channel.turn
                except CancelledError:
                    # All subscribers left while it waited for its turn.
                    break
                finally:
                    channel.turn = None
                try:
                    if self._wants(channel):
                        after = self._question(channel, doubt) if first is None else first
                        doubt = await self._load_one(channel, after)
                        first = None
                except Exception as error:
                    self._count("failed")
                    self._ended += isinstance(error, LogAway)
                    log.warn("event log of {sub} did not answer: {error}", sub=channel.sub, error=repr(error))
                finally:
                    self._turns.release()
                if (channel.history.seq, channel.history.floor, len(channel.waiting)) != before:
                    pause = FIRST_PAUSE
                elif self._wants(channel):
                    self._count("late")
                    await sleep(self._clock, pause * self._random.uniform(0.5, 1.0))
                    pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self._flights -= 1
            channel.flying = False
        if not self._stopped:
            self._see_to(channel)

    async def _load_one(self, channel: Channel, after: int) -> bool:
        """Load events of *channel* and use the answer; returns whether the log does not reach back far enough."""
        life, known = channel.history.life, channel.history.known
        asked = [s for s in channel.waiting if s.seq >= 0]
        current, events = await self._ask(channel, after)
        self._ended += 1
        if not self._wants(channel) or channel.history.life != life:
            # Nobody waits any more; or all knowledge was discarded after the question was sent (perhaps to another
            # database).
            return False
        for subscription in asked:
            subscription.ahead += subscription.seq > current
            if known and events is None and subscription.seq <= after:
                # The log does not reach back to `after`, so neither to anything older.
                subscription.asked = MOST_TRIES
            subscription.asked += 1
        self._land(channel, after, current, events)
        return events is None

    async def _ask(self, channel: Channel, after: int) -> Answer:
        current, events = await self._call(*channel.key, after, self._store.events)
        if events is not None:
            for expected, event in enumerate(events, after + 1):
                if event.seq != expected or (event.site, event.channel) != channel.key:
                    raise ValueError("the event log has a hole")
            if events and events[-1].seq > current:
                current = events[-1].seq
            elif after + len(events) < current and after != channel.history.seq:
                # The answer was cut off at the limit: it can extend the live end, but an older position does not reach
                # the live end.
                events = None
        self._count("ok")
        return current, events

    def _call(self, *question: int) -> Deferred[Answer]:
        """The injected load with a time limit. On timeout the load is left to finish by itself, not cancelled."""
        answer: Deferred[Answer] = Deferred()

        async def ask() -> Answer:
            return await self._load(*question)

        def pass_on(result: Any) -> None:
            if not answer.called:
                answer.callback(result)

        Deferred.fromCoroutine(ask()).addBoth(pass_on)
        return answer.addTimeout(LOAD_TIMEOUT, self._clock)

    def _land(self, channel: Channel, after: int, current: int, events: list[Event] | None) -> None:
        history, now = channel.history, self._clock.seconds()
        if not history.known:
            if events is None or after > current:
                self._store.restart(history, current)
            else:
                self._store.restart(history, after)
        elif events is None and after == history.seq and current > after:
            # The gap is older than the log: every subscriber has missed something.
            self._lost(channel)
            self._store.restart(history, current)
        if events:
            behind = [self._durable(event, now) for event in events if event.seq <= history.floor]
            if behind and behind[-1].seq == history.floor:
                self._store.prepend(history, behind)
            for event in events[max(0, history.seq - after):]:
                if event.seq == history.seq + 1:
                    self._append(channel, self._durable(event, now))
        self.absorb(channel)
        self.settle(channel)

