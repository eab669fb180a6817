"""Whether this node can serve: what ``/readyz`` answers, and what the other nodes are told in heartbeats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred

from cackled.admin.health import Health, NotReady, Readiness
from cackled.cluster.control import Message
from cackled.cluster.liveness import Load
from cackled.daemon.cluster_view import ClusterView
from cackled.database.routing import Database
from cackled.database.shards import ShardedDatabase
from cackled.dns.serial import Mark
from cackled.metrics import Metrics
from cackled.problems import Problems


class DatabaseFacts(Struct, frozen=True):
    """What is known of the database.

    ``trouble``: why it can't be used, or empty. ``lag``: seconds that the nearest server that answers is behind the
    primary; None where that is not known. ``primaries``: the shards whose primary is reached from here; None: not known
    yet.
    """

    trouble: Callable[[], str]
    lag: Callable[[], float | None]
    primaries: Callable[[], tuple[int, ...] | None]

    @classmethod
    def of(cls, database: Database) -> DatabaseFacts:
        """What *database* says of itself."""

        def lag() -> float | None:
            alive = [server for server in database.servers if server.alive]
            return min(alive, key=lambda server: server.latency).staleness if alive else None

        def primaries() -> tuple[int, ...]:
            parts = database.shards if isinstance(database, ShardedDatabase) else {0: database}
            return tuple(number for number, part in parts.items() if part.writable)

        return cls(lambda: "" if database.ready else "no database server answers", lag, primaries)


# Before the database was opened.
STARTING = DatabaseFacts(lambda: "starting", lambda: None, lambda: None)


class Workers(Struct, frozen=True):
    """The worker processes of a daemon.

    ``load``: connections that are open, and that may be. ``trouble``: what is wrong with them, or empty. ``tell`` sends
    a message to all; ``changed`` has them told how the cluster looks.
    """

    load: Callable[[], tuple[int, int]]
    trouble: Callable[[], str]
    tell: Callable[[Message], None]
    changed: Callable[[], None]


class Fitness:
    """The checks of whether this node can serve.

    Args:
        connections: connections that are open in this process, and that may be.
        mark: the DNS zone of this node, where it has one.
        with_workers: visitors are served by workers, which are to be connected.
    """

    def __init__(
        self,
        reactor: Any,
        metrics: Metrics,
        cluster: ClusterView,
        problems: Problems,
        *,
        connections: Callable[[], tuple[int, int]],
        mark: Callable[[], Mark | None],
        with_workers: bool,
    ) -> None:
        self._cluster = cluster
        self._problems = problems
        self._connections = connections
        self._mark = mark
        self._database = STARTING
        self._workers: Workers | None = None
        self._fit = False
        checks = {"database": self._check_database, "draining": self._check_draining, "problems": self._check_problems}
        if cluster.checked:
            checks["mesh"] = self._check_mesh
            checks["primary"] = self._check_primary
        if with_workers:
            checks["workers"] = self._check_workers
        self.health = Health(checks, reactor, metrics)

    def connect_database(self, facts: DatabaseFacts) -> None:
        """Use the database that *facts* describe."""
        self._database = facts

    def connect_workers(self, workers: Workers) -> None:
        """Use *workers*: they have the connections."""
        self._workers = workers

    def connections(self) -> tuple[int, int]:
        """Connections that are open and that may be; with workers, theirs."""
        return self._connections() if self._workers is None else self._workers.load()

    def workers_trouble(self) -> str:
        """What is wrong with the workers; empty: nothing."""
        return "" if self._workers is None else self._workers.trouble()

    def load(self) -> Load:
        """What this node says of itself in heartbeats; draining is told apart from all else that is wrong."""
        Deferred.fromCoroutine(self.health.look()).addCallback(self._looked)
        mark, database = self._mark(), self._database
        zone = (mark.digest, mark.serial) if mark is not None else None
        draining = self._cluster.draining
        return Load(self._fit, draining, *self.connections(), database.lag(), zone, database.primaries())

    def _looked(self, found: Readiness) -> None:
        self._fit = all(outcome == "ok" for name, outcome in found.checks.items() if name != "draining")

    async def _check_database(self) -> None:
        _fail(self._database.trouble())

    async def _check_draining(self) -> None:
        _fail("this node is draining" if self._cluster.draining else "")

    async def _check_problems(self) -> None:
        _fail(self._problems.unfit())

    async def _check_mesh(self) -> None:
        _fail(self._cluster.view().trouble)

    async def _check_primary(self) -> None:
        _fail(self._cluster.view().astray)

    async def _check_workers(self) -> None:
        _fail(self.workers_trouble())


def _fail(wrong: str) -> None:
    if wrong:
        raise NotReady(wrong)
