"""The nodes of the deployment as this process sees them: which there are, which are usable, where clients can go.

A daemon watches the others (probes, mesh, the table of nodes); a worker watches nobody and is told by its parent.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from cackled import __version__
from cackled.clock import Periodic
from cackled.cluster.ca import CaError, check_name
from cackled.cluster.liveness import Load
from cackled.cluster.membership import Membership
from cackled.cluster.mesh import Mesh, address
from cackled.cluster.node_list import Roster
from cackled.cluster.probe import Prober
from cackled.cluster.view import Server, View, servers_of_nodes
from cackled.config import Config, ConfigError, Node
from cackled.dns.zone import node_addresses
from cackled.metrics import Metrics

if TYPE_CHECKING:
    from cackled.cluster.tls import Credentials

# Seconds between looks at the mesh's certificate files.
CERTIFICATES = 60.0


class ClusterView:
    """Which nodes there are and how they are.

    Args:
        load: what this node says of itself in heartbeats.
        listed: told the nodes when there are others than before.
        on_zone: told the DNS zone that another node has, its digest and serial number.
        told: of a worker: how the cluster looks, says its parent.

    Raises:
        ConfigError: the configuration of a node, or of the mesh, can't be used.
    """

    def __init__(
        self,
        reactor: Any,
        config: Config,
        random: Random,
        metrics: Metrics,
        *,
        load: Callable[[], Load],
        listed: Callable[[tuple[Node, ...]], None],
        on_zone: Callable[[str, int], None],
        told: View | None = None,
    ) -> None:
        self._reactor = reactor
        self._config = config
        self._random = random
        self._listed = listed
        self._told = told
        # True: this node takes no more visitors.
        self.draining = told is not None and told.draining
        self._watchers: list[Callable[[], None]] = []
        nodes = config.nodes or (Node(name=config.node),)
        self.nodes = nodes
        self.roster = Roster(
            nodes, config.node, meshed=bool(config.mesh.folder), refused=config.discovery.refuse, changed=self._others
        )
        self.membership = Membership(
            nodes, config.node, reactor, metrics, self.changed,
            # A node that is listed by mistake may be another deployment's; what it says first tells.
            trusting=not config.mesh.folder, strict=bool(config.deployments),
        )  # fmt: skip
        self.prober = Prober(reactor, self.membership, deployment=config.deployment)
        self.credentials: Credentials | None = None
        self.mesh: Mesh | None = None
        if config.mesh.folder:
            from cackled.cluster.tls import Credentials, TlsWire

            for node in config.nodes:
                _check_meshed(node)
            self.credentials = Credentials(config.mesh.folder, config.node, metrics)
            self.mesh = Mesh(
                nodes=config.nodes, own=config.node, deployment=config.deployment, version=__version__,
                listen=config.mesh.listen, wire=TlsWire(reactor, self.credentials), clock=reactor, random=random,
                membership=self.membership, metrics=metrics, load=load, changed=self.changed, turned=self.changed,
                on_zone=on_zone,
            )  # fmt: skip
        self._certificates = Periodic(reactor, CERTIFICATES, self.renew, "mesh certificates")

    @property
    def checked(self) -> bool:
        """Whether this node goes by what it sees of the others: it is in a mesh, or is told by one that is."""
        return self.mesh is not None or self._told is not None

    # Life

    def start(self) -> None:
        """Begin to watch the other nodes."""
        if self.mesh is not None:
            self.mesh.start()
            self._certificates.start()
        else:
            self.prober.start(always=self._config.discovery.enabled)

    async def stop_mesh(self) -> None:
        """Say goodbye to the other nodes."""
        if self.mesh is not None:
            self._certificates.stop()
            await self.mesh.stop()

    def renew(self) -> None:
        """Use the mesh's certificates as they are on disk now."""
        if self.credentials is not None and self.mesh is not None and self.credentials.reload():
            self.mesh.renew()

    # Change

    def on_change(self, watcher: Callable[[], None]) -> None:
        """Call *watcher* whenever this process sees other nodes or states than before; in the order of asking."""
        self._watchers.append(watcher)

    def changed(self) -> None:
        """This process sees other nodes, or other states of them, than before."""
        for watcher in self._watchers:
            watcher()

    def see(self, view: View) -> None:
        """Of a worker: the parent says which nodes there are and how they are."""
        self._told = view
        self.changed()

    def _others(self, nodes: tuple[Node, ...]) -> None:
        self._listed(nodes)
        if self.mesh is not None:
            self.mesh.change(nodes)
        self.membership.change(nodes)

    def relist(self, config: Config) -> None:
        """The nodes are those of a configuration that was read again.

        Raises:
            ConfigError: one of them can't be used; all stays as it was.
        """
        for node in config.nodes:
            node_addresses(node)
            if self.mesh is not None:
                address(node.mesh, f"[[nodes]] {node.name}: mesh")
                _check_meshed(node)
        self.roster.configure(config.nodes or (Node(name=config.node),), config.discovery.refuse)

    def drain(self) -> None:
        """Leave DNS and the loader, and tell the other nodes."""
        self.membership.drain()
        self.beat()

    def stay(self) -> None:
        """This node drains no longer."""
        self.draining = False
        self.membership.drain(False)
        self.changed()

    def beat(self) -> None:
        """Tell the other nodes now how this one is."""
        if self.mesh is not None:
            self.mesh.beat()

    # The view

    def servers(self) -> tuple[Server, ...]:
        """The usable nodes, as this process sees them itself."""
        free = self.mesh.free if self.mesh is not None else None
        return servers_of_nodes(self.membership.usable(), free)

    def view(self) -> View:
        """The nodes as this process sees them."""
        if self._told is not None:
            return self._told
        if self.mesh is None:
            return View(self.servers(), "", self.draining)
        return View(self.servers(), self.mesh.trouble(), self.draining, self.mesh.astray())

    def elsewhere(self) -> str | None:
        """A live node other than this one, for clients that are sent away; None where there is none."""
        return self.view().elsewhere(self._config.node, self._random)

    def loader_config(self) -> dict[str, Any]:
        """What the loader is told beside its files: the servers a browser may choose from."""
        # Without an address of its own a server is where the loader came from, which may have sent the browser on.
        home = next((one.url for one in self._config.deployments if one.name == self._config.deployment), "")
        servers = [{"url": server.url or home, "weight": server.weight} for server in self.view().servers]
        return {"servers": servers}


class SendAwayWhenAstray:
    """Sends the live clients of this node elsewhere when others reach a primary that it can't.

    Args:
        send_away: has clients leave for the place that its argument names when it is called.
    """

    def __init__(self, cluster: ClusterView, send_away: Callable[[Callable[[], str | None]], object]) -> None:
        self._cluster = cluster
        self._send_away = send_away
        self._astray = False

    def look(self) -> None:
        """This process sees other nodes, or other states of them, than before."""
        astray = bool(self._cluster.view().astray)
        if astray and not self._astray and not self._cluster.draining:
            self._send_away(self._cluster.elsewhere)
        self._astray = astray


def _check_meshed(node: Node) -> None:
    try:
        check_name(node.name)
    except CaError as error:
        raise ConfigError(f"[[nodes]] with [mesh]: {error}") from None
