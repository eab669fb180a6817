"""The parts that stand before the database is known, built and connected: the second module of the composition root.

The third is `cackled.daemon.application`. Each part is handed only what it needs; nothing is started here, that is
`cackled.daemon.service`'s.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.web.resource import IResource, Resource

from cackled import __version__
from cackled.admin.files import fit_connections
from cackled.admin.health import Health, NotReady, Readiness
from cackled.admin.http import Healthz
from cackled.admin.lag import Freezer, LagMonitor, PauseMonitor, process_metrics
from cackled.admin.standstill import Standstill
from cackled.admin.systemd import Systemd
from cackled.cache.governor import Governor
from cackled.cache.pressure import MemoryReader
from cackled.cache.soft import SoftCache
from cackled.clock import Periodic
from cackled.cluster.bus import Bus
from cackled.cluster.ca import CaError, check_name
from cackled.cluster.control import Configure, Message, PeerJoined, PeerLeft
from cackled.cluster.crossing import Crossing
from cackled.cluster.liveness import Load
from cackled.cluster.membership import Membership
from cackled.cluster.mesh import Mesh, address
from cackled.cluster.probe import Prober
from cackled.cluster.roster import Roster
from cackled.cluster.tls import Credentials, TlsWire
from cackled.cluster.view import View, servers_of_nodes
from cackled.config import Config, ConfigError, Http, Listen, Node
from cackled.database.embedded import EmbeddedServer
from cackled.dns.serial import Mark
from cackled.dns.server import DnsServer
from cackled.dns.zone import node_addresses
from cackled.geo.service import GeoService
from cackled.metrics import Metrics
from cackled.problems import Problems
from cackled.transport.assets import Assets
from cackled.transport.endpoints import maker
from cackled.transport.http import HttpFactory
from cackled.transport.microcache import Microcache
from cackled.transport.problems import problem
from cackled.transport.secure import AcmeChallenges, well_known

log = Logger()

# Seconds between looks at the mesh's certificate files.
CERTIFICATES = 60.0
WEB = Path(__file__).parent.parent / "web"


class Infrastructure:
    """The parts that stand before the database is known: figures, caches, listeners' factories, the cluster's view.

    *seat*: this is a worker, and its parent said so. It then watches no other node and has no database of its own, but
    is told.
    """

    def __init__(self, reactor: Any, config: Config, seat: Configure | None = None) -> None:
        self.reactor = reactor
        self.seat = seat
        self.told = seat.view if seat is not None else None
        self.config = config
        self.state = Path(os.path.abspath(config.state))
        self.random = SystemRandom()
        self.in_thread: Callable[..., Deferred[Any]] = partial(deferToThreadPool, reactor, reactor.getThreadPool())
        self.metrics = metrics = Metrics()
        # What is wrong in this process, in words; each part adds what it can see.
        self.problems = Problems(reactor, metrics)
        self.draining = self.told is not None and self.told.draining

        self.systemd = Systemd(reactor)
        self.lag = LagMonitor(reactor, metrics)
        self.standstill = Standstill(self.lag, metrics)
        self.pauses = PauseMonitor(metrics)
        self.freezer = Freezer(reactor, metrics, lambda: self.http.limits.total)
        process_metrics(metrics)

        own = config.database.dsn or config.database.server
        # Sites are handed on to other shards by logical replication.
        more = {"wal_level": "logical"} if config.database.shard else {}
        self.embedded = None if own else EmbeddedServer(reactor, self.state, settings=more)
        cache = config.cache
        self.cache = SoftCache(clock=reactor, max_bytes=cache.max_bytes, ttl=cache.ttl, metrics=metrics)
        self.microcache = Microcache(reactor, config.microcache, metrics, defer_to_pool=self.in_thread)
        self.governor = Governor(
            [self.cache],
            clock=reactor,
            read_pressure=MemoryReader(),
            metrics=metrics,
            target_bytes=cache.target_bytes,
            reserve_bytes=cache.reserve_bytes,
            idle_seconds_per_free_mib=cache.idle_seconds_per_free_mib,
        )

        nodes = config.nodes or (Node(name=config.node),)
        self.roster = Roster(
            nodes, config.node, meshed=bool(config.mesh.folder), refused=config.discovery.refuse, changed=self._listed
        )
        self.membership = Membership(
            nodes, config.node, reactor, metrics, self._nodes_changed,
            # A node that is listed by mistake may be another deployment's; what it says first tells.
            trusting=not config.mesh.folder, strict=bool(config.deployments),
        )  # fmt: skip
        self.prober = Prober(reactor, self.membership, deployment=config.deployment)
        self.credentials: Credentials | None = None
        self.mesh: Mesh | None = None
        if config.mesh.folder:
            self.credentials, self.mesh = self._make_mesh()
        # The workers of this node, and the way to whoever else serves these channels.
        self.view_changed: Callable[[], None] = lambda: None
        self.tell_workers: Callable[[Message], None] = lambda message: None
        self.bus: Bus | None = None
        self.outward: Bus | Mesh | Crossing | None = self.mesh
        self.crossing: Crossing | None = None
        if config.workers and (seat is not None or self.mesh is not None):
            self.bus = self._make_bus(seat.source if seat is not None else f"parent:{config.node}")
            self.outward = self.bus
            if self.mesh is not None:
                self.outward = self.crossing = Crossing(
                    self.bus, self.mesh, reactor,
                    came=lambda source: self.tell_workers(PeerJoined(source)),
                    gone=lambda source: self.tell_workers(PeerLeft(source)),
                )  # fmt: skip
        self.mesh_files = Periodic(reactor, CERTIFICATES, self.renew_mesh, "mesh certificates")
        self.geo = GeoService(reactor, config.geo, nodes, self.state, reactor, metrics)
        self.dns = DnsServer(
            reactor, None, self.geo, nodes, config.dns, reactor, self.random, metrics, identity=config.node,
            others=[one for one in config.deployments if one.name != config.deployment], state=self.state,
        )  # fmt: skip
        if self.mesh is not None:
            self.mesh.on_zone = lambda content, serial: self.dns.hear(Mark(content, serial))
        self.assets = Assets(WEB, config.env, microcache=self.microcache)
        self.loader = self.assets.loader(self.loader_config)
        http, fast = self.http_settings(), self.microcache.fast_path()
        try:
            self.http = HttpFactory(Starting(), http, reactor, metrics, fast=fast)
        except ValueError as error:
            raise ConfigError(f"[http] {str(error).removeprefix('[http] ')}") from None
        # The database has its say once there is one: what is wrong with it, and how far it is behind.
        self.database_is_up: Callable[[], str] = lambda: "starting"
        self.database_lag: Callable[[], float | None] = lambda: None
        # The shards whose primary is reached from here; None: not known yet.
        self.primaries: Callable[[], tuple[int, ...] | None] = lambda: None
        # Called when the cluster looks different from here.
        self.looked: Callable[[], None] = lambda: None
        checks = {"database": self._check_database, "draining": self._check_draining, "problems": self._check_problems}
        if self.mesh is not None or self.told is not None:
            checks["mesh"] = self._check_mesh
            checks["primary"] = self._check_primary
        # What is open and may be; with workers, theirs.
        self.connections: Callable[[], tuple[int, int]] = lambda: (self.http.limits.total, config.http.max_connections)
        self.workers_wrong: Callable[[], str] = lambda: ""
        if config.workers and seat is None:
            checks["workers"] = self._check_workers
        self.health = Health(checks, reactor, metrics)
        self._fit = False
        self._look_changed()

    def _make_mesh(self) -> tuple[Credentials, Mesh]:
        config = self.config
        for node in config.nodes:
            _meshed(node)
        credentials = Credentials(config.mesh.folder, config.node, self.metrics)
        mesh = Mesh(
            nodes=config.nodes,
            own=config.node,
            deployment=config.deployment,
            version=__version__,
            listen=config.mesh.listen,
            wire=TlsWire(self.reactor, credentials),
            clock=self.reactor,
            random=self.random,
            membership=self.membership,
            metrics=self.metrics,
            load=self._load,
            changed=self._look_changed,
            turned=self._look_changed,
        )
        return credentials, mesh

    def _make_bus(self, source: str) -> Bus:
        # It brings a library that chooses the reactor.
        from cackled.cluster.redis import Place, RedisBroker

        broker = RedisBroker(
            self.reactor, self.random, Place(self.config.redis), f"cackled:{self.config.deployment}:{self.config.node}"
        )
        return Bus(source, broker, self.reactor, self.metrics)

    def renew_mesh(self) -> None:
        """Use the mesh's certificates as they are on disk now."""
        if self.credentials is not None and self.mesh is not None and self.credentials.reload():
            self.mesh.renew()

    def _load(self) -> Load:
        """What this node says of itself in heartbeats; draining is told apart from all else that is wrong."""
        looked = Deferred.fromCoroutine(self.health.look())
        looked.addCallback(self._looked)
        mark = self.dns.mark
        zone = (mark.digest, mark.serial) if mark is not None else None
        return Load(self._fit, self.draining, *self.connections(), self.database_lag(), zone, self.primaries())

    def _looked(self, found: Readiness) -> None:
        self._fit = all(outcome == "ok" for name, outcome in found.checks.items() if name != "draining")

    async def _check_mesh(self) -> None:
        wrong = self.view().trouble
        if wrong:
            raise NotReady(wrong)

    async def _check_primary(self) -> None:
        wrong = self.view().astray
        if wrong:
            raise NotReady(wrong)

    async def _check_workers(self) -> None:
        wrong = self.workers_wrong()
        if wrong:
            raise NotReady(wrong)

    def well_known(self) -> IResource | None:
        """``/.well-known``, where there is something in it."""
        folder = self.config.http.acme_folder
        return well_known(AcmeChallenges(folder, self.in_thread)) if folder else None

    def endpoint(self, listen: Listen) -> Any:
        """The endpoint of a public listener."""
        return maker(listen, self.config.http, self.metrics)(self.reactor, listen.endpoint)

    def http_settings(self) -> Http:
        """``[http]``, with no more connections than this process may have open files."""
        config = self.config
        shards = config.database.shard
        servers = max(1, len(config.database.server)) + sum(max(1, len(shard.server)) for shard in shards)
        others = servers * config.database.connections + (config.dns.max_tcp if config.dns.enabled else 0)
        wanted = config.http.max_connections
        room, files = fit_connections(wanted, others)
        if room < wanted:
            log.warn(
                "[http] max_connections is {room} instead of {wanted}: this process may have {files} open files",
                room=room, wanted=wanted, files=files,
            )  # fmt: skip
        return replace(config.http, max_connections=room)

    async def _check_database(self) -> None:
        wrong = self.database_is_up()
        if wrong:
            raise NotReady(wrong)

    async def _check_problems(self) -> None:
        wrong = self.problems.unfit()
        if wrong:
            raise NotReady(wrong)

    async def _check_draining(self) -> None:
        if self.draining:
            raise NotReady("this node is draining")

    def _nodes_changed(self) -> None:
        self._look_changed()

    def _listed(self, nodes: tuple[Node, ...]) -> None:
        """There are other nodes than before."""
        self.geo.change(nodes)
        self.dns.set_nodes(nodes)
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
                _meshed(node)
        self.roster.configure(config.nodes or (Node(name=config.node),), config.discovery.refuse)

    def _look_changed(self) -> None:
        free = self.mesh.free if self.mesh is not None else None
        servers = servers_of_nodes(self.membership.usable(), free)
        self.dns.set_live({one.name for one in servers}, (), {one.name: one.weight for one in servers})
        self.loader.changed()
        self.health.forget()
        self.view_changed()
        self.looked()

    def see(self, view: View) -> None:
        """Of a worker: the parent says how the cluster looks now."""
        self.told = view
        self._look_changed()

    def view(self) -> View:
        """How the cluster looks from here."""
        if self.told is not None:
            return self.told
        mesh = self.mesh
        if mesh is None:
            return View(servers_of_nodes(self.membership.usable(), None), "", self.draining)
        servers = servers_of_nodes(self.membership.usable(), mesh.free)
        return View(servers, mesh.trouble(), self.draining, mesh.astray())

    def loader_config(self) -> dict[str, Any]:
        """What the loader is told beside its files: the servers a browser may choose from."""
        # Without an address of its own a server is where the loader came from, which may have sent the browser on.
        home = next((one.url for one in self.config.deployments if one.name == self.config.deployment), "")
        servers = [{"url": server.url or home, "weight": server.weight} for server in self.view().servers]
        return {"version": __version__, "servers": servers}

    def stay(self) -> None:
        """This node drains no longer."""
        self.draining = False
        self.membership.drain(False)
        self._look_changed()

    def elsewhere(self) -> str | None:
        """A live node other than this one, for clients that are sent away; None where there is none."""
        return self.view().elsewhere(self.config.node, self.random)


def _meshed(node: Node) -> None:
    try:
        check_name(node.name)
    except CaError as error:
        raise ConfigError(f"[[nodes]] with [mesh]: {error}") from None


class Starting(Resource):
    """The tree before the application is open: alive, not ready."""

    def getChild(self, path: bytes, request: Any) -> IResource:
        """``/healthz`` answers, everything else is asked to wait."""
        return Healthz() if path == b"healthz" and not request.postpath else self

    def render(self, request: Any) -> Any:
        """503, try again in a second."""
        # A probe that finds a node starting is no visitor who was refused.
        request.counted = request.path != b"/readyz"
        return problem(503, "starting", "Starting", headers=[(b"Retry-After", b"1")])
