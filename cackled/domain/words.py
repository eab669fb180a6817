"""Text as it is compared with banned words: what a reader sees, whatever it was typed with."""

from __future__ import annotations

import re
import unicodedata
from html import unescape

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
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(one for one in folded if one.isspace() or not _hidden(one)).split())


def _hidden(one: str) -> bool:
    """Whether a character is ignored where it can't be shown (Unicode's Default_Ignorable_Code_Point), or a control."""
    return unicodedata.category(one) in ("Cf", "Cc") or one in _FILLERS or "\ufe00" <= one <= "\ufe0f" or (
        "\U000e0000" <= one <= "\U000e0fff"
    )


# Letters, marks and a sign for the blind that show nothing.
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"


def compared(*parts: str) -> str:
    """What bans of words are held against: *parts* folded, a line each, entities read as letters; and once more
    without what is put over, or between, letters: Markdown's signs, and marks that make no letter of its own.

    Marks that do ("ä") stay: they tell words apart.
    """
    read = [*parts, *(unescape(part) for part in parts if "&" in part)]
    lines = list(dict.fromkeys(fold(part) for part in read if part))
    bare = [line.translate(_SIGNS) for line in lines]
    bare = [line if line.isascii() else "".join(one for one in line if not _is_mark(one)) for line in bare]
    return "\n".join(dict.fromkeys(lines + bare))


_SIGNS = str.maketrans("", "", "*_~`\\")


def _is_mark(one: str) -> bool:
    return unicodedata.category(one) in ("Mn", "Me")
