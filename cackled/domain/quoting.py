"""Words of strangers in messages to operators: cleaned of what could turn a line around, and marked as quoted."""

from __future__ import annotations

import re
import unicodedata

# Joiners within emoji and within words of some scripts.
_JOINERS = "\u200c\u200d"
_UNSEEN = ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")
# What mail programs make links of.
_LINK = re.compile(r"(?<=[A-Za-z])://|\b(mailto|www|tel|javascript|data)([.:])", re.IGNORECASE)


def cleaned(text: str) -> str:
    """*text* as one line without controls, marks of direction and what can't be seen."""
    spaced = " ".join(text.split())
    return "".join(one for one in spaced if one in _JOINERS or unicodedata.category(one) not in _UNSEEN)


def unlinked(text: str) -> str:
    """*text* with its addresses readable and no links: ``https[:]//``."""
    return _LINK.sub(lambda match: f"{match[1]}[{match[2]}]" if match[1] else "[:]//", text)


def quoted(text: str, most: int = 100) -> str:
    """*text* within quotation marks, on one line, at most *most* characters."""
    line = unlinked(cleaned(text[: 4 * most])).replace('"', "'")
    return f'"{line if len(line) <= most else line[: most - 3] + "..."}"'


def indented(text: str, most: int) -> str:
    """*text* in lines of its own, each indented, so that none can pass for ours; at most *most* characters."""
    words = text if len(text) <= most else text[:most] + " ..."
    return "\n".join("    " + unlinked(cleaned(line)) for line in words.splitlines())
