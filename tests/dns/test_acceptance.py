"""The table of what the DNS server promises, in docs/protocol.md: each point names tests, and they are there."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \|$", re.MULTILINE)


class TableTests(SynchronousTestCase):
    def test_every_point_has_tests(self) -> None:
        """38 points, each with at least one test that exists."""
        text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8").partition("\n## DNS\n")[2]
        rows = ROW.findall(text)
        self.assertEqual([int(number) for number, _, _ in rows], list(range(1, 39)))
        for number, _, tests in rows:
            names = re.findall(r"`([\w.]+)`", tests)
            self.assertTrue(names, number)
            for name in names:
                found = namedAny(f"tests.{name}")
                self.assertTrue(callable(found) and name.rpartition(".")[2].startswith("test_"), name)
