"""What the database takes of values that strangers' files have."""

from __future__ import annotations

import re

# Counts, and seconds since 1970, to the year 9999.
MOST_COUNT, LATEST = 2_000_000_000, 253_402_300_799
MOST_ID = 200
_MAIL = re.compile(r"[^\s@<>\"\x00-\x1f]{1,64}@[^\s@<>\"\x00-\x1f]{1,190}")


def count(number: int) -> int:
    """A count that can be stored."""
    return min(max(number, 0), MOST_COUNT)


def moment(seconds: float | None) -> float | None:
    """A time since 1970 that can be stored; None where it is another."""
    return seconds if seconds is not None and 0 <= seconds <= LATEST else None


def mail(text: str) -> str:
    """An address of mail; ``""`` where it is none."""
    text = text.strip()
    return text if _MAIL.fullmatch(text) else ""


def is_id(text: str) -> bool:
    """Whether a source's id can be stored, and looked for."""
    return 0 < len(text) <= MOST_ID and is_text(text)


def is_text(text: str) -> bool:
    """Whether a text can be stored as it is."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def name(text: str) -> str:
    """What a source calls somebody, without U+0000."""
    return text.replace("\0", "")
