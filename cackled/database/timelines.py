"""The timelines of promotions, kept over restarts, so that an old primary that comes back alone is recognised.

The file holds the highest timeline seen of each database, by its system identifier. It can be deleted while the daemon
is down; then any primary that is up is accepted.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from twisted.logger import Logger

log = Logger()

_Known = dict[str, int]


class Timelines:
    """Keeps them in the file *path*, or without one in memory."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known: _Known = {}
        if path is None:
            return
        try:
            self._known = msgspec.json.decode(path.read_bytes(), type=_Known)
        except FileNotFoundError:
            pass
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.warn("{path} can't be read, and is begun anew: {reason}", path=str(path), reason=str(error))

    def __str__(self) -> str:
        return str(self._path or "memory")

    def of(self, cluster: int) -> int:
        """The highest timeline seen of the database *cluster*; 0 if none was seen."""
        return self._known.get(str(cluster), 0)

    def saw(self, cluster: int, timeline: int) -> None:
        """Note that a primary of the database *cluster* is on *timeline*."""
        if timeline <= self.of(cluster):
            return
        self._known[str(cluster)] = timeline
        if self._path is None:
            return
        # Worker processes use the same file.
        part = self._path.with_suffix(f".{os.getpid()}")
        try:
            part.write_bytes(msgspec.json.encode(self._known))
            os.replace(part, self._path)
        except OSError as error:
            log.warn("{path} can't be written: {reason}", path=str(self._path), reason=str(error))
