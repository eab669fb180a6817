"""Heartbeats: sends this node's own, receives those of the others, and derives which nodes are alive.

A node is alive while its heartbeats arrive. After one and a half seconds of silence a miss is counted each second, so a
node that hangs with open sockets is detected as fast as one that died. A heartbeat also says whether the node can
serve; if not, it counts as a miss, but the node does not count as unreachable when cut-off nodes are looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.cluster.membership import MISSES, Membership
from cackled.cluster.messages import Beat
from cackled.cluster.peer import Peer, free_share
from cackled.cluster.reach import Reach

INTERVAL = 1.0
# Seconds that a heartbeat may be late before it counts as a miss.
GRACE = 0.5
LOOK = 0.25
# If this process was blocked for longer than this, silence was its own fault. The other nodes, which may have closed
# its links, then get this many seconds to be heard again.
STALL = 1.0
SETTLE = 6.0
# A link silent for this many seconds is replaced: TCP may take minutes to notice that a network cut has healed.
SILENCE = 5.0

log = Logger()


class Load(Struct, frozen=True):
    """This node's own figures for a heartbeat: see `cackled.cluster.messages.Beat`."""

    ready: bool = True
    draining: bool = False
    connections: int = 0
    capacity: int = 0
    lag: float | None = None
    zone: tuple[str, int] | None = None
    primaries: tuple[int, ...] | None = None


class PeerState(Struct, frozen=True):
    """One other node as seen through the mesh, for operators."""

    linked: bool
    ready: bool
    connections: int
    free: float
    round_trip: float | None
    lag: float | None
    version: str
    heard: float | None
    trouble: str
    writes: bool | None = None


