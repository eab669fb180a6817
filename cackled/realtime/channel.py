"""Channels and subscriptions: who listens to which channel, and up to which event number each client has been served.

Holds state only, without timers; `cackled.realtime.hub` changes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from cackled.events import Event
from cackled.realtime.history import History
from cackled.realtime.messages import Message

# Values of `Subscription.seq` other than the number of the last event that the client was given.
FROM_NOW = -1
LOST = -2
GONE = 2**63

Key = tuple[int, int]
Admit = Callable[[str], float | None]

# Values of `Client.form`: encoded by the transport itself; a WebSocket frame; an EventSource block for a connection
# with one subscription.
OWN, FRAME, SINGLE = 0, 1, 2


class Client(Protocol):
    """One connection, whatever its transport. All calls are made from the reactor thread and must not raise."""

    kind: str
    subscriptions: list[Subscription]
    # The shared encoding of this client's messages, for transports that send the same bytes to all their clients.
    form: int

    def deliver(self, subscription: Subscription, message: Message) -> None:
        """Send *message* (which may be a `Run`).

        ``subscription.seq`` is already the message's number, if it has one.
        """

    def catch_up(self, subscription: Subscription, messages: Sequence[Message], end: Message, whole: bool) -> None:
        """Send the missed messages, then *end*, the ``recovered`` message. *whole*: nothing is missing."""

    def room(self) -> int:
        """Bytes that may still be buffered for this client."""

    def overhead(self) -> int:
        """Upper bound of the bytes that each missed message takes in addition to its text."""

    def control(self, message: Message) -> None:
        """Send a message that belongs to no channel."""

    def beat(self) -> None:
        """Send a heartbeat; end the client if it gave no sign of life since the previous one."""

    def move(self, message: Message) -> None:
        """Tell the client to reconnect to another server."""

    def expire(self, subscription: Subscription) -> None:
        """End *subscription*, whose permission has run out, unless the permission was extended meanwhile."""

    def refuse(self, subscription: Subscription) -> None:
        """End *subscription*: its channel is guarded, and the client did not prove that it may listen there."""

    def close(self, reason: str) -> None:
        """Close the connection in an orderly way because the server stops."""

    def abort(self) -> None:
        """End the connection at once."""


class Subscription:
    """The subscription of one client to one channel.

    ``seq`` is the number of the last event that the client was given (or the position it asked to resume from),
    `FROM_NOW`, `LOST` where its position can no longer be trusted, or `GONE`. ``ahead`` counts the loads that began
    after the subscription and found it ahead of the log; ``asked`` those that found it still behind the history.

    ``admit`` says for how many seconds its client may listen to a channel, by what guards that: None without a limit, 0
    not at all. Without one it never listens where there is a guard. It is let go of once there is none.
    """

    __slots__ = ("admit", "ahead", "asked", "channel", "client", "name", "seq")

    def __init__(self, client: Client, channel: Channel, seq: int, name: str = "", admit: Admit | None = None) -> None:
        self.client = client
        self.channel = channel
        self.admit = admit
        # The name shown to others, or "".
        self.name = name
        self.seq = seq
        self.asked = 0
        self.ahead = 0

    def __str__(self) -> str:
        return self.channel.sub if self.seq < 0 or self.seq == GONE else f"{self.channel.sub}@{self.seq}"


class Job:
    """One message (or a `Run`) being sent to those who were subscribed when it arrived."""

    __slots__ = ("bytes", "done", "message", "skip", "to")

    def __init__(self, message: Message, to: tuple[Subscription, ...], skip: Client | None) -> None:
        self.message = message
        self.bytes = len(message.body)
        self.to = to
        self.done = 0
        self.skip = skip


class Channel:
    """One channel that has subscribers, or had some a while ago.

    ``live`` are the subscriptions that get each event as it comes, ``waiting`` those that first need missed events,
    ``early`` the events that arrived before their predecessors. ``guard`` names what protects it (``""``: nothing, it
    is for everybody), as far as is known: None before the log was asked, and where nobody has written so far.
    """

    __slots__ = (
        "_live",
        "early",
        "flying",
        "guard",
        "history",
        "jobs",
        "key",
        "names",
        "others",
        "presence_at",
        "present",
        "reported",
        "reported_names",
        "snapshot",
        "sub",
        "turn",
        "typing_at",
        "waiting",
    )  # fmt: skip

    def __init__(self, site: int, channel: int) -> None:
        self.key: Key = (site, channel)
        self.sub = f"{site}/{channel}"
        self.history = History()
        self.guard: str | None = None
        self._live: set[Subscription] = set()
        self.snapshot: tuple[Subscription, ...] | None = ()
        # In the order in which they came.
        self.waiting: dict[Subscription, None] = {}
        self.early: dict[int, Event] = {}
        self.jobs: deque[Job] = deque()
        # Whether a load is under way or planned for this channel; and its place in the queue while it waits.
        self.flying = False
        self.turn: Deferred[None] | None = None
        # Presence: the count last reported and when, our share of it as other processes know it, and the counts of
        # others.
        self.present = 0
        self.reported = 0
        self.presence_at = 0.0
        self.typing_at = 0.0
        self.others: dict[str, tuple[int, float, tuple[str, ...]]] | None = None
        # Names present, with the number of subscriptions under each name; and the names last reported.
        self.names: dict[str, int] | None = None
        self.reported_names: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Subscriptions in this process, live or waiting."""
        return len(self._live) + len(self.waiting)

    @property
    def idle(self) -> bool:
        """Whether the channel has no subscribers."""
        return not self._live and not self.waiting

    def enter(self, subscription: Subscription) -> None:
        """Make *subscription* live."""
        self._live.add(subscription)
        self.snapshot = None

    def leave(self, subscription: Subscription) -> None:
        """Drop *subscription*, live or waiting."""
        subscription.seq = GONE
        if subscription in self._live:
            self._live.discard(subscription)
            self.snapshot = None
        else:
            self.waiting.pop(subscription, None)

    def everyone(self) -> tuple[Subscription, ...]:
        """The live subscriptions, as they are now: a tuple that later changes leave alone."""
        snapshot = self.snapshot
        if snapshot is None:
            snapshot = self.snapshot = tuple(self._live)
        return snapshot

    def pause(self) -> None:
        """Move all live subscriptions back to waiting, each with its position."""
        self.jobs.clear()
        self.waiting.update(dict.fromkeys(self._live))
        self._live.clear()
        self.snapshot = ()

    def mistrust(self) -> None:
        """Move all live subscriptions back to waiting with position `LOST`, and drop the messages being sent."""
        self.jobs.clear()
        for subscription in self.waiting:
            if subscription.seq >= 0:
                subscription.seq = LOST
        for subscription in self._live:
            subscription.seq = LOST
            self.waiting[subscription] = None
        self._live.clear()
        self.snapshot = ()
