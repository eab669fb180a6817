"""The panel says what each setting is, in every language; English is what the declarations of settings say."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import cackled
from cackled.domain.setting_table import SettingTable
from cackled.features import registry
from cackled.languages import LANGUAGES, Word, read_catalogue

LOCALES = Path(cackled.__file__).parent / "web" / "panel" / "locales"
HOW = "scripts/packaging/setting_words.py writes them"


def words_of(language: str) -> dict[str, Word]:
    """The panel's words of settings."""
    words = read_catalogue(LOCALES / f"{language}.json")["panel"]
    return {key: word for key, word in words.items() if key.startswith("setting.")}


class SettingWordsTests(SynchronousTestCase):
    """Labels, help and choices."""

    def setUp(self) -> None:
        self.table = SettingTable(registry().settings({}))

    def test_declared(self) -> None:
        """Every setting declares a label and a help text, and every choice words; no two labels of a group are one."""
        seen = set()
        for one in self.table.settings.values():
            self.assertTrue(one.label and one.help, f"{one.name}: Meta(title=.., description=..)")
            group = one.name.rpartition(".")[0]
            self.assertNotIn((group, one.label), seen)
            seen.add((group, one.label))
            if one.kind == "choice" and one.name != "language":
                self.assertEqual(sorted(one.choices), one.allowed.split(", "), f"{one.name}: extra={{'choices': ..}}")

    def test_english(self) -> None:
        """English is what is declared, and nothing else."""
        self.assertEqual(words_of("en"), self.table.words(), HOW)

    def test_languages(self) -> None:
        """All other languages have the same, in words of their own."""
        english = words_of("en")
        for language in LANGUAGES:
            words = words_of(language)
            self.assertEqual(list(words), list(english), f"{language}; {HOW}")
            if language != "en":
                same = [key for key, word in words.items() if key.endswith(".help") and word == english[key]]
                self.assertEqual(same, [])

    def test_groups(self) -> None:
        """The settings of each product have a heading."""
        there = read_catalogue(LOCALES / "en.json")["panel"]
        for group in {name.partition(".")[0] for name in self.table.settings if "." in name}:
            self.assertIn(f"settings.group.{group}", there)
