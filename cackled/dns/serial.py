"""Serial numbers of a zone: they rise when the zone changes, outlive restarts, and agree between nodes.

RFC 1982 (serial number arithmetic). A secondary server takes a new zone only when the serial number has risen, so a
number made from the content won't do, and neither will one that each node counts for itself. So: a change of content
takes the time in seconds, or one more than before if that is more; number and content's digest are kept in a file; and
nodes tell each other both, so that of the same content they all have the highest number that any of them gave it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec import Struct
from twisted.logger import Logger

from .wire import SOA
from .zone import Zone

log = Logger()

HALF = 1 << 31
WHOLE = 1 << 32


def later(one: int, other: int) -> bool:
    """Whether serial number *one* comes after *other* (RFC 1982 section 3.2)."""
    return 0 < (one - other) % WHOLE < HALF


def digest(zone: Zone) -> str:
    """What two zones have in common that differ in nothing but the serial number."""
    made = blake2b(digest_size=16)
    for record in sorted(zone.records()):
        owner, rtype, ttl, rdata = record
        made.update(repr((owner, rtype, ttl, rdata[:-20] + rdata[-16:] if rtype == SOA else rdata)).encode())
    return made.hexdigest()


class Mark(Struct, frozen=True):
    """The serial number that some content has."""

    digest: str
    serial: int


class Serials:
    """The number of one zone.

    Args:
        path: where it is kept; None keeps it for the life of this object.
        wall: seconds since 1970.
    """

    def __init__(self, path: Path | None, wall: Callable[[], float]) -> None:
        self._path = path
        self._wall = wall
        self.mark: Mark | None = None
        if path is not None:
            # What can't be read is as good as nothing: the next number is the time, later than any before.
            with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
                self.mark = msgspec.json.decode(path.read_bytes(), type=Mark)

    def number(self, zone: Zone) -> int:
        """The number of *zone*, which is in use from now on."""
        content = digest(zone)
        if self.mark is None or self.mark.digest != content:
            now = int(self._wall()) % WHOLE
            if self.mark is not None and not later(now, self.mark.serial):
                now = (self.mark.serial + 1) % WHOLE
            self._keep(Mark(content, now or 1))
        assert self.mark is not None
        return self.mark.serial

    def given(self, zone: Zone) -> bool:
        """Of a zone that brings its own number: whether that has risen, or nothing has changed."""
        content, before = digest(zone), self.mark
        self._keep(Mark(content, zone.serial))
        return before is None or before.digest == content or later(zone.serial, before.serial)

    def hear(self, mark: Mark) -> int | None:
        """Another node has *mark*: the number to take over from it, if it is a later one of the same content."""
        if self.mark is None or mark.digest != self.mark.digest or not 0 < mark.serial < WHOLE:
            return None
        if not later(mark.serial, self.mark.serial):
            return None
        self._keep(mark)
        return mark.serial

    def _keep(self, mark: Mark) -> None:
        if mark == self.mark:
            return
        self.mark = mark
        if self._path is None:
            return
        part = self._path.with_name(self._path.name + ".part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(msgspec.json.encode(mark))
            os.replace(part, self._path)
        except OSError as error:
            log.error("the zone's serial number is not kept: {error}", error=str(error))
