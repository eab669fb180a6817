"""All parts, built and connected: the second half of the composition root.

`Ground` is what stands before the database is known, `House` what needs it. Each part is handed only what it needs;
nothing is started here, that is `cackled.app`'s.
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
from cackled.admin.http import Healthz, Readyz
from cackled.admin.lag import Freezer, LagMonitor, PauseMonitor, process_metrics
from cackled.admin.systemd import Systemd
from cackled.api.bootstrap import Bootstrap
from cackled.api.front import front, listening_refused
from cackled.api.pages import Pages
from cackled.api.routes import Api, Limits
from cackled.cache.governor import Governor
from cackled.cache.pressure import MemoryReader
from cackled.cache.soft import SoftCache
from cackled.clock import Periodic, wall_time
from cackled.cluster.bus import Bus, Limit
from cackled.cluster.ca import CaError, check_name
from cackled.cluster.control import Begin, Came, Gone, Message
from cackled.cluster.crossing import Crossing
from cackled.cluster.liveness import Load
from cackled.cluster.membership import Membership
from cackled.cluster.mesh import Mesh
from cackled.cluster.messages import Hint, Signal
from cackled.cluster.probe import Prober
from cackled.cluster.tls import Credentials, TlsWire
from cackled.cluster.view import View, servers_of_nodes
from cackled.config import Config, ConfigError, Http, Listen, Node
from cackled.database.dsn import servers_of
from cackled.database.embedded import EmbeddedServer
from cackled.database.eventlog import load_events
from cackled.database.routing import Database, ReadPreference
from cackled.database.tail import Tail
from cackled.dns.server import DnsServer
from cackled.domain import demo
from cackled.domain.accounts import Sessions
from cackled.domain.comments import Comments
from cackled.domain.erasure import Erasures
from cackled.domain.housekeeping import Housekeeping
from cackled.domain.lanes import Queues
from cackled.domain.limits import Buckets, within
from cackled.domain.moderation import Moderation
from cackled.domain.outbox import Outbox
from cackled.domain.sites import Site, SiteDirectory
from cackled.domain.usage import Usage
from cackled.domain.webhooks import Webhooks
from cackled.events import Event, Position
from cackled.geo.service import GeoService
from cackled.metrics import Metrics
from cackled.outbound.guard import Policy, resolver
from cackled.outbound.post import Poster
from cackled.realtime.access import Refusal
from cackled.realtime.hub import Hub
from cackled.realtime.resource import RealtimeResource
from cackled.transport.assets import Assets
from cackled.transport.endpoints import maker
from cackled.transport.http import HttpFactory, client_address
from cackled.transport.microcache import Microcache, MicrocachedResource
from cackled.transport.problems import problem
from cackled.transport.secure import AcmeChallenges, OwnPages, well_known

log = Logger()

# Seconds between looks at the mesh's certificate files.
CERTIFICATES = 60.0
WEB = Path(__file__).parent / "web"


class Ground:
    """The parts that stand before the database is known: figures, caches, listeners' factories, the cluster's view.

    *seat*: this is a worker, and its parent said so. It then watches no other node and has no database of its own, but
    is told.
    """

    def __init__(self, reactor: Any, config: Config, seat: Begin | None = None) -> None:
        self.reactor = reactor
        self.seat = seat
        self.told = seat.view if seat is not None else None
        self.config = config
        self.state = Path(os.path.abspath(config.state))
        self.random = SystemRandom()
        self.in_thread: Callable[..., Deferred[Any]] = partial(deferToThreadPool, reactor, reactor.getThreadPool())
        self.metrics = metrics = Metrics()
        self.draining = self.told is not None and self.told.draining

        self.systemd = Systemd(reactor)
        self.lag = LagMonitor(reactor, metrics)
        self.pauses = PauseMonitor(metrics)
        self.freezer = Freezer(reactor, metrics, lambda: int(metrics.value("http_connections")))
        process_metrics(metrics)

        own = config.database.dsn or config.database.server
        self.embedded = None if own else EmbeddedServer(reactor, self.state)
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
        self.membership = Membership(
            nodes, config.node, reactor, metrics, self._nodes_changed, trusting=not config.mesh.folder
        )
        self.prober = Prober(reactor, self.membership)
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
                    came=lambda source: self.tell_workers(Came(source)),
                    gone=lambda source: self.tell_workers(Gone(source)),
                )  # fmt: skip
        self.mesh_files = Periodic(reactor, CERTIFICATES, self.renew_mesh, "mesh certificates")
        self.geo = GeoService(reactor, config.geo, nodes, self.state, reactor, metrics)
        self.dns = DnsServer(
            reactor, None, self.geo, nodes, config.dns, reactor, self.random, metrics, identity=config.node
        )
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
        checks = {"database": self._check_database, "draining": self._check_draining}
        if self.mesh is not None or self.told is not None:
            checks["mesh"] = self._check_mesh
        # What is open and may be; with workers, theirs.
        self.connections: Callable[[], tuple[int, int]] = lambda: (self.http.limits.total, config.http.max_connections)
        self.workers_wrong: Callable[[], str] = lambda: ""
        if config.workers and seat is None:
            checks["workers"] = self._check_workers
        self.health = Health(checks, reactor, metrics)
        self._fit = False

    def _make_mesh(self) -> tuple[Credentials, Mesh]:
        config = self.config
        try:
            for node in config.nodes:
                check_name(node.name)
        except CaError as error:
            raise ConfigError(f"[[nodes]] with [mesh]: {error}") from None
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

        broker = RedisBroker(self.reactor, self.random, Place(self.config.redis), f"cackled:{self.config.node}")
        return Bus(source, broker, self.reactor, self.metrics)

    def renew_mesh(self) -> None:
        """Use the mesh's certificates as they are on disk now."""
        if self.credentials is not None and self.mesh is not None and self.credentials.reload():
            self.mesh.renew()

    def _load(self) -> Load:
        """What this node says of itself in heartbeats; draining is told apart from all else that is wrong."""
        looked = Deferred.fromCoroutine(self.health.look())
        looked.addCallback(self._looked)
        return Load(self._fit, self.draining, *self.connections(), self.database_lag())

    def _looked(self, found: Readiness) -> None:
        self._fit = all(outcome == "ok" for name, outcome in found.checks.items() if name != "draining")

    async def _check_mesh(self) -> None:
        wrong = self.view().trouble
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
        servers = max(1, len(config.database.server))
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

    async def _check_draining(self) -> None:
        if self.draining:
            raise NotReady("this node is draining")

    def _nodes_changed(self) -> None:
        self.dns.set_live(self.membership.live(), self.membership.draining())
        self._look_changed()

    def _look_changed(self) -> None:
        self.loader.changed()
        self.health.forget()
        self.view_changed()

    def see(self, view: View) -> None:
        """Of a worker: the parent says how the cluster looks now."""
        self.told = view
        self._look_changed()

    def view(self) -> View:
        """How the cluster looks from here."""
        if self.told is not None:
            return self.told
        free, trouble = (self.mesh.free, self.mesh.trouble()) if self.mesh is not None else (None, "")
        return View(servers_of_nodes(self.membership.usable(), free), trouble, self.draining)

    def loader_config(self) -> dict[str, Any]:
        """What the loader is told beside its files: the servers a browser may choose from."""
        servers = [{"url": server.url, "weight": server.weight} for server in self.view().servers]
        return {"version": __version__, "servers": servers}

    def elsewhere(self) -> str | None:
        """A live node other than this one, for clients that are sent away; None where there is none."""
        return self.view().elsewhere(self.config.node, self.random)


