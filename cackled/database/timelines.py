"""The timelines of promotions, remembered over restarts: an old primary that comes back alone is known for one.

The file holds the highest timeline seen of each database, by its system identifier. It can be deleted while the daemon
is down; then whoever is up is believed.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from twisted.logger import Logger

log = Logger()

_Known = dict[str, int]


class Timelines:
    """Kept in *path*; without one, for this process's life."""

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
        """The highest timeline seen of that database; 0 before any."""
        return self._known.get(str(cluster), 0)

    def saw(self, cluster: int, timeline: int) -> None:
        """A primary of that database is on *timeline*."""
        if timeline <= self.of(cluster):
            return
        self._known[str(cluster)] = timeline
        if self._path is None:
            return
        # Workers keep the same file.
        part = self._path.with_suffix(f".{os.getpid()}")
        try:
            part.write_bytes(msgspec.json.encode(self._known))
            os.replace(part, self._path)
        except OSError as error:
            log.warn("{path} can't be written: {reason}", path=str(self._path), reason=str(error))
