"""Names as they look: two that a reader takes for one another have the same skeleton.

Made for display names, after Unicode's UTS 39 (section 4, confusable detection), and coarser: case, accents, white
space and what stands between words make no difference, nor do letters of other scripts that look like Latin ones.
"""

from __future__ import annotations

import unicodedata

from cackled.domain.words import fold

# Letters that look like a Latin one, in what `fold` leaves of them (small letters, NFKC). From the confusables of
# UTS 39: Cyrillic, Greek, Armenian, and signs and figures that are read as letters.
_ALIKE = {
    "a": "аɑα@4", "b": "ьвƅβ8", "c": "сϲ", "d": "ԁɗđ", "e": "еєҽεɛ3", "f": "ƒſ", "g": "ɡցԍ9", "h": "һնн",
    "i": "іıɩιӏ!|1lїł", "j": "јյ", "k": "кκ", "m": "м", "n": "пոηи", "o": "оοօσø0", "p": "рρ", "q": "ԛգ",
    "r": "гʀя", "s": "ѕ$5", "t": "тτ7", "u": "υսʋ", "v": "ѵν", "w": "ԝшωա", "x": "хχ", "y": "уүγ", "z": "ᴢ2",
}  # fmt: skip
_TABLE = str.maketrans({sign: letter for letter, signs in _ALIKE.items() for sign in signs})


def skeleton(name: str) -> str:
    """What *name* looks like; of one without letters and figures, its signs."""
    plain = unicodedata.normalize("NFKD", fold(name))
    kept = "".join(one for one in plain if one.isalnum() or one in "@$!|")
    # Two letters that are read as one.
    return kept.translate(_TABLE).replace("rn", "m").replace("vv", "w") or "".join(plain.split())
