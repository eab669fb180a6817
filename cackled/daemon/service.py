"""The daemon: what happens when. Read it first, then `cackled.daemon.infrastructure`, which says which parts there are.

Listeners are bound while privileges are there, the rest starts with the reactor, and the stop is bounded in time. These
two modules alone know everything.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError, ReactorNotRunning
from twisted.internet.protocol import Factory
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized
from twisted.python.failure import Failure

from cackled import __version__, logs
from cackled.admin import areas
from cackled.admin.account_area import Accounts
from cackled.admin.activity import Requests
from cackled.admin.commands import Runner
from cackled.admin.console import Console
from cackled.admin.http import admin_resource
from cackled.admin.http import check as admin_check
from cackled.admin.listener import admin_server
from cackled.admin.manhole import ManholeFactory
from cackled.admin.process import LocalProcess
from cackled.admin.secrets import Password, SecretError, admin_token
from cackled.config import Config, ConfigError, load
from cackled.daemon.application import Application
from cackled.daemon.infrastructure import Infrastructure
from cackled.daemon.monitoring import happening, watch
from cackled.daemon.worker_supervisor import WorkerSupervisor
from cackled.database.deployment import check_belongs, claim
from cackled.database.embedded import EmbeddedError
from cackled.database.errors import DatabaseError
from cackled.database.migrate import migrate_primary
from cackled.database.shards import ShardedDatabase
from cackled.dns.server import CannotBind
from cackled.dns.zone import ZoneError
from cackled.domain import demo
from cackled.domain.commands import OperatorParts
from cackled.transport.endpoints import PublicEndpoint, maker
from cackled.transport.resources import Folder
from cackled.transport.tls import CertificateError

log = Logger()

BACKLOG = 4096
# Errors that are told in one line at the start; everything else is a fault of ours and gets a traceback.
EXPECTED = (ConfigError, EmbeddedError, DatabaseError, SecretError, ZoneError, CannotBind, CertificateError, OSError)


class Daemon(MultiService):
    """The service that twistd runs."""

    def __init__(
        self,
        reactor: Any,
        config: Config,
        path: str | None = None,
        log_file: str | None = None,
        refuse: Callable[[str], None] = lambda why: None,
    ) -> None:
        super().__init__()
        self.setName("cackled")
        self._reactor = reactor
        self._config = config
        self._path = path
        self._log_file = log_file
        self._refuse = refuse
        self._ports: list[Any] = []
        self._public: list[PublicEndpoint] = []
        self._application: Application | None = None
        self._supervisor: WorkerSupervisor | None = None
        self._starting: Deferred[None] | None = None
        self._manhole = Delayed()
        self._token = ""
        logs.set_level(config.log.level)
        try:
            self.infrastructure = Infrastructure(reactor, config)
        except EXPECTED as error:
            self._fail_now(error)

    def setServiceParent(self, parent: Any) -> None:
        """Also set the log's format, unless twistd was told one."""
        if isinstance(parent, Componentized):
            form = self._config.log.format
            parent.setComponent(ILogObserver, logs.observer("json" if form == "auto" and self._log_file else form))
        super().setServiceParent(parent)

    # Bind

    def privilegedStartService(self) -> None:
        """Bind every listener while privileges are there; one that can't be bound ends the daemon with one line."""
        config, infrastructure = self._config, self.infrastructure
        try:
            # Not before: twistd has gone into the background by now, and closed what it was started with.
            if self._log_file is not None:
                logs.write_to(self._log_file)
            admin_check(config.admin.endpoint)
            self._admin = admin_server(Folder(), config.admin, self._reactor, lambda: self._token)
            if config.workers:
                self._supervisor = WorkerSupervisor(infrastructure, partial(load, self._path))
                self._supervisor.bind()
            else:
                for listen in config.listen:
                    make = maker(listen, config.http, infrastructure.metrics)
                    self._listen(listen.endpoint, infrastructure.http, "[[listen]]", make, _speaks(listen.endpoint))
            self._listen(config.admin.endpoint, self._admin, "[admin]", what="admin HTTP")
            if config.manhole.enabled:
                ManholeFactory.check(config.manhole.endpoint)
                self._listen(config.manhole.endpoint, self._manhole, "[manhole]", what="operators' console (telnet)")
            if config.dns.enabled:
                infrastructure.dns.bind()
            if infrastructure.cluster.mesh is not None:
                infrastructure.cluster.mesh.bind()
        except EXPECTED as error:
            self._fail_now(error)
        super().privilegedStartService()

    def _listen(
        self, description: str, factory: Any, key: str, make: Any = serverFromString, what: str = "HTTP"
    ) -> None:
        if description.startswith("tcp") and "backlog=" not in description:
            description += f":backlog={BACKLOG}"
        try:
            endpoint = make(self._reactor, description)
            if isinstance(endpoint, PublicEndpoint):
                self._public.append(endpoint)
            bound = maybeDeferred(endpoint.listen, factory)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise ConfigError(f"{key} {description!r} is no endpoint: {error}") from None
        failed: list[Failure] = []

        def listening(port: Any) -> None:
            self._ports.append(port)
            log.info("{what} on {place}", what=what, place=place_of(port.getHost()))

        bound.addCallbacks(listening, failed.append)
        if failed:
            taken = failed[0].value
            if isinstance(taken, CannotListenError):
                reason = getattr(taken.socketError, "strerror", None) or taken.socketError
                raise ConfigError(f"{key} can't listen on {description.rsplit(':backlog', 1)[0]}: {reason}")
            reason = getattr(taken, "strerror", None) or failed[0].getErrorMessage()
            raise ConfigError(f"{key} {description!r}: {reason}")

    # Start

    def startService(self) -> None:
        """Start the rest; errors that were to be expected end the daemon with one line and exit code 1."""
        super().startService()
        # After the reactor took its own: twistd would end with the signal, as if it had been killed.
        self._reactor.callWhenRunning(signal.signal, signal.SIGTERM, self._terminated)
        self._starting = Deferred.fromCoroutine(self._start())
        self._starting.addErrback(self._failed)

    def _terminated(self, *_: Any) -> None:
        self._reactor.callFromThread(self._end)

    def _end(self) -> None:
        try:
            self._reactor.stop()
        except ReactorNotRunning:
            pass  # it is stopping already

    async def _start(self) -> None:
        infrastructure = self.infrastructure
        # Not before: by now the process is who it will be (twistd --uid).
        infrastructure.state.mkdir(parents=True, exist_ok=True)
        infrastructure.start()
        if infrastructure.embedded is not None:
            await infrastructure.embedded.start()
        application = Application(infrastructure)
        await self._migrate(application)
        self._application = application
        tree = await application.open()
        await self._open_console(application)
        infrastructure.geo.start()
        if self._config.dns.enabled:
            infrastructure.dns.start()
        infrastructure.cluster.start()
        if self._supervisor is not None:
            await self._supervisor.start()
        else:
            infrastructure.serve(tree)
        # Not before: what is only beginning is no trouble.
        watch(infrastructure, application, self._public)
        infrastructure.freezer.start()
        infrastructure.systemd.ready("serving")
        signal.signal(signal.SIGHUP, lambda *_: self._reactor.callFromThread(self.reload))
        log.info("cackled {version} is ready, node {node}", version=__version__, node=self._config.node)

    async def _migrate(self, application: Application) -> None:
        """Check that the database belongs to this deployment, and migrate it."""
        database, packages = application.database, application.registry.sql
        dsns = [server.dsn for server in database.servers]
        told = partial(log.info, "database: {line}")
        every = [server.dsn for part in database.parts for server in part.servers]
        await check_belongs(every, self._config.deployment, clock=self._reactor)
        await migrate_primary(dsns, clock=self._reactor, progress=lambda line: told(line=line), packages=packages)
        if isinstance(database, ShardedDatabase):
            await database.migrate(lambda line: told(line=line), packages)
        await claim(every, self._config.deployment, clock=self._reactor)

    async def _open_console(self, application: Application) -> None:
        infrastructure, config = self.infrastructure, self._config
        process = LocalProcess(
            config.node,
            self._reactor,
            infrastructure.lag,
            stop=self._reactor.stop,
            drain=self.drain,
            undrain=self.undrain,
            draining=lambda: infrastructure.cluster.draining,
            deployment=config.deployment,
        )
        serving: dict[str, Any] = {
            "live": areas.Live(application.hub),
            "requests": Requests(infrastructure.metrics, self._reactor),
            "cache": areas.Caches(
                infrastructure.cache, infrastructure.microcache, application.router.evict, application.router.forget
            ),
            "happening": happening(infrastructure, application),
        }
        serving["requests"].recently.start()
        supervisor = self._supervisor
        if supervisor is not None:
            serving = supervisor.areas(application.router.evict, application.router.forget, serving["happening"])
        console = Console(
            process=process,
            **serving,
            database=areas.Servers(application.database, application.tail, infrastructure.metrics),
            sites=areas.Sites(
                application.sites,
                application.deletions,
                application.check_webhook,
                demo.SITE if config.demo.enabled else None,
            ),
            bans=areas.Bans(application.sites, application.bans),
            pages=areas.Pages(application.database),
            commands=application.registry.commands(OperatorParts(
                sites=application.sites, database=application.database, evict=application.router.wrote_here,
                clock=self._reactor, shared=application.shared, own_url=config.own_url,
            )),
            usage=areas.Usages(application.sites, application.usage),
            outbox=areas.OutboxCommands(application.outbox),
            accounts=Accounts(application.sites, application.shared, config.panel_url),
            erasures=areas.ErasureCommands(application.sites, application.erasures),
            cluster=areas.Cluster(
                infrastructure.cluster.membership,
                infrastructure.cluster.mesh,
                application.nodes.forget if application.nodes is not None else None,
            )
            if config.nodes
            else None,
        )
        runner = Runner(console, self._reactor, infrastructure.metrics, expected=(DatabaseError,))
        self._token = token = admin_token(infrastructure.state)
        self._admin.root = admin_resource(
            health=infrastructure.health, metrics=infrastructure.metrics, runner=runner, token=token,
            render=supervisor.render if supervisor is not None else None, problems=infrastructure.problems.now,
        )  # fmt: skip
        if config.manhole.enabled:
            self._manhole.open(ManholeFactory(
                runner=runner,
                password=await infrastructure.in_thread(Password.open, infrastructure.state),
                clock=self._reactor,
                metrics=infrastructure.metrics,
                in_thread=infrastructure.in_thread,
                user=config.manhole.user,
                namespace={
                    "daemon": self,
                    "infrastructure": infrastructure,
                    "application": application,
                    "console": console,
                },
            ))

    # Faults of the start

    def _fail_now(self, error: BaseException) -> NoReturn:
        say(error)
        self._refuse(" ".join(str(error).split()))
        raise SystemExit(1)

    def _failed(self, failure: Failure) -> None:
        if not self.running:
            # Told to stop meanwhile: the parts that were being waited for went away. That is no fault.
            log.info("the start was broken off: {reason}", reason=failure.getErrorMessage())
            return
        if failure.check(*EXPECTED):
            say(failure.value)
        else:
            log.failure("the start failed", failure)
            say(failure.value)
        # It may have failed before the reactor runs.
        self._reactor.callWhenRunning(self._give_up)

    def _give_up(self) -> None:
        self._reactor.addSystemEventTrigger("after", "shutdown", leave, 1)
        self._end()

    # Change

    def reload(self) -> None:
        """Read again what can be: log level, zone, geo files, certificates of the mesh and which nodes may link.

        The rest needs a restart, and is named if it changed. A log file is opened anew: it may have been moved away.
        """
        if self._log_file is not None:
            try:
                logs.write_to(self._log_file)
            except OSError as error:
                log.error("the log is not begun anew: {reason}", reason=str(error))
        try:
            new = load(self._path)
        except ConfigError as error:
            log.error("the configuration was not read again: {reason}", reason=str(error))
            return
        logs.set_level(new.log.level)
        for endpoint in self._public:
            endpoint.reload()
        if self._supervisor is not None:
            self._supervisor.reload(new.log.level)
        try:
            self.infrastructure.dns.reload_zone()
        except ZoneError as error:
            log.error("the zone was not read again: {reason}", reason=str(error))
        try:
            self.infrastructure.cluster.relist(new)
        except ConfigError as error:
            log.error("the nodes were not read again: {reason}", reason=str(error))
        self.infrastructure.cluster.renew()
        read = ("log", "nodes")
        old = {name: getattr(self._config, name) for name in self._config.__struct_fields__ if name not in read}
        changed = [f"[{name}]" for name, value in old.items() if getattr(new, name) != value]
        log.info("configuration read again; needs a restart: {parts}", parts=", ".join(changed) or "nothing")

    async def drain(self) -> dict[str, Any]:
        """Leave DNS and the loader, turn unready, and send live clients elsewhere; the process stays up."""
        infrastructure = self.infrastructure
        infrastructure.turn_unready()
        infrastructure.cluster.drain()
        moved = self._application.hub.stats().sessions if self._application else {}
        if self._supervisor is not None:
            return {"drained": True, "moved": await self._supervisor.drain()}
        if self._application is not None:
            await self._application.hub.drain(self._config.realtime.drain_seconds, infrastructure.cluster.elsewhere)
        return {"drained": True, "moved": sum(moved.values())}

    async def undrain(self) -> dict[str, Any]:
        """Take visitors again: ready, in DNS and loader, live clients may come."""
        infrastructure = self.infrastructure
        was = infrastructure.cluster.draining
        infrastructure.cluster.stay()
        if self._application is not None:
            self._application.hub.stay()
        if self._supervisor is not None:
            await self._supervisor.undrain()
        infrastructure.cluster.beat()
        return {"draining": False, "was_draining": was}

    # Stop

    def stopService(self) -> Deferred[None]:
        """Stop accepting, tell clients to move, finish requests, close the database: in bounded time."""
        super().stopService()
        log.info("stopping")
        self.infrastructure.systemd.stopping()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        infrastructure, total = self.infrastructure, self._config.shutdown_timeout
        infrastructure.turn_unready()
        infrastructure.cluster.beat()
        self._manhole.close()
        closing = [maybeDeferred(port.stopListening) for port in self._ports]
        application = self._application
        if self._supervisor is not None:
            closing.append(Deferred.fromCoroutine(self._supervisor.stop(total * 0.6)))
        if application is not None:
            share = min(self._config.realtime.drain_seconds, total / 2)
            closing.append(application.hub.drain(share, infrastructure.cluster.elsewhere))
            closing.append(infrastructure.http.drain(total / 2, grace=0.2))
        await self._within(total * 0.75, DeferredList(closing, consumeErrors=True), "connections")
        for server in (infrastructure.http, self._admin):
            server.abort_all()
        infrastructure.stop()
        await self._within(1.0, Deferred.fromCoroutine(infrastructure.dns.stop()), "DNS")
        await self._within(1.0, infrastructure.cluster.prober.stop(), "probes")
        await self._within(1.0, Deferred.fromCoroutine(infrastructure.cluster.stop_mesh()), "mesh")
        if application is not None:
            await self._within(2.0, Deferred.fromCoroutine(application.close()), "database connections")
        if infrastructure.embedded is not None:
            await self._within(9.0, Deferred.fromCoroutine(infrastructure.embedded.stop()), "PostgreSQL")

    async def _within(self, seconds: float, work: Deferred[Any], what: str) -> None:
        try:
            await work.addTimeout(seconds, self._reactor)
        except Exception as error:
            log.warn("{what} did not close in order: {reason}", what=what, reason=str(error) or type(error).__name__)


