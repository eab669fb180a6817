"""Words in the languages of visitors and moderators, for what the server writes itself: mail, and pages of its own.

Catalogues are JSON, a file for each language: ``{"mail": {"new": "a new comment on {page}", "several": {"one": ..}}}``.
The first level are sections; a word with plural forms has one for each category of its language in CLDR (Unicode's
Common Locale Data Repository). The browser reads the same files; docs/languages.md tells how to add to them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

if TYPE_CHECKING:
    from babel import Locale

# Those that every catalogue has.
Language = Literal["en", "ru", "uk", "de", "fr", "es", "pt", "it", "pl", "tr", "ja", "zh", "ar", "he"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT: Language = "en"
RIGHT_TO_LEFT = frozenset(("ar", "he"))
# Characters of an Accept-Language that are read; browsers send less than a hundred.
MOST_ACCEPTED = 500
# Names that the languages had before, which some systems still send.
_FORMER = {"iw": "he"}
_PLACE = re.compile(r"\{(\w+)\}")
_RANGE = re.compile(
    r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9]{1,8})*\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?", re.ASCII
)

Word = str | dict[str, str]


class CatalogueError(Exception):
    """A catalogue can't be read; the message names the file."""


@cache
def _locale(language: str) -> Locale:
    # Loaded when first needed: most processes write no mail.
    from babel import Locale

    return Locale.parse(language)


def read_catalogue(path: Path) -> dict[str, dict[str, Word]]:
    """The sections of one file.

    Raises:
        CatalogueError
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, Word]])
    except OSError as error:
        raise CatalogueError(f"{path}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise CatalogueError(f"{path}: {error}") from None


def section_texts(folder: Path, section: str) -> dict[str, bytes]:
    """One section of each language that is there but English, as JSON for browsers.

    Raises:
        CatalogueError: one can't be read.
    """
    paths = [folder / f"{one}.json" for one in LANGUAGES if one != DEFAULT]
    return {one.stem: msgspec.json.encode(read_catalogue(one).get(section, {})) for one in paths if one.is_file()}


class Words:
    """One section in one language; call it with a key and the values of its placeholders."""

    def __init__(self, language: Language, words: Mapping[str, Word]) -> None:
        self.language = language
        self._words = words

    @property
    def direction(self) -> str:
        """``ltr`` or ``rtl``, as HTML has it."""
        return "rtl" if self.language in RIGHT_TO_LEFT else "ltr"

    def __call__(self, key: str, **values: object) -> str:
        """The words of *key*, in the plural form that fits the value ``n``.

        Whole numbers are written as the language does. What a value holds is never read as a placeholder.

        Raises:
            KeyError: there is no such key, or no value for a placeholder.
            TypeError: ``n`` of a word with plural forms is no whole number.
        """
        word = self._words[key]
        if not isinstance(word, str):
            n = values["n"]
            if not isinstance(n, int):
                raise TypeError(f"{key}: n is a whole number")
            word = word.get(_locale(self.language).plural_form(n), word["other"])
        return _PLACE.sub(lambda found: self._said(values[found[1]]), word)

    def _said(self, value: object) -> str:
        if not isinstance(value, int):
            return str(value)
        from babel.numbers import format_decimal

        return format_decimal(value, locale=_locale(self.language))


class Catalogue:
    """One *section* in all languages.

    Raises:
        CatalogueError: a language is missing, or can't be read.
    """

    def __init__(self, folder: Path, section: str) -> None:
        self._words = {one: Words(one, read_catalogue(folder / f"{one}.json").get(section, {})) for one in LANGUAGES}

    def words(self, language: Language) -> Words:
        """The words in *language*."""
        return self._words[language]


def accepted(header: str | None, otherwise: Language = DEFAULT) -> Language:
    """The language of ours that an Accept-Language (RFC 9110, section 12.5.4) likes best; *otherwise*: it names none.

    Regions and scripts are not told apart. Ranges that are malformed are passed over.
    """
    best: Language | None = None
    most = 0.0
    for one in (header or "")[:MOST_ACCEPTED].split(","):
        found = _RANGE.fullmatch(one)
        if found is None:
            continue
        name = found[1].lower()
        name = _FORMER.get(name, name)
        weight = 1.0 if found[2] is None else min(1.0, float(found[2]))
        if weight > most and (name == "*" or name in LANGUAGES):
            best = otherwise if name == "*" else next(known for known in LANGUAGES if known == name)
            most = weight
    return otherwise if best is None else best
