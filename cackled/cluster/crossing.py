"""Where the bus of a node's workers meets the mesh of nodes: in the parent.

To other nodes the workers are one: their counts of a channel are told as one sum. To the workers another node is a
process like themselves.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime

from cackled.clock import Periodic
from cackled.cluster.bus import Bus
from cackled.cluster.messages import Hint, Signal

# A worker's count holds for so long (`cackled.realtime.presence` says it again in a third of that).
HOLDS = 60.0
MOST_CHANNELS = 200_000
# A sum that has not changed is told again at most so often.
AGAIN = 4.0
# A node that has come is told this many channels a second.
HURRY = 1_000

NODE = "n:"
# Names of who is here pass as one text of at most this length.
NAMES_LENGTH = 500


class Across(Protocol):
    """The mesh, as far as it is used here."""

    def announce(self, site: int, channel: int, type: str, data: Mapping[str, Any]) -> None:
        """Something ephemeral, for the other nodes."""

    def hint(self, site: int, channel: int, seq: int) -> None:
        """A channel stands at *seq*, for the other nodes."""

    def deliver_to(
        self,
        *,
        signal: Callable[[str, Signal], None],
        hint: Callable[[Hint], None],
        came: Callable[[str], None],
        gone: Callable[[str], None],
    ) -> None:
        """Who gets what comes from other nodes."""


class _Counts:
    """Of one channel: what each worker said and when, and what was told of it."""

    __slots__ = ("by", "names", "reported", "reported_at", "reported_names")

    def __init__(self) -> None:
        self.by: dict[str, tuple[int, float]] = {}
        # Of each worker that has somebody with a name: the names, a line each.
        self.names: dict[str, str] = {}
        self.reported = 0
        self.reported_at = 0.0
        self.reported_names = ""


class Crossing:
    """Passes signals and hints between *bus* and *mesh*; *came* and *gone* are told to the workers.

    To this process it is what a mesh is: `announce`, `hint`, `deliver_to`.
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
        """Begin."""
        self._bus.start()
        self._job.start()

    async def stop(self) -> None:
        """End."""
        self._job.stop()
        await self._bus.stop()

    # As a mesh

    def announce(self, site: int, channel: int, type: str, data: Mapping[str, Any]) -> None:
        """Something that began in this process."""
        self._mesh.announce(site, channel, type, data)
        self._bus.announce(site, channel, type, data)

    def hint(self, site: int, channel: int, seq: int) -> None:
        """A write of this process."""
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
        """Only hints matter here: nobody is connected to this process."""
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
        """A worker is gone, and its sessions with it."""
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
        # The channels told longest ago are in front; those that no worker speaks of any more go.
        while self._counts:
            key, counts = next(iter(self._counts.items()))
            if counts.reported_at > self._clock.seconds() - HOLDS:
                break
            self._tell(key, counts)


def _joined(texts: Iterable[str]) -> str:
    """The names of all *texts*, each once, as many as fit into one."""
    names = sorted({name for text in texts for name in text.split("\n")})
    while names and sum(map(len, names)) + len(names) > NAMES_LENGTH:
        names.pop()
    return "\n".join(names)
