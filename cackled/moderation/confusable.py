"""What a text looks like, whatever letters it is written with: for names that imitate and for words in disguise.

After Unicode Technical Standard 39, section 4, with its table (`cackled.domain.lookalikes`). Ours is coarser than
the standard's skeleton: case, and signs that are used in place of letters ("adm1n", "p0ker", "rn" for "m"), make no
difference either.
"""

from __future__ import annotations

import unicodedata

from cackled.domain.lookalikes import LATIN
from cackled.domain.word_matching import fold

# Signs that stand for letters; i, l and 1 are one.
_SIGNS = {
    "0": "o", "1": "l", "|": "l", "!": "l", "i": "l", "3": "e", "4": "a", "@": "a", "5": "s", "$": "s", "7": "t",
    "\u0131": "l",
}  # fmt: skip
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
# Longer names and words are none.
MOST = 200


def latin(word: str) -> str:
    """*word*, folded, with the letters that look like Latin ones replaced by those."""
    return word if word.isascii() else word.translate(LATIN)


def _unmarked(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one))


def skeleton(text: str) -> str:
    """What *text* looks like: equal for two that a reader takes for one. Letters and digits alone, without spaces."""
    shown = text[:MOST]
    # Before case is folded: a capital may look like another letter than its small form does.
    if not shown.isascii():
        shown = _unmarked(shown.translate(LATIN))
    shown = fold(shown)
    if not shown.isascii():
        shown = _unmarked(shown.translate(LATIN))
    shown = "".join(_SIGNS.get(one, one) for one in shown)
    shown = "".join(one for one in shown if one.isalnum())
    for pair, one in _PAIRS:
        shown = shown.replace(pair, one)
    return shown


def skeletons(text: str) -> set[str]:
    """The skeleton of *text* as a whole, and of each of its words."""
    return {made for one in (text, *text[:MOST].split()) if (made := skeleton(one))}


def mixed(word: str) -> bool:
    """Whether letters of a word that look Latin stand beside Latin ones: "vіagra" with a Cyrillic letter."""
    if word.isascii():
        return False
    foreign = ascii_letters = 0
    for one in word:
        if one.isascii():
            ascii_letters += one.isalpha()
        elif ord(one) in LATIN and not unicodedata.name(one, "").startswith("LATIN"):
            foreign += 1
    return foreign > 0 and ascii_letters > 0
