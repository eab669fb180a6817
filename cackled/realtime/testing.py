"""Test doubles for realtime and its users: a client that records what it gets, and a model of the event log.

`FakeClient` is a `channel.Client`; `ModelLog.load` is a `Load`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from twisted.internet.defer import Deferred

from cackled.events import Event
from cackled.realtime.channel import OWN, Subscription
from cackled.realtime.messages import Message


class FakeClient:
    """Keeps every message as parsed JSON in ``got``.

    With ``hub`` set, `abort` leaves it, as a connection does. ``space`` is what `room` answers; ``on_deliver`` is
    called at each delivery, for tests of what may happen in the middle of a fan-out.
    """

    kind = "fake"
    form = OWN

    def __init__(self, hub: Any = None, space: int = 1 << 20) -> None:
        self.hub = hub
        self.space = space
        self.subscriptions: list[Subscription] = []
        self.got: list[dict[str, Any]] = []
        self.beats = 0
        self.closed: list[str] = []
        self.on_deliver: Any = None

    @property
    def seqs(self) -> list[int]:
        """The numbers of the durable messages, in order of arrival."""
        return [message["seq"] for message in self.got if "seq" in message and message["type"] != "recovered"]

    @property
    def recoveries(self) -> list[tuple[bool, int]]:
        """``(recovered, seq)`` of each recovered message."""
        return [(said["recovered"], said["seq"]) for said in self.got if said["type"] == "recovered"]

    def of(self, type: str) -> list[dict[str, Any]]:
        """The messages of one type."""
        return [message for message in self.got if message["type"] == type]

    def deliver(self, subscription: Subscription, message: Message) -> None:
        """Record *message*."""
        for part in message.parts:
            self.control(part)
        if self.on_deliver is not None:
            self.on_deliver()

    def catch_up(self, subscription: Subscription, missed: Sequence[Message], end: Message, whole: bool) -> None:
        """Record *missed* and *end*."""
        for message in (*missed, end):
            self.control(message)

    def room(self) -> int:
        """The value set by the test."""
        return self.space

    def overhead(self) -> int:
        """Always 0."""
        return 0

    def control(self, message: Message) -> None:
        """Record *message*."""
        self.got.append(msgspec.json.decode(message.body))

    def beat(self) -> None:
        """Count the beat."""
        self.beats += 1

    def move(self, message: Message) -> None:
        """Record *message*."""
        self.control(message)

    def expire(self, subscription: Subscription) -> None:
        """Record the call, and leave the channel."""
        self.closed.append(f"expired {subscription}")
        self.hub.unsubscribe(self, *subscription.channel.key)

    def refuse(self, subscription: Subscription) -> None:
        """Record the call, and leave the channel."""
        self.closed.append(f"refused {subscription}")
        self.hub.unsubscribe(self, *subscription.channel.key)

    def close(self, reason: str) -> None:
        """Record the reason."""
        self.closed.append(reason)

    def abort(self) -> None:
        """Record the call, and leave the hub."""
        self.closed.append("abort")
        if self.hub is not None:
            self.hub.leave(self)


class ModelLog:
    """An event log in memory, which answers as the database would, or with a simulated fault.

    ``failing``: loads raise. ``held``: loads answer with the state at the time of the question, but only on `release`.
    ``behind``: number of newest events that loads don't see (a replica that lags). ``keep``: events of a channel that
    the log holds. ``guards``: what guards channels, by number. ``asked`` are the questions for events, ``standing``
    those for latest numbers.
    """

    def __init__(self) -> None:
        self.events: dict[tuple[int, int], list[Event]] = {}
        self.first: dict[tuple[int, int], int] = {}
        self.guards: dict[int, str] = {}
        self.failing = False
        self.held = False
        self.behind = 0
        self.keep = 1 << 30
        self.asked: list[tuple[int, int, int, int]] = []
        self.standing: list[tuple[int, list[int]]] = []
        self._waiting: list[tuple[Deferred[Any], Any]] = []

    def commit(
        self, site: int = 1, channel: int = 5, type: str = "comment.created", data: bytes | None = None
    ) -> Event:
        """Write the next event of a channel."""
        events = self.events.setdefault((site, channel), [])
        seq = self.first.setdefault((site, channel), 0) + len(events) + 1
        event = Event(site, channel, seq, type, b'{"n":%d}' % seq if data is None else data)
        events.append(event)
        return event

    def start_at(self, seq: int, site: int = 1, channel: int = 5) -> None:
        """Set the latest number of a channel that has no events yet to *seq*."""
        self.first[(site, channel)] = seq
        self.events[(site, channel)] = []

    def current(self, site: int = 1, channel: int = 5) -> int:
        """The latest number of a channel."""
        return self.first.get((site, channel), 0) + len(self.events.get((site, channel), ()))

    async def seqs(self, site: int, channels: Sequence[int]) -> dict[int, tuple[int, str]]:
        """See `cackled.realtime.latest_numbers.Seqs`."""
        self.standing.append((site, list(channels)))
        if self.failing:
            raise ConnectionError("the log is down")
        found = {one: max(0, self.current(site, one) - self.behind) for one in channels}
        answer: dict[int, tuple[int, str]] = await self._hold(
            {one: (seq, self.guards.get(one, "")) for one, seq in found.items() if seq}
        )
        return answer

    async def load(self, site: int, channel: int, after: int, limit: int) -> tuple[int, list[Event] | None]:
        """See `cackled.realtime.recovery.Load`."""
        self.asked.append((site, channel, after, limit))
        if self.failing:
            raise ConnectionError("the log is down")
        answer: tuple[int, list[Event] | None] = await self._hold(self._answer(site, channel, after, limit))
        return answer

    async def _hold(self, answer: Any) -> Any:
        if self.held:
            released: Deferred[Any] = Deferred()
            self._waiting.append((released, answer))
            return await released
        return answer

    def release(self, failing: bool = False) -> None:
        """Let the held loads answer, or fail."""
        waiting, self._waiting = self._waiting, []
        for deferred, answer in waiting:
            if failing:
                deferred.errback(ConnectionError("the log went down"))
            else:
                deferred.callback(answer)

    def _answer(self, site: int, channel: int, after: int, limit: int) -> tuple[int, list[Event] | None]:
        current = max(0, self.current(site, channel) - self.behind)
        oldest = max(self.first.get((site, channel), 0), current - self.keep)
        if after < oldest:
            return current, None
        events = [e for e in self.events.get((site, channel), ()) if after < e.seq <= current]
        return current, events[:limit]
