"""The mesh: a link to every other node, heartbeats, signals and hints across.

Sockets are a `Wire`'s, so that a test needs none. Who is in use is `cackled.cluster.liveness`'s and the membership's
business.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from random import Random
from typing import Any, Protocol

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from cackled.cluster.exchange import Exchange
from cackled.cluster.link import Link
from cackled.cluster.liveness import Liveness, Load
from cackled.cluster.membership import Membership
from cackled.cluster.messages import PROTOCOL, Beat, Hello, Hint, Signal, Wanted
from cackled.cluster.peer import Peer
from cackled.cluster.signal_buffer import SignalBuffer
from cackled.config import ConfigError, Node
from cackled.metrics import Metrics
from cackled.token_bucket import TokenBucket

# Incoming connections that have not identified themselves, at most.
MOST_STRANGERS = 32
# Connections on which one other node asks for contents, at most: some may be about to end.
MOST_ASKING = 16

log = Logger()


class Wire(Protocol):
    """Connections between nodes; `cackled.cluster.tls.TlsWire` is the real one."""

    def listen(self, host: str, port: int, factory: Any) -> Any:
        """Listen; a port to be stopped."""

    def dial(self, name: str, host: str, port: int, factory: Any) -> Deferred[Any]:
        """Connect; fires with a protocol of *factory*."""

    def identify(self, transport: Any, allowed: Collection[str]) -> str:
        """Which of *allowed* is at the other end; any exception: none of them."""


def address(text: str, key: str) -> tuple[str, int]:
    """``host:port`` or ``[host]:port``.

    Raises:
        ConfigError: it is neither; *key* says where it stands.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"{key}: {text!r} is no host:port")
    return host, int(port)


