"""The country of an address, straight from the MMDB files: for what people see, not for the choice of a node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import maxminddb
from twisted.logger import Logger

log = Logger()
# Seconds between two looks whether the files have changed.
LOOK = 60.0


class Countries:
    """Countries of addresses: upper-case codes of two letters, ``""`` where none is known.

    *files* are asked in their order; *path* leads to the code in a record, as in ``country/iso_code``. A file that
    can't be read is left out and told once; each is opened again when it has changed.
    """

    def __init__(self, files: Sequence[str], path: str, seconds: Callable[[], float]) -> None:
        self._files = tuple(files)
        self._path = path.split("/")
        self._seconds = seconds
        self._looked = float("-inf")
        self._stamp: tuple[Any, ...] = ()
        self._readers: list[Any] = []

    def __call__(self, address: str | None) -> str:
        """The country of *address*; ``""`` of what is no address."""
        if not address or not self._files:
            return ""
        try:
            packed = ip_address(address.partition("%")[0])
        except ValueError:
            return ""
        packed = getattr(packed, "ipv4_mapped", None) or packed
        self._look()
        for reader in self._readers:
            try:
                found = reader.get(packed)
            except (ValueError, maxminddb.InvalidDatabaseError):
                # An IPv6 address in a file of IPv4, or a damaged record.
                continue
            for step in self._path:
                found = found.get(step) if isinstance(found, dict) else None
            if isinstance(found, str) and len(found) == 2 and found.isascii() and found.isalpha():
                return found.upper()
        return ""

    def _look(self) -> None:
        now = self._seconds()
        if now < self._looked + LOOK:
            return
        self._looked = now
        stamp = tuple(_stamp(one) for one in self._files)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        # Readers of before are let go of, not closed: another call may still read in them.
        self._readers = []
        for one in self._files:
            try:
                self._readers.append(maxminddb.open_database(one, maxminddb.MODE_MMAP_EXT))
            except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
                log.warn("no countries from {file}: {reason}", file=one, reason=str(error))


def _stamp(file: str) -> tuple[int, int] | None:
    try:
        status = Path(file).stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
