"""The widget's own files against a model of the server, run by Node: thousands of orders in which things may happen."""

from __future__ import annotations

import os
import shutil
import subprocess

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support.browser import ROOT

NODE = shutil.which("node")


class NodeTests(SynchronousTestCase):
    def test_models(self) -> None:
        """Counts, pages and what is shown agree. RUNS in the environment: how many seeds for each."""
        if NODE is None:
            raise SkipTest("node is not installed")
        files = sorted(str(path) for path in (ROOT / "tests" / "browser" / "node").glob("*.test.mjs"))
        environment = {"RUNS": "60", **os.environ}
        done = subprocess.run([NODE, "--test", *files], capture_output=True, text=True, env=environment, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:])
