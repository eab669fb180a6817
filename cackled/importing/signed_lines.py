"""Lines of our own exports, each with a code (MAC) that only this server can make for this site.

A line that has it comes back as what it was. Any other is somebody's word: a review of it is shown as imported, a
ballot of it counts nowhere. What nobody but the server may read stands in a line sealed.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from hashlib import blake2b
from hmac import compare_digest
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from cackled.database.query import ReadPreference
from cackled.database.routing import Database
from cackled.domain.sites import SELECT_SECRET
from cackled.importing.records import BadFile
from cackled.importing.source import MOST_VALUE, Source

_MAC = re.compile(rb',"mac":"([0-9a-f]{40})"\}\Z')


class LineKey:
    """What the lines of a site's exports are signed and sealed with; *secret* is one that all nodes share."""

    def __init__(self, secret: bytes, site: int) -> None:
        self._key = blake2b(secret, digest_size=32, person=b"cackled.line").digest()
        self._sealing = AESSIV(blake2b(secret, digest_size=64, person=b"cackled.lineseal").digest())
        self._site = site

    def _code(self, line: bytes) -> bytes:
        told = b"%d\0" % self._site + line
        return blake2b(told, key=self._key, digest_size=20).hexdigest().encode()

    def signed(self, line: bytes) -> bytes:
        """*line*, a JSON object, with its code as the last member."""
        return line[:-1] + b',"mac":"' + self._code(line) + b'"}'

    def genuine(self, line: bytes) -> bool:
        """Whether a line has the code that it should have."""
        found = _MAC.search(line)
        return found is not None and compare_digest(found[1], self._code(line[: found.start()] + b"}"))

    def seal(self, place: str, text: str) -> str:
        """*text*, to be opened for the same *place* alone; the same each time."""
        sealed = self._sealing.encrypt(text.encode(), [b"%d" % self._site, place.encode()])
        return urlsafe_b64encode(sealed).decode()

    def open(self, place: str, sealed: str) -> str | None:
        """What was sealed for *place*; None where nothing was."""
        try:
            raw = urlsafe_b64decode(sealed.encode("ascii"))
            return self._sealing.decrypt(raw, [b"%d" % self._site, place.encode()]).decode()
        except (InvalidTag, ValueError):
            return None


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(one) for pair in value.items() for one in pair)
    return isinstance(value, list) and any(map(_has_nul, value))


async def line_key(database: Database, site: int) -> LineKey:
    """The key of a site's lines."""
    rows = await database.system.read(SELECT_SECRET, "session", preference=ReadPreference.PRIMARY_PREFERRED)
    return LineKey(bytes(rows.rows[0][0]), site)


def own_lines(source: Source, product: str) -> Iterator[tuple[Any, bool]]:
    """The values of the lines of an export of *product*, and whether each is as this server wrote it for this site.

    The first is the head. None for a line that is none.

    Raises:
        BadFile: it is no such export, or a line is too long.
    """
    first = True
    with source.open() as file:
        while line := file.readline(MOST_VALUE + 1):
            if len(line) > MOST_VALUE:
                raise BadFile("The file has a line that is too long.")
            line = line.strip().removeprefix(b"\xef\xbb\xbf")
            if not line:
                continue
            try:
                value = msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                value = None
            # What the database can't hold, none of ours has.
            if b"\\u0000" in line and _has_nul(value):
                value = None
            if first:
                if not isinstance(value, dict) or value.get("type") != "export" or value.get("product") != product:
                    raise BadFile(f"The file is no export of {product} of cackled: its first line does not say so.")
                if value.get("version") != 1:
                    raise BadFile("The file is of a later release.")
            first = False
            yield value, source.trusted or (source.key is not None and source.key.genuine(line))
    if first:
        raise BadFile("The file is empty.")