class House:
    """The parts that need the database: what is written, read, and sent out live."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        config, clock, metrics = ground.config, ground.reactor, ground.metrics
        servers = servers_of(config.database, ground.embedded.dsn if ground.embedded else "")
        self.database = Database(servers, clock=clock, random=ground.random, metrics=metrics, settings=config.database)
        self.sites = SiteDirectory(self.database)
        self.queues = Queues()
        metrics.watch("writes_queued", "Writes that wait behind others of their page.", self.queues.__len__)
        self.tail = Tail(
            clock=clock,
            random=ground.random,
            dsn=self.database.primary_dsn,
            on_event=self.arrived,
            on_gap=self.lost,
            metrics=metrics,
            on_catalog=self.catalog_changed,
            retention=config.database.event_retention,
        )
        self.database.on_primary(self.tail.moved)
        self.database.log = self.tail.followed
        self.usage = Usage(self.database, clock, metrics)
        self.housekeeping = Housekeeping(self.database, clock, metrics, config.database.event_retention)
        given = config.outbound
        poster = Poster(clock, resolver(ground.in_thread), Policy(given.ports, given.networks))
        webhooks = Webhooks(self.sites, poster.post, wall_time)
        self.outbox = Outbox(self.database, clock, ground.random, metrics, {"webhook": webhooks.deliver})
        self.erasures = Erasures(
            self.database, clock, ground.state / "erasures.log", self.wrote_here, ground.in_thread
        )
        self.hub = Hub(
            clock=clock,
            random=ground.random,
            config=config.realtime,
            load=partial(load_events, self.database),
            metrics=metrics,
            allows=self.allows,
            announce=ground.outward.announce if ground.outward is not None else None,
        )
        if ground.outward is not None:
            presence = self.hub.presence
            ground.outward.deliver_to(
                signal=self.signalled, hint=self.hinted, came=lambda name: presence.renew(), gone=presence.forget
            )

    def comments(self, site: Site) -> Comments:
        """The comments of *site*."""
        return Comments(site, self.database, self.ground.cache, self.wrote_here, self.queues)

    def moderation(self, site: Site) -> Moderation:
        """The peace of *site*."""
        return Moderation(site, self.database)

    def wrote(self, position: Position) -> None:
        """A write of this process led to *position*: nothing older is answered from here on."""
        group = (position.site, position.channel)
        self.ground.cache.outdate(group, position.seq)
        self.ground.microcache.evict(group, position.seq)

    def wrote_here(self, position: Position) -> None:
        """A write of this process: the others are told what is stale, in case that is faster than the log."""
        self.wrote(position)
        if self.ground.outward is not None:
            self.ground.outward.hint(position.site, position.channel, position.seq)

    def hinted(self, hint: Hint) -> None:
        """Another process wrote, and says so before the log does."""
        self.wrote(Position(hint.site, hint.channel, hint.seq))

    def lag(self) -> float | None:
        """Seconds that the nearest server that answers is behind the primary."""
        alive = [server for server in self.database.servers if server.alive]
        return min(alive, key=lambda server: server.latency).staleness if alive else None

    def signalled(self, node: str, signal: Signal) -> None:
        """Something ephemeral began on another node, or in another worker."""
        if signal.type == "presence":
            count = signal.data.get("count")
            if isinstance(count, int) and count >= 0:
                self.hub.presence.remote(node, signal.site, signal.channel, count)
        elif signal.type == "typing" and self.allows(signal.site, "typing"):
            self.hub.signal(signal.site, signal.channel, signal.type, signal.data)

    def arrived(self, event: Event) -> None:
        """An event came through the log: evict first, then keep and deliver."""
        self.wrote(event.position)
        self.hub.deliver(event)

    def lost(self) -> None:
        """The log can't tell what happened meanwhile: trust nothing that is in memory."""
        self.forget()
        self.hub.reset()

    def evict(self, group: tuple[int, int]) -> None:
        """Drop what was built from one channel."""
        self.ground.cache.evict(group)
        self.ground.microcache.evict(group)

    def forget(self) -> None:
        """Empty the caches."""
        self.ground.cache.clear()
        self.ground.microcache.clear()

    def catalog_changed(self) -> None:
        """A site was made or changed, here or on another node."""
        work = Deferred.fromCoroutine(self.sites.refresh())
        work.addErrback(lambda f: log.warn("sites can't be read anew: {reason}", reason=f.getErrorMessage()))

    def allows(self, site_id: int, feature: str) -> bool:
        """Whether a site has presence or typing switched on."""
        site = self.sites.find(site_id)
        return site is not None and bool(getattr(site.settings, feature))

    def authorize(self, site_id: int, origin: str | None, token: str | None) -> Refusal | None:
        """Who may listen to a site's channels."""
        refused = listening_refused(self.sites, site_id, origin)
        return None if refused is None else Refusal(refused.status, refused.slug, refused.detail)

    def limits(self) -> Limits:
        """The rate limits, as configured."""
        given, clock = self.ground.config.limits, self.ground.reactor
        try:
            exempt = within(given.exempt)
        except ValueError as error:
            raise ConfigError(f"[limits] exempt: {error}") from None

        def buckets(name: str, rate: float, burst: float) -> Buckets:
            made = Buckets(clock, rate, burst)
            if self.ground.bus is not None:
                self.ground.bus.share(Limit(name, rate, burst), made)
            return made

        return Limits(
            buckets("posts", given.posts_per_address, given.posts_burst),
            buckets("votes", given.votes_per_address, given.votes_burst),
            buckets("sessions", given.sessions_per_address, given.sessions_burst),
            buckets("reads", given.reads_per_address, given.reads_burst),
            buckets("site", given.posts_per_site, max(1.0, given.posts_per_site * 2)),
            exempt,
        )

    async def open(self) -> IResource:
        """Connect, read the catalog, follow the log; gives the tree of the public listeners."""
        ground = self.ground
        await self.database.start()
        await self.sites.refresh(ReadPreference.PRIMARY_PREFERRED)
        alone = ground.seat is None
        if alone and ground.config.demo.enabled and self.database.writable:
            await demo.ensure(self.sites, self.database, self.comments)
        sessions = Sessions(await self.sites.secret("session"), wall_time, ground.random)
        self.hub.start()
        await self.tail.start()
        if alone:
            self.housekeeping.start()
            self.outbox.start()
            if self.database.writable:
                await self.erasures.sync()
            self.erasures.start()
        self.usage.start()
        limits = self.limits()
        bootstrap = Bootstrap(self.sites, sessions, self.comments, limits, client_address, self.usage.count)
        api = Api(
            self.sites, sessions, self.comments, self.moderation, limits, client_address, self.usage.count
        )
        return front(
            loader=ground.loader,
            assets=ground.assets.resource(),
            bootstrap=MicrocachedResource(ground.microcache, bootstrap.answer, bypass=bootstrap.personal),
            api=api.resource(),
            realtime=RealtimeResource(self.hub, self.authorize),
            healthz=Healthz(),
            readyz=Readyz(ground.health, details=False),
            demo=OwnPages(Pages(WEB / "demo", devel=ground.config.env == "devel"), ground.config.http.hsts)
            if ground.config.demo.enabled
            else None,
            well_known=ground.well_known(),
        )

    async def close(self) -> None:
        """Let go of the database."""
        for part in (self.housekeeping, self.outbox, self.erasures):
            part.stop()
        await self.usage.stop()
        self.hub.stop()
        await self.tail.stop()
        await self.database.stop()


class Starting(Resource):
    """The tree before the house is open: alive, not ready."""

    def getChild(self, path: bytes, request: Any) -> IResource:
        """``/healthz`` answers, everything else is asked to wait."""
        return Healthz() if path == b"healthz" else self

    def render(self, request: Any) -> Any:
        """503, try again in a second."""
        return problem(503, "starting", "Starting", headers=[(b"Retry-After", b"1")])
