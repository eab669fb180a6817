"""A worker's life: the parts it has, and what its parent tells it to do with them.

With `cackled.app` and `cackled.parts` one of the modules that know everything. A worker has the parts of a whole daemon
but DNS, mesh, operator listeners and the care of the database; it listens on what the parent has bound.
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
from cackled.admin.console import CommandError
from cackled.admin.process import LocalProcess, resident_bytes
from cackled.clock import Periodic
from cackled.cluster.control import (
    Answer,
    Ask,
    Beat,
    Begin,
    Came,
    Failed,
    Gone,
    Leaving,
    Message,
    Pipe,
    Ready,
    Reload,
    Retire,
    See,
    Serve,
    Serving,
    ToWorker,
)
from cackled.cluster.gather import figures_of
from cackled.cluster.launch import PIPE, adopt_pipe
from cackled.cluster.sockets import Shareable, shareable
from cackled.config import ConfigError
from cackled.database.errors import DatabaseError
from cackled.house import House
from cackled.parts import Ground
from cackled.transport.tls import CertificateError

# What is expected to go wrong: told in one line.
EXPECTED = (ConfigError, DatabaseError, CertificateError, OSError)
CLOSE_SECONDS = 2.0

log = Logger()


class Worker:
    """One worker. ``code`` is the exit code of its process."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.code = 0
        self._pipe = Pipe(ToWorker, self._heard, self._orphaned)
        self._begin: Begin
        self._ground: Ground
        self._house: House | None = None
        self._listeners: list[Shareable] = []
        self._ports: dict[int, list[Any]] = {}
        self._retiring = False
        self._commands: dict[str, Callable[..., Any]] = {}
        self._beats = Periodic(reactor, 1.0, self._beat, "beats to the parent")

    def open_pipe(self) -> None:
        """Listen to the parent."""
        adopt_pipe(self._reactor, PIPE, self._pipe)

    def _orphaned(self, why: str) -> None:
        """The parent is gone: nobody would replace us, drain us, or know us."""
        if not self._retiring:
            log.error("the parent is gone, so is this worker: {reason}", reason=why)
        leave(0 if self._retiring else 1)

    # What the parent says

    def _heard(self, message: Any) -> None:
        match message:
            case Begin():
                self._start(message)
            case Serve(slots):
                self._serve(slots)
            case See(view):
                self._ground.see(view)
            case Came(source):
                if self._ground.bus is not None:
                    self._ground.bus.came(source)
            case Gone(source):
                if self._ground.bus is not None:
                    self._ground.bus.gone(source)
            case Ask():
                self._answer(message)
            case Reload(level):
                logs.set_level(level)
                for listener in self._listeners:
                    listener.reload()
            case Retire(seconds):
                self._retire(seconds)

    def _tell(self, message: Message) -> None:
        self._pipe.tell(message)

    # Start

    def _start(self, begin: Begin) -> None:
        self._begin = begin
        config = begin.config
        logs.set_level(config.log.level)
        write = logs.observer(config.log.format)
        observers = [lambda event: write({**event, "worker": begin.slot})]
        globalLogBeginner.beginLoggingTo(observers, redirectStandardIO=False)  # type: ignore[arg-type]
        signal.signal(signal.SIGTERM, lambda *_: self._reactor.callFromThread(self._tell, Leaving()))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            self._ground = Ground(self._reactor, config, begin)
            self._listeners = [
                shareable(self._ground.endpoint(listen), listen.endpoint) for listen in config.listen
            ]
        except EXPECTED as error:
            self._fail(Failure(error))
            return
        Deferred.fromCoroutine(self._open()).addErrback(self._fail)

    async def _open(self) -> None:
        ground = self._ground
        for part in (ground.lag, ground.pauses, ground.governor, ground.problems):
            part.start()
        self._beats.start(now=True)
        if ground.bus is not None:
            ground.bus.start()
        house = self._house = House(ground)
        tree = await house.open()
        ground.database_is_up = lambda: "" if house.database.ready else "no database server answers"
        ground.database_lag = house.lag
        ground.looked = house.looked
        self._commands = self._table(house)
        ground.http.root = tree
        ground.freezer.start()
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
                ports.append(listener.listen_on(descriptor, self._ground.http))
        closing = []
        for slot in self._ports.keys() - wanted:
            closing += [maybeDeferred(port.stopListening) for port in self._ports.pop(slot)]
        # Told when it is true: the other owner of the slot goes by it.
        DeferredList(closing, consumeErrors=True).addCallback(lambda _: self._tell(Serving(sorted(self._ports))))

    # What is asked

    def _table(self, house: House) -> dict[str, Callable[..., Any]]:
        ground = self._ground
        live, caches = areas.Live(house.hub), areas.Caches(ground.cache, ground.microcache, house.evict, house.forget)
        process = LocalProcess(
            self._begin.config.node, self._reactor, ground.lag, stop=lambda: None, draining=lambda: ground.draining
        )
        servers = areas.Servers(house.database, house.tail, ground.metrics)
        return {
            "process": process.facts,
            "sessions": live.sessions,
            "channels": live.channels,
            "requests": areas.Requests(ground.metrics).requests,
            "caches": caches.caches,
            "evict": caches.evict,
            "clear": caches.clear,
            "tail": servers.tail,
            "collect": process.collect,
            "loglevel": logs.set_level,
            "figures": lambda: figures_of(ground.metrics.registry),
            "drain": self._drain,
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
        house, ground = self._house, self._ground
        assert house is not None
        ground.draining = True
        ground.health.forget()
        moved = sum(house.hub.stats().sessions.values())
        return house.hub.drain(self._begin.config.realtime.drain_seconds, ground.elsewhere).addCallback(lambda _: moved)

    def _beat(self) -> None:
        ground = self._ground
        connections, capacity = ground.connections()
        sessions = sum(self._house.hub.stats().sessions.values()) if self._house is not None else 0
        memory, lag = resident_bytes() or 0, ground.lag.worst()
        self._tell(Beat(connections, capacity, sessions, memory, lag, ground.problems.now()))

    # End

    def _retire(self, seconds: float) -> None:
        if not self._retiring:
            self._retiring = True
            Deferred.fromCoroutine(self._end(seconds)).addBoth(self._over)

    async def _end(self, seconds: float) -> None:
        ground, house = self._ground, self._house
        self._serve([])
        closing: list[Deferred[Any]] = []
        if house is not None:
            share = min(self._begin.config.realtime.drain_seconds, seconds / 2)
            closing.append(house.hub.drain(share, self._next_door))
        closing.append(ground.http.drain(seconds / 2, grace=0.2))
        try:
            await DeferredList(closing, consumeErrors=True).addTimeout(seconds * 0.75, self._reactor)
        except Exception as error:
            log.warn("connections did not close in order: {reason}", reason=str(error) or type(error).__name__)
        ground.http.abort_all()
        if house is not None:
            await Deferred.fromCoroutine(house.close()).addTimeout(CLOSE_SECONDS, self._reactor)
        if ground.bus is not None:
            await ground.bus.stop()

    def _next_door(self) -> str | None:
        """Where clients of a retiring worker go: this node's own address, where its successor is, unless it drains."""
        ground = self._ground
        if ground.draining:
            return ground.elsewhere()
        own = ground.config.node
        return next((server.url for server in ground.view().servers if server.name == own and server.url), None)

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
