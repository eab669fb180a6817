"""The tables that compare us with others, in docs/: each row names tests, and each test is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase, TestCase

TESTS = Path(__file__).resolve().parents[1]
DOCS = TESTS.parent / "docs"
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

    def check_modules(self, name: str, heading: str, least: int) -> None:
        """The same of a table that names modules of tests, with ``.`` or ``/``.

        ``test_x`` alone is beside the one before, or a test in it.
        """
        text = (DOCS / name).read_text().partition(f"\n## {heading}\n")[2]
        rows = [line for line in text.splitlines() if line.startswith("|")][2:]
        self.assertGreaterEqual(len(rows), least)
        for row in rows:
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            named = re.findall(r"`([^`]+)`", cells[-1])
            self.assertTrue(named or cells[1] == "no", f"{cells[0]}: no test is named")
            module: Any = None
            for one in named:
                if one.endswith(".mjs"):
                    self.assertTrue((TESTS / one).is_file(), f"{cells[0]}: {one}")
                elif "." in one or "/" in one:
                    module = importlib.import_module("tests." + one.replace("/", "."))
                elif not any(hasattr(kind, one) for kind in vars(module).values() if isinstance(kind, type)):
                    module = importlib.import_module(f"{module.__package__}.{one}")

    def test_comments(self) -> None:
        """Beside FastComments, Disqus, Coral, Remark42 and Cackle."""
        self.check_modules("comments.md", "What others have", 40)

    def test_moderation(self) -> None:
        """Beside Coral, Discourse and FastComments."""
        self.check_modules("moderation.md", "What others have", 25)

    def test_chat(self) -> None:
        """Beside Chatwoot, LiveHelperChat, Zammad, tawk, Crisp and Intercom."""
        self.check_modules("chat.md", "Compared", 20)
