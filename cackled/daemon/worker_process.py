"""A worker's life: the parts it has, and what its parent tells it to do with them.

With `cackled.daemon.service` and `cackled.daemon.infrastructure` one of the modules that know everything. A worker has
the parts of a whole daemon but DNS, mesh, operator listeners and the care of the database; it listens on what the
parent has bound.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger, globalLogBeginner
from twisted.python.failure import Failure

from cackled import logs
from cackled.admin import areas
from cackled.admin.activity import Requests
from cackled.admin.process import LocalProcess, resident_bytes
from cackled.clock import Periodic
from cackled.cluster.control import (
    Answer,
    Ask,
    Beat,
    ClusterChanged,
    Configure,
    ContentsGot,
    Failed,
    Leaving,
    Message,
    PeerJoined,
    PeerLeft,
    Pipe,
    Ready,
    Reload,
    Retire,
    Serve,
    Serving,
    ToWorker,
)
from cackled.cluster.exchange_pipe import ExchangeOverPipe
from cackled.cluster.launch import PIPE, adopt_pipe
from cackled.cluster.merged_metrics import figures_of
from cackled.cluster.sockets import Shareable, shareable
from cackled.config import ConfigError
from cackled.daemon.application import Application
from cackled.daemon.infrastructure import Infrastructure
from cackled.daemon.monitoring import happening, watch
from cackled.database.errors import DatabaseError
from cackled.domain.commands import CommandError
from cackled.transport.tls import CertificateError

# What is expected to go wrong: told in one line.
EXPECTED = (ConfigError, DatabaseError, CertificateError, OSError)
CLOSE_SECONDS = 2.0

log = Logger()


class WorkerProcess:
    """One worker. ``code`` is the exit code of its process."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.code = 0
        self._pipe = Pipe(ToWorker, self._heard, self._orphaned)
        self._begin: Configure
        self._infrastructure: Infrastructure
        self._application: Application | None = None
        self._exchange: ExchangeOverPipe | None = None
        self._listeners: list[Shareable] = []
        self._ports: dict[int, list[Any]] = {}
        self._retiring = False
        self._commands: dict[str, Callable[..., Any]] = {}
        self._beats = Periodic(reactor, 1.0, self._beat, "beats to the parent")

    def open_pipe(self) -> None:
        """Listen to the parent."""
        adopt_pipe(self._reactor, PIPE, self._pipe)

    def _orphaned(self, why: str) -> None:
        """The parent is gone: end, for nobody would replace or drain this worker."""
        if not self._retiring:
            log.error("the parent is gone, so is this worker: {reason}", reason=why)
        leave(0 if self._retiring else 1)

    # What the parent says

    def _heard(self, message: Any) -> None:
        match message:
            case Configure():
                self._start(message)
            case Serve(slots):
                self._serve(slots)
            case ClusterChanged(view):
                self._infrastructure.cluster.see(view)
            case PeerJoined(source):
                if self._infrastructure.bus is not None:
                    self._infrastructure.bus.came(source)
            case PeerLeft(source):
                if self._infrastructure.bus is not None:
                    self._infrastructure.bus.gone(source)
            case Ask():
                self._answer(message)
            case ContentsGot():
                if self._exchange is not None:
                    self._exchange.got(message)
            case Reload(level):
                logs.set_level(level)
                for listener in self._listeners:
                    listener.reload()
            case Retire(seconds):
                self._retire(seconds)

    def _tell(self, message: Message) -> None:
        self._pipe.tell(message)

    # Start

    def _start(self, begin: Configure) -> None:
        self._begin = begin
        config = begin.config
        logs.set_level(config.log.level)
        write = logs.observer(config.log.format)
        observers = [lambda event: write({**event, "worker": begin.slot})]
        globalLogBeginner.beginLoggingTo(observers, redirectStandardIO=False)  # type: ignore[arg-type]
        signal.signal(signal.SIGTERM, lambda *_: self._reactor.callFromThread(self._tell, Leaving()))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            self._infrastructure = Infrastructure(self._reactor, config, begin)
            if len(config.nodes) > 1 or config.discovery.enabled:
                self._exchange = ExchangeOverPipe(self._reactor, self._tell)
                self._infrastructure.ask_nodes = self._exchange.ask
            self._listeners = [
                shareable(self._infrastructure.endpoint(listen), listen.endpoint) for listen in config.listen
            ]
        except EXPECTED as error:
            self._fail(Failure(error))
            return
        Deferred.fromCoroutine(self._open()).addErrback(self._fail)

    async def _open(self) -> None:
        infrastructure = self._infrastructure
        infrastructure.start()
        self._beats.start(now=True)
        if infrastructure.bus is not None:
            infrastructure.bus.start()
        application = self._application = Application(infrastructure)
        tree = await application.open()
        watch(infrastructure, application)
        self._commands = self._table(application)
        infrastructure.serve(tree)
        infrastructure.freezer.start()
        self._tell(Ready())

    def _fail(self, failure: Failure) -> None:
        if not failure.check(*EXPECTED):
            log.failure("the start failed", failure)
        reason = " ".join(failure.getErrorMessage().split()) or type(failure.value).__name__
        self._tell(Failed(reason))
        # The pipe has to carry it first.
        self._reactor.callLater(0.1, leave, 1)

    # Listeners

    def _serve(self, slots: list[int]) -> None:
        wanted = set(slots) if not self._retiring else set()
        for slot in sorted(wanted - self._ports.keys()):
            ports = self._ports[slot] = []
            for listener, descriptor in zip(self._listeners, self._begin.files[slot], strict=True):
                ports.append(listener.listen_on(descriptor, self._infrastructure.http))
        closing = []
        for slot in self._ports.keys() - wanted:
            closing += [maybeDeferred(port.stopListening) for port in self._ports.pop(slot)]
        # Told when it is true: the other owner of the slot goes by it.
        DeferredList(closing, consumeErrors=True).addCallback(lambda _: self._tell(Serving(sorted(self._ports))))

    # What is asked

    def _table(self, application: Application) -> dict[str, Callable[..., Any]]:
        infrastructure = self._infrastructure
        live = areas.Live(application.hub)
        caches = areas.Caches(
            infrastructure.cache, infrastructure.microcache, application.router.evict, application.router.forget
        )
        process = LocalProcess(
            self._begin.config.node,
            self._reactor,
            infrastructure.lag,
            stop=lambda: None,
            draining=lambda: infrastructure.cluster.draining,
        )
        requests, now = Requests(infrastructure.metrics, self._reactor), happening(infrastructure, application)
        requests.recently.start()
        servers = areas.Servers(application.database, application.tail, infrastructure.metrics)
        return {
            "process": process.facts,
            "sessions": live.sessions,
            "channels": live.channels,
            "requests": requests.requests,
            "errors": now.errors,
            "addresses": now.addresses,
            "sites": now.sites,
            "caches": caches.caches,
            "evict": caches.evict,
            "clear": caches.clear,
            "tail": servers.tail,
            "collect": process.collect,
            "loglevel": logs.set_level,
            "figures": lambda: figures_of(infrastructure.metrics.registry),
            "drain": self._drain,
            "undrain": self._undrain,
            "share": self._share,
        }

    def _answer(self, ask: Ask) -> None:
        command = self._commands.get(ask.what)
        if command is None:
            self._tell(Answer(ask.number, error=f"worker {self._begin.slot} is not ready to be asked {ask.what}"))
            return

        def done(data: Any) -> None:
            self._tell(Answer(ask.number, msgspec.Raw(msgspec.json.encode(data))))

        def failed(failure: Failure) -> None:
            if not failure.check(CommandError, *EXPECTED):
                log.failure("asked {what}", failure, what=ask.what)
            self._tell(Answer(ask.number, error=failure.getErrorMessage() or "it failed"))

        maybeDeferred(command, *ask.words).addCallback(done).addErrback(failed)

    def _drain(self) -> Deferred[int]:
        application, infrastructure = self._application, self._infrastructure
        assert application is not None
        infrastructure.turn_unready()
        moved = sum(application.hub.stats().sessions.values())
        seconds = self._begin.config.realtime.drain_seconds
        return application.hub.drain(seconds, infrastructure.cluster.elsewhere).addCallback(lambda _: moved)

    def _share(self, count: int) -> int:
        """Tell so many clients to connect again to this node's own address, where another worker takes them."""
        assert self._application is not None
        self._application.hub.send_away(self._begin.config.realtime.drain_seconds, self._next_worker, count)
        return count

    def _undrain(self) -> None:
        assert self._application is not None
        self._infrastructure.cluster.stay()
        self._application.hub.stay()

    def _beat(self) -> None:
        infrastructure = self._infrastructure
        connections, capacity = infrastructure.fitness.connections()
        sessions = sum(self._application.hub.stats().sessions.values()) if self._application is not None else 0
        memory, lag = resident_bytes() or 0, infrastructure.lag.worst()
        self._tell(Beat(connections, capacity, sessions, memory, lag, infrastructure.problems.now()))

    # End

    def _retire(self, seconds: float) -> None:
        if not self._retiring:
            self._retiring = True
            Deferred.fromCoroutine(self._end(seconds)).addBoth(self._over)

    async def _end(self, seconds: float) -> None:
        infrastructure, application = self._infrastructure, self._application
        self._serve([])
        closing: list[Deferred[Any]] = []
        if application is not None:
            share = min(self._begin.config.realtime.drain_seconds, seconds / 2)
            closing.append(application.hub.drain(share, self._next_worker))
        closing.append(infrastructure.http.drain(seconds / 2, grace=0.2))
        try:
            await DeferredList(closing, consumeErrors=True).addTimeout(seconds * 0.75, self._reactor)
        except Exception as error:
            log.warn("connections did not close in order: {reason}", reason=str(error) or type(error).__name__)
        infrastructure.http.abort_all()
        if application is not None:
            await Deferred.fromCoroutine(application.close()).addTimeout(CLOSE_SECONDS, self._reactor)
        if infrastructure.bus is not None:
            await infrastructure.bus.stop()

    def _next_worker(self) -> str | None:
        """Where clients of a retiring worker go: this node's own address, where its successor is, unless it drains."""
        infrastructure = self._infrastructure
        if infrastructure.cluster.draining:
            return infrastructure.cluster.elsewhere()
        own = infrastructure.config.node
        servers = infrastructure.cluster.view().servers
        return next((server.url for server in servers if server.name == own and server.url), None)

    def _over(self, result: object) -> None:
        if isinstance(result, Failure):
            log.warn("the end was not in order: {reason}", reason=result.getErrorMessage())
        try:
            self._reactor.stop()
        except ReactorNotRunning:
            pass


def leave(code: int) -> None:
    """End the process at once."""
    try:
        sys.stdout.flush()
    finally:
        os._exit(code)
