"""The workers of a daemon, seen from the parent: their sockets, their processes, and what operators see of them.

Part of the composition root, as `cackled.daemon.service` and `cackled.daemon.infrastructure`; used with ``workers = N``
only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.logger import Logger

from cackled.admin import combined_areas
from cackled.admin.activity import Happening
from cackled.cluster.control import Reload
from cackled.cluster.exchange_pipe import AnsweredProcesses
from cackled.cluster.launch import Processes
from cackled.cluster.sockets import Bound
from cackled.cluster.workers import Pool, Worker, WorkerError
from cackled.config import Config, ConfigError, DatabaseServer, Mesh
from cackled.daemon.infrastructure import Infrastructure
from cackled.daemon.readiness import Workers
from cackled.domain.commands import CommandError
from cackled.problems import Problem

# PostgreSQL of our own takes 100 connections; some are kept for operators and for a worker beside its successor.
EMBEDDED_CONNECTIONS = 85
# Tail, migrations and the like, beside the pool of a process.
OTHER_CONNECTIONS = 2
# What is the workers' alone, and read again when they are replaced; the parent goes by the rest too.
WORKERS_OWN = ("http", "microcache", "cache", "realtime", "limits", "products", "demo", "env", "log")

log = Logger()


class WorkerSupervisor:
    """All workers of *infrastructure*'s daemon; *reread* gives the configuration as it is in the file now.

    Raises:
        ConfigError: at `bind`.
    """

    def __init__(self, infrastructure: Infrastructure, reread: Callable[[], Config]) -> None:
        self._infrastructure = infrastructure
        self._reread = reread
        # What workers that start from now on are configured with.
        self._given = infrastructure.config
        self._bound: list[Bound] = []
        self._ports: dict[int, list[Any]] = {}
        self._pool: Pool
        self._metrics: combined_areas.GatheredMetrics

    def bind(self) -> None:
        """Bind the addresses; until a worker accepts, this process answers that visitors should wait."""
        infrastructure, config = self._infrastructure, self._infrastructure.config
        if infrastructure.bus is None:
            # Without a mesh this process has no end of the bus, but what is configured is looked at all the same.
            from cackled.cluster.redis import Place

            Place(config.redis)
        for listen in config.listen:
            bound = Bound(infrastructure.endpoint(listen), listen.endpoint, config.workers)
            self._bound.append(bound)
            host, port = bound.sockets[0].getsockname()[:2]
            what = "HTTPS" if listen.endpoint.startswith("cackletls:") else "HTTP"
            place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            log.info("{what} on {place}, {count} workers", what=what, place=place, count=config.workers)
        mesh = infrastructure.cluster.mesh
        self._pool = Pool(
            count=config.workers,
            clock=infrastructure.reactor,
            random=infrastructure.random,
            launch=AnsweredProcesses(
                Processes(infrastructure.reactor, self._bound), mesh.exchange if mesh is not None else None
            ),
            config=self._config,
            view=infrastructure.cluster.view,
            stand_in=self._stand_in,
            metrics=infrastructure.metrics,
            departed=self._departed,
        )
        self._metrics = combined_areas.GatheredMetrics(infrastructure.metrics, self._pool)
        infrastructure.problems.include(self._problems)
        pool = self._pool
        infrastructure.connect_workers(Workers(pool.load, pool.trouble, pool.tell, pool.see))
        self._stand_in(frozenset(range(config.workers)))

    def _config(self) -> Config:
        """The configuration of a worker, without what is the parent's alone."""
        config, embedded = self._given, self._infrastructure.embedded
        database = config.database
        if embedded is not None:
            fair = EMBEDDED_CONNECTIONS // (config.workers + 2) - OTHER_CONNECTIONS
            database = replace(
                database,
                server=(DatabaseServer(dsn=embedded.dsn, name="embedded", local=True),),
                connections=max(1, min(database.connections, fair)),
            )
        return replace(config, database=database, mesh=Mesh(), dns=replace(config.dns, enabled=False))

    def _stand_in(self, slots: frozenset[int]) -> None:
        for slot in slots - self._ports.keys():
            self._ports[slot] = [
                bound.endpoint.listen_on(bound.sockets[slot].fileno(), self._infrastructure.http)
                for bound in self._bound
            ]
        for slot in self._ports.keys() - slots:
            for port in self._ports.pop(slot):
                maybeDeferred(port.stopListening)

    def _departed(self, worker: Worker) -> None:
        self._metrics.departed(worker.source)
        if self._infrastructure.crossing is not None:
            self._infrastructure.crossing.forget(worker.source)

    def _problems(self) -> list[Problem]:
        """What the workers say is wrong with them."""
        return [
            Problem(one.name, f"Worker {worker.slot}: {one.text}", one.unfit)
            for worker in self._pool.workers() if worker.beat is not None
            for one in worker.beat.problems
        ]  # fmt: skip

    # Life

    async def start(self) -> None:
        """Start the workers; returns when all can serve.

        Raises:
            ConfigError: one of them can't.
        """
        if self._infrastructure.crossing is not None:
            self._infrastructure.crossing.start()
        try:
            await self._pool.start()
        except WorkerError as error:
            raise ConfigError(str(error)) from None

    async def stop(self, seconds: float) -> None:
        """Stop all workers, within *seconds* and a little more."""
        ports, self._ports = self._ports, {}
        closing = [maybeDeferred(port.stopListening) for slot in ports.values() for port in slot]
        for bound in self._bound:
            bound.close()
        await self._pool.stop(seconds)
        await DeferredList(closing, consumeErrors=True)
        if self._infrastructure.crossing is not None:
            await self._infrastructure.crossing.stop()

    def reload(self, level: str) -> None:
        """Tell the workers to read certificates again and to log from *level* on."""
        self._pool.tell(Reload(level))
        for bound in self._bound:
            bound.endpoint.reload()

    async def drain(self) -> int:
        """Send the clients of all workers elsewhere; gives their number."""
        self._pool.see()
        answers = await self._pool.ask_all("drain", seconds=self._infrastructure.config.realtime.drain_seconds + 5.0)
        return sum(told for _, told in answers if isinstance(told, int))

    async def undrain(self) -> None:
        """Have all workers take visitors again."""
        self._pool.see()
        await self._pool.ask_all("undrain")

    # What operators see

    def areas(
        self, evict: Callable[[tuple[int, int]], None], clear: Callable[[], None], own: Happening
    ) -> dict[str, Any]:
        """The areas of the console that the workers answer for."""
        pool = self._pool
        return {
            "live": combined_areas.GatheredLive(pool),
            "requests": combined_areas.GatheredRequests(pool),
            "cache": combined_areas.GatheredCaches(pool, evict, clear),
            "happening": combined_areas.GatheredHappening(pool, own),
            "workers": combined_areas.WorkerCommands(pool, self._infrastructure.reactor, self._restart),
        }

    def render(self) -> Any:
        """The page of metrics, of this process and all workers."""
        return self._metrics.render()

    def _restart(self) -> str:
        try:
            new = self._reread()
        except ConfigError as error:
            raise CommandError(f"nothing is replaced: {error}") from None
        self._given = replace(self._given, **{name: getattr(new, name) for name in WORKERS_OWN})
        count = self._infrastructure.config.workers
        refused: list[str] = []

        def failed(failure: Any) -> None:
            refused.append(failure.getErrorMessage())
            log.error("workers not replaced: {reason}", reason=refused[0])

        work = Deferred.fromCoroutine(self._pool.restart())
        work.addCallback(lambda done: log.info("{count} workers replaced", count=done)).addErrback(failed)
        if refused:
            raise CommandError(refused[0])
        return f"{count} workers are replaced one after another; see: workers"
