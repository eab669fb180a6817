"""The parts that need no database, built and connected: the second module of the composition root.

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

from cackled.admin.descriptors import fit_connections
from cackled.admin.http import Healthz
from cackled.admin.lag import Freezer, LagMonitor, PauseMonitor, process_metrics
from cackled.admin.stalls import Standstill
from cackled.admin.systemd import Systemd
from cackled.api.large_bodies import LargeBodies
from cackled.cache.governor import Governor
from cackled.cache.pressure import MemoryReader
from cackled.cache.soft import SoftCache
from cackled.cluster.bus import Bus
from cackled.cluster.bus_bridge import Crossing
from cackled.cluster.control import Configure, Message, PeerJoined, PeerLeft
from cackled.cluster.exchange import AskNodes, GiveNodes, no_nodes
from cackled.cluster.mesh import Mesh
from cackled.config import Config, ConfigError, Http, Listen, Node
from cackled.daemon.cluster_view import ClusterView
from cackled.daemon.readiness import DatabaseFacts, Fitness, Workers
from cackled.database.embedded import EmbeddedServer
from cackled.dns.serial import Mark
from cackled.dns.server import DnsServer
from cackled.features import registry
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

WEB = Path(__file__).parent.parent / "web"


class Infrastructure:
    """The parts that need no database: metrics, caches, listeners' factories, the view of the cluster.

    *seat*: this is a worker, and its parent said so. It then watches no other node and has no database of its own, but
    is told.

    What comes later is told through `connect_database`, `connect_workers` and `serve`, each once.
    """

    def __init__(self, reactor: Any, config: Config, seat: Configure | None = None) -> None:
        self.reactor = reactor
        self.seat = seat
        self.config = config
        self.state = Path(os.path.abspath(config.state))
        self.random = SystemRandom()
        self.in_thread: Callable[..., Deferred[Any]] = partial(deferToThreadPool, reactor, reactor.getThreadPool())
        self.metrics = metrics = Metrics()
        # What is wrong in this process, in words; each part adds what it can see.
        self.problems = Problems(reactor, metrics)
        self._make_gauges()

        own = config.database.dsn or config.database.server
        # Sites are handed on to other shards by logical replication.
        more = {"wal_level": "logical"} if config.database.shard else {}
        self.embedded = None if own else EmbeddedServer(reactor, self.state, settings=more)
        self._make_caches()

        self.cluster = cluster = ClusterView(
            reactor, config, self.random, metrics,
            load=lambda: self.fitness.load(),
            listed=self._listed,
            on_zone=lambda content, serial: self.dns.hear(Mark(content, serial)),
            told=seat.view if seat is not None else None,
        )  # fmt: skip
        # Contents of other nodes: how they are asked for, and how this one answers.
        self.ask_nodes: AskNodes = no_nodes
        self.give_nodes: GiveNodes = lambda what, give: None
        if cluster.mesh is not None:
            self.ask_nodes, self.give_nodes = cluster.mesh.exchange.ask, cluster.mesh.exchange.give
        self._tell_workers: Callable[[Message], None] = lambda message: None
        self._make_ways()
        self.geo = GeoService(reactor, config.geo, cluster.nodes, self.state, reactor, metrics)
        self.dns = DnsServer(
            reactor, None, self.geo, cluster.nodes, config.dns, reactor, self.random, metrics, identity=config.node,
            others=[one for one in config.deployments if one.name != config.deployment], state=self.state,
        )  # fmt: skip
        self.assets = Assets((WEB, *registry().web), config.env, microcache=self.microcache)
        self.loader = self.assets.loader(cluster.loader_config)
        http, fast = self.http_settings(), self.microcache.fast_path()
        try:
            self.http = HttpFactory(Starting(), http, reactor, metrics, fast=fast)
        except ValueError as error:
            raise ConfigError(f"[http] {str(error).removeprefix('[http] ')}") from None
        self.fitness = Fitness(
            reactor, metrics, cluster, self.problems,
            connections=lambda: (self.http.limits.total, config.http.max_connections),
            mark=lambda: self.dns.mark,
            with_workers=bool(config.workers) and seat is None,
        )  # fmt: skip
        self.health = self.fitness.health
        cluster.on_change(self._look_changed)
        cluster.changed()

    def _make_gauges(self) -> None:
        """Metrics of the process itself."""
        reactor, metrics = self.reactor, self.metrics
        self.systemd = Systemd(reactor)
        self.lag = LagMonitor(reactor, metrics)
        self.standstill = Standstill(self.lag, metrics)
        self.pauses = PauseMonitor(metrics)
        self.freezer = Freezer(reactor, metrics, lambda: self.http.limits.total)
        process_metrics(metrics)

    def _make_caches(self) -> None:
        reactor, metrics, cache = self.reactor, self.metrics, self.config.cache
        self.cache = SoftCache(clock=reactor, max_bytes=cache.max_bytes, ttl=cache.ttl, metrics=metrics)
        self.microcache = Microcache(reactor, self.config.microcache, metrics, defer_to_pool=self.in_thread)
        self.governor = Governor(
            [self.cache],
            clock=reactor,
            read_pressure=MemoryReader(),
            metrics=metrics,
            target_bytes=cache.target_bytes,
            reserve_bytes=cache.reserve_bytes,
            idle_seconds_per_free_mib=cache.idle_seconds_per_free_mib,
        )

    def _make_ways(self) -> None:
        """What tells others who serve the same channels: the workers of this node (``bus``), and other nodes."""
        config, seat, mesh = self.config, self.seat, self.cluster.mesh
        self.bus: Bus | None = None
        self.outward: Bus | Mesh | Crossing | None = mesh
        self.crossing: Crossing | None = None
        if not config.workers or (seat is None and mesh is None):
            return
        self.bus = self._make_bus(seat.source if seat is not None else f"parent:{config.node}")
        self.outward = self.bus
        if mesh is not None:
            self.outward = self.crossing = Crossing(
                self.bus, mesh, self.reactor,
                came=lambda source: self._tell_workers(PeerJoined(source)),
                gone=lambda source: self._tell_workers(PeerLeft(source)),
            )  # fmt: skip

    def _make_bus(self, source: str) -> Bus:
        # It brings a library that chooses the reactor.
        from cackled.cluster.redis import Place, RedisBroker

        broker = RedisBroker(
            self.reactor, self.random, Place(self.config.redis), f"cackled:{self.config.deployment}:{self.config.node}"
        )
        return Bus(source, broker, self.reactor, self.metrics)

    # What comes later

    def connect_database(self, facts: DatabaseFacts) -> None:
        """The database is open: whether this node can serve depends on it."""
        self.fitness.connect_database(facts)

    def connect_workers(self, workers: Workers) -> None:
        """The workers are there: they have the connections, and are told what happens."""
        self._tell_workers = workers.tell
        self.fitness.connect_workers(workers)
        self.cluster.on_change(workers.changed)

    def serve(self, tree: IResource) -> None:
        """Answer visitors with *tree* instead of asking them to wait."""
        self.http.root = tree
        bodies: LargeBodies | None = getattr(tree, "bodies", None)
        if bodies is not None:
            self.http.body_limit, self.http.guard, self.http.sinks = bodies.limit, bodies.guard, bodies.sink

    # Life

    def start(self) -> None:
        """Begin to watch this process."""
        for part in (self.lag, self.pauses, self.governor, self.problems, self.standstill):
            part.start()

    def stop(self) -> None:
        """Stop all parts of this process that stop at once."""
        for part in (
            self.lag, self.pauses, self.governor, self.freezer, self.geo, self.systemd, self.problems, self.standstill,
        ):  # fmt: skip
            part.stop()

    def turn_unready(self) -> None:
        """This node drains from now on: it is not ready, and its own listeners say so."""
        self.cluster.draining = True
        self.health.forget()

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

    def _listed(self, nodes: tuple[Node, ...]) -> None:
        """The list of nodes has changed."""
        self.geo.change(nodes)
        self.dns.set_nodes(nodes)

    def _look_changed(self) -> None:
        servers = self.cluster.servers()
        self.dns.set_live({one.name for one in servers}, (), {one.name: one.weight for one in servers})
        self.loader.changed()
        self.health.forget()


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
