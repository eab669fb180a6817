"""Words of the server in each language: plural forms, placeholders, and which language a reader likes best."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.languages import LANGUAGES, MOST_ACCEPTED, Catalogue, CatalogueError, accepted


class WordsTests(SynchronousTestCase):
    def catalogue(self, **languages: dict) -> Catalogue:
        """One whose words are those of *languages*, and English for all others."""
        folder = Path(self.mktemp())
        folder.mkdir()
        for one in LANGUAGES:
            (folder / f"{one}.json").write_text(json.dumps({"mail": languages.get(one, languages["en"])}))
        return Catalogue(folder, "mail")

    def test_plurals(self) -> None:
        """The form that fits the number in that language; where it is missing, the one for all others."""
        made = self.catalogue(
            en={"n": {"one": "{n} vote", "other": "{n} votes"}},
            ru={"n": {"one": "{n} голос", "few": "{n} голоса", "many": "{n} голосов", "other": "{n} голоса"}},
            ar={"n": {"zero": "0", "two": "2", "other": "{n}"}},
        )
        self.assertEqual([made.words("en")("n", n=n) for n in (0, 1, 2)], ["0 votes", "1 vote", "2 votes"])
        self.assertEqual([made.words("ru")("n", n=n) for n in (1, 3, 5, 11, 21, 1234)],
                         ["1 голос", "3 голоса", "5 голосов", "11 голосов", "21 голос", "1\xa0234 голоса"])  # fmt: skip
        self.assertEqual([made.words("ar")("n", n=n) for n in (0, 1, 2)], ["0", "1", "2"])

    def test_values(self) -> None:
        """A value is text, whatever it holds; amounts are written as the language does, names of digits as they are."""
        words = self.catalogue(en={"by": "{name} on {page}"}, de={"by": "{name}: {page}"}).words("de")
        self.assertEqual(words("by", name="{page} \\1 %s {", page="}{name}"), "{page} \\1 %s {: }{name}")
        self.assertEqual(words("by", name=1234567, page="1234567"), "1.234.567: 1234567")
        self.assertRaises(KeyError, words, "other")
        self.assertRaises(KeyError, words, "by", name="Ann")

    def test_direction(self) -> None:
        """As HTML has it."""
        made = self.catalogue(en={})
        self.assertEqual([one for one in LANGUAGES if made.words(one).direction == "rtl"], ["ar", "he"])

    def test_unreadable(self) -> None:
        """A language that is missing or is no catalogue is an error that names the file."""
        folder = Path(self.mktemp())
        folder.mkdir()
        self.assertRaisesRegex(CatalogueError, "en.json: No such file", Catalogue, folder, "mail")
        (folder / "en.json").write_text('{"mail": {"a": 5}}')
        self.assertRaisesRegex(CatalogueError, r"en.json: Expected `str \| object`", Catalogue, folder, "mail")


class AcceptedTests(SynchronousTestCase):
    def test_known(self) -> None:
        """The one liked best of those there are."""
        for header, wanted in (
            (None, "de"), ("", "de"), ("ru", "ru"), ("pt-BR,pt;q=0.9,en;q=0.8", "pt"), ("xx, uk;q=0.5", "uk"),
            ("zh-Hant-TW", "zh"), ("FR", "fr"), ("iw", "he"), ("en;q=0.1, ja;q=0.2", "ja"), ("*", "de"),
            ("en;q=0", "de"), ("en;q=0, tr;q=0.001", "tr"), ("en;q=2, it", "it"), ("es ; q = 0.5 , pl;q=0.4", "es"),
            ("ru,en", "ru"), ("*;q=0.9, ja;q=0.8", "de"), ("e n, ar", "ar"), (";;,,ru", "ru"), ("ru;q=1.0001", "de"),
            ("x," * MOST_ACCEPTED + "ru", "de"), ("русский", "de"),
        ):  # fmt: skip
            self.assertEqual(accepted(header, "de"), wanted, header)

    @given(st.text() | st.text(alphabet="enru-;q=01.,* "))
    def test_any(self, header: str) -> None:
        """Whatever is sent, it is one of ours."""
        self.assertIn(accepted(header), LANGUAGES)