class Delayed(Factory):
    """The console's listener before there is a console: connections are closed."""

    noisy = False

    def __init__(self) -> None:
        self._factory: ManholeFactory | None = None

    def open(self, factory: ManholeFactory) -> None:
        """There is a console: *factory* answers from now on."""
        self._factory = factory

    def close(self) -> None:
        """End all sessions."""
        if self._factory is not None:
            self._factory.close()

    def buildProtocol(self, addr: Any) -> Any:
        """What the factory builds, once there is one."""
        return None if self._factory is None else self._factory.buildProtocol(addr)


def _speaks(endpoint: str) -> str:
    return "HTTPS" if endpoint.startswith(("cackletls:", "ssl:", "txacme")) else "HTTP"


def place_of(address: Any) -> str:
    """The address of an endpoint as a person writes it."""
    if hasattr(address, "name"):
        return os.fsdecode(address.name or b"?")
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


def say(error: BaseException | None) -> None:
    """One line for the operator, on the real standard error (twistd's own is the log)."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{os.fsdecode(error.filename)}: {error.strerror}"
    print(f"cackled: {text}", file=sys.__stderr__, flush=True)


def leave(code: int) -> None:
    """End the process with *code*; twistd would make it 0."""
    sys.stdout.flush()
    os._exit(code)
