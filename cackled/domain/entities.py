"""HTML's character references ("&amp;", "&#65;") in text that a stranger wrote."""

from __future__ import annotations

import re
from html import unescape

# Eight digits are more than any character has: what follows them changes nothing.
_NUMBER = re.compile(r"&#0*([0-9]{1,8})[0-9]*;?")


def read_entities(text: str) -> str:
    """*text* with character references as the characters they stand for, as browsers read them.

    Numbers may be of any length: `html.unescape` raises ValueError for those that Python converts no more.
    """
    return unescape(_NUMBER.sub(r"&#\1;", text) if "&#" in text else text)
