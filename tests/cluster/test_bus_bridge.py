"""Where workers and nodes meet: one sum for the other nodes, each node by itself for the workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.bus import Bus
from cackled.cluster.bus_bridge import Crossing
from cackled.cluster.messages import Hint, Signal
from cackled.cluster.testing import FakeServer
from cackled.metrics import Metrics


class FakeMesh:
    """Notes what goes to other nodes."""

    def __init__(self) -> None:
        self.announced: list[tuple[Any, ...]] = []
        self.hinted: list[tuple[int, int, int]] = []
        self.to: dict[str, Any] = {}

    def announce(self, site: int, channel: int, type: str, data: Mapping[str, Any]) -> None:
        self.announced.append((site, channel, type, dict(data)))

    def hint(self, site: int, channel: int, seq: int) -> None:
        self.hinted.append((site, channel, seq))

    def deliver_to(self, **to: Any) -> None:
        self.to = to


class CrossingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        server = FakeServer(self.clock)
        self.mesh = FakeMesh()
        self.told: list[tuple[str, str]] = []
        self.hints: list[Hint] = []
        self.crossing = Crossing(
            Bus("parent", server.broker(), self.clock, Metrics()), self.mesh, self.clock,
            came=lambda name: self.told.append(("came", name)), gone=lambda name: self.told.append(("gone", name)),
        )  # fmt: skip
        self.crossing.deliver_to(
            signal=lambda *_: None, hint=self.hints.append, came=lambda _: None, gone=lambda _: None
        )
        self.crossing.start()
        self.workers = [Bus(f"w{n}", server.broker(), self.clock, Metrics()) for n in range(2)]
        self.heard: list[tuple[str, Signal]] = []
        self.worker_hints: list[Hint] = []
        for worker in self.workers:
            worker.start()
        self.workers[0].deliver_to(
            signal=lambda source, signal: self.heard.append((source, signal)), hint=self.worker_hints.append,
            came=lambda _: None, gone=lambda _: None,
        )  # fmt: skip

    def pass_time(self, seconds: float = 0.2) -> None:
        for _ in range(round(seconds / 0.05)):
            self.clock.advance(0.05)

    def count(self, worker: int, count: int) -> None:
        """A worker says how many it has."""
        self.workers[worker].announce(1, 2, "presence", {"count": count})
        self.pass_time()

    def test_sum(self) -> None:
        """Counts of the workers are one count for the other nodes; zero is told too, and once."""
        self.count(0, 3)
        self.count(1, 4)
        self.count(0, 0)
        self.count(1, 0)
        self.count(1, 0)
        self.assertEqual([data["count"] for *_, data in self.mesh.announced], [3, 7, 4, 0])

    def test_names(self) -> None:
        """Names of the workers are one text for the other nodes, each once; a change of names alone is told."""
        for worker, names in ((0, "Ann\nBob"), (1, "Ann\nCleo"), (1, "Ann"), (0, "")):
            self.workers[worker].announce(1, 2, "presence", {"count": 2, "names": names})
            self.pass_time()
        self.crossing.forget("w1")
        told = [(data["count"], data.get("names")) for *_, data in self.mesh.announced]
        self.assertEqual(told, [(2, "Ann\nBob"), (4, "Ann\nBob\nCleo"), (4, "Ann\nBob"), (4, "Ann"), (2, None)])

    def test_many_names(self) -> None:
        """Only as many as one message between nodes may hold."""
        for worker in (0, 1):
            names = "\n".join(f"{worker}{number} {'x' * 60}" for number in range(7))
            self.workers[worker].announce(1, 2, "presence", {"count": 9, "names": names})
            self.pass_time()
        self.assertLessEqual(len(self.mesh.announced[-1][3]["names"]), 500)
        self.assertEqual(self.mesh.announced[-1][3]["names"].count("\n"), 6)

    def test_worker_gone(self) -> None:
        """Its part goes with it."""
        self.count(0, 3)
        self.count(1, 4)
        self.crossing.forget("w0")
        self.assertEqual(self.mesh.announced[-1], (1, 2, "presence", {"count": 4}))

    def test_silence(self) -> None:
        """What no worker repeats for a minute is over; what is repeated is not told each time."""
        self.count(0, 3)
        self.count(0, 3)
        self.assertEqual(len(self.mesh.announced), 1)
        self.pass_time(5)
        self.count(0, 3)
        self.assertEqual(len(self.mesh.announced), 2)
        self.pass_time(65)
        self.assertEqual(self.mesh.announced[-1], (1, 2, "presence", {"count": 0}))

    def test_node_came(self) -> None:
        """A node that has come is told all counts, and the workers hear of it."""
        self.count(0, 3)
        self.mesh.announced.clear()
        self.mesh.to["came"]("far")
        self.pass_time(1.5)
        self.assertEqual(self.mesh.announced, [(1, 2, "presence", {"count": 3})])
        self.mesh.to["gone"]("far")
        self.assertEqual(self.told, [("came", "n:far"), ("gone", "n:far")])

    def test_across(self) -> None:
        """Typing and hints pass both ways, and do not come back."""
        self.workers[0].announce(1, 2, "typing", {"name": "Ann"})
        self.workers[1].hint(1, 2, 9)
        self.pass_time()
        self.assertEqual(self.mesh.announced, [(1, 2, "typing", {"name": "Ann"})])
        self.assertEqual((self.mesh.hinted, self.hints), ([(1, 2, 9)], [Hint(1, 2, 9)]))
        self.assertEqual(self.worker_hints, [Hint(1, 2, 9)])
        self.mesh.to["signal"]("far", Signal(1, 2, "presence", {"count": 5}))
        self.mesh.to["hint"](Hint(1, 2, 10))
        self.pass_time()
        self.assertEqual(self.heard, [("n:far", Signal(1, 2, "presence", {"count": 5}))])
        self.assertEqual(self.worker_hints[-1], Hint(1, 2, 10))
        self.assertEqual(len(self.mesh.announced) + len(self.mesh.hinted), 2)
        self.successResultOf(Deferred.fromCoroutine(self.crossing.stop()))
