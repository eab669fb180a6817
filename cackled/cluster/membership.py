"""Which nodes live: hysteresis over what is heard of them, and who is told when it changes.

May touch: the ground. Knows no sockets: `heard` and `missed` are called by whoever listens to the nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.config import Node
from cackled.metrics import Metrics

log = Logger()

# Down after so many heartbeats missed in a row.
MISSES = 3
# A node that came back is used again after so many seconds without a miss.
HOLD_DOWN = 30.0


class NodeState(Struct, frozen=True):
    """One node as an operator sees it. ``since`` is in seconds of the clock."""

    name: str
    live: bool
    draining: bool
    missed: int
    since: float


class _Known:
    __slots__ = ("back", "draining", "live", "missed", "node", "since")

    def __init__(self, node: Node, now: float) -> None:
        self.node = node
        self.live = True
        self.draining = False
        self.missed = 0
        # When it was heard again after it was down; None while nothing is heard.
        self.back: float | None = None
        self.since = now


class Membership:
    """The nodes of one deployment.

    Every node counts as live until it has missed `MISSES` heartbeats; then it is down until it has been heard for
    `HOLD_DOWN` seconds without a miss. A node that drains is left out at once. *changed* is called after a change of
    who is usable. When nobody is left, all are offered: a wrong answer then is no worse than none.
    """

    def __init__(
        self, nodes: Iterable[Node], own: str, clock: IReactorTime, metrics: Metrics, changed: Callable[[], None]
    ) -> None:
        self.own = own
        self._clock = clock
        self._changed = changed
        now = clock.seconds()
        self._known = {node.name: _Known(node, now) for node in nodes}
        self._flaps = metrics.counter("cluster_changes", "Nodes that went down or came back.", ["direction"])
        metrics.watch("cluster_nodes_live", "Nodes in use.", lambda: len(self.usable()))
        metrics.watch("cluster_nodes", "Nodes configured.", lambda: len(self._known))

    def heard(self, name: str, *, draining: bool = False) -> None:
        """A heartbeat of *name* came."""
        known = self._known.get(name)
        if known is None:
            return
        now = self._clock.seconds()
        known.missed = 0
        was = known.live and not known.draining
        known.draining = draining
        if not known.live:
            if known.back is None:
                known.back = now
            if now - known.back >= HOLD_DOWN:
                self._turn(known, True, now)
        if was != (known.live and not known.draining):
            self._changed()

    def missed(self, name: str) -> None:
        """A heartbeat of *name* did not come in its time."""
        known = self._known.get(name)
        if known is None or name == self.own:
            return
        known.missed += 1
        known.back = None
        if known.live and known.missed >= MISSES:
            was = not known.draining
            self._turn(known, False, self._clock.seconds())
            if was:
                self._changed()

    def drain(self, draining: bool = True) -> None:
        """This node leaves (or comes back)."""
        known = self._known.get(self.own)
        if known is not None and known.draining != draining:
            known.draining = draining
            self._changed()

    def _turn(self, known: _Known, live: bool, now: float) -> None:
        known.live = live
        known.since = now
        known.back = None
        direction = "up" if live else "down"
        self._flaps.labels(direction).inc()
        log.warn("node {node} is {direction}", node=known.node.name, direction=direction)

    def usable(self) -> list[Node]:
        """Nodes that visitors are sent to; all of them when none is left."""
        usable = [known.node for known in self._known.values() if known.live and not known.draining]
        return usable or [known.node for known in self._known.values()]

    def others(self) -> list[Node]:
        """Every node but this one."""
        return [known.node for name, known in self._known.items() if name != self.own]

    def states(self) -> list[NodeState]:
        """All nodes, for operators."""
        now = self._clock.seconds()
        return [
            NodeState(name, known.live, known.draining, known.missed, now - known.since)
            for name, known in self._known.items()
        ]
