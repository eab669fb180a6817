"""What can't say itself that it stands still is watched, and readiness goes by it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.health import Health, NotReady
from cackled.admin.lag import LagMonitor
from cackled.admin.stalls import Standstill
from cackled.clock import Periodic
from cackled.daemon import monitoring
from cackled.domain.write_batching import WriteQueues
from cackled.problems import Problems
from cackled.realtime.latest_numbers import LogAway
from cackled.turns import Turns
from tests.realtime.common import HubRig


class ProgressTests(SynchronousTestCase):
    """Each part that can stand still, standing still."""

    def setUp(self) -> None:
        self.rig = HubRig()
        clock, metrics = self.rig.clock, self.rig.metrics
        self.problems = Problems(clock, metrics)
        self.queues, self.reading = WriteQueues(), Turns()
        lag = LagMonitor(clock, metrics)
        infrastructure: Any = SimpleNamespace(
            problems=self.problems, reactor=clock, standstill=Standstill(lag, metrics, dict)
        )
        rig: Any = SimpleNamespace(
            hub=self.rig.hub, queues=self.queues, sites=SimpleNamespace(reading=self.reading)
        )
        monitoring._watch_progress(infrastructure, rig)
        self.problems.start()
        self.addCleanup(self.problems.stop)

        async def check() -> None:
            if wrong := self.problems.unfit():
                raise NotReady(wrong)

        self.health = Health({"problems": check}, clock, metrics)

    def wrong(self) -> list[str]:
        return [one.name for one in self.problems.now()]

    def ready(self) -> bool:
        return self.successResultOf(Deferred.fromCoroutine(self.health.look())).ready

    def test_loads_that_never_end(self) -> None:
        """Whoever waits for the event log waits for ever: unfit within seconds, fit again with the first answer."""
        self.rig.log.held = True
        client = self.rig.client("1/5@0")
        self.rig.seconds(3)
        self.assertEqual((self.wrong(), self.ready()), ([], True))
        self.rig.seconds(int(monitoring.LOADS_SECONDS))
        self.assertEqual((self.wrong(), self.ready()), (["live-updates"], False))
        self.assertEqual(self.rig.metrics.value("problem", kind="live-updates"), 1)
        self.rig.log.held = False
        self.rig.log.release()
        self.rig.seconds(10)
        self.assertEqual((self.wrong(), self.ready(), client.recoveries), ([], True, [(True, 0)]))

    def test_loads_of_events_that_never_end(self) -> None:
        """The same where it is known where the channel stands, and the events don't come."""
        self.rig.post(3)
        self.rig.log.held = True
        self.rig.client("1/5@1")
        self.rig.log.release()
        self.rig.seconds(int(monitoring.LOADS_SECONDS) + 3)
        self.assertEqual(self.wrong(), ["live-updates"])

    def test_log_is_away(self) -> None:
        """A database that is known to be away is another problem: this node is as fit as any."""

        async def away(site: int, channels: Any) -> dict[int, int]:
            raise LogAway("no primary")

        self.rig.hub.recovery._standing._seqs = away
        self.rig.client("1/5@0")
        self.rig.seconds(60)
        self.assertEqual((self.wrong(), self.ready()), ([], True))

    def test_nobody_waits(self) -> None:
        """Nothing is wrong with a part that nobody wants anything of."""
        self.rig.client("1/5@0")
        self.rig.seconds(100)
        self.assertEqual(self.wrong(), [])

    def test_writes(self) -> None:
        """A batch that is never answered, and others behind it."""
        flight: Deferred[list[Any]] = Deferred()
        for number in range(2):
            Deferred.fromCoroutine(self.queues.votes.add("a", (1, 2, 3, number), lambda items: flight))
        self.rig.seconds(int(monitoring.WRITES_SECONDS) + 2)
        self.assertEqual((self.wrong(), self.ready()), (["writes"], False))
        flight.callback([1])
        self.rig.seconds(2)
        self.assertEqual((self.wrong(), self.ready()), ([], True))

    def test_catalog(self) -> None:
        """A reading of the sites that does not end."""
        self.reading.acquire()
        self.rig.seconds(int(monitoring.CATALOG_SECONDS) + 2)
        self.assertEqual((self.wrong(), self.ready()), (["catalog"], True))
        self.reading.release()
        self.assertEqual(self.wrong(), [])

    def test_jobs(self) -> None:
        """A run of a periodic job that does not end."""
        job = Periodic(self.rig.clock, 1, Deferred, "slow one")
        job.start(now=True)
        self.rig.seconds(200)
        (problem,) = self.problems.now()
        self.assertEqual(problem.name, "job")
        self.assertIn('"slow one"', problem.text)
        job.stop()
        self.assertEqual(self.wrong(), [])
