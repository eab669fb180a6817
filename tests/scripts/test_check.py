"""The script that decides whether a change is good."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.scripts.common import script

BODY = """
import os
from twisted.trial.unittest import SynchronousTestCase

class XTests(SynchronousTestCase):
    def test_good(self):
        pass
    def test_other(self):
        {other}
"""


class TrialTests(SynchronousTestCase):
    """Counts are right, and a run that breaks is no success."""

    def run_one(self, other: str) -> dict[str, int]:
        """The counts of a run of one good test and one other."""
        check = script("check")
        check.ROOT = Path(self.mktemp()).resolve()
        check.ROOT.mkdir(parents=True)
        (check.ROOT / "test_sample.py").write_text(BODY.format(other=other))
        with contextlib.redirect_stdout(io.StringIO()):
            return check.trial(["test_sample"], str(check.ROOT / "temp"))

    def test_counts(self) -> None:
        """Passed, failed and skipped are told apart."""
        self.assertEqual(self.run_one("self.fail()\n    def test_skip(self):\n        self.skipTest('no')"),
                         {"successes": 1, "failures": 1, "skips": 1})  # fmt: skip

    def test_worker_dies(self) -> None:
        """A test that ends its process is an error."""
        self.assertGreaterEqual(self.run_one("os._exit(0)").get("errors", 0), 1)

    def test_trial_dies(self) -> None:
        """So is a run without an end."""
        self.assertEqual(self.run_one("os.kill(os.getppid(), 9)").get("errors", 0), 1)
