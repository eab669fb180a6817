"""Long poll: one answer with what came since the given positions, at the latest after a time limit.

Nothing is kept for a client between two polls: it sends its cursor, and the channel's history has the missed events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IDelayedCall

from cackled.events import Position
from cackled.realtime import messages
from cackled.realtime.access import Gate, Tokens
from cackled.realtime.channel import LOST, OWN, Key, Subscription
from cackled.realtime.messages import Message
from cackled.transport.problems import problem
from cackled.transport.response import Response, json_response

# The random share of the wait, so that pollers do not synchronise.
JITTER = 0.2


class LongPoll:
    """One waiting request as a client of the hub. Calls *answer* once, unless `abort` comes first.

    Durable events, ``recovered: false`` and the starting position of a subscription "from now" are answered at once.
    Ephemeral signals are only added to such an answer (the latest of each kind and channel).
    """

    kind = "poll"
    form = OWN

    def __init__(self, gate: Gate, answer: Callable[[Response], None]) -> None:
        self.hub = gate.hub
        self._gate = gate
        self.subscriptions: list[Subscription] = []
        self._answer: Callable[[Response], None] | None = answer
        self._fresh: frozenset[Key] = frozenset()
        # Positions not yet subscribed to: the answer may be full before.
        self._rest: list[Position] = []
        self._events: list[bytes] = []
        self._signals: dict[str, bytes] = {}
        self._size = 0
        self._timer: IDelayedCall | None = None
        self._soon = False

    def begin(self, positions: Sequence[Position], wait: float | None, tokens: Tokens = ()) -> None:
        """Subscribe, and wait at most *wait* seconds, within the configured limit."""
        settings, random = self.hub.config, self.hub.random
        seconds = settings.poll_wait if wait is None else min(wait, settings.poll_wait)
        self._timer = self.hub.clock.callLater(seconds * random.uniform(1 - JITTER, 1), self._finish)
        self._fresh = frozenset((position.site, position.channel) for position in positions if position.seq < 0)
        self.hub.join(self)
        self._rest = list(positions)
        while self._rest and self._answer is not None:
            position = self._rest.pop(0)
            self._gate.subscribe(self, position, tokens)

    def deliver(self, subscription: Subscription, message: Message) -> None:
        """Keep a durable message and answer at the end of this turn; remember an ephemeral one for the next answer."""
        if message.seq:
            for part in message.parts:
                self._take(part.body)
        elif len(message.body) < self.room():
            self._signals[subscription.channel.sub] = message.body

    def catch_up(self, subscription: Subscription, missed: Sequence[Message], end: Message, whole: bool) -> None:
        """Answer at once if something was missed or the client had no position yet."""
        for message in missed:
            self._take(message.body)
        if not whole or subscription.channel.key in self._fresh:
            self._take(end.body)

    def room(self) -> int:
        """Bytes that the answer may still grow by."""
        return self.hub.config.client_buffer - self._size if self._answer is not None else 0

    def overhead(self) -> int:
        """The size of a comma."""
        return 1

    def control(self, message: Message) -> None:
        """Add *message* to the answer and send it now."""
        self._take(message.body)

    def move(self, message: Message) -> None:
        """As `control`."""
        self._take(message.body)

    def beat(self) -> None:
        """Do nothing: a poll ends by its own time limit."""

    def expire(self, subscription: Subscription) -> None:
        """Answer now: the permission is checked again at the next poll."""
        self._finish()

    def refuse(self, subscription: Subscription) -> None:
        """Answer that a token is needed."""
        answer = self._answer
        if answer is not None:
            self._end()
            answer(problem(401, "bad-token", detail="That channel needs a token of it."))

    def close(self, reason: str) -> None:
        """Answer now."""
        self._finish()

    def abort(self) -> None:
        """End without an answer: the client has left, or is to be cut off."""
        self._end()

    def _take(self, body: bytes) -> None:
        if self._answer is None:
            # The poll was answered or aborted after the list of clients was made.
            return
        self._events.append(body)
        self._size += len(body)
        if not self._soon and self._timer is not None:
            # Answer at the end of the turn, to include whatever else arrives in it.
            self._soon = True
            self._timer.reset(0)

    def _finish(self) -> None:
        answer = self._answer
        if answer is None:
            return
        places = list(self.subscriptions)
        if any(place.seq == LOST for place in places):
            # The position is uncertain and the log has not answered yet: the client retries with its cursor.
            response = problem(503, "realtime-unavailable", headers=[(b"Retry-After", b"2")])
        else:
            events = [*self._events, *self._signals.values()]
            response = json_response(messages.poll_answer(events, [str(place) for place in (*places, *self._rest)]))
            response.headers.append((b"Cache-Control", b"no-store"))
        self._end()
        answer(response)

    def _end(self) -> None:
        self._answer = None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self.hub.leave(self)