class Liveness:
    """Sends and hears heartbeats; tells the membership.

    Args:
        load: asked for each heartbeat.
        changed: called when the free capacity of a node has changed by a tenth.
        turned: called when this node is cut off from most others, or from a primary that others reach, or is no longer.
        came, gone: called with the name of a node that is heard, or no longer.
    """

    def __init__(
        self,
        *,
        own: str,
        version: str,
        peers: Mapping[str, Peer],
        clock: IReactorTime,
        membership: Membership,
        load: Callable[[], Load],
        changed: Callable[[], None],
        turned: Callable[[], None],
        came: Callable[[str], None],
        gone: Callable[[str], None],
    ) -> None:
        self._own = own
        self._version = version
        self._peers = peers
        self._clock = clock
        self._membership = membership
        self._load = load
        self._changed = changed
        self._turned = turned
        self._came = came
        self._gone = gone
        self._number = 0
        self._looked = 0.0
        self._unfit_at = -INTERVAL
        self._mine = Load()
        self._frees: dict[str, float] = {}
        self._was_isolated = True
        self._reach = Reach(clock)
        self._beats = Periodic(clock, INTERVAL, self.beat, "mesh heartbeat")
        self._looks = Periodic(clock, LOOK, self._look, "mesh liveness")

    def start(self) -> None:
        """Begin to beat and to listen."""
        now = self._looked = self._clock.seconds()
        for peer in self._peers.values():
            peer.due = now + INTERVAL + GRACE
        self._beats.start(now=True)
        self._looks.start()

    def enter(self, peer: Peer) -> None:
        """A node that was not listed before."""
        peer.due = self._clock.seconds() + INTERVAL + GRACE

    def leave(self, peer: Peer) -> None:
        """A node that is no longer listed."""
        if peer.is_heard:
            self._lose(peer)

    def stop(self) -> None:
        """Say that this node leaves, and no more."""
        self.beat(leaving=True)
        self._beats.stop()
        self._looks.stop()

    def beat(self, *, leaving: bool = False) -> None:
        """Send an extra heartbeat now, so that other nodes learn of a change (a drain) at once."""
        mine = self._mine = self._load()
        draining = mine.draining or leaving
        self._compare()
        self._number += 1
        now = self._clock.seconds()
        if mine.ready:
            self._membership.heard(self._own, draining=draining)
        elif now - self._unfit_at >= INTERVAL - LOOK:
            # Extra heartbeats do not count as further misses.
            self._unfit_at = now
            self._membership.missed(self._own)
        for peer in self._peers.values():
            if peer.link is None:
                continue
            last = peer.beat
            beat = Beat(
                number=self._number, at=now, echo=last.at if last else 0.0,
                held=now - peer.heard_at if last else 0.0, ready=mine.ready, draining=draining,
                connections=mine.connections, capacity=mine.capacity, lag=mine.lag, version=self._version,
                zone=mine.zone, primaries=mine.primaries,
            )  # fmt: skip
            peer.link.beat(beat)
        self._weigh()

    def _look(self) -> None:
        now = self._clock.seconds()
        stalled = now - self._looked > STALL
        self._looked = now
        for peer in self._peers.values():
            if stalled:
                peer.due = max(peer.due, now + SETTLE)
            elif now >= peer.due:
                peer.due = max(peer.due + INTERVAL, now)
                peer.silent += 1
                self._membership.missed(peer.name)
                if peer.silent == MISSES and peer.is_heard:
                    log.warn("node {name} is silent: {why}", name=peer.name, why=peer.trouble or "no heartbeat")
                    self._lose(peer)
                if peer.link is not None and now - max(peer.heard_at, peer.linked_at) > SILENCE:
                    peer.link.drop(f"silent for {SILENCE:g} s")
        self._judge()

    def heard(self, peer: Peer, beat: Beat) -> None:
        """A heartbeat of *peer* arrived."""
        came = not peer.is_heard
        peer.heard(beat)
        peer.due = peer.heard_at + INTERVAL + GRACE
        if beat.ready:
            self._membership.heard(peer.name, draining=beat.draining)
        elif peer.heard_at - peer.unfit_at >= INTERVAL - LOOK:
            peer.unfit_at = peer.heard_at
            self._membership.missed(peer.name)
        if came:
            self._came(peer.name)
            self._judge()
        self._weigh()

    def began_anew(self, peer: Peer) -> None:
        """*peer* has restarted, perhaps before any miss was counted."""
        peer.beat = None
        if peer.is_heard:
            self._lose(peer)

    def _lose(self, peer: Peer) -> None:
        peer.is_heard = False
        self._gone(peer.name)

    def hears(self) -> int:
        """How many other nodes are heard."""
        return sum(peer.is_heard for peer in self._peers.values())

    @property
    def isolated(self) -> bool:
        """Whether this node does not hear most of the others, which means that it is cut off itself.

        Always False with two nodes, or when halves of equal size are separated.
        """
        heard = self.hears()
        return len(self._peers) - heard > heard + 1

    def astray(self) -> str:
        """Which primary only this node can't reach, and which nodes can; "" if none."""
        return self._reach.trouble

    def _compare(self) -> None:
        able = {
            name: peer.beat.primaries
            for name, peer in self._peers.items()
            if peer.is_heard and peer.beat is not None and peer.beat.ready and not peer.beat.draining
            and peer.beat.primaries is not None
        }  # fmt: skip
        if self._reach.compare(self._mine.primaries, able):
            self._turned()

    def trouble(self) -> str:
        """Why this node should not serve; "" if it may."""
        if not self.isolated:
            return ""
        return f"cut off: {self.hears() + 1} of {len(self._peers) + 1} nodes are heard"

    def _judge(self) -> None:
        isolated = self.isolated
        if isolated != self._was_isolated:
            self._was_isolated = isolated
            if isolated:
                log.error("this node is {trouble}", trouble=self.trouble())
            else:
                log.info("this node hears most of the others")
            self._turned()
            self.beat()

    # Load

    def free(self, name: str) -> float:
        """Share of a node's connections that is free, in tenths; 1 if unknown."""
        if name == self._own:
            return free_share(self._mine.connections, self._mine.capacity)
        peer = self._peers.get(name)
        return peer.free if peer is not None else 1.0

    def _weigh(self) -> None:
        frees = {name: self.free(name) for name in (self._own, *self._peers)}
        if frees != self._frees:
            self._frees = frees
            self._changed()

    def states(self) -> dict[str, PeerState]:
        """Every node but this one, by name; and this one, as it describes itself."""
        now = self._clock.seconds()
        mine = self._mine
        states = {
            self._own: PeerState(
                True, mine.ready, mine.connections, self.free(self._own), None, mine.lag, self._version, 0.0, "",
                _writes(mine.primaries),
            )
        }
        for name, peer in self._peers.items():
            beat = peer.beat
            states[name] = PeerState(
                peer.link is not None,
                peer.is_heard and beat is not None and beat.ready,
                beat.connections if beat else 0,
                peer.free,
                peer.round_trip,
                beat.lag if beat else None,
                beat.version if beat else "",
                now - peer.heard_at if beat else None,
                peer.trouble,
                _writes(beat.primaries) if beat is not None and peer.is_heard else None,
            )
        return states


def _writes(primaries: tuple[int, ...] | None) -> bool | None:
    return None if primaries is None else bool(primaries)
