"""The parts that need the database, built and connected: what is written, read and sent out live.

The third module of the composition root, after `cackled.daemon.service` and `cackled.daemon.infrastructure`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.logger import Logger
from twisted.web.resource import IResource

from cackled.admin.http import Healthz, Readyz
from cackled.api.bootstrap import Bootstrap
from cackled.api.context import ApiContext
from cackled.api.loader_redirect import LoaderRedirect
from cackled.api.moderate import ModerateResource
from cackled.api.public_root import public_root
from cackled.api.root import api_resource
from cackled.api.static_pages import StaticPages
from cackled.clock import Periodic, sleep, wall_time
from cackled.cluster.bus import Limit
from cackled.cluster.messages import Hint, Signal
from cackled.config import ConfigError
from cackled.daemon.access import Access
from cackled.daemon.infrastructure import WEB, Infrastructure
from cackled.database.dsn import servers_of, shards_of
from cackled.database.errors import DatabaseError, Unavailable
from cackled.database.eventlog import load_events, load_seqs
from cackled.database.routing import Database, ReadPreference
from cackled.database.shards import ShardedDatabase
from cackled.database.tail import Tail
from cackled.database.timelines import Timelines
from cackled.domain import demo
from cackled.domain.bans import Bans
from cackled.domain.blocks import Blocks
from cackled.domain.deletion import Deletions
from cackled.domain.erasure import Erasures
from cackled.domain.errors import PROBLEMS
from cackled.domain.grants import Grants
from cackled.domain.housekeeping import Housekeeping
from cackled.domain.limits import AddressBuckets, Buckets, CallLimits, within
from cackled.domain.nodes import NodeRegistry
from cackled.domain.outbox import Outbox
from cackled.domain.parts import ServiceParts
from cackled.domain.residency import Residency
from cackled.domain.sessions import Sessions
from cackled.domain.signed_links import SignedLink, SignedLinks
from cackled.domain.sites import Site, SiteDirectory
from cackled.domain.usage import Usage
from cackled.domain.webhooks import Webhooks
from cackled.domain.write_batching import WriteQueues
from cackled.events import Event, Position
from cackled.outbound.guard import Policy, check_literal, resolver
from cackled.outbound.mail import Mailer
from cackled.outbound.post import GuardedHttp
from cackled.products import PRODUCTS
from cackled.products.product import OutboxParts, Product
from cackled.products.registry import Registry
from cackled.realtime.hub import Hub
from cackled.realtime.presence import read_names
from cackled.realtime.resource import RealtimeResource
from cackled.realtime.standing import LogAway
from cackled.transport.http import client_address
from cackled.transport.microcache import MicrocachedResource
from cackled.transport.secure import OwnNames, OwnPages

log = Logger()

# Seconds until sites that could not be read are asked for again.
REREAD = 1.0


class Application:
    """The parts that need the database: what is written, read, and sent out live."""

    def __init__(self, infrastructure: Infrastructure, products: tuple[Product, ...] = PRODUCTS) -> None:
        self.infrastructure = infrastructure
        self.registry = registry = Registry(products)
        config, clock, metrics = infrastructure.config, infrastructure.reactor, infrastructure.metrics
        servers = servers_of(config.database, infrastructure.embedded.dsn if infrastructure.embedded else "")
        settings = config.database
        self.database = (
            ShardedDatabase(
                servers,
                shards_of(settings),
                clock=clock,
                random=infrastructure.random,
                metrics=metrics,
                settings=settings,
            )
            if settings.shard
            else Database(servers, clock=clock, random=infrastructure.random, metrics=metrics, settings=settings)
        )
        timelines = Timelines(infrastructure.state / "timelines.json")
        for part in self.database.parts:
            part.remember(timelines)
        self.sites = SiteDirectory(self.database, Residency(config.deployment, config.deployments))
        self.sites.on_closed = self.closed
        self._catalog_old = False
        self._astray = False
        self._limits: CallLimits | None = None
        self._rereading: Deferred[None] | None = None
        self.grants = Grants(wall_time)
        self.queues = WriteQueues()
        self.parts = ServiceParts(
            database=self.database, cache=infrastructure.cache, evict=self.wrote_here, queues=self.queues
        )
        self.services = {
            **registry.services(self.parts), Bans: self.bans, Blocks: lambda site: Blocks(site, self.database),
        }  # fmt: skip
        metrics.watch("writes_queued", "Writes that wait behind others of their page.", self.queues.__len__)
        # Each shard has a log of its own; the catalog is in the first.
        self.tails = [self._tail(number, part) for number, part in enumerate(self.database.parts)]
        self.tail = self.tails[0]
        if isinstance(self.database, ShardedDatabase):
            self.database.on_moved = self.site_moved
        self.nodes = self._registry()
        self.announcing = Periodic(clock, config.discovery.interval, self.announce, "announcing this node")
        self.usage = Usage(self.database, clock, metrics)
        retention = config.database.event_retention
        self.housekeeping = Housekeeping(self.database, clock, metrics, retention, registry.jobs)
        given = config.outbound
        self.policy = Policy(given.ports, given.networks)
        poster = GuardedHttp(clock, resolver(infrastructure.in_thread), self.policy)
        webhooks = Webhooks(self.sites, poster.post, wall_time)
        mailer = Mailer(clock, config.mail) if config.mail.host else None
        self.links = SignedLinks(self.sites.secret, wall_time)
        outbox = OutboxParts(
            sites=self.sites,
            database=self.database,
            send=None if mailer is None else mailer.send,
            sender=config.mail.sender,
            links=self.links,
            own_url=config.own_url,
        )
        work = {"webhook": webhooks.deliver, **registry.outbox(outbox)}
        self.outbox = Outbox(self.database, clock, infrastructure.random, metrics, work)
        journal = infrastructure.state / "erasures.log"
        self.erasures = Erasures(self.database, clock, journal, self.wrote_here, infrastructure.in_thread)
        self.deletions = Deletions(self.sites, self.database, clock, journal, infrastructure.in_thread)
        self.hub = Hub(
            clock=clock,
            random=infrastructure.random,
            config=config.realtime,
            load=self.load_events,
            seqs=self.load_seqs,
            metrics=metrics,
            types=registry.events,
            allows=self.allows,
            announce=infrastructure.outward.announce if infrastructure.outward is not None else None,
        )
        if infrastructure.outward is not None:
            presence = self.hub.presence
            infrastructure.outward.deliver_to(
                signal=self.signalled, hint=self.hinted, came=lambda name: presence.renew(), gone=presence.forget
            )

    def _tail(self, number: int, part: Database) -> Tail:
        infrastructure = self.infrastructure
        tail = Tail(
            clock=infrastructure.reactor,
            random=infrastructure.random,
            dsn=part.primary_dsn,
            on_event=self.arrived,
            on_gap=self.lost,
            metrics=part.metrics,
            on_catalog=self.catalog_changed if number == 0 else None,
            on_batch=lambda more: self.hub.hold(more),
            standby=part.standby_dsn,
            retention=infrastructure.config.database.event_retention,
        )
        part.on_primary(tail.moved)
        part.log = tail.followed
        return tail

    def _registry(self) -> NodeRegistry | None:
        """Where nodes find each other; None where they need not. A worker's parent does it for the node."""
        config = self.infrastructure.config
        if not config.discovery.enabled or self.infrastructure.seat is not None:
            return None
        own = next(node for node in config.nodes if node.name == config.node)
        return NodeRegistry(self.database, own, config.deployment, config.discovery.forget)

    async def announce(self) -> None:
        """Say in the database that this node is there, and see who else is."""
        if self.nodes is None:
            return
        try:
            others = await self.nodes.announce()
        except DatabaseError as error:
            log.info("this node could not be announced: {reason}", reason=str(error))
            await self.look_for_nodes()
            return
        self.infrastructure.roster.take(others)

    async def look_for_nodes(self) -> None:
        """See who else is there; nobody is gone because the database is."""
        if self.nodes is None:
            return
        try:
            self.infrastructure.roster.take(await self.nodes.others())
        except DatabaseError as error:
            log.info("other nodes are not looked for: {reason}", reason=str(error))

    async def forget_node(self, name: str) -> bool:
        """Take a node that is no more out of the database; False where it is not there."""
        if self.nodes is None or not await self.nodes.remove(name):
            return False
        await self.announce()
        return True

    def check_webhook(self, url: str) -> None:
        """See that webhooks may be sent to *url*, as far as that can be told before its name is looked up.

        Raises:
            ValueError: they may not.
        """
        try:
            check_literal(url, self.policy)
        except ValueError as error:
            raise ValueError(f"{error}; see [outbound]") from None

    def bans(self, site: Site) -> Bans:
        """Who may not write on *site*."""
        return Bans(site, self.database)

    async def ban_by_link(self, site: Site, link: SignedLink) -> tuple[bool, Position | None]:
        """Ban the visitor that a signed link names."""
        return await self.bans(site).by_link(link), None

    def wrote(self, position: Position) -> None:
        """A write of this process led to *position*: nothing older is answered from here on."""
        group = (position.site, position.channel)
        self.infrastructure.cache.outdate(group, position.seq)
        self.infrastructure.microcache.evict(group, position.seq)

    def wrote_here(self, position: Position) -> None:
        """A write of this process: the others are told what is stale, in case that is faster than the log."""
        self.wrote(position)
        if self.infrastructure.outward is not None:
            self.infrastructure.outward.hint(position.site, position.channel, position.seq)

    def hinted(self, hint: Hint) -> None:
        """Another process wrote, and says so before the log does."""
        if self.sites.find(hint.site) is None:
            return
        self.wrote(Position(hint.site, hint.channel, hint.seq))

    def lag(self) -> float | None:
        """Seconds that the nearest server that answers is behind the primary."""
        alive = [server for server in self.database.servers if server.alive]
        return min(alive, key=lambda server: server.latency).staleness if alive else None

    def primaries(self) -> tuple[int, ...]:
        """The shards whose primary is reached from here."""
        database = self.database
        parts = database.shards if isinstance(database, ShardedDatabase) else {0: database}
        return tuple(number for number, part in parts.items() if part.writable)

    def looked(self) -> None:
        """The cluster looks different: where others reach a primary that this node can't, its clients go to them."""
        astray = bool(self.infrastructure.view().astray)
        if astray and not self._astray and not self.infrastructure.draining:
            self.hub.send_away(self.infrastructure.config.realtime.drain_seconds, self.infrastructure.elsewhere)
        self._astray = astray

    def busiest_addresses(self, most: int) -> dict[str, tuple[int, float]]:
        """Addresses with the most connections, and those that called most just now: (connections, calls)."""
        limits = self.infrastructure.http.limits
        found = {address: (count, 0.0) for address, count in limits.busiest(most)}
        if self._limits is not None:
            for address, calls in self._limits.busiest(most):
                found[address] = (limits.of(address), calls)
        return dict(sorted(found.items(), key=lambda one: -(one[1][0] + one[1][1]))[:most])

    def busiest_sites(self, most: int) -> dict[int, tuple[int, int]]:
        """Sites that were read most in the last minutes, and those that most listen to: (reads, subscriptions)."""
        reads, listening = dict(self.usage.busiest(10_000)), self.hub.of_sites()
        found = {site: (reads.get(site, 0), listening.get(site, 0)) for site in reads.keys() | listening.keys()}
        return dict(sorted(found.items(), key=lambda one: -sum(one[1]))[:most])

    def name_of_site(self, site_id: int) -> str:
        """Its name, where it is known."""
        site = self.sites.find(site_id)
        return "" if site is None else site.name

    def signalled(self, node: str, signal: Signal) -> None:
        """Something ephemeral began on another node, or in another worker."""
        if self.sites.find(signal.site) is None:
            return
        if signal.type == "presence":
            count = signal.data.get("count")
            if isinstance(count, int) and count >= 0:
                names = read_names(signal.data)
                self.hub.presence.remote(node, signal.site, signal.channel, count, names)
        elif signal.type == "typing" and self.allows(signal.site, "typing"):
            self.hub.signal(signal.site, signal.channel, signal.type, signal.data)

    async def load_events(self, site: int, channel: int, after: int, limit: int) -> tuple[int, list[Event] | None]:
        """For the hub: events of a channel."""
        try:
            return await load_events(self.database, site, channel, after, limit)
        except Unavailable as error:
            raise LogAway(str(error)) from None

    async def load_seqs(self, site: int, channels: Sequence[int]) -> dict[int, int]:
        """For the hub: where channels stand."""
        try:
            return await load_seqs(self.database, site, channels)
        except Unavailable as error:
            raise LogAway(str(error)) from None

    def arrived(self, event: Event) -> None:
        """An event came through the log: evict first, then keep and deliver."""
        self.wrote(event.position)
        self.hub.deliver(event)

    def lost(self, channels: Collection[tuple[int, int]] | None = None) -> None:
        """The log can't tell what happened meanwhile: trust nothing that is in memory (of these channels)."""
        if channels is None:
            self.forget()
        else:
            for group in channels:
                self.evict(group)
        self.hub.reset(channels)

    def evict(self, group: tuple[int, int]) -> None:
        """Drop what was built from one channel."""
        self.infrastructure.cache.evict(group)
        self.infrastructure.microcache.evict(group)

    def forget(self) -> None:
        """Empty the caches."""
        self.infrastructure.cache.clear()
        self.infrastructure.microcache.clear()

    def catalog_changed(self) -> None:
        """A site was made or changed, here or on another node."""
        self._catalog_old = True
        if self._rereading is None or self._rereading.called:
            self._rereading = Deferred.fromCoroutine(self._reread())
            self._rereading.addErrback(
                lambda f: None if f.check(CancelledError) else log.failure("reading the sites anew broke", f)
            )
        if self.nodes is not None:
            Deferred.fromCoroutine(self.look_for_nodes())

    async def _reread(self) -> None:
        # Of the primary, which told of the change; and until it is known: nobody tells of it again.
        while self._catalog_old:
            self._catalog_old = False
            try:
                await self.sites.refresh(ReadPreference.PRIMARY)
            except DatabaseError as error:
                log.warn("sites can't be read anew: {reason}", reason=str(error))
                if not self.database.writable:
                    return  # once it is back, the log is followed anew, and tells
                self._catalog_old = True
                await sleep(self.infrastructure.reactor, REREAD)

    def closed(self, site_id: int) -> None:
        """A site is not open to whom it was open to before: nothing kept is given out, and who listens asks again."""
        self.infrastructure.microcache.clear()
        self.hub.expel(site_id)

    def site_moved(self, site: int, left: int, now: int) -> None:
        """A site is in another shard: what is still to come from the log that it left comes from there."""
        for part, tail in zip(self.database.parts, self.tails, strict=True):
            if part is self.shard(left):
                tail.forget(site)

    def shard(self, number: int) -> Database | None:
        """The database of a shard that the configuration names."""
        return self.database.shards.get(number) if isinstance(self.database, ShardedDatabase) else self.database

    def allows(self, site_id: int, feature: str) -> bool:
        """Whether a site has presence or typing switched on."""
        site = self.sites.find(site_id)
        return site is not None and bool(getattr(site.settings, feature))

    def limits(self) -> CallLimits:
        """The rate limits, as configured."""
        given, clock = self.infrastructure.config.limits, self.infrastructure.reactor
        try:
            exempt = within(given.exempt)
        except ValueError as error:
            raise ConfigError(f"[limits] exempt: {error}") from None

        def buckets(name: str, rate: float, burst: float) -> Buckets:
            made = Buckets(clock, rate, burst)
            if self.infrastructure.bus is not None:
                self.infrastructure.bus.share(Limit(name, rate, burst), made)
            return made

        def by_address(name: str, rate: float, burst: float) -> AddressBuckets:
            return AddressBuckets(lambda suffix, times: buckets(name + suffix, rate * times, burst * times))

        mine: dict[str, AddressBuckets] = {}
        theirs: dict[str, Buckets] = {}
        named = self.registry.limits(given)
        for limit in named:
            rate = limit.rate
            if not limit.like:
                mine[limit.name] = by_address(limit.name, rate.rate, rate.burst)
            if rate.site_rate is not None:
                theirs[limit.name] = buckets(f"{limit.name}/site", rate.site_rate, max(1.0, rate.site_rate * 2))
        mine |= {limit.name: mine[limit.like] for limit in named if limit.like}
        return CallLimits(mine, theirs, exempt)

    async def open(self) -> IResource:
        """Connect, read the catalog, follow the log; gives the tree of the public listeners."""
        infrastructure = self.infrastructure
        infrastructure.assets.keep(infrastructure.state / "bundles")
        await self.database.start()
        await self.sites.refresh(ReadPreference.PRIMARY_PREFERRED)
        alone = infrastructure.seat is None
        here = infrastructure.config.demo.enabled and self.sites.residency.is_here(demo.SITE)
        if alone and here and self.database.site(demo.SITE).writable:
            fill = [partial(one.seed, self.parts) for one in self.registry.products if one.seed is not None]
            await demo.ensure(self.sites, fill)
        sessions = Sessions(await self.sites.secret("session"), wall_time, infrastructure.random)
        self.hub.start()
        await DeferredList([Deferred.fromCoroutine(tail.start()) for tail in self.tails])
        if alone:
            self.housekeeping.start()
            self.outbox.start()
            if self.database.writable:
                await self.erasures.sync()
            self.erasures.start()
            self.deletions.start()
        if self.nodes is not None:
            await self.announce()
            self.announcing.start()
        self.usage.start()
        limits = self._limits = self.limits()
        context = ApiContext(
            sites=self.sites,
            sessions=sessions,
            grants=self.grants,
            limits=limits,
            services=self.services,
            client_address=client_address,
            count_read=self.usage.count,
        )
        bootstrap = Bootstrap(context, self.registry.widgets)
        access = Access(self.sites, self.grants)
        deeds = {"ban": self.ban_by_link, **self.registry.deeds(self.parts)}
        own = [node.url for node in infrastructure.config.nodes]
        own += [one.url for one in infrastructure.config.deployments]
        return public_root(
            loader=LoaderRedirect(infrastructure.loader, self.sites.residency),
            assets=infrastructure.assets.resource(),
            bootstrap=MicrocachedResource(infrastructure.microcache, bootstrap.answer, bypass=bootstrap.personal),
            api=api_resource(
                context, self.registry.routes, PROBLEMS | self.registry.problems, bootstrap.description()
            ),
            realtime=RealtimeResource(
                self.hub, access.authorize, access.name_of, access.seconds_left, partial(access.charge, limits)
            ),
            healthz=Healthz(),
            readyz=Readyz(infrastructure.health, details=False, deployment=infrastructure.config.deployment,
                          problems=infrastructure.problems.now),
            demo=OwnPages(
                StaticPages(WEB / "demo", devel=infrastructure.config.env == "devel"),
                infrastructure.config.http.hsts,
                OwnNames(own),
            )
            if here
            else None,
            well_known=infrastructure.well_known(),
            moderate=OwnPages(
                ModerateResource(
                    self.links, self.sites, deeds, partial(access.charge, limits), client_address,
                    self.wrote_here,
                ),
                infrastructure.config.http.hsts,
                OwnNames(own),
            ),
        )

    async def close(self) -> None:
        """Let go of the database."""
        for part in (self.housekeeping, self.outbox, self.erasures, self.deletions, self.announcing):
            part.stop()
        if self._rereading is not None:
            self._rereading.cancel()
        await self.usage.stop()
        self.hub.stop()
        for tail in self.tails:
            await tail.stop()
        await self.database.stop()
