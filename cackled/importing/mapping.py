"""Which page here an address of the source belongs to: a map of addresses, patterns, one form for all its spellings.

A map is a CSV file of two columns, old and new. A new one that is empty leaves the page out. ``*`` in an old one stands
for anything, and ``*`` in the new one for the same. Addresses are compared without scheme, ``www.``, slashes at the end
and what advertising adds; an old one that is a path fits on every host. An exact line counts before a pattern, a longer
pattern before a shorter one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from hashlib import blake2b
from itertools import islice
from urllib.parse import urlsplit

from cackled.domain.page_keys import page_key
from cackled.importing.records import BadFile

MOST_LINES = 1_000_000
# Each page is compared with all of them.
MOST_PATTERNS = 1_000
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def whole(address: str, host: str) -> str:
    """*address* as a whole one: a path is on *host* where that is known."""
    if _SCHEME.match(address) or not host:
        return address
    if address.startswith("//"):
        return "https:" + address
    base = host if _SCHEME.match(host) else f"https://{host}"
    return f"{base}/{address.lstrip('/')}"


class UrlMap:
    """The lines of a map; none: every page stays what it is."""

    def __init__(self, lines: Iterable[tuple[str, str]] = ()) -> None:
        self._exact: dict[str, str] = {}
        patterns: list[tuple[str, str]] = []
        for old, new in lines:
            if "*" in old:
                patterns.append((old, new))
            else:
                self._exact[_form(old)] = new
        if len(patterns) > MOST_PATTERNS:
            raise BadFile(f"The map has more than {MOST_PATTERNS} lines with stars.")
        patterns.sort(key=lambda one: -len(one[0]))
        self._patterns = [(_form(old).split("*"), new) for old, new in patterns]

    @property
    def digest(self) -> str:
        """What tells this map from others; ``""``: it has no lines."""
        if not len(self):
            return ""
        told = sorted(self._exact.items()) + [("*".join(parts), new) for parts, new in self._patterns]
        return blake2b(repr(told).encode("utf-8", "replace"), digest_size=12).hexdigest()

    def __len__(self) -> int:
        return len(self._exact) + len(self._patterns)

    @classmethod
    def read(cls, text: Iterable[str]) -> UrlMap:
        """The map of a CSV file with commas or semicolons, with or without a line of names.

        Raises:
            BadFile: a line has no two columns, or there are too many.
        """
        lines: list[tuple[str, str]] = []
        rows = iter(text)
        head = next(rows, "")
        divider = ";" if head.count(";") > head.count(",") else ","
        try:
            for row in csv.reader(_again(head, islice(rows, MOST_LINES + 1)), delimiter=divider):
                old, new = (cell.strip().removeprefix("\ufeff") for cell in [*row, "", ""][:2])
                if not old or old.startswith("#") or (not lines and old.lower() in ("old", "from", "source", "url")):
                    continue
                if len(row) < 2:
                    raise BadFile(f"The map has no new address for {old[:100]}.")
                lines.append((old, new))
        except csv.Error as error:
            raise BadFile(f"The map can't be read: {error}.") from None
        if len(lines) > MOST_LINES:
            raise BadFile(f"The map has more than {MOST_LINES} lines.")
        return cls(lines)

    def find(self, address: str) -> str | None:
        """What *address* becomes: itself, a new address, or None where the map leaves it out."""
        if not self._exact and not self._patterns:
            return address
        with_host = _form(address)
        for form in (with_host, _form(_path(address))):
            if form in self._exact:
                return self._exact[form] or None
        if not self._patterns:
            return address
        path = _form(_path(address))
        for pattern, new in self._patterns:
            found = _stars(pattern, with_host)
            found = _stars(pattern, path) if found is None else found
            if found is not None:
                parts = iter(found)
                return "".join(next(parts, "") if one == "*" else one for one in re.split(r"(\*)", new)) or None
        return address


def _again(first: str, rest: Iterable[str]) -> Iterable[str]:
    yield first
    yield from rest


def _form(address: str) -> str:
    return page_key(address, host=True)


def _path(address: str) -> str:
    if not _SCHEME.match(address):
        return address
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _stars(parts: list[str], text: str) -> list[str] | None:
    """What the stars between *parts* stand for in *text*, the first as much as it can; None: it does not fit.

    However many stars there are, the text is gone through once: each part stands as far to the right as it can.
    """
    first, *within, last = parts
    end = len(text) - len(last)
    if end < len(first) or not text.startswith(first) or not text.endswith(last):
        return None
    found = []
    for part in reversed(within):
        at = text.rfind(part, len(first), end)
        if at < 0:
            return None
        found.append(text[at + len(part) : end])
        end = at
    found.append(text[len(first) : end])
    return found[::-1]
