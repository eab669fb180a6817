"""History: the latest messages of each channel, so that a client that reconnects gets what it missed.

A `History` is a ring that holds every message in ``(floor, seq]``. The `HistoryStore` bounds age and bytes over all
rings, and empties the least recently written rings first. History is a cache: what it dropped can be loaded from the
event log again. When something is removed or edited, its old words leave the ring: the messages stay, without words or
with the new ones, so that the numbers have no gap. Products declare which event types do that
(`cackled.events.EventType`).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from itertools import islice

from cackled.realtime.messages import Change, Message

UNKNOWN = -1


class History:
    """The ring of one channel.

    ``seq`` is the channel's latest known number, `UNKNOWN` before the first load. The ring holds every message after
    number ``floor``. ``life`` grows each time everything known about the channel is discarded.
    """

    __slots__ = ("bytes", "floor", "life", "ring", "seq")

    def __init__(self) -> None:
        self.seq = UNKNOWN
        self.floor = UNKNOWN
        self.life = 0
        self.ring: deque[Message] = deque()
        self.bytes = 0

    @property
    def known(self) -> bool:
        """Whether the channel's latest number is known."""
        return self.seq != UNKNOWN

    def after(self, seq: int) -> list[Message]:
        """The messages after *seq*, in order.

        Raises:
            ValueError: *seq* is not within ``floor..self.seq``.
        """
        if not self.floor <= seq <= self.seq or self.seq == UNKNOWN:
            raise ValueError("the history does not reach there")
        return list(islice(self.ring, seq - self.floor, None))


class HistoryStore:
    """All rings of a process: at most *events* messages each, *seconds* old, and *max_bytes* in all."""

    def __init__(self, events: int, seconds: float, max_bytes: int) -> None:
        self.events = events
        self.seconds = seconds
        self.max_bytes = max_bytes
        self.bytes = 0
        # Rings that hold messages, the least recently written first.
        self._written: OrderedDict[History, None] = OrderedDict()

    def restart(self, history: History, seq: int) -> None:
        """Empty *history* and set its latest number to *seq*."""
        self._empty(history)
        history.seq = history.floor = seq

    def forget(self, history: History) -> None:
        """Empty *history*; its latest number becomes unknown."""
        self.restart(history, UNKNOWN)
        history.life += 1

    def append(self, history: History, message: Message) -> None:
        """Add *message*, which must be the next one.

        Raises:
            ValueError: it is not the next one.
        """
        if message.seq != history.seq + 1 or history.seq == UNKNOWN:
            raise ValueError("not the next message")
        ring = history.ring
        ring.append(message)
        history.seq = message.seq
        cost = message.cost
        history.bytes += cost
        self.bytes += cost
        self._written[history] = None
        self._written.move_to_end(history)
        if message.change is not None:
            self._apply(history, message, message.change)
        oldest = message.at - self.seconds
        while len(ring) > self.events or ring[0].at < oldest:
            self._pop(history)
        if self.bytes > self.max_bytes:
            self._shrink()

    def prepend(self, history: History, messages: Sequence[Message]) -> None:
        """Put *messages* before the ring: they must end exactly at its floor.

        Raises:
            ValueError: they don't.
        """
        if not messages or messages[-1].seq != history.floor:
            raise ValueError("not the messages before")
        room = self.events - len(history.ring)
        for message in list(messages)[::-1][:room]:
            history.ring.appendleft(message)
            history.floor = message.seq - 1
            history.bytes += message.cost
            self.bytes += message.cost
        if history.ring:
            self._written[history] = None
            self._written.move_to_end(history)
            # The last change of each subject decides what remains of the messages before it.
            last = {one.change.key: (one, one.change) for one in history.ring if one.change is not None}
            for message, change in last.values():
                self._apply(history, message, change)

    def settle(self) -> None:
        """Enforce the byte bound after `prepend`, once its messages have been used."""
        if self.bytes > self.max_bytes:
            self._shrink()

    def expire(self, now: float) -> None:
        """Empty the rings that got no message within the retention time."""
        oldest = now - self.seconds
        for history in list(islice(self._written, 1_000)):
            if history.ring[-1].at >= oldest:
                break
            self._empty(history)

    def _apply(self, history: History, later: Message, change: Change) -> None:
        """Apply *change*, which came with *later*, to the earlier messages."""
        ring = history.ring
        for place, message in enumerate(ring):
            if message.seq >= later.seq:
                return
            changed = change.of(message, later)
            if changed is not None:
                ring[place] = changed
                history.bytes += changed.cost - message.cost
                self.bytes += changed.cost - message.cost

    def _shrink(self) -> None:
        while self.bytes > self.max_bytes and self._written:
            history = next(iter(self._written))
            if len(self._written) == 1:
                self._pop(history)
            else:
                self._empty(history)

    def _pop(self, history: History) -> None:
        message = history.ring.popleft()
        history.floor = message.seq
        history.bytes -= message.cost
        self.bytes -= message.cost
        if not history.ring:
            self._written.pop(history, None)

    def _empty(self, history: History) -> None:
        self.bytes -= history.bytes
        history.bytes = 0
        history.ring.clear()
        history.floor = history.seq
        self._written.pop(history, None)


def fitting(missed: list[Message], room: int, overhead: int) -> list[Message] | None:
    """The first of *missed* that fit into *room* bytes, counting *overhead* bytes more for each; None if all fit."""
    for count, message in enumerate(missed):
        room -= len(message.body) + overhead
        if room < 0:
            return missed[:count]
    return None
