"""Channels and subscriptions: who listens to what, and up to where each has been told.

Plain state without timers; `cackled.realtime.hub` moves it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from cackled.events import Event
from cackled.realtime.history import History
from cackled.realtime.messages import Message

# Places a subscription can stand at, beside the number of the last event its client was given.
FROM_NOW = -1
LOST = -2
GONE = 2**63

Key = tuple[int, int]

# `Client.form`: what each transport makes of a message is its own affair; the frame of a WebSocket; the block of an
# EventSource with one subscription.
OWN, FRAME, SINGLE = 0, 1, 2


class Client(Protocol):
    """One connection, whatever its transport. All calls are made from the reactor thread and must not raise."""

    kind: str
    subscriptions: list[Subscription]
    # What its messages are on the wire, where nothing but a look at the connection is to be done for each.
    form: int

    def deliver(self, subscription: Subscription, message: Message) -> None:
        """Send *message* (which may be a `Run`); ``subscription.seq`` already stands at it where it has a number."""

    def catch_up(self, subscription: Subscription, messages: Sequence[Message], end: Message, whole: bool) -> None:
        """Send what was missed and then *end*, the ``recovered`` message; *whole*: nothing is missing."""

    def room(self) -> int:
        """Bytes that may still be buffered for this client."""

    def overhead(self) -> int:
        """Bytes, or a few more, that each missed message takes beside its text."""

    def control(self, message: Message) -> None:
        """Send a message that is of no channel."""

    def beat(self) -> None:
        """Give a sign of life, and condemn the client where it gave none since the last beat."""

    def move(self, message: Message) -> None:
        """Tell the client to go elsewhere."""

    def expire(self, subscription: Subscription) -> None:
        """What *subscription* was granted for is over: end it, unless it was granted for longer since."""

    def close(self, reason: str) -> None:
        """End the connection in order: the server goes away."""

    def abort(self) -> None:
        """End the connection at once."""


class Subscription:
    """One client's place in one channel.

    ``seq`` is the last number the client was given (or asked to go on from), `FROM_NOW`, `LOST` where its place is no
    longer to be trusted, or `GONE`. ``ahead`` and ``asked`` count the loads that began after it came and found it
    ahead of the log, or behind the history still.
    """

    __slots__ = ("ahead", "asked", "channel", "client", "name", "seq")

    def __init__(self, client: Client, channel: Channel, seq: int, name: str = "") -> None:
        self.client = client
        self.channel = channel
        # Under which the client is shown to others, where it has one.
        self.name = name
        self.seq = seq
        self.asked = 0
        self.ahead = 0

    def __str__(self) -> str:
        return self.channel.sub if self.seq < 0 or self.seq == GONE else f"{self.channel.sub}@{self.seq}"


class Job:
    """One message, or a run of them, on its way to those who were subscribed when it came."""

    __slots__ = ("bytes", "done", "message", "skip", "to")

    def __init__(self, message: Message, to: tuple[Subscription, ...], skip: Client | None) -> None:
        self.message = message
        self.bytes = len(message.body)
        self.to = to
        self.done = 0
        self.skip = skip


class Channel:
    """One channel that somebody listens to, or did a while ago.

    ``live`` are the subscriptions that get each event as it comes, ``waiting`` those that catch up first, ``early``
    the events that came before their turn.
    """

    __slots__ = (
        "_live",
        "early",
        "flying",
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
        self._live: set[Subscription] = set()
        self.snapshot: tuple[Subscription, ...] | None = ()
        # In the order in which they came.
        self.waiting: dict[Subscription, None] = {}
        self.early: dict[int, Event] = {}
        self.jobs: deque[Job] = deque()
        # Whether the log is being asked about it, or will be; and the turn that it waits for, while it does.
        self.flying = False
        self.turn: Deferred[None] | None = None
        # Presence: the count last reported, when, our part in it as other processes know it, and how many they have.
        self.present = 0
        self.reported = 0
        self.presence_at = 0.0
        self.typing_at = 0.0
        self.others: dict[str, tuple[int, float, tuple[str, ...]]] | None = None
        # Names that are here, with the number of subscriptions that bear them; and those last reported.
        self.names: dict[str, int] | None = None
        self.reported_names: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Subscriptions of this process, live or catching up."""
        return len(self._live) + len(self.waiting)

    @property
    def idle(self) -> bool:
        """Whether nobody listens."""
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

    def mistrust(self) -> None:
        """Send every live subscription back to waiting, its place `LOST`; drop what is on its way."""
        self.jobs.clear()
        for subscription in self.waiting:
            if subscription.seq >= 0:
                subscription.seq = LOST
        for subscription in self._live:
            subscription.seq = LOST
            self.waiting[subscription] = None
        self._live.clear()
        self.snapshot = ()
