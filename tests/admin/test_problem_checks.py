"""What operators are told is wrong: each kind in words, with what to do, and nothing where nothing is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.admin import problem_checks
from cackled.admin.recent_counts import Recently


def part(**more: Any) -> Any:
    """A database of one server."""
    server = SimpleNamespace(name="n1")
    given = {"primary": server, "reason": "all up", "alarm": "", "servers": [server], "trouble": lambda one: ""}
    return SimpleNamespace(**{**given, **more})


def database(*parts: Any) -> Any:
    return SimpleNamespace(parts=list(parts))


class DatabaseTests(SynchronousTestCase):
    def test_primaries(self) -> None:
        """None at all is told with what to run; of several databases, which one."""
        self.assertEqual(problem_checks.primaries(database(part()))(), [])
        (said,) = problem_checks.primaries(database(part(primary=None, reason="n1: connection refused")))()
        self.assertIn("No primary can be reached from here (n1: connection refused)", said)
        self.assertIn("cackled promote", said)
        (said,) = problem_checks.primaries(database(part(), part(primary=None)))()
        self.assertIn("of shard 1", said)

    def test_rivals(self) -> None:
        """Which primaries there are, and which is used, is the election's sentence."""
        self.assertEqual(problem_checks.rivals(database(part()))(), [])
        alarm = "primaries that are up: n1 (timeline 1), n2 (timeline 2); n2 is used (timeline 2); stop the others"
        self.assertEqual(problem_checks.rivals(database(part(alarm=alarm)))(), [f"P{alarm[1:]}."])

    def test_servers(self) -> None:
        """A replica that is down is told while there is a primary; without one, that is said once."""
        down = part(trouble=lambda one: "down (connection refused)")
        (said,) = problem_checks.servers(database(down))()
        self.assertIn("n1: down (connection refused)", said)
        self.assertEqual(problem_checks.servers(database(part(primary=None, trouble=lambda one: "down")))(), [])

    def test_tails(self) -> None:
        """A log that is not followed for long, or through a replica."""
        def tail(connected: bool, copying: bool, lag: float) -> Any:
            return SimpleNamespace(connected=connected, copying=copying, lag=lag)

        quiet = [tail(True, False, 4.0), tail(True, False, 8.0), tail(False, False, 1.0)]
        self.assertEqual(problem_checks.tails(quiet)(), [])
        (stuck,) = problem_checks.tails([tail(True, False, 400.0)])()
        self.assertIn("was not read to its end for 400 s", stuck)
        copied, lost = problem_checks.tails([tail(False, True, 50.0), tail(False, False, 50.0)])()
        self.assertIn("of shard 0 is followed through a replica", copied)
        self.assertIn("of shard 1 is not followed for 50 s", lost)


class NodeTests(SynchronousTestCase):
    def test_disk(self) -> None:
        """By share and by bytes; two folders of one disk are told once; one that is not there is no matter."""
        folder = Path(self.mktemp())
        folder.mkdir()
        folders = {"state": folder, "media": folder, "gone": folder / "x"}
        look = problem_checks.disk(folders)
        for free, total, told in (
            (100 << 30, 1000 << 30, 0), (6 << 30, 1000 << 30, 0), (4 << 30, 10 << 30, 0),
            (4 << 30, 100 << 30, 1), (400 << 20, 1 << 30, 1),
        ):  # fmt: skip
            self.patch(problem_checks.os, "statvfs", lambda path, free=free, total=total: SimpleNamespace(
                f_bavail=free >> 12, f_frsize=1 << 12, f_blocks=total >> 12,
            ))  # fmt: skip
            self.assertEqual(len(look()), told, (free, total))
        self.assertIn("400 MiB left of 1024", look()[0])

    def test_certificates(self) -> None:
        """Two weeks before, and after."""
        days = [("a.pem", 90.0), ("b.pem", 13.9), ("c.pem", -1.0)]
        soon, over = problem_checks.certificates(lambda: days, "Renew it.")()
        self.assertEqual(soon, "Certificate b.pem ends in 13.9 days. Renew it.")
        self.assertEqual(over, "Certificate c.pem has ended. Renew it.")


class RecentlyTests(SynchronousTestCase):
    def test_window(self) -> None:
        """What rose within the span counts, what rose before does not."""
        clock, counts = Clock(), {"errors": 5.0}
        recently = Recently(clock, lambda: dict(counts), span=30.0, step=10.0)
        recently.start()
        counts["errors"] = 8.0
        self.assertEqual(recently.rose(), {"errors": 3.0})
        clock.pump([10.0] * 4)
        self.assertEqual(recently.rose(), {"errors": 0.0})
        counts["errors"], counts["new"] = 9.0, 2.0
        clock.pump([10.0] * 2)
        self.assertEqual(recently.rose(), {"errors": 1.0, "new": 2.0})
        recently.stop()
