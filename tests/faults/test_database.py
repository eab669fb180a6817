"""The database dies or hangs under a stream of posts."""

from __future__ import annotations

import signal
import threading
import time

from cackled.database import stale_files
from tests.support.client import Answer, Visitor
from tests.support.faults import FaultCase
from tests.support.journal import attempt

QUIET = "/bootstrap?widget=Comment&site=1&channel=demo"


class Prober(threading.Thread):
    """Asks for some addresses and tries to write, over and over, and keeps what came back with the time it took."""

    def __init__(self, visitor: Visitor, paths: tuple[str, ...]) -> None:
        super().__init__(daemon=True)
        self._visitor = visitor
        self._paths = paths
        self.over = False
        self.reads: list[tuple[str, int, float]] = []

    def run(self) -> None:
        """Until told to stop."""
        while not self.over:
            for path in self._paths:
                began = time.monotonic()
                answer = attempt(self._visitor.url + path)
                self.reads.append((path, answer.status if answer else 0, time.monotonic() - began))
            time.sleep(0.02)

    def stop(self) -> None:
        """End."""
        self.over = True
        self.join()


class DatabaseFaultTests(FaultCase):
    """Acknowledged is written, whatever happens to PostgreSQL; reads that are cached go on."""

    def probe(self) -> Prober:
        """A reader of what is cached."""
        prober = Prober(self.visitor, ("/healthz", QUIET))
        prober.start()
        self.addCleanup(prober.stop)
        return prober

    def assert_reads(self, prober: Prober) -> float:
        """Every read was answered with 200; gives the slowest one's seconds."""
        prober.stop()
        bad = [read for read in prober.reads if read[1] != 200]
        self.assertEqual(bad, [])
        return max(took for _, _, took in prober.reads)

    def test_killed_under_a_stream_of_posts(self) -> None:
        """SIGKILL of the postmaster, twice: nothing is lost or doubled, cached reads go on, it comes back by itself."""
        daemon = self.run_daemon()
        self.follow()
        self.assertEqual(attempt(daemon.url + QUIET).status, 200)
        prober = self.probe()
        writers = self.writers(4, 60)
        recovered = []
        for acks in (40, 120):
            self.wait_acks(acks)
            before = daemon.postmaster()
            self.assertIsNotNone(before)
            killed = time.monotonic()
            stale_files.send([before], signal.SIGKILL)
            recovered.append(self.recovery(killed))
            self.assertNotEqual(daemon.postmaster(), before)
        figures = self.finish(writers)
        slowest = self.assert_reads(prober)
        self.assertGreater(figures["refused"], 0, "no write met the dead database: the fault did not strike")
        self.tell(**figures, recovery=max(recovered), slowest_read=slowest, reads=len(prober.reads))

    def test_stopped_for_five_seconds(self) -> None:
        """SIGSTOP of all of PostgreSQL: health and cached reads answer, writes get 503, all is well after SIGCONT."""
        daemon = self.run_daemon()
        self.follow()
        self.assertEqual(attempt(daemon.url + QUIET).status, 200)
        prober = self.probe()
        writers = self.writers(3, 25)
        self.wait_acks(15)
        held = daemon.postgres()
        stale_files.send(held, signal.SIGSTOP)
        try:
            stopped = time.monotonic()
            direct: list[Answer] = []
            while time.monotonic() < stopped + 5:
                answer = self.visitor.post("elsewhere", "written while the database is stopped")
                direct.append(answer)
                time.sleep(0.2)
        finally:
            stale_files.send(held, signal.SIGCONT)
        resumed = time.monotonic()
        lag = self.metric("cackled_reactor_lag_max_seconds")
        recovery = self.recovery(resumed)
        self.assertEqual({answer.status for answer in direct}, {503})
        self.assertEqual([a for a in direct if not a.headers.get("Retry-After")], [])
        figures = self.finish(writers)
        slowest = self.assert_reads(prober)
        # A reactor that waited for the database would have stood still for all of the five seconds.
        self.assertLess(lag, 3.0)
        self.tell(**figures, recovery=recovery, reactor_lag=lag, slowest_read=slowest,
                  writes_refused=len(direct))  # fmt: skip
