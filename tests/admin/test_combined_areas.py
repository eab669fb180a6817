"""What operators see of workers: merged, and honest about who does not answer."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.combined_areas import GatheredCaches, GatheredLive, GatheredMetrics, GatheredRequests, WorkerCommands
from cackled.admin.commands import Runner
from cackled.admin.console import Console
from cackled.admin.testing import FakeProcess
from cackled.cluster.workers import Worker, WorkerError
from cackled.domain.commands import CommandError
from cackled.metrics import Metrics


class FakePool:
    """Two workers whose answers are given."""

    def __init__(self) -> None:
        self.all = [Worker(slot, f"w{slot}", 0.0) for slot in range(2)]
        self.answers: dict[str, list[Any]] = {}
        self.asked: list[tuple[Any, ...]] = []

    async def ask_all(self, what: str, *words: Any, seconds: float = 5.0) -> list[tuple[Worker, Any]]:
        self.asked.append((what, *words))
        told = self.answers.get(what, [None, None])
        return list(zip(self.all, told, strict=True))

    def workers(self) -> list[Worker]:
        return self.all

    def everyone(self) -> list[Worker]:
        return self.all


class GatheredTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.pool: Any = FakePool()

    def get(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(work))

    def test_live(self) -> None:
        """Sessions by transport with each worker's share; channels by name, busiest first, as many as asked for."""
        self.pool.answers["sessions"] = [
            [{"transport": "ws", "sessions": 3}],
            [{"transport": "ws", "sessions": 4}, {"transport": "sse", "sessions": 1}],
        ]
        self.assertEqual(
            self.get(GatheredLive(self.pool).sessions()),
            [
                {"transport": "sse", "sessions": 1, "worker_1": 1},
                {"transport": "ws", "sessions": 7, "worker_0": 3, "worker_1": 4},
            ],
        )
        self.pool.answers["channels"] = [
            [{"channel": "1/2", "subscribers": 5, "seq": 9}, {"channel": "1/3", "subscribers": 4, "seq": 1}],
            [{"channel": "1/4", "subscribers": 6, "seq": 1}, {"channel": "1/2", "subscribers": 5, "seq": 8}],
        ]
        rows = self.get(GatheredLive(self.pool).channels(2))
        told = [(row["channel"], row["subscribers"], row["seq"]) for row in rows]
        self.assertEqual(told, [("1/2", 10, 9), ("1/4", 6, 1)])

    def test_silent(self) -> None:
        """Who does not answer is left out of tables; a deed that was not done by all is an error."""
        self.pool.answers["requests"] = [{"connections": 3}, WorkerError("worker 1 does not answer for 5 s")]
        self.assertEqual(self.get(GatheredRequests(self.pool).requests()), {"connections": 3})
        self.pool.answers["evict"] = [None, WorkerError("worker 1 does not answer for 5 s")]
        done: list[Any] = []
        work = GatheredCaches(self.pool, done.append, lambda: None).evict(1, 2)
        error = self.failureResultOf(Deferred.fromCoroutine(work), CommandError).value
        self.assertIn("worker 1", str(error))
        self.assertEqual((done, self.pool.asked[-1]), ([(1, 2)], ("evict", 1, 2)))

    def test_commands(self) -> None:
        """The commands run on it as on one process."""
        crew = WorkerCommands(self.pool, Clock(), lambda: "begun")
        caches = GatheredCaches(self.pool, lambda group: None, lambda: None)
        self.pool.answers["caches"] = [[{"cache": "soft", "entries": 1}], [{"cache": "soft", "entries": 2}]]
        self.pool.answers["sessions"] = self.pool.answers["channels"] = [[], []]
        self.pool.answers["requests"] = self.pool.answers["collect"] = [{}, {}]
        console = Console(
            FakeProcess([]), GatheredLive(self.pool), GatheredRequests(self.pool), caches, workers=crew
        )
        runner = Runner(console, Clock(), Metrics())
        for line, part in (
            ("status", "worker"), ("cache", "entries"), ("sessions", "[]"), ("channels 3", "[]"),
            ("evict all", "evicted"), ("workers", "starting"), ("restart-workers", "begun"), ("gc", "parent"),
            ("evict 1/2", "evicted"),
        ):  # fmt: skip
            self.assertIn(part, str(self.get(runner.run(line, "t"))), line)

    def test_metrics(self) -> None:
        """A worker that is silent shows what it said last."""
        metrics = GatheredMetrics(Metrics(), self.pool)
        figure = ["cackled_x", "counter", "X.", [["cackled_x_total", {}, 2.0]]]
        self.pool.answers["figures"] = [[figure], [figure]]
        self.assertIn(b"cackled_x_total 4.0", self.get(metrics.render()))
        self.pool.answers["figures"] = [[figure], WorkerError("silent")]
        self.assertIn(b"cackled_x_total 4.0", self.get(metrics.render()))
        metrics.departed("w1")
        self.assertIn(b"cackled_x_total 4.0", self.get(metrics.render()))
