"""Serial numbers of a zone: they rise when the zone changes, outlive restarts, and agree between nodes.

RFC 1982 (serial number arithmetic). A secondary server takes a new zone only if the serial number has
risen. A number made from the content can fall, and numbers that each node counts for itself differ. So a change of the
content gets the time in seconds as number, or the last number plus one if that is higher. The number and a digest of
the content are kept in a file. Nodes tell each other both: for the same content, all use the highest number.
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
    """A digest of the zone without its serial number."""
    made = blake2b(digest_size=16)
    for record in sorted(zone.records()):
        owner, rtype, ttl, rdata = record
        made.update(repr((owner, rtype, ttl, rdata[:-20] + rdata[-16:] if rtype == SOA else rdata)).encode())
    return made.hexdigest()


class Mark(Struct, frozen=True):
    """A serial number, and the digest of the content that it belongs to."""

    digest: str
    serial: int


class Serials:
    """Gives a zone its serial number.

    Args:
        path: where it is kept; None keeps it for the life of this object.
        wall: seconds since 1970.
    """

    def __init__(self, path: Path | None, wall: Callable[[], float]) -> None:
        self._path = path
        self._wall = wall
        self.mark: Mark | None = None
        if path is not None:
            # An unreadable file counts as missing: the next number is the time, which is higher than all before.
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
        """For a zone with a number of its own: whether the number has risen, or the content has not changed."""
        content, before = digest(zone), self.mark
        self._keep(Mark(content, zone.serial))
        return before is None or before.digest == content or later(zone.serial, before.serial)

    def hear(self, mark: Mark) -> int | None:
        """Called with the *mark* of another node. Returns its number if it is higher and for the same content."""
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
