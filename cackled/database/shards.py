"""Shards: several databases that hold sites. A site is in one of them, and can be moved while it is read and written.

Made only where ``[[database.shard]]`` names one; with one database there is a plain `Database`. Shard 0 is the one
whose catalog says where each site is. What is known of that here may be old: the databases themselves refuse a site
that is not theirs, or that is on its way (`Moved`), and who was refused waits, learns, and asks again in the right
place. `cackled.database.moving` moves sites.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any, TypeVar

from prometheus_client import Gauge
from prometheus_client.metrics import MetricWrapperBase
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled import config
from cackled.clock import sleep
from cackled.database.dsn import ServerSettings
from cackled.database.errors import DatabaseError, Moved, Unavailable
from cackled.database.migrate import migrate_primary
from cackled.database.query import Query, ReadPreference, Rows
from cackled.database.routing import Database, SiteDatabase
from cackled.database.server import HANG
from cackled.metrics import Metrics

log = Logger()

_T = TypeVar("_T")
_M = TypeVar("_M", bound=MetricWrapperBase)

# How many seconds a caller waits for a site that is being moved. A move delays writers for a fraction of a second.
PATIENCE = 10.0
FIRST_PAUSE = 0.01
LONGEST_PAUSE = 0.1
# A caller that has waited for so many seconds finishes the move of a site that was handed over: the mover is gone.
FINISH_AFTER = 1.0
MIGRATE_AGAIN = 10.0

SELECT_SHARDS = Query("select_shards", "select id, shard from catalog.site where shard <> 0")
SELECT_SHARD = Query("select_shard", "select shard from catalog.site where id = $1", ("int",))
SELECT_PLACE = Query(
    "select_place",
    "select state, coalesce(target, 0), coalesce(until < now(), false) from shard.place where site_id = $1", ("int",),
)  # fmt: skip
# Ends a fence whose time is over, when nothing was handed over: the mover is gone.
LOWER_FENCE = Query(
    "lower_fence",
    "update shard.place set state = 'leaving', until = null "
    "where site_id = $1 and state = 'fenced' and until < now() returning site_id", ("int",),
)  # fmt: skip
SETTLE_TARGET = Query(
    "settle_target",
    "update shard.place set state = 'here', target = null where site_id = $1 and state = 'arriving'", ("int",),
)  # fmt: skip
SETTLE_CATALOG = Query("settle_catalog", "update catalog.site set shard = $2 where id = $1", ("int", "int"))
SETTLE_SOURCE = Query(
    "settle_source",
    "update shard.place set state = 'gone', until = null where site_id = $1 and state = 'handed'", ("int",),
)  # fmt: skip


class ShardMetrics(Metrics):
    """The metrics of one shard in the registry of the process.

    Gauges of a single value get the label "shard"; counters are shared by all shards.
    """

    def __init__(self, whole: Metrics, shard: int) -> None:
        super().__init__()
        self.registry = whole.registry
        self._whole = whole
        self._shard = str(shard)

    def _make(self, kind: type[_M], name: str, text: str, labels: Sequence[str], **more: object) -> _M:
        if kind is Gauge and not labels:
            return self._whole.gauge(f"shard_{name}", text, ["shard"]).labels(self._shard)  # type: ignore[return-value]
        return self._whole._make(kind, name, text, labels, **more)

    def value(self, name: str, **labels: str) -> float:
        """As `Metrics.value`, for this shard."""
        return self._whole.value(name, **labels) or self._whole.value(f"shard_{name}", shard=self._shard, **labels)


class _Wait:
    """The callers that wait for one site."""

    __slots__ = ("began", "deferred")

    def __init__(self, began: float) -> None:
        self.began = began
        self.deferred: list[Deferred[None]] = []


class ShardedDatabase(Database):
    """Shard 0, and the *others* by number."""

    def __init__(
        self,
        servers: Sequence[ServerSettings],
        others: Mapping[int, Sequence[ServerSettings]],
        *,
        clock: IReactorTime,
        random: Random,
        metrics: Metrics,
        settings: config.Database | None = None,
        hang: float = HANG,
        on_moved: Callable[[int, int, int], None] = lambda site, left, now: None,
    ) -> None:
        super().__init__(servers, clock=clock, random=random, metrics=metrics, settings=settings, hang=hang)
        self.shards: dict[int, Database] = {0: self}
        for number, given in sorted(others.items()):
            self.shards[number] = Database(
                given, clock=clock, random=random, metrics=ShardMetrics(metrics, number), settings=settings, hang=hang
            )
        # The shard of each site that is not in shard 0.
        self._places: dict[int, int] = {}
        self._waits: dict[int, _Wait] = {}
        self._background: set[Deferred[None]] = set()
        self._stopped = False
        # Called with (site, the shard it left, the shard it is in) when a move becomes known.
        self._on_moved = on_moved
        self._met = metrics.counter("shard_refused", "Queries that met a site on its way, or gone")
        self._finished = metrics.counter("shard_moves_settled", "What a mover left undone and was done here")

    @property
    def parts(self) -> list[Database]:
        """All shards, 0 first."""
        return list(self.shards.values())

    async def start(self, timeout: float = 10.0) -> None:
        """As `Database.start`. If another shard is down, that is only logged; it connects when it is back."""
        await super().start(timeout)
        starting = [
            Deferred.fromCoroutine(part.start(timeout)).addErrback(
                lambda failure, number: log.error(
                    "shard {number}: {reason}", number=number, reason=failure.getErrorMessage()
                ),
                number,
            )
            for number, part in self.shards.items()
            if number
        ]
        await DeferredList(starting)

    async def stop(self) -> None:
        """Close all connections."""
        self._stopped = True
        background, self._background = self._background, set()
        for work in background:
            work.cancel()
        for number, part in self.shards.items():
            if number:
                await part.stop()
        await super().stop()

    def site(self, site_id: int) -> ShardSite:
        """The database as *site_id* may see it, wherever it is at the moment of each query."""
        return ShardSite(self, site_id)

    async def migrate(self, told: Callable[[str], None], packages: Sequence[str] = ()) -> None:
        """Apply migrations to the other shards. One that is down is migrated when it is back.

        Raises:
            MigrationError: as `cackled.database.migrate.migrate_primary`.
        """
        for number in self.shards:
            if number:
                try:
                    await self._migrate(number, told, packages)
                except Unavailable as error:
                    log.error("shard {number} is not to be had: {reason}", number=number, reason=str(error))
                    self._go_on(self._migrate_later(number, told, packages))

    async def _migrate(self, number: int, told: Callable[[str], None], packages: Sequence[str]) -> None:
        dsns = [server.dsn for server in self.shards[number].servers]
        say = partial(_say, told, number)
        await migrate_primary(dsns, clock=self._clock, progress=say, packages=packages)

    async def _migrate_later(self, number: int, told: Callable[[str], None], packages: Sequence[str]) -> None:
        while not self._stopped:
            await sleep(self._clock, MIGRATE_AGAIN)
            try:
                await self._migrate(number, told, packages)
                return
            except Unavailable:
                continue
            except DatabaseError as error:
                log.error("shard {number}: {reason}", number=number, reason=str(error))
                return

    def sites_in(self, number: int) -> int:
        """How many sites are known to be in a shard other than 0."""
        return sum(shard == number for shard in self._places.values())

    def place(self, site: int) -> int:
        """The shard that a site is in, as far as this process knows."""
        return self._places.get(site, 0)

    def of(self, site: int) -> Database:
        """The database that a site is in, as far as this process knows.

        Raises:
            Unavailable: the configuration of this node does not name that shard.
        """
        number = self._places.get(site, 0)
        try:
            return self.shards[number]
        except KeyError:
            raise Unavailable(reason=f"shard {number} is not in this node's configuration") from None

    async def learn(self) -> None:
        """Read from the catalog where all sites are."""
        rows = await self.system.read(SELECT_SHARDS, preference=ReadPreference.PRIMARY_PREFERRED)
        told = dict(rows.rows)
        for site in {*told, *self._places}:
            self._learnt(site, told.get(site, 0))
        for number in set(told.values()) - self.shards.keys():
            log.error("sites are in shard {number}, which [[database.shard]] does not name", number=number)

    def _learnt(self, site: int, shard: int) -> None:
        before = self._places.get(site, 0)
        if shard == before:
            return
        self._places[site] = shard
        if not shard:
            del self._places[site]
        log.info("site {site} is in shard {shard} now", site=site, shard=shard)
        self._on_moved(site, before, shard)
        wait = self._waits.get(site)
        if wait is not None:
            self._wake(wait)

    @staticmethod
    def _wake(wait: _Wait) -> None:
        waiting, wait.deferred = wait.deferred, []
        for one in waiting:
            one.callback(None)

    async def settled(self, site: int, ask: Callable[[Database], Awaitable[_T]]) -> _T:
        """The result of *ask* with the database that *site* is in. While the site is being moved, wait.

        Raises:
            Moved: the site was not available for `PATIENCE` seconds.
        """
        end = 0.0
        while True:
            try:
                return await ask(self.of(site))
            except Moved:
                self._met.inc()
                now = self.now()
                end = end or now + PATIENCE
                if now >= end or self._stopped:
                    raise
            await self._news(site)

    def _news(self, site: int) -> Deferred[None]:
        """A Deferred that fires when the site may be available again."""
        news: Deferred[None] = Deferred()
        wait = self._waits.get(site)
        if wait is not None:
            wait.deferred.append(news)
            return news
        wait = self._waits[site] = _Wait(self.now())
        wait.deferred.append(news)
        self._go_on(self._watch(site, wait))
        return news

    def _go_on(self, work: Coroutine[Any, Any, None]) -> None:
        """Run *work* in the background, until it ends or `stop` is called."""
        running = Deferred.fromCoroutine(work)
        self._background.add(running)

        def over(result: object) -> None:
            self._background.discard(running)
            if isinstance(result, Failure) and not result.check(CancelledError):
                log.failure("looking after shards broke", result)

        running.addBoth(over)

    async def _watch(self, site: int, wait: _Wait) -> None:
        """Poll for all callers that wait for a site, so that many writers cost one query at a time."""
        pause = FIRST_PAUSE
        try:
            while wait.deferred and not self._stopped:
                await sleep(self._clock, pause)
                try:
                    ready = await self._look(site, self.now() - wait.began)
                except DatabaseError as error:
                    log.warn("where site {site} is can't be told: {reason}", site=site, reason=str(error))
                    ready = False
                if ready or self.now() - wait.began > PATIENCE:
                    return
                pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            if self._waits.get(site) is wait:
                del self._waits[site]
            self._wake(wait)

    async def _look(self, site: int, waited: float) -> bool:
        """Whether a site can be asked for again."""
        rows = await self.system.read(SELECT_SHARD, site, preference=ReadPreference.PRIMARY)
        shard = rows.rows[0][0] if rows.rows else 0
        if shard != self.place(site):
            self._learnt(site, shard)
            return True
        part = self.of(site).system
        found = (await part.read(SELECT_PLACE, site, preference=ReadPreference.PRIMARY)).rows
        state, target, overdue = found[0] if found else ("gone" if shard else "here", 0, False)
        if state == "fenced" and overdue and await part.write(LOWER_FENCE, site):
            log.warn("the fence around site {site} was left standing, and is lowered", site=site)
            self._finished.inc()
            return True
        if state == "handed" and waited > FINISH_AFTER and target in self.shards:
            log.warn("site {site} was handed to shard {target} and left at that: done now", site=site, target=target)
            await self.shards[target].system.write(SETTLE_TARGET, site)
            await self.system.write(SETTLE_CATALOG, site, target)
            await part.write(SETTLE_SOURCE, site)
            self._finished.inc()
            self._learnt(site, target)
            return True
        return state in ("here", "leaving")


class ShardSite(SiteDatabase):
    """The database as one site may see it, in whichever shard it is."""

    __slots__ = ("_sharded",)

    def __init__(self, database: ShardedDatabase, site: int) -> None:
        super().__init__(database, site)
        self._sharded = database

    @property
    def writable(self) -> bool:
        """Whether the primary of its shard is up."""
        return self._part.writable

    def log(self) -> tuple[float, float]:
        """As `SiteDatabase.log`, of its shard."""
        return self._part.log()

    @property
    def _part(self) -> Database:
        return self._sharded.shards.get(self._sharded.place(self.site), self._sharded)

    async def read(
        self, query: Query, *args: Any, preference: ReadPreference, max_staleness: float | None = None
    ) -> Rows:
        """As `SiteDatabase.read`."""
        site = self.site
        return await self._sharded.settled(site, lambda part: part.read(query, args, site, preference, max_staleness))

    async def read_log(self, query: Query, *args: Any) -> Rows:
        """As `SiteDatabase.read_log`."""
        site = self.site
        return await self._sharded.settled(site, lambda part: part.read_log(query, args, site))

    async def write(self, query: Query, *args: Any) -> list[tuple[Any, ...]]:
        """As `SiteDatabase.write`."""
        site = self.site
        return await self._sharded.settled(site, lambda part: part.write(query, args, site))


def _say(told: Callable[[str], None], number: int, line: str) -> None:
    told(f"shard {number}: {line}")
