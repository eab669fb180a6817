"""The tables of docs/polls.md and docs/reviews.md: each row names tests, and each test is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase, TestCase

DOCS = Path(__file__).resolve().parents[2] / "docs"
# `V` is `tests.x.y`, and `E` `..z` in the same place.
MODULE = re.compile(r"`([A-Z])`(?:\s+is)?\s+`([\w.]+)`")
TEST = re.compile(r"`([A-Z])\.(test_\w+)`|`(tests\.[\w.]+)`")


class FeatureTableTests(SynchronousTestCase):
    """What the documents promise is tested."""

    def check(self, name: str, least: int) -> None:
        """See that all tests that the table of one document names exist."""
        text = (DOCS / name).read_text().partition("\n## Beside others\n")[2]
        before, _, table = text.partition("\n|")
        modules, place = {}, ""
        for letter, module in MODULE.findall(before):
            if not module.startswith(".."):
                place = module.rpartition(".")[0]
            modules[letter] = importlib.import_module(f"{place}.{module[2:]}" if module.startswith("..") else module)
        rows = table.splitlines()[2:]
        self.assertGreaterEqual(len(rows), least)
        bare = []
        for row in rows:
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            named = TEST.findall(cells[-1])
            if not named and cells[-2] != "no":
                bare.append(cells[0])
            for letter, test, module in named:
                if module:
                    importlib.import_module(module)
                    continue
                kinds = [one for one in vars(modules[letter]).values() if isinstance(one, type)]
                cases = [one for one in kinds if issubclass(one, SynchronousTestCase | TestCase)]
                self.assertTrue(any(hasattr(one, test) for one in cases), f"{cells[0]}: {letter}.{test}")
        self.assertEqual(bare, [], "no test is named")

    def test_polls(self) -> None:
        """Beside Discourse and StrawPoll."""
        self.check("polls.md", 20)

    def test_reviews(self) -> None:
        """Beside Judge.me, Yotpo and Cackle."""
        self.check("reviews.md", 30)
