"""Combining marks of what strangers type: how many may stand on one character.

Bringing text to a normal form sorts every run of marks, in time that is quadratic in its length (CPython,
`unicodedata.normalize`), and a browser stacks the marks far outside of the line. So runs are bounded before anything
else is done with a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from unicodedata import category, normalize

# What writing needs: points and accents of the Hebrew Bible come to 6 on a letter, Tibetan stacks to 8.
MOST_MARKS = 8

# Format characters draw nothing and end no stack: joiners, direction marks, tags.
_BETWEEN = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"


# Characters beyond the basic plane that `with_categories` knows: the plane with tags.
_TAGS = range(0xE0000, 0xE1000)
_KINDS = frozenset(("Mn", "Mc", "Me", "Cf", "Cc"))


@cache
def _categories() -> tuple[tuple[int, str], ...]:
    """Marks, format characters and controls of the basic plane and of the one with tags: code point and category.

    Made when first needed, as every character is looked at: some 10 ms.
    """
    codes = (*range(0x10000), *_TAGS)
    kinds = map(category, map(chr, codes))
    return tuple((code, kind) for code, kind in zip(codes, kinds, strict=True) if kind in _KINDS)


def with_categories(*wanted: str) -> list[int]:
    """The code points whose general category is one of *wanted*: marks (Mn, Mc, Me), format (Cf) and control (Cc)."""
    return [code for code, kind in _categories() if kind in wanted]


def ranges(codes: Iterable[int]) -> str:
    """Code points as the inside of a character class of a regular expression."""
    found: list[list[int]] = []
    for code in sorted(codes):
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in found)


# Letters by their category, but marks where compatibility forms are folded (NFKC).
_HALFWIDTH = "\uff9e\uff9f"


@cache
def _long() -> re.Pattern[str]:
    """What may be a run that is too long.

    All of the other planes is in it, as ranges there cost a step each for every character of any text. The first one
    is written by itself, as the search for it is then a tight loop.
    """
    basic = ranges(code for code in with_categories("Mn", "Mc", "Me") if code < 0x10000)
    any_ = f"[{basic}{_BETWEEN}{_HALFWIDTH}\U00010000-\U0010ffff]"
    return re.compile(f"{any_}{any_}{{{MOST_MARKS},}}")


def _shortened(run: re.Match[str]) -> str:
    kept = []
    marks = 0
    for character in run[0]:
        kind = category(character)
        if kind[0] == "M" or character in _HALFWIDTH:
            marks += 1
            if marks > MOST_MARKS:
                continue
        elif kind != "Cf":
            marks = 0
        kept.append(character)
    return "".join(kept)


def bounded(text: str) -> str:
    """*text* without the marks that come after `MOST_MARKS` on the same character; linear in its length."""
    return text if text.isascii() else _long().sub(_shortened, text)


def normalised(text: str) -> str:
    """*text* in NFC, its marks bounded; linear in its length. Doing it again changes nothing."""
    if text.isascii():
        return text
    # Composed characters may come apart into a letter and marks (U+0958), and a mark into two (U+0344).
    return bounded(normalize("NFC", bounded(text)))


def cut(text: str, most: int) -> str:
    """The first *most* characters of *text*, or a few less: marks and joined emoji are not torn apart."""
    end = most
    while end < len(text) and 0 < most - 40 < end and _joined(text[end - 1], text[end]):
        end -= 1
    return text[:end]


def _joined(before: str, after: str) -> bool:
    """Whether two characters are drawn as one: a mark, a joiner, a skin colour, a tag or a flag's second half."""
    return (
        category(after)[0] == "M"
        or after in "\u200c\u200d"
        or before == "\u200d"
        or "\U0001f3fb" <= after <= "\U0001f3ff"
        or "\U000e0020" <= after <= "\U000e007f"
        or ("\U0001f1e6" <= after <= "\U0001f1ff" and "\U0001f1e6" <= before <= "\U0001f1ff")
    )