class Mesh:
    """All links of this node.

    Args:
        listen: ``host:port``; empty: the own node's ``mesh``.
        load, changed, turned: see `cackled.cluster.liveness.Liveness`.
        on_zone: told the zone that another node has, its digest and serial number.

    Raises:
        ConfigError: an address is none.
    """

    def __init__(
        self,
        *,
        nodes: Collection[Node],
        own: str,
        deployment: str,
        version: str,
        listen: str,
        wire: Wire,
        clock: IReactorTime,
        random: Random,
        membership: Membership,
        metrics: Metrics,
        load: Callable[[], Load],
        changed: Callable[[], None],
        turned: Callable[[], None],
        on_zone: Callable[[str, int], None] | None = None,
    ) -> None:
        self._own = own
        self._deployment = deployment
        self._version = version
        self._wire = wire
        self._clock = clock
        self._random = random
        self._boot = f"{random.getrandbits(64):016x}"
        self._allowed = frozenset(node.name for node in nodes)
        by_name = {node.name: node for node in nodes}
        self._listen = address(listen or by_name[own].mesh, "[mesh] listen")
        self._addresses = {n.name: address(n.mesh, f"[[nodes]] {n.name}: mesh") for n in nodes if n.name != own}
        # One of two nodes dials: the one whose name sorts first.
        self._peers = {
            name: Peer(by_name[name], own < name, clock, random, self._dial) for name in sorted(self._addresses)
        }
        # In the order in which they came.
        self._links: dict[Link, None] = {}
        self._port: Any = None
        self._running = False
        self._on_signal: Callable[[str, Signal], None] = _ignore
        self._on_hint: Callable[[Hint], None] = _ignore
        self._on_came: Callable[[str], None] = _ignore
        self._on_gone: Callable[[str], None] = _ignore
        self._on_zone: Callable[[str, int], None] = on_zone or _ignore
        self._liveness = Liveness(
            own=own, version=version, peers=self._peers, clock=clock, membership=membership, load=load, changed=changed,
            turned=turned, came=lambda name: self._on_came(name), gone=lambda name: self._on_gone(name),
        )  # fmt: skip
        self._count(metrics)
        self._outbox = SignalBuffer(clock, self._send, self.dropped)
        self._talk = TokenBucket(1.0, 20.0, clock.seconds())
        self.exchange = Exchange(
            clock=clock, peers=lambda: self._peers.values(), dial=self._dial_to_ask,
            identify=lambda transport, name: wire.identify(transport, self._allowed & {name}), metrics=metrics,
        )  # fmt: skip
        # Public interface.
        self.beat = self._liveness.beat
        self.free = self._liveness.free
        self.states = self._liveness.states
        self.trouble = self._liveness.trouble
        self.astray = self._liveness.astray

    def _count(self, metrics: Metrics) -> None:
        self._refused = metrics.counter("mesh_refused", "Connections of nodes or strangers that were refused.")
        self._lost = metrics.counter("mesh_links_lost", "Links between nodes that ended.")
        self._dropped = metrics.counter("mesh_signals_dropped", "Signals and hints thrown away: too many, too large.")
        self._sent = metrics.counter("mesh_messages_sent", "Bodies of signals and hints sent.")
        self._taken = metrics.counter("mesh_signals_received", "Signals and hints that came.")
        metrics.watch("mesh_links", "Nodes that are linked to this one.", self._linked_count)
        metrics.watch(
            "mesh_isolated", "Whether this node is cut off from most others.", lambda: float(self._liveness.isolated)
        )

    def _linked_count(self) -> int:
        return sum(peer.link is not None for peer in self._peers.values())

    def deliver_to(
        self,
        *,
        signal: Callable[[str, Signal], None],
        hint: Callable[[Hint], None],
        came: Callable[[str], None],
        gone: Callable[[str], None],
    ) -> None:
        """Hand on what comes: signals with the name of their node; *came*, *gone*: nodes that are heard, or no longer.

        A node that began anew is gone and has come.
        """
        self._on_signal, self._on_hint, self._on_came, self._on_gone = signal, hint, came, gone

    # Life

    def bind(self) -> None:
        """Bind the port. Connections are refused until `start`.

        Raises:
            ConfigError: the port is not available.
        """
        host, port = self._listen
        try:
            self._port = self._wire.listen(host, port, LinkFactory(self))
        except CannotListenError as error:
            reason = getattr(error.socketError, "strerror", None) or error.socketError
            raise ConfigError(f"[mesh] can't listen on {host}:{port}: {reason}") from None
        log.info("mesh on {place}", place=f"{host}:{port}")

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._port.getHost().port)

    def start(self) -> None:
        """Dial the others, and let them in. The port is taken first, if it is not yet."""
        if self._port is None:
            self.bind()
        self._running = True
        for peer in self._peers.values():
            peer.start()
        self._liveness.start()
        log.info(
            "mesh of {count} nodes, this one is {own} at {host}:{port}",
            count=len(self._peers) + 1, own=self._own, host=self._listen[0], port=self._listen[1],
        )  # fmt: skip

    async def stop(self) -> None:
        """Say that this node leaves, and close everything."""
        if self._running:
            self._liveness.stop()
        self._running = False
        self._outbox.clear_timer()
        self.exchange.stop()
        for peer in self._peers.values():
            peer.stop("this node stops")
        for link in list(self._links):
            if link.greeting is None:
                link.drop("this node stops")
        if self._port is not None:
            port, self._port = self._port, None
            await maybeDeferred(port.stopListening)

    def renew(self) -> None:
        """The certificates have changed: replace every link, without an interval in which one is missing."""
        for peer in self._peers.values():
            peer.renew()

    def change(self, nodes: Collection[Node]) -> None:
        """These are all nodes from now on: new ones are dialled and let in, links of others end.

        Raises:
            ConfigError: an address is none.
        """
        listed = {node.name: node for node in nodes if node.name != self._own}
        self._addresses = {name: address(node.mesh, f"[[nodes]] {name}: mesh") for name, node in listed.items()}
        for name in self._peers.keys() - listed.keys():
            self._liveness.leave(self._peers[name])
            self._peers.pop(name).stop("it is no longer listed")
        for name in sorted(listed.keys() - self._peers.keys()):
            self._peers[name] = Peer(listed[name], self._own < name, self._clock, self._random, self._dial)
            self._liveness.enter(self._peers[name])
        for name, node in listed.items():
            self._peers[name].node = node
        self.allow([node.name for node in nodes])

    def allow(self, names: Collection[str]) -> None:
        """From now on only *names* may be linked; links of others end at once."""
        self._allowed = frozenset(names)
        for peer in self._peers.values():
            if peer.name not in self._allowed:
                peer.stop("it is no longer listed")
            elif self._running:
                peer.start()
        for link in list(self._links):
            if link.name is not None and link.name not in self._allowed:
                log.warn("node {name} is no longer listed, its link ends", name=link.name)
                link.drop("it is no longer listed")

    # Signals

    def announce(self, site: int, channel: int, type: str, data: Mapping[str, Any]) -> None:
        """Something ephemeral that began here, for the other nodes. May be lost."""
        if self._peers and self._running:
            self._outbox.signal(site, channel, type, data)

    def hint(self, site: int, channel: int, seq: int) -> None:
        """A write of this node led to *seq*: what others have of the channel is stale. May be lost."""
        if self._peers and self._running:
            self._outbox.hint(site, channel, seq)

    def _send(self, signals: list[bytes], hints: list[bytes]) -> None:
        for peer in self._peers.values():
            if peer.link is not None:
                if peer.link.pass_on(signals, hints):
                    self._sent.inc(len(signals) + len(hints))
                else:
                    self._dropped.inc()

    def dropped(self) -> None:
        """A signal was discarded."""
        self._dropped.inc()

    # Links: `cackled.cluster.link.Owner`

    def _dial(self, node: Node) -> Deferred[Any]:
        host, port = self._addresses[node.name]
        return self._wire.dial(node.name, host, port, LinkFactory(self, node.name))

    def _dial_to_ask(self, name: str, factory: Factory) -> Deferred[Any]:
        return self._wire.dial(name, *self._addresses[name], factory)

    def build(self, expected: str | None) -> Link | None:
        """A new link, or None if the mesh does not run.

        If too many connections have not identified themselves, the oldest of these is closed. So connections that stay
        silent can't keep nodes out.
        """
        if not self._running:
            return None
        if expected is None:
            strangers = [
                link for link in self._links
                if link.greeting is None and link.expected is None and not link.over and not link.asks
            ]
            if len(strangers) >= MOST_STRANGERS:
                strangers[0].drop("too many connections that have not said who they are")
        link = Link(self, self._clock, expected)
        self._links[link] = None
        return link

    def identify(self, link: Link) -> str:
        """See `Owner`."""
        if link.expected is not None:
            return self._wire.identify(link.transport, self._allowed & {link.expected})
        return self._wire.identify(link.transport, self._allowed & self._peers.keys())

    def hello(self) -> Hello:
        """See `Owner`."""
        return Hello(self._own, self._boot, self._deployment, PROTOCOL, self._version)

    def linked(self, link: Link) -> None:
        """See `Owner`."""
        assert link.name is not None and link.greeting is not None
        peer = self._peers[link.name]
        if peer.boot and peer.boot != link.greeting.boot:
            self._liveness.began_anew(peer)
        peer.boot = link.greeting.boot
        peer.adopt(link)
        log.info("linked with node {name}, version {version}", name=peer.name, version=link.greeting.version)
        self.beat()

    def heard(self, link: Link, beat: Beat) -> None:
        """See `Owner`."""
        assert link.name is not None
        self._liveness.heard(self._peers[link.name], beat)
        if beat.zone is not None:
            self._on_zone(*beat.zone)

    def signals(self, link: Link, signals: list[Signal]) -> None:
        """See `Owner`."""
        assert link.name is not None
        self._taken.inc(len(signals))
        for signal in signals:
            self._on_signal(link.name, signal)

    def hints(self, link: Link, hints: list[Hint]) -> None:
        """See `Owner`."""
        self._taken.inc(len(hints))
        for hint in hints:
            self._on_hint(hint)

    def wanted(self, link: Link, wanted: Wanted) -> None:
        """See `Owner`."""
        if sum(one.asks and one.name == link.name for one in self._links) > MOST_ASKING:
            link.drop("too many connections that ask for contents")
            return
        self.exchange.wanted(link, wanted)

    def closed(self, link: Link, reason: str) -> None:
        """See `Owner`."""
        self._links.pop(link, None)
        if link.asks:
            return
        name = link.name or link.expected
        peer = self._peers.get(name) if name is not None else None
        if link.greeting is None:
            self._refused.inc()
            # Log at most one line a second after the first few, so that strangers who find the port can't fill the log.
            if self._talk.take(self._clock.seconds()):
                log.info("mesh: no link with {who}: {reason}", who=name or "a stranger", reason=reason)
        if peer is not None and peer.lost(link, reason):
            self._lost.inc()
            log.info("link with node {name} is lost: {reason}", name=name, reason=reason)


class LinkFactory(Factory):
    """Makes links for one end of connections."""

    noisy = False

    def __init__(self, mesh: Mesh, expected: str | None = None) -> None:
        self._mesh = mesh
        self._expected = expected

    def buildProtocol(self, addr: Any) -> Link | None:
        """A link, or None: the connection is closed."""
        return self._mesh.build(self._expected)


def _ignore(*anything: object) -> None:
    """Default callback: does nothing."""
