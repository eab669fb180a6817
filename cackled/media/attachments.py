"""Files that are no pictures: which are taken, and how they are named where somebody saves them.

A file is known by what it holds; the name that it came with decides nothing but how it is called.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

PDF, TEXT = "application/pdf", "text/plain"
# Endings that a name may keep, the first one is added to others.
ENDINGS = {PDF: (".pdf",), TEXT: (".txt", ".csv", ".tsv", ".log", ".md", ".json")}
MOST_NAME = 100
# Text that a browser or a reader might run, whatever it is called.
_MARKUP = re.compile(rb"\s*<(?:[!?]|[a-z])", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"*/:<>?\\|]')


def kind_of(raw: bytes) -> str | None:
    """The media type of a file that is taken; None for all others."""
    if raw.startswith(b"%PDF-"):
        return PDF if b"%%EOF" in raw[-2_048:] else None
    if not raw.strip() or _CONTROL.search(raw) is not None or _MARKUP.match(raw.removeprefix(b"\xef\xbb\xbf")):
        return None
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return TEXT


def name_of(given: str, kind: str) -> str:
    """A name for a file of *kind*: *given* without places, control characters and what turns writing around.

    It ends as the kind does, whatever *given* ends with.
    """
    last = re.split(r"[/\\]", given)[-1]
    kept = "".join(one for one in unicodedata.normalize("NFC", last) if unicodedata.category(one) not in _LEFT_OUT)
    clean = " ".join(_UNSAFE.sub(" ", kept).split()).strip(". ")[:MOST_NAME].strip()
    endings = ENDINGS[kind]
    if clean.lower().endswith(endings) and not clean.startswith("."):
        return clean
    return f"{clean or 'file'}{endings[0]}"


# Control and format characters (those that turn the direction around among them), halves of pairs, private ones.
_LEFT_OUT = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))


def disposition(name: str) -> bytes:
    """The header that has a file saved as *name* (RFC 6266; RFC 8187 for what is not ASCII)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    plain = re.sub(r'[^A-Za-z0-9 ._()+,=@-]|^[. ]+', "_", plain) or "file"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}".encode("ascii")
