"""The catalogues of words, ``locales/<language>.json`` of the core and of each product, are whole in every language.

Each language has the words of English, with the plural forms that CLDR asks of it and the same placeholders; what the
sources ask for is there, and nothing else is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from babel import Locale
from twisted.trial.unittest import SynchronousTestCase

import cackled
from cackled import features
from cackled.api import core
from cackled.api.openapi import refusals
from cackled.domain.errors import PROBLEMS
from cackled.languages import LANGUAGES, Word, read_catalogue

ROOT = Path(cackled.__file__).parent
# Whole numbers that a plural form is tried with.
NUMBERS = range(10_001)
# A plural form of one number alone may do without it: "one reply".
PLACE = re.compile(r"\{(\w+)\}")
# Each kind by itself: between two templates there may be strings.
STRINGS = [re.compile(rf"{mark}([^{mark}\\\n$]*){mark}") for mark in ("'", '"', "`")]
# Refusals that a visitor can do nothing about, or that only a widget's mistake would cause: their status is told.
FOR_PROGRAMS = frozenset((
    "under-way", "key-reused", "work-needed",
    "bad-field", "bad-json", "bad-request", "bad-token", "internal", "key", "no-token", "not-granted",
    "other-deployment", "token-expired", "unknown-site", "unprocessable", "uri-too-long", "comment",
    # Of tus: a page goes on by itself, or says what its status means.
    "tus-version", "upload-expired", "upload-idle", "upload-large", "upload-offset", "upload-taken", "upload-type",
    "uploads-open",
))  # fmt: skip
# The words for a status, where a refusal has none of its own.
STATUSES = frozenset((
    "unauthorized", "forbidden", "not-found", "conflict", "content-too-large", "too-fast", "unavailable",
))  # fmt: skip


def folders() -> list[Path]:
    """All catalogues: folders with a file for each language."""
    return sorted(one.parent for one in ROOT.rglob("locales/en.json") if "build" not in one.parts)


def scripts() -> dict[Path, str]:
    """The sources of all widgets and pages, without their comments."""
    found = {}
    for path in ROOT.rglob("*.js"):
        if not {"build", "demo", "panel"} & set(path.relative_to(ROOT).parts):
            found[path] = without_comments(path.read_text())
    return found


def without_comments(text: str) -> str:
    """A script as it runs."""
    return re.sub(r"/\*.*?\*/|(?<![:'\"<])//[^\n]*", "", text, flags=re.S)


def strings(text: str) -> set[str]:
    """The string literals of a source."""
    return {found for pattern in STRINGS for found in pattern.findall(text)}


def first_argument(text: str, at: int) -> str:
    """What stands from *at* to the comma or parenthesis that ends an argument."""
    depth = 0
    for end in range(at, len(text)):
        if text[end] in "([{":
            depth += 1
        elif text[end] in ")]}":
            depth -= 1
        if depth < 0 or (text[end] == "," and depth == 0):
            return text[at:end]
    return text[at:]


def asked(text: str, name: str = "t") -> set[str]:
    """The keys that a script asks for by literals: ``t('key')``, ``t(x ? 'a' : 'b')``."""
    found = set()
    for call in re.finditer(rf"(?<![\w$]){name}\(", text):
        argument = re.sub(r"[=!]==?\s*('[^']*'|\"[^\"]*\")|\[[^\]]*\]", "", first_argument(text, call.end()))
        if not re.fullmatch(r"[^{}<>]*", argument) or re.search(r"=>|function", argument):
            continue
        found |= {one for one in strings(argument) if re.fullmatch(r"\w+", one)}
    return found


@cache
def counted(language: str) -> Counter[str]:
    """The plural forms that whole numbers have in a language, and how many numbers each."""
    rule = Locale.parse(language).plural_form
    return Counter(rule(n) for n in NUMBERS)


def forms(word: Word) -> dict[str, str]:
    """The plural forms of a word; one without has one, named ``""``."""
    return {"": word} if isinstance(word, str) else word


class CatalogueTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.catalogues = {
            folder: {path.stem: read_catalogue(path) for path in folder.glob("*.json")} for folder in folders()
        }

    def all(self) -> Iterator[tuple[str, str, dict[str, Word], dict[str, Word]]]:
        """Where, language, its words and the English ones of each section."""
        for folder, languages in self.catalogues.items():
            for language, sections in languages.items():
                for name, words in sections.items():
                    where = f"{folder.relative_to(ROOT)}/{language}.json: {name}"
                    yield where, language, words, languages["en"].get(name, {})

    def test_languages(self) -> None:
        """Every catalogue has every language, and in each the same sections and keys in the same order."""
        self.assertGreaterEqual(len(self.catalogues), 2)
        for folder, languages in self.catalogues.items():
            self.assertEqual(sorted(languages), sorted(LANGUAGES), str(folder))
            for language, sections in languages.items():
                self.assertEqual(list(sections), list(languages["en"]), f"{folder} {language}")
        for where, _, words, english in self.all():
            self.assertEqual(list(words), list(english), where)

    def test_plurals(self) -> None:
        """A word has plural forms in all languages or in none: those of whole numbers there, and ``other``."""
        for where, language, words, english in self.all():
            wanted = {*counted(language), "other"}
            for key, word in words.items():
                self.assertEqual(isinstance(word, str), isinstance(english[key], str), f"{where}.{key}")
                if not isinstance(word, str):
                    self.assertEqual(set(word), wanted, f"{where}.{key}")

    def test_placeholders(self) -> None:
        """They are those of English. A form that fits one number only may leave it out, and no other may."""
        for where, language, words, english in self.all():
            for key, word in words.items():
                there = sorted(PLACE.findall(forms(english[key]).get("other", forms(english[key]).get("", ""))))
                for form, text in forms(word).items():
                    found = sorted(PLACE.findall(text))
                    if form and counted(language)[form] == 1 and "n" not in found:
                        found = sorted([*found, "n"])
                    self.assertEqual(found, there, f"{where}.{key} {form}")

    def test_text(self) -> None:
        """No word is empty, begins or ends with white space, holds markup, or has another number of parts."""
        for where, _, words, english in self.all():
            for key, word in words.items():
                for form, text in forms(word).items():
                    self.assertEqual(text.strip(), text, f"{where}.{key} {form}")
                    self.assertTrue(text, f"{where}.{key} {form}")
                    self.assertNotRegex(text, r"[<>\\]|&\w+;|  ", f"{where}.{key} {form}")
                    self.assertNotRegex(PLACE.sub("", text), r"[{}]", f"{where}.{key} {form}")
                    if isinstance(english[key], str):
                        self.assertEqual(text.count("|"), english[key].count("|"), f"{where}.{key}")

    def test_translated(self) -> None:
        """No sentence was left in English."""
        for where, language, words, english in self.all():
            if language == "en":
                continue
            for key, word in words.items():
                for text in forms(word).values():
                    if len(text.split()) > 2:
                        self.assertNotIn(text, forms(english[key]).values(), f"{where}.{key}")

    def section(self, name: str) -> dict[str, Word]:
        """The English words of a section, of the core and all products."""
        core = self.catalogues[ROOT / "web" / "locales"]["en"].get(name, {})
        found: dict[str, Word] = dict(core)
        for folder, languages in self.catalogues.items():
            words = languages["en"].get(name, {})
            if words is not core:
                # Products may name theirs alike: each stands under its own name.
                self.assertEqual(set(words) & set(core), set(), f"{folder}: the core has them too")
            found |= words
        return found

    def test_widgets(self) -> None:
        """What widgets ask for is there, and what is there is asked for."""
        there, sources = set(self.section("widget")), scripts()
        for path, text in sources.items():
            if path.name != "loader.js":
                self.assertEqual(asked(text) - there, set(), str(path))
        # A word that is asked for before there is a widget.
        named = {one for text in sources.values() for one in re.findall(r"locales\.en\)\.(\w+)", text)}
        used = named.union(*(strings(text) for text in sources.values()))
        self.assertEqual(there - used, set(), "nobody asks for them")

    def test_panel(self) -> None:
        """What the panel asks for is there, and what is there is asked for: by its name, or by how names begin."""
        there = set(self.section("panel"))
        texts = [without_comments(path.read_text()) for path in (ROOT / "web" / "panel").rglob("*.js")]
        text = "\n".join(texts)
        literals = set(re.findall(r"(?<![\w$.])t\(\s*'([^']+)'\s*[,)]", text))
        self.assertEqual(literals - there, set(), "there are no words")
        begins = tuple(set(re.findall(r"`([\w.-]+\.)\$\{", text)))
        used = strings(text)
        self.assertEqual({one for one in there - used if not one.startswith(begins)}, set(), "nobody asks for them")

    def test_server(self) -> None:
        """What the server writes is there, and what is there is written: mail by products, pages by the API."""
        for folder, languages in self.catalogues.items():
            letters = [ROOT / "accounts" / "account_mail.py"]
            inside = folder.relative_to(ROOT).parts
            # Of a product its own.
            products = ROOT.joinpath(*inside[:2]) if inside[0] == "products" else ROOT / "products"
            for section, sources in (
                ("mail", letters if "accounts" in folder.parts else products.rglob("mail.py")),
                # Some are named after what the link does.
                ("pages", [ROOT / "api" / "moderate.py", ROOT / "domain" / "signed_links.py"]),
            ):
                words = set(languages["en"].get(section, {}))
                if not words:
                    continue
                text = "\n".join(path.read_text() for path in sources)
                self.assertEqual(asked(text, "words") - words, set(), f"{folder} {section}")
                self.assertEqual(words - strings(text), set(), f"{folder} {section}: nobody writes them")

    def test_docs(self) -> None:
        """The page of the API asks for the words that there are, and for no others."""
        script = without_comments((ROOT / "web" / "apidocs" / "docs.js").read_text())
        self.assertEqual({*re.findall(r"say\('(\w+)'\)", script)}, set(self.section("docs")))

    def test_problems(self) -> None:
        """Each refusal that a visitor may meet has words, and there are words for no other."""
        registry = features.registry()
        known = PROBLEMS | registry.problems
        there = set(self.section("problems"))
        self.assertEqual(there - set(known), set(), "no such refusals")
        # A product without a widget tells visitors nothing yet.
        shown = [name for name in registry.names if (ROOT / "products" / name / "web").is_dir()]
        visitors = [*core.ROUTES, *(route for route in registry.routes if route.product in shown)]
        met = {slug for route in visitors if route.caller.value != "staff" for slug in refusals(route)}
        # Routes of both sides: pages of visitors always send the token of the conversation.
        met -= {"newer-messages", "not-assignee", "own-origin", "signed-out", "insecure", "bad-key", "role"} - {
            slug for route in visitors if route.caller.value not in ("staff", "party") for slug in refusals(route)
        }
        self.assertEqual((met | STATUSES) - FOR_PROGRAMS - there, set(), "visitors would not read why")
