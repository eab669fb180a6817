"""Text as it is compared with banned words: what a reader sees, whatever it was typed with."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from cackled.domain.entities import read_entities
from cackled.marks import bounded, ranges, with_categories

# So much of a text is compared: one character may be eighteen in NFKC.
MOST = 50_000
_TAG = re.compile("<[^>]*>")


def visible(html: str) -> str:
    """The words of sanitised HTML, as a reader sees them."""
    return read_entities(_TAG.sub("", html))


def fold(text: str) -> str:
    """*text* so that two spellings of one word are equal.

    Without what can't be seen (zero-width and format characters, soft hyphens), without the difference of small and
    capital letters and of compatibility forms (Unicode normalisation form NFKC), white space as single spaces.
    """
    # Most texts need none of it.
    if text.isascii():
        return " ".join(text.lower().split())
    # Entities may have made marks that the text did not hold.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", bounded(text)).casefold())
    return " ".join(_hidden().sub("", folded[:MOST]).split())


# Letters, marks and a sign for the blind that show nothing.
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"


@cache
def _hidden() -> re.Pattern[str]:
    """Runs of what is ignored where it can't be shown (Unicode's Default_Ignorable_Code_Point), and of controls."""
    found = {code for code in with_categories("Cf", "Cc") if not chr(code).isspace()}
    return re.compile(f"[{ranges(found | set(map(ord, _FILLERS)))}\ufe00-\ufe0f\U000e0000-\U000e0fff]+")


@cache
def _marks() -> re.Pattern[str]:
    return re.compile(f"[{ranges(with_categories('Mn', 'Me'))}]+")


def compared(*parts: str) -> str:
    """What bans of words are held against: *parts* folded, a line each, entities read as letters; and once more
    without what is put over, or between, letters: Markdown's signs, and marks that make no letter of its own.

    Marks that do ("ä") stay: they tell words apart.
    """
    # A text and what is seen of it are the same, most often.
    read = dict.fromkeys([*parts, *(read_entities(part) for part in parts if "&" in part)])
    lines = list(dict.fromkeys(fold(part) for part in read if part))
    bare = [line if _SIGN.search(line) is None else line.translate(_SIGNS) for line in lines]
    bare = [line if line.isascii() else _marks().sub("", line) for line in bare]
    return "\n".join(dict.fromkeys(lines + bare))


_SIGNS = str.maketrans("", "", "*_~`\\")
_SIGN = re.compile(r"[*_~`\\]")
