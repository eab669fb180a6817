"""Which server is the primary."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from cackled.database.election import Election
from cackled.database.timelines import Timelines
from cackled.metrics import Metrics


def server(name: str, timeline: int = 1, *, primary: bool = False, alive: bool = True, cluster: int = 7) -> Any:
    return SimpleNamespace(name=name, timeline=timeline, primary=primary, alive=alive, cluster=cluster)


class ElectionTests(SynchronousTestCase):
    """`Election` over servers whose state is given."""

    def setUp(self) -> None:
        self.a = server("a", primary=True)
        self.b = server("b")
        self.changes = 0
        self.metrics = Metrics()
        self.alarms: list[str] = []

        def watch(event: Any) -> None:
            if "alarm" in event:
                self.alarms.append(event["alarm"])

        globalLogPublisher.addObserver(watch)
        self.addCleanup(globalLogPublisher.removeObserver, watch)

        def changed() -> None:
            self.changes += 1

        self.election = Election([self.a, self.b], self.metrics, changed)

    def elect(self) -> str | None:
        self.election.hold()
        return None if self.election.primary is None else self.election.primary.name

    def test_first(self) -> None:
        """The first primary is no change; a replica never is one."""
        self.assertEqual(self.elect(), "a")
        self.assertEqual((self.changes, self.alarms), (0, []))
        self.a.alive = False
        self.assertIsNone(self.elect())

    def test_back(self) -> None:
        """A primary that comes back is told of, so that the log is followed at once."""
        self.elect()
        self.a.alive = False
        self.elect()
        self.a.alive = True
        self.assertEqual(self.elect(), "a")
        self.assertEqual(self.changes, 1)

    def test_promotion(self) -> None:
        """A promoted replica is the primary."""
        self.elect()
        self.a.alive = False
        self.elect()
        self.b.primary, self.b.timeline = True, 2
        self.assertEqual(self.elect(), "b")
        self.assertEqual((self.changes, self.alarms), (1, []))
        self.assertEqual(self.metrics.value("database_primary_changes_total"), 1)

    def test_two(self) -> None:
        """Of two live primaries the later timeline is used, and an alarm is logged, once."""
        self.elect()
        self.b.primary, self.b.timeline = True, 2
        for _ in range(3):
            self.assertEqual(self.elect(), "b")
        self.assertEqual(len(self.alarms), 1)
        self.assertIn("b is used", self.alarms[0])
        self.assertEqual(self.metrics.value("database_primaries"), 2)

    def test_old_primary_alone(self) -> None:
        """While the promoted one is down, the old primary is not used."""
        self.elect()
        self.a.alive = False
        self.b.primary, self.b.timeline = True, 2
        self.elect()
        self.a.alive, self.b.alive = True, False
        self.assertIsNone(self.elect())
        self.assertIn("none of them is used", self.alarms[-1])

    def test_old_primary_after_a_restart(self) -> None:
        """What was seen before a restart counts: the old primary alone is not believed, the newer one is."""
        path = Path(self.mktemp())
        self.election.timelines = Timelines(path)
        self.elect()
        self.b.primary, self.b.timeline = True, 2
        self.assertEqual(self.elect(), "b")
        self.b.alive = False
        self.election = Election([self.a, self.b], self.metrics, lambda: None)
        self.election.timelines = Timelines(path)
        self.assertIsNone(self.elect())
        self.assertIn(f"delete {path}", self.alarms[-1])
        self.b.alive = True
        self.assertEqual(self.elect(), "b")
        # Another database, as after a restore into an empty folder, has a history of its own.
        other = server("c", primary=True, cluster=9)
        self.election = Election([other], Metrics(), lambda: None)
        self.election.timelines = Timelines(path)
        self.assertEqual(self.elect(), "c")

    def test_same_timeline(self) -> None:
        """Two replicas promoted at once: every node chooses the same one."""
        self.a.timeline = self.b.timeline = 2
        self.b.primary = True
        self.assertEqual(self.elect(), "a")
        self.assertEqual(len(self.alarms), 1)

    def test_foreign(self) -> None:
        """A primary of another database is never used."""
        self.elect()
        self.b.primary, self.b.timeline, self.b.cluster = True, 9, 8
        self.assertEqual(self.elect(), "a")
        self.assertIn("b holds another database", self.alarms[0])
