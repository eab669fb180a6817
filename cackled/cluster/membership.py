"""Which nodes are live: applies hysteresis to heartbeats, and reports changes.

Does not deal with sockets: `heard` and `missed` are called by the modules that receive heartbeats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.config import Node
from cackled.metrics import Metrics

log = Logger()

# Consecutive missed heartbeats after which a node is down.
MISSES = 3
# Seconds without a miss after which a node that came back is used again.
HOLD_DOWN = 30.0


class NodeState(Struct, frozen=True):
    """One node as an operator sees it. ``since`` is in seconds of the clock.

    ``returns_in``: a node that is down and heard again is used in this many seconds if nothing is missed until then.
    """

    name: str
    live: bool
    draining: bool
    missed: int
    since: float
    returns_in: float | None = None


class _Known:
    __slots__ = ("back", "draining", "fresh", "live", "missed", "node", "since", "sure")

    def __init__(self, node: Node, now: float, live: bool, *, sure: bool = True) -> None:
        self.node = node
        # Configured, or heard at least once: one that was only found is offered to nobody.
        self.sure = sure
        self.live = live
        # Not heard yet since this process began: its first word is enough.
        self.fresh = not live
        self.draining = False
        self.missed = 0
        # When it was heard again after it was down; None while nothing is heard.
        self.back: float | None = None
        self.since = now

    @property
    def wanted(self) -> bool:
        return self.live and not self.draining


class Membership:
    """The nodes of one deployment.

    A node that has missed `MISSES` heartbeats is down until it has been heard for `HOLD_DOWN` seconds without a miss.
    Until something is heard of it a node counts as live with *trusting*, else as down, without a hold-down for its
    first word. This node goes by the same rules (its own readiness is its heartbeat), so that all nodes come to the
    same view. With *strict* a node that was never heard is offered to nobody, not even where no other is left. A node
    that drains is left out at once. *changed* is called after a change of who is usable.
    """

    def __init__(
        self,
        nodes: Iterable[Node],
        own: str,
        clock: IReactorTime,
        metrics: Metrics,
        changed: Callable[[], None],
        *,
        trusting: bool = True,
        strict: bool = False,
    ) -> None:
        self.own = own
        self._clock = clock
        self._changed = changed
        now = clock.seconds()
        self._known = {
            node.name: _Known(node, now, trusting and not (strict and node.name != own),
                              sure=not strict or node.name == own)
            for node in nodes
        }  # fmt: skip
        self._flaps = metrics.counter("cluster_changes", "Nodes that went down or came back.", ["direction"])
        self._told = [node.name for node in self.usable()]
        metrics.watch("cluster_nodes_live", "Nodes that live and don't drain.", self._wanted)
        metrics.watch("cluster_nodes", "Nodes configured.", lambda: len(self._known))

    def _wanted(self) -> int:
        return sum(known.wanted for known in self._known.values())

    def heard(self, name: str, *, draining: bool = False) -> None:
        """A heartbeat of *name* came."""
        known = self._known.get(name)
        if known is None:
            return
        now = self._clock.seconds()
        known.missed = 0
        known.sure = True
        known.draining = draining
        if not known.live:
            if known.back is None:
                known.back = now
            if known.fresh or now - known.back >= HOLD_DOWN:
                self._turn(known, True, now)
        self._tell()

    def missed(self, name: str) -> None:
        """A heartbeat of *name* did not come in its time, or said that it is not fit to serve."""
        known = self._known.get(name)
        if known is None:
            return
        known.missed += 1
        known.back = None
        if known.live and known.missed >= MISSES:
            self._turn(known, False, self._clock.seconds())
            self._tell()

    def change(self, nodes: Iterable[Node]) -> None:
        """These are all nodes from now on. One that is new has to be heard before it is used."""
        now = self._clock.seconds()
        old, self._known = self._known, {}
        for node in nodes:
            known = old.get(node.name)
            if known is None:
                known = _Known(node, now, False, sure=False)
            known.node = node
            self._known[node.name] = known
        self._told = []
        self._tell()

    def drain(self, draining: bool = True) -> None:
        """This node leaves (or comes back)."""
        known = self._known.get(self.own)
        if known is not None:
            known.draining = draining
            self._tell()

    def _tell(self) -> None:
        names = [node.name for node in self.usable()]
        if names != self._told:
            self._told = names
            self._changed()

    def _turn(self, known: _Known, live: bool, now: float) -> None:
        known.live = live
        known.fresh = False
        known.since = now
        known.back = None
        direction = "up" if live else "down"
        self._flaps.labels(direction).inc()
        log.warn("node {node} is {direction}", node=known.node.name, direction=direction)

    def live(self) -> set[str]:
        """Names of nodes that live, draining ones too."""
        return {name for name, known in self._known.items() if known.live}

    def draining(self) -> set[str]:
        """Names of nodes that drain."""
        return {name for name, known in self._known.items() if known.draining}

    def usable(self) -> list[Node]:
        """Nodes that visitors are sent to. With none left, those that live and drain; with none at all, every node.

        A wrong answer then is no worse than none.
        """
        known = [one for one in self._known.values() if one.sure or one.live]
        chosen = [one for one in known if one.wanted] or [one for one in known if one.live] or known
        return [one.node for one in chosen]

    def others(self) -> list[Node]:
        """Every node but this one."""
        return [known.node for name, known in self._known.items() if name != self.own]

    def states(self) -> list[NodeState]:
        """All nodes, for operators."""
        now = self._clock.seconds()
        return [
            NodeState(
                name, known.live, known.draining, known.missed, now - known.since,
                None if known.live or known.back is None else max(0.0, known.back + HOLD_DOWN - now),
            )
            for name, known in self._known.items()
        ]  # fmt: skip
