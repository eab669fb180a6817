"""Text as it is compared with banned words: what a reader sees, whatever it was typed with."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from html import unescape

from cackled.marks import bounded

# So much of a text is compared: one character may be eighteen in NFKC.
MOST = 50_000
_TAG = re.compile("<[^>]*>")


def visible(html: str) -> str:
    """The words of sanitised HTML, as a reader sees them."""
    return unescape(_TAG.sub("", html))


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
    return " ".join(_HIDDEN.sub("", folded[:MOST]).split())


def _hidden(one: str) -> bool:
    """Whether a character is ignored where it can't be shown (Unicode's Default_Ignorable_Code_Point), or a control."""
    if one.isspace():
        return False
    return unicodedata.category(one) in ("Cf", "Cc") or one in _FILLERS or "\ufe00" <= one <= "\ufe0f" or (
        "\U000e0000" <= one <= "\U000e0fff"
    )


# Letters, marks and a sign for the blind that show nothing.
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"


def _class(kinds: Callable[[str], bool]) -> re.Pattern[str]:
    """The characters of the basic plane, and of the one with tags, that are so."""
    found: list[list[int]] = []
    for code in (*range(0x10000), *range(0xE0000, 0xE1000)):
        if kinds(chr(code)):
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return re.compile("[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in found) + "]+")


_HIDDEN = _class(_hidden)
_MARKS = _class(lambda one: unicodedata.category(one) in ("Mn", "Me"))


def compared(*parts: str) -> str:
    """What bans of words are held against: *parts* folded, a line each, entities read as letters; and once more
    without what is put over, or between, letters: Markdown's signs, and marks that make no letter of its own.

    Marks that do ("ä") stay: they tell words apart.
    """
    # A text and what is seen of it are the same, most often.
    read = dict.fromkeys([*parts, *(unescape(part) for part in parts if "&" in part)])
    lines = list(dict.fromkeys(fold(part) for part in read if part))
    bare = [line if _SIGN.search(line) is None else line.translate(_SIGNS) for line in lines]
    bare = [line if line.isascii() else _MARKS.sub("", line) for line in bare]
    return "\n".join(dict.fromkeys(lines + bare))


_SIGNS = str.maketrans("", "", "*_~`\\")
_SIGN = re.compile(r"[*_~`\\]")
