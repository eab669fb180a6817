"""Connects the bus of a node's workers with the mesh of nodes; runs in the parent.

To other nodes the workers look like one process: their counts of a channel are sent as one sum. To the workers another
node looks like one more process.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime

from cackled.clock import Periodic
from cackled.cluster.bus import Bus
from cackled.cluster.messages import Hint, Signal

# Seconds for which a worker's count is valid (`cackled.realtime.presence` repeats it after a third of that).
HOLDS = 60.0
MOST_CHANNELS = 200_000
# Least seconds between two sendings of an unchanged sum.
AGAIN = 4.0
# Channels per second that a new node is told about.
HURRY = 1_000

NODE = "n:"
# Maximum characters of the names in a channel, which are sent as one text.
NAMES_LENGTH = 500


class Across(Protocol):
    """The part of the mesh that is used here."""

    def announce(self, site: int, channel: int, type: str, data: Mapping[str, Any]) -> None:
        """Send an ephemeral signal to the other nodes."""

    def hint(self, site: int, channel: int, seq: int) -> None:
        """Tell the other nodes that a channel is at *seq*."""

    def deliver_to(
        self,
        *,
        signal: Callable[[str, Signal], None],
        hint: Callable[[Hint], None],
        came: Callable[[str], None],
        gone: Callable[[str], None],
    ) -> None:
        """Set the callbacks for what other nodes send."""


class _Counts:
    """Counts of one channel: the last report of each worker with its time, and what other nodes were told."""

    __slots__ = ("by", "names", "reported", "reported_at", "reported_names")

    def __init__(self) -> None:
        self.by: dict[str, tuple[int, float]] = {}
        # By worker with named subscribers: the names, one per line.
        self.names: dict[str, str] = {}
        self.reported = 0
        self.reported_at = 0.0
        self.reported_names = ""


class Crossing:
    """Passes signals and hints between *bus* and *mesh*; workers are told of *came* and *gone*.

    For this process it has the interface of a mesh: `announce`, `hint`, `deliver_to`.
    """

    def __init__(
        self,
        bus: Bus,
        mesh: Across,
        clock: IReactorTime,
        *,
        came: Callable[[str], None],
        gone: Callable[[str], None],
    ) -> None:
        self._bus = bus
        self._mesh = mesh
        self._clock = clock
        self._came = came
        self._gone = gone
        self._on_hint: Callable[[Hint], None] = lambda hint: None
        self._counts: OrderedDict[tuple[int, int], _Counts] = OrderedDict()
        self._owed: list[tuple[int, int]] = []
        self._job = Periodic(clock, 1.0, self._second, "crossing")
        bus.deliver_to(signal=self._from_worker, hint=self._hint_of_worker, came=lambda _: None, gone=self.forget)
        mesh.deliver_to(
            signal=self._from_node, hint=self._hint_of_node, came=self._node_came, gone=lambda name: gone(NODE + name)
        )

    def start(self) -> None:
        """Start passing."""
        self._bus.start()
        self._job.start()

    async def stop(self) -> None:
        """Stop passing."""
        self._job.stop()
        await self._bus.stop()

    # Interface of a mesh

    def announce(self, site: int, channel: int, type: str, data: Mapping[str, Any]) -> None:
        """Send an ephemeral signal that began in this process."""
        self._mesh.announce(site, channel, type, data)
        self._bus.announce(site, channel, type, data)

    def hint(self, site: int, channel: int, seq: int) -> None:
        """Send a hint about a write of this process."""
        self._mesh.hint(site, channel, seq)
        self._bus.hint(site, channel, seq)

    def deliver_to(
        self,
        *,
        signal: Callable[[str, Signal], None],
        hint: Callable[[Hint], None],
        came: Callable[[str], None],
        gone: Callable[[str], None],
    ) -> None:
        """Only *hint* is used: clients are not connected to this process."""
        self._on_hint = hint

    # From the workers

    def _from_worker(self, source: str, signal: Signal) -> None:
        if signal.type != "presence":
            self._mesh.announce(signal.site, signal.channel, signal.type, signal.data)
            return
        count = signal.data.get("count")
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            return
        key = (signal.site, signal.channel)
        counts = self._counts.get(key)
        if counts is None:
            if not count or len(self._counts) >= MOST_CHANNELS:
                return
            counts = self._counts[key] = _Counts()
        if count:
            counts.by[source] = (count, self._clock.seconds())
        else:
            counts.by.pop(source, None)
        names = signal.data.get("names")
        if count and isinstance(names, str) and names:
            counts.names[source] = names
        else:
            counts.names.pop(source, None)
        self._tell(key, counts)

    def _tell(self, key: tuple[int, int], counts: _Counts) -> None:
        now = self._clock.seconds()
        counts.by = {source: one for source, one in counts.by.items() if one[1] > now - HOLDS}
        total = sum(count for count, _ in counts.by.values())
        names = _joined(text for source, text in counts.names.items() if source in counts.by)
        if not total:
            del self._counts[key]
        elif (total, names) == (counts.reported, counts.reported_names) and now - counts.reported_at < AGAIN:
            return
        else:
            self._counts.move_to_end(key)
        counts.reported, counts.reported_names, counts.reported_at = total, names, now
        self._mesh.announce(*key, "presence", {"count": total, "names": names} if names else {"count": total})

    def forget(self, source: str) -> None:
        """A worker has ended, and its sessions with it."""
        for key, counts in list(self._counts.items()):
            if counts.by.pop(source, None) is not None:
                self._tell(key, counts)

    def _hint_of_worker(self, hint: Hint) -> None:
        self._on_hint(hint)
        self._mesh.hint(hint.site, hint.channel, hint.seq)

    # From other nodes

    def _from_node(self, name: str, signal: Signal) -> None:
        self._bus.relay(NODE + name, signal)

    def _hint_of_node(self, hint: Hint) -> None:
        self._on_hint(hint)
        self._bus.hint(hint.site, hint.channel, hint.seq)

    def _node_came(self, name: str) -> None:
        self._owed = list(self._counts)
        self._came(NODE + name)

    def _second(self) -> None:
        owed, self._owed = self._owed[:HURRY], self._owed[HURRY:]
        for key in owed:
            counts = self._counts.get(key)
            if counts is not None:
                counts.reported_at = -AGAIN
                self._tell(key, counts)
        # The channels sent longest ago come first; those that no worker reports any more are dropped.
        while self._counts:
            key, counts = next(iter(self._counts.items()))
            if counts.reported_at > self._clock.seconds() - HOLDS:
                break
            self._tell(key, counts)


def _joined(texts: Iterable[str]) -> str:
    """The names of all *texts* without duplicates, as many as fit into one text."""
    names = sorted({name for text in texts for name in text.split("\n")})
    while names and sum(map(len, names)) + len(names) > NAMES_LENGTH:
        names.pop()
    return "\n".join(names)
