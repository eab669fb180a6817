"""The areas of the operator's console on a node with workers: all workers are asked, and the answers are combined.

`cackled.admin.console` documents the methods. A worker that does not answer is left out of what is shown; an action for
all workers fails if one of them did not do it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cackled.cluster.merged_metrics import Gathered, read
from cackled.cluster.workers import Pool, WorkerError
from cackled.domain.commands import CommandError, Fact, Facts, Table
from cackled.logs import KEPT
from cackled.metrics import Metrics


class _Asking:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def _ask(self, what: str, *words: Any) -> list[tuple[int, Any]]:
        answers = await self._pool.ask_all(what, *words)
        return [(worker.slot, told) for worker, told in answers if not isinstance(told, WorkerError)]

    async def _have_done(self, what: str, *words: Any) -> list[tuple[int, Any]]:
        answers = await self._pool.ask_all(what, *words)
        for _, told in answers:
            if isinstance(told, WorkerError):
                raise CommandError(f"not done by all: {told}")
        return [(worker.slot, told) for worker, told in answers]


class GatheredLive(_Asking):
    """Realtime connections: `cackled.admin.console.LiveArea`."""

    async def sessions(self) -> Table:
        """One row per transport, with each worker's share."""
        rows: dict[str, dict[str, Any]] = {}
        for slot, table in await self._ask("sessions"):
            for told in table:
                row = rows.setdefault(told["transport"], {"transport": told["transport"], "sessions": 0})
                row["sessions"] += told["sessions"]
                row[f"worker_{slot}"] = row.get(f"worker_{slot}", 0) + told["sessions"]
        return [rows[kind] for kind in sorted(rows)]

    async def channels(self, most: int) -> Table:
        """The busiest channels of all workers together."""
        rows: dict[str, dict[str, Any]] = {}
        for _, table in await self._ask("channels", most):
            for told in table:
                row = rows.setdefault(told["channel"], {"channel": told["channel"], "subscribers": 0, "seq": 0})
                row["subscribers"] += told["subscribers"]
                row["seq"] = max(row["seq"], told["seq"])
        return sorted(rows.values(), key=lambda row: -row["subscribers"])[:most]


class GatheredHappening(_Asking):
    """Problems and activity of all workers: `cackled.admin.console.HappeningArea`. *own* answers for this process."""

    def __init__(self, pool: Pool, own: Any) -> None:
        super().__init__(pool)
        self._own = own
        self.problems, self.disk, self.bus = own.problems, own.disk, own.bus

    async def errors(self) -> Table:
        """The newest first, each with its worker."""
        rows: list[dict[str, Any]] = [{"worker": "-", **row} for row in self._own.errors()]
        for slot, table in await self._ask("errors"):
            rows += [{"worker": str(slot), **row} for row in table]
        return sorted(rows, key=lambda row: float(row["ago_seconds"]))[:KEPT]

    async def addresses(self, most: int) -> Table:
        """Sums over workers. An address that is not among the busiest of any worker may be missing."""
        return await self._sum("addresses", "address", most)

    async def sites(self, most: int) -> Table:
        """Sums over workers."""
        return await self._sum("sites", "site", most)

    async def _sum(self, what: str, key: str, most: int) -> Table:
        rows: dict[Any, dict[str, Any]] = {}
        for _, table in await self._ask(what, max(most, 20)):
            for told in table:
                row = rows.setdefault(told[key], dict.fromkeys(told, 0))
                for name, value in told.items():
                    row[name] = row[name] + value if isinstance(value, int) and name != key else value
        counts = [name for name in next(iter(rows.values()), {}) if name not in (key, "name")]
        return sorted(rows.values(), key=lambda row: -sum(row[name] for name in counts))[:most]


class GatheredRequests(_Asking):
    """The public listeners: `cackled.admin.console.RequestArea`."""

    async def requests(self) -> Facts:
        """Sums over workers."""
        total: dict[str, Fact] = {}
        for _, facts in await self._ask("requests"):
            for name, value in facts.items():
                total[name] = total.get(name, 0) + value
        return total


class GatheredCaches(_Asking):
    """The caches of all workers, and this process's own: `cackled.admin.console.CacheArea`."""

    def __init__(self, pool: Pool, evict: Callable[[tuple[int, int]], None], clear: Callable[[], None]) -> None:
        super().__init__(pool)
        self._evict = evict
        self._clear = clear

    async def caches(self) -> Table:
        """One row per worker and cache."""
        return [{"worker": slot, **row} for slot, table in await self._ask("caches") for row in table]

    async def evict(self, site: int, channel: int) -> None:
        """Drop one channel in all processes."""
        self._evict((site, channel))
        await self._have_done("evict", site, channel)

    async def clear(self) -> None:
        """Drop everything in all processes."""
        self._clear()
        await self._have_done("clear")


class WorkerCommands(_Asking):
    """The worker processes: `cackled.admin.console.WorkersArea`."""

    def __init__(self, pool: Pool, clock: Any, restart: Callable[[], str]) -> None:
        super().__init__(pool)
        self._clock = clock
        self._restart = restart

    def workers(self) -> Table:
        """One row per worker."""
        now = self._clock.seconds()
        rows: list[Facts] = []
        for worker in sorted(self._pool.everyone(), key=lambda worker: (worker.slot, worker.began)):
            beat = worker.beat
            rows.append(
                {
                    "worker": worker.slot,
                    "pid": worker.pid,
                    "state": worker.state,
                    "uptime_seconds": round(now - worker.began, 1),
                    "heard_seconds": round(now - worker.heard_at, 1),
                    "accepts": ", ".join(map(str, sorted(worker.serving))),
                    "connections": beat.connections if beat else None,
                    "sessions": beat.sessions if beat else None,
                    "memory_bytes": beat.memory if beat else None,
                    "reactor_lag_max_seconds": round(beat.lag, 4) if beat else None,
                }
            )
        return rows

    def restart(self) -> str:
        """Replace all workers, one after another."""
        return self._restart()

    async def set_level(self, level: str) -> None:
        """Set the log level."""
        await self._have_done("loglevel", level)

    async def collect(self) -> Table:
        """Run a full garbage collection in each."""
        return [{"worker": slot, **facts} for slot, facts in await self._have_done("collect")]


class GatheredMetrics:
    """All figures of this process and its workers, for ``/metrics``."""

    def __init__(self, metrics: Metrics, pool: Pool) -> None:
        self._metrics = metrics
        self._pool = pool
        self._gathered = Gathered()
        self.departed = self._gathered.departed

    async def render(self) -> bytes:
        """The metrics page. A worker that does not answer in time is shown with its last figures."""
        answers = await self._pool.ask_all("figures", seconds=2.0)
        for worker, told in answers:
            if not isinstance(told, WorkerError):
                self._gathered.took(worker.source, read(told))
        # A worker that retires has no line of its own while its successor runs; its counts are included in the sums.
        labels = {
            worker.source: str(worker.slot) if worker in self._pool.workers() else f"{worker.slot}-retiring"
            for worker, _ in answers
        }
        return self._gathered.render(self._metrics.registry.collect(), labels)
