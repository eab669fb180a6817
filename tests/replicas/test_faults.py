"""Servers die, hang and change places under writers, readers and subscribers that keep a journal."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from twisted.trial.unittest import SkipTest

from tests.replicas.case import YIELDING, ReplicaCase


class ReplicaFaultTests(ReplicaCase):
    """Nothing acknowledged is lost or doubled, order is kept, and reads go on."""

    def test_primary_killed(self) -> None:
        """SIGKILL of the primary: the replica answers, marked stale; `primary` is 503; back again, all goes on."""
        self.run_pair()
        looker = self.watch()
        writers = self.writers(3, 30)
        self.wait_acks(25)
        self.one.kill()
        killed = time.monotonic()
        noticed = self.until("primary is 503", lambda: self.look("primary").status == 503)
        self.until("nearest is marked", lambda: self.look("nearest").stale)
        down = [self.look(preference, looker.seen) for preference in YIELDING for _ in range(3)]
        self.assertEqual([one for one in down if (one.status, one.server, one.stale) != (200, "two", True)], [])
        self.assertTrue(all(float(one.staleness) > 0 for one in down), down)
        self.assertEqual(self.look("secondary").status, 200)
        self.until("who looks on sees it", lambda: any(one.stale for one in list(looker.looks)))
        self.one.start()
        back = time.monotonic()
        figures = self.finish(writers)
        recovery = self.recovery(back)
        self.until("marks are gone", lambda: not self.look("nearest").stale)
        looks = self.check_looks(looker, failing=("primary",))
        stale = [one for one in looks if one.stale]
        self.assertGreater(len(stale), 0)
        self.assertGreater(figures["refused"] + figures["cut"], 0, "the fault did not strike")
        self.tell(**figures, noticed=noticed, down=back - killed, recovery=recovery, looks=len(looks),
                  stale=len(stale), slowest_read=max(one.took for one in looks))  # fmt: skip

    def test_replica_killed(self) -> None:
        """SIGKILL of the replica: nobody is refused but who insists on it; back again, it is read from."""
        self.run_pair()
        looker = self.watch()
        writers = self.writers(3, 30)
        self.wait_acks(20)
        self.two.kill()
        self.until("the primary answers", lambda: self.look("nearest").server == "one")
        self.wait_acks(50)
        self.two.start()
        back = self.until("the replica answers", lambda: self.look("secondary").server == "two")
        figures = self.finish(writers)
        self.assertEqual(figures["refused"] + figures["cut"], 0)
        looks = self.check_looks(looker)
        self.tell(**figures, back=back, looks=len(looks), slowest_read=max(one.took for one in looks))

    def test_replica_hangs(self) -> None:
        """SIGSTOP of the replica: reads that were sent to it are answered by the primary within seconds."""
        self.run_pair()
        looker = self.watch()
        writers = self.writers(3, 30)
        self.wait_acks(20)
        self.two.signal(signal.SIGSTOP)
        try:
            stopped = time.monotonic()
            line = self.daemon.wait_log("database two is down")
            noticed = time.monotonic() - stopped
            self.wait_acks(60)
        finally:
            self.two.signal(signal.SIGCONT)
        figures = self.finish(writers)
        looks = self.check_looks(looker)
        self.assertEqual(figures["refused"] + figures["cut"], 0)
        self.assertIn("hangs", line)
        self.tell(**figures, noticed=noticed, looks=len(looks), slowest_read=max(one.took for one in looks))

    def test_primary_hangs(self) -> None:
        """SIGSTOP of the primary: writes are refused, reads answered by the replica; what hung is not done twice."""
        self.run_pair()
        looker = self.watch()
        writers = self.writers(3, 30)
        self.wait_acks(20)
        self.one.signal(signal.SIGSTOP)
        try:
            stopped = time.monotonic()
            self.daemon.wait_log("database one is down")
            noticed = time.monotonic() - stopped
            # The microcache may still hand on what it was told before.
            self.until("nearest is marked", lambda: self.look("nearest").stale)
            down = [self.look(preference, looker.seen) for preference in YIELDING for _ in range(3)]
            self.assertEqual([one for one in down if (one.status, one.server, one.stale) != (200, "two", True)], [])
            self.assertEqual(self.look("primary").status, 503)
        finally:
            self.one.signal(signal.SIGCONT)
        resumed = time.monotonic()
        figures = self.finish(writers)
        recovery = self.recovery(resumed)
        looks = self.check_looks(looker, failing=("primary",))
        self.assertGreater(figures["refused"], 0, "the fault did not strike")
        self.tell(**figures, noticed=noticed, recovery=recovery, looks=len(looks),
                  slowest_read=max(one.took for one in looks))  # fmt: skip

    def test_promotion(self) -> None:
        """The primary dies, its synchronous replica is promoted: the log goes on there and nobody starts anew.

        The old primary, started again as it was, is not written to.
        """
        daemon = self.run_pair(synchronous=True)
        looker = self.watch()
        writers = self.writers(3, 40)
        self.wait_acks(25)
        self.one.kill()
        self.two.execute("alter system set synchronous_standby_names = ''")
        self.two.promote()
        promoted = time.monotonic()
        daemon.wait_log("database two is the primary now")
        found = time.monotonic() - promoted
        daemon.wait_log("the event log goes on without loss")
        followed = time.monotonic() - promoted
        self.one.execute = None  # type: ignore[assignment,method-assign]
        self.wait_acks(60)
        # Two live primaries.
        self.one.start()
        alarm = daemon.wait_log("stop the others")
        self.assertIn("two is used", alarm)
        figures = self.finish(writers)
        recovery = self.recovery(promoted)
        looks = self.check_looks(looker, failing=("primary", *YIELDING))
        failed = [one for one in looks if one.status == 503 and one.preference in YIELDING]
        self.assertEqual(failed, [])
        self.assertEqual(self.look("primary").server, "two")
        self.assertEqual(self.metric("cackled_tail_gaps_total"), 0)
        self.assertEqual(self.metric("cackled_database_primaries"), 2)
        self.tell(**figures, found=found, followed=followed, recovery=recovery, looks=len(looks))

    def test_replica_disk_full(self) -> None:
        """The replica's disk is full: it stops there, the site does not; with room again it catches up."""
        folder = small_disk(self)
        self.run_pair(folder=folder)
        looker = self.watch()
        writers = self.writers(3, 40)
        self.wait_acks(15)
        room = os.statvfs(folder)
        filler = folder / "filler"
        # Its own files may take the last of the room before the filler does, even before that is opened.
        try:
            with open(filler, "wb") as out:
                for _ in range(room.f_bavail * room.f_frsize // 65_536 + 2):
                    out.write(bytes(65_536))
                    out.flush()
        except OSError:
            pass
        self.one.execute("select pg_switch_wal()")
        self.one.execute("create table bulk as select repeat('x', 1000) from generate_series(1, 20000)")
        self.until("the replica is behind", lambda: not self.two.running or not self.caught_up(self.two, self.one))
        self.wait_acks(80)
        died = not self.two.running
        self.assertTrue(died or not self.caught_up(self.two, self.one), "the disk was not full")
        filler.unlink(missing_ok=True)
        if died:
            self.two.clear()
            self.two.start()
        self.until("it catches up", lambda: self.caught_up(self.two, self.one))
        figures = self.finish(writers)
        self.assertEqual(figures["refused"] + figures["cut"], 0)
        looks = self.check_looks(looker)
        self.until("it answers", lambda: self.look("secondary").server == "two")
        self.tell(**figures, replica_died=died, looks=len(looks))


def small_disk(case: ReplicaCase) -> Path:
    """A folder on a file system of its own, with room for one replica and little more; unmounted after the test."""
    if os.geteuid() != 0:
        raise SkipTest("only root can mount a small file system")
    top = Path(tempfile.mkdtemp(prefix="cackled-disk-", dir="/tmp"))
    top.chmod(0o755)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m,mode=0755", "none", str(top)], capture_output=True, check=False
    )
    if done.returncode:
        top.rmdir()
        raise SkipTest(f"no file system can be mounted here: {done.stderr.decode().strip()}")

    def unmount() -> None:
        subprocess.run(["umount", "-l", str(top)], check=False)
        top.rmdir()

    case.addCleanup(unmount)
    return top / "replica"
