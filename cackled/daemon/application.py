"""The parts that need the database, built and connected: what is written, read and sent out live.

The third module of the composition root, after `cackled.daemon.service` and `cackled.daemon.infrastructure`. A daemon
and a worker have the same; what each of them cares for alone is decided in `Application.open`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.web.resource import IResource

from cackled.clock import wall_time
from cackled.config import Config
from cackled.daemon.call_limits import bucket_maker, call_limits, exempted
from cackled.daemon.catalog import CatalogReader, NodeAnnouncer
from cackled.daemon.cluster_view import SendAwayWhenAstray
from cackled.daemon.event_router import EventLog, EventRouter
from cackled.daemon.infrastructure import Infrastructure
from cackled.daemon.public_tree import public_tree
from cackled.daemon.readiness import DatabaseFacts
from cackled.database.dsn import servers_of, shards_of
from cackled.database.routing import Database, ReadPreference
from cackled.database.shards import ShardedDatabase
from cackled.database.tail import Tail
from cackled.database.timelines import Timelines
from cackled.domain import demo
from cackled.domain.bans import Bans
from cackled.domain.blocks import Blocks
from cackled.domain.deletion import Deletions
from cackled.domain.erasure import Erasures
from cackled.domain.grants import Grants
from cackled.domain.housekeeping import Housekeeping
from cackled.domain.limits import CallLimits, LimitRow, LimitTable
from cackled.domain.nodes import NodeRegistry
from cackled.domain.outbox import Outbox
from cackled.domain.parts import ServiceParts
from cackled.domain.people import Crowd, Following
from cackled.domain.replays import EXPIRE_CALLS, Replays
from cackled.domain.residency import Residency
from cackled.domain.sessions import Sessions
from cackled.domain.signed_links import SignedLink, SignedLinks
from cackled.domain.signed_media import SignedMedia
from cackled.domain.site import Site
from cackled.domain.site_changes import SiteChanges
from cackled.domain.sites import SiteDirectory
from cackled.domain.staff_tickets import StaffTickets
from cackled.domain.uploads import Uploads
from cackled.domain.usage import Usage
from cackled.domain.vouching import Vouching
from cackled.domain.webhook_endpoints import EXPIRE_WEBHOOKS, Endpoints, EventTypes
from cackled.domain.webhook_sending import WebhookSender
from cackled.domain.webhooks import Webhooks
from cackled.domain.write_batching import WriteQueues
from cackled.events import CORE_EVENTS, PERSONAL, Position
from cackled.features import FEATURES
from cackled.features import registry as shipped_registry
from cackled.geo.whereabouts import Countries
from cackled.identity.sso import Statements
from cackled.identity.sso_refusals import RefusalBook
from cackled.media.resource import Gallery
from cackled.media.store import MediaStore
from cackled.moderation.moderation import Moderation
from cackled.outbound.guard import Policy, check_literal, resolver
from cackled.outbound.mail import Mailer
from cackled.outbound.post import GuardedHttp
from cackled.outbound.text_records import TextRecords
from cackled.products import PRODUCTS
from cackled.products.product import Feature, OutboxParts, Product, SharedParts
from cackled.products.registry import Registry
from cackled.realtime.hub import Hub

# Seconds for which whoever listened by a ticket of a room of staff goes on once that has ended.
MOVING_SECONDS = 5.0


class Application:
    """The parts that need the database. ``limits`` is there once `open` was called."""

    limits: CallLimits | None = None

    def __init__(
        self, infrastructure: Infrastructure, products: tuple[Product, ...] = PRODUCTS,
        features: tuple[Feature, ...] = FEATURES,
    ) -> None:  # fmt: skip
        self.infrastructure = infrastructure
        whole = products is PRODUCTS and features is FEATURES
        self.registry = registry = shipped_registry() if whole else Registry((*products, *features))
        config, clock, metrics = infrastructure.config, infrastructure.reactor, infrastructure.metrics
        self.database = self._make_database()
        self.sites = SiteDirectory(
            self.database,
            Residency(config.deployment, config.deployments),
            on_closed=lambda site_id: self.router.closed(site_id),
            shape=registry.settings(config.products),
        )
        self.grants = Grants(wall_time, registry.names)
        self.usage = Usage(self.database, clock, metrics)
        self.signed_media = SignedMedia(wall_time)
        self.tickets = StaffTickets(wall_time)
        self._moving: set[IDelayedCall] = set()
        log = EventLog(self.database, self.sites, self.signed_media, registry.private)
        outward = infrastructure.outward
        self.hub = Hub(
            clock=clock,
            random=infrastructure.random,
            config=config.realtime,
            load=log.events,
            seqs=log.seqs,
            metrics=metrics,
            types=registry.events,
            allows=self.sites.allows,
            announce=outward.announce if outward is not None else None,
        )
        self.router = router = EventRouter(
            sites=self.sites, hub=self.hub, cache=infrastructure.cache, microcache=infrastructure.microcache,
            outward=outward, signer=self.signed_media, moved=self._staff_moved,
        )  # fmt: skip
        if outward is not None:
            outward.deliver_to(signal=router.signalled, hint=router.hinted, came=router.came, gone=router.gone)
        self.nodes = self._make_announcer()
        self.catalog = CatalogReader(self.sites, self.database, clock, self.nodes)
        # Each shard has a log of its own; the catalog is in the first.
        self.tails = [self._make_tail(number, part) for number, part in enumerate(self.database.parts)]
        self.tail = self.tails[0]

        self.queues = WriteQueues(clock)
        metrics.watch("writes_queued", "Writes that wait behind others of their page.", self.queues.__len__)
        self.parts = ServiceParts(
            database=self.database, cache=infrastructure.cache, evict=router.wrote_here, queues=self.queues,
            crowd=Crowd(clock.seconds), judge=lambda site, draft: self.shared[Moderation].judge(site, draft),
            wrote=lambda *what: self.shared[Moderation].counting.wrote(*what),
            moderated=registry.moderated, activity=registry.activity, signal=self.router.signal,
        )
        self.services = {
            **registry.services(self.parts), Bans: self.bans, Blocks: lambda site: Blocks(site, self.database),
        }  # fmt: skip

        retention = config.database.event_retention
        self.housekeeping = Housekeeping(
            self.database, clock, metrics, retention, (EXPIRE_WEBHOOKS, EXPIRE_CALLS, *registry.jobs), registry.recounts
        )
        self.policy = Policy(config.outbound.ports, config.outbound.networks)
        self.links = SignedLinks(self.sites.secret, wall_time)
        self.http = GuardedHttp(clock, resolver(infrastructure.in_thread), self.policy)
        mailer = Mailer(clock, config.mail) if config.mail.host else None
        self._send = None if mailer is None else mailer.send
        self.following = Following(self.database, registry.authored, router.wrote_here)
        self.outbox = self._make_outbox()
        self.webhooks = WebhookSender(
            self.database, clock, infrastructure.random, wall_time, metrics, self.http.ask
        )
        types = [one.type for one in (*CORE_EVENTS, *registry.events)]
        self.event_types = EventTypes(tuple(one for one in types if not one.startswith(PERSONAL)))
        self.services[Endpoints] = self._endpoints
        self.services[Replays] = lambda site: Replays(site, self.database, infrastructure.random.randbytes)
        journal = infrastructure.state / "erasures.log"
        in_thread = infrastructure.in_thread
        self.shared: dict[type, Any] = {
            SiteChanges: SiteChanges(self.sites, self.database, self.check_webhook), Usage: self.usage, Config: config,
            SignedMedia: self.signed_media, StaffTickets: self.tickets, WebhookSender: self.webhooks,
            EventTypes: self.event_types,
            LimitTable: LimitTable(tuple(
                LimitRow(one.name, one.rate.rate, one.rate.burst, one.rate.site_rate)
                for one in registry.limits(config.limits) if not one.like
            )),
        }  # fmt: skip
        self.shared |= registry.shared(
            SharedParts(
                database=self.database,
                sites=self.sites,
                clock=clock,
                wall_time=wall_time,
                random=infrastructure.random,
                in_thread=in_thread,
                config=config,
                buckets=bucket_maker(clock, infrastructure.bus),
                exempt=exempted(config.limits),
                metrics=metrics,
                readers=self.hub.presence.everywhere,
                http=self.http,
                text_records=TextRecords(clock, config.accounts.resolver),
                send=self._send,
                own_url=config.own_url,
                own_picture=lambda site, number: self.shared[Uploads].read(site, number),
                square=lambda raw, side: self.shared[Uploads].square(raw, side),
                ask_nodes=infrastructure.ask_nodes,
                give_nodes=infrastructure.give_nodes,
                country=Countries(config.geo.files, config.geo.country, clock.seconds),
            )
        )
        self.shared[Vouching] = Vouching(
            lambda site, token, known: self.services[Statements](site).vouch(token, known, self.shared[RefusalBook])
        )
        self.shared[Uploads] = self.shared[MediaStore].uploads
        self.erasures = Erasures(
            self.database, clock, journal, router.wrote_here, in_thread, erasables=registry.erasables,
            forget=self.shared[Moderation].judging.erase,
        )
        self.shared[Erasures] = self.erasures
        self.deletions = Deletions(self.sites, self.database, clock, journal, in_thread, registry.counted)
        self.shared[Deletions] = self.deletions

    # Parts

    def _make_database(self) -> Database:
        infrastructure, settings = self.infrastructure, self.infrastructure.config.database
        servers = servers_of(settings, infrastructure.embedded.dsn if infrastructure.embedded else "")
        clock, random, metrics = infrastructure.reactor, infrastructure.random, infrastructure.metrics
        made = (
            ShardedDatabase(
                servers, shards_of(settings), clock=clock, random=random, metrics=metrics, settings=settings,
                on_moved=self._site_moved,
            )
            if settings.shard
            else Database(servers, clock=clock, random=random, metrics=metrics, settings=settings)
        )  # fmt: skip
        timelines = Timelines(infrastructure.state / "timelines.json")
        for part in made.parts:
            part.remember(timelines)
        return made

    def _make_tail(self, number: int, part: Database) -> Tail:
        infrastructure = self.infrastructure
        tail = Tail(
            clock=infrastructure.reactor,
            random=infrastructure.random,
            dsn=part.primary_dsn,
            on_event=self.router.arrived,
            on_gap=self.router.lost,
            metrics=part.metrics,
            on_catalog=self.catalog.changed if number == 0 else None,
            on_batch=self.hub.hold,
            on_hidden=lambda picture: self.shared[Gallery].hide(picture),
            standby=part.standby_dsn,
            retention=infrastructure.config.database.event_retention,
        )
        part.on_primary(tail.moved)
        part.connect_log(tail.followed)
        return tail

    def _make_announcer(self) -> NodeAnnouncer | None:
        """Where nodes find each other; None where they need not. A worker's parent does it for the node."""
        infrastructure, config = self.infrastructure, self.infrastructure.config
        if not config.discovery.enabled or infrastructure.seat is not None:
            return None
        own = next(node for node in config.nodes if node.name == config.node)
        registry = NodeRegistry(self.database, own, config.deployment, config.discovery.forget)
        return NodeAnnouncer(
            registry, infrastructure.cluster.roster, infrastructure.reactor, config.discovery.interval
        )

    def _make_outbox(self) -> Outbox:
        infrastructure, config, clock = self.infrastructure, self.infrastructure.config, self.infrastructure.reactor
        webhooks = Webhooks(self.sites, self.http.post, wall_time, self.database)
        parts = OutboxParts(
            sites=self.sites,
            database=self.database,
            clock=clock,
            uploads=lambda: self.shared[Uploads],
            send=self._send,
            sender=config.mail.sender,
            links=self.links,
            own_url=config.own_url,
            replies=config.mail.replies if config.mail.replies_port else "",
            http=self.http,
            moderated=self.registry.moderated,
        )
        work = {"webhook": webhooks.deliver, "people": self.following.deliver, **self.registry.outbox(parts)}
        return Outbox(self.database, clock, infrastructure.random, infrastructure.metrics, work)

    # What is asked of it

    def check_webhook(self, url: str) -> None:
        """See that webhooks may be sent to *url*, as far as that can be told before its name is looked up.

        Raises:
            ValueError: they may not.
        """
        try:
            check_literal(url, self.policy)
        except ValueError as error:
            raise ValueError(f"{error}; see [outbound]") from None

    def _endpoints(self, site: Site) -> Endpoints:
        return Endpoints(site, self.database, self.event_types, self.check_webhook, self.infrastructure.random)

    def bans(self, site: Site) -> Bans:
        """Who may not write on *site*."""
        return Bans(site, self.database)

    async def ban_by_link(self, site: Site, link: SignedLink) -> tuple[bool, Position | None]:
        """Ban the visitor that a signed link names."""
        return await self.bans(site).by_link(link), None

    def _site_moved(self, site: int, left: int, now: int) -> None:
        """A site is in another shard: what is still to come from the log that it left comes from there."""
        database = self.database
        before = database.shards.get(left) if isinstance(database, ShardedDatabase) else database
        for part, tail in zip(database.parts, self.tails, strict=True):
            if part is before:
                tail.forget(site)

    def _staff_moved(self, site: int, room: int) -> None:
        """A room of staff has ended: its tickets hold no more. Who may, has another one after a moment."""
        self.tickets.end(site, room)
        self._moving = {one for one in self._moving if one.active()}
        self._moving.add(self.infrastructure.reactor.callLater(MOVING_SECONDS, self.hub.recheck, site))

    # Life

    async def open(self) -> IResource:
        """Connect, read the catalog, follow the log; gives the tree of the public listeners."""
        infrastructure = self.infrastructure
        config = infrastructure.config
        infrastructure.assets.keep(infrastructure.state / "bundles")
        await self.database.start()
        await self.sites.refresh(ReadPreference.PRIMARY_PREFERRED)
        alone = infrastructure.seat is None
        here = config.demo.enabled and self.sites.residency.is_here(demo.SITE)
        if alone and here and self.database.site(demo.SITE).writable:
            fill = [partial(one.seed, self.parts) for one in self.registry.products if one.seed is not None]
            chosen = {name: value for one in self.registry.products for name, value in one.demo.items()}
            await demo.ensure(self.sites, fill, chosen)
        secret = await self.sites.secret("session")
        sessions = Sessions(secret, wall_time, infrastructure.random)
        self.signed_media.use(secret)
        self.tickets.use(secret)
        for kind in self.registry.proofs.values():
            self.shared[kind].use(secret)
        self.hub.start()
        await DeferredList([Deferred.fromCoroutine(tail.start()) for tail in self.tails])
        if alone:
            await self._begin_jobs()
        if self.nodes is not None:
            await self.nodes.start()
        self.usage.start()
        self.shared[Moderation].start(alone=alone)
        self.limits = call_limits(config.limits, self.registry, infrastructure.reactor, infrastructure.bus)
        tree = public_tree(infrastructure, self, sessions, self.limits, demo=here)
        infrastructure.connect_database(DatabaseFacts.of(self.database))
        seconds = config.realtime.drain_seconds
        astray = SendAwayWhenAstray(infrastructure.cluster, lambda host: self.hub.send_away(seconds, host))
        infrastructure.cluster.on_change(astray.look)
        return tree

    async def _begin_jobs(self) -> None:
        """What a node does once, whatever its number of workers."""
        self.housekeeping.start()
        self.outbox.start()
        self.webhooks.start()
        if self.database.writable:
            await self.erasures.sync()
        self.erasures.start()
        self.deletions.start()
        for kind in self.registry.starts:
            self.shared[kind].start()

    async def close(self) -> None:
        """Let go of the database."""
        for part in (
            self.housekeeping, self.outbox, self.webhooks, self.erasures, self.deletions, self.nodes, self.catalog,
        ):  # fmt: skip
            if part is not None:
                part.stop()
        await self.shared[Moderation].stop()
        for kind in self.registry.starts:
            self.shared[kind].stop()
        await self.usage.stop()
        self.hub.stop()
        for tail in self.tails:
            await tail.stop()
        for call in self._moving:
            if call.active():
                call.cancel()
        await self.database.stop()
