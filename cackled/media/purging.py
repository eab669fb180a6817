"""Removes contents that are gone from this node's disk. A node that was away does so when it comes back.

The database notes what is gone (`media_removed`) for `KEPT_DAYS`; the folder of the cache holds until when this node
has followed, by the database's clock: a node's own may be wrong. One that was away for longer throws its cache away.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.housekeeping import BATCH
from cackled.media.disk_cache import DiskCache

log = Logger()

INTERVAL = 20.0
KEPT_DAYS = 90
# Seconds that are read again each time: transactions end in another order than they begin in.
OVERLAP = 900.0
PAGE = 500

SELECT_REMOVED = Query(
    "select_removed_media",
    f"""
    select site_id, hash, extract(epoch from removed_at)::float8 from media_removed
    where (removed_at, site_id, hash) > (to_timestamp($1), $2, $3) order by removed_at, site_id, hash limit {PAGE}
    """,
    ("float", "int", "bytea"),
)
SELECT_NOW = Query("select_media_removed_until", "select extract(epoch from clock_timestamp())::float8", ())
DROP_OLD = Query(
    "drop_old_removed_media",
    f"""
    with old as (
      select r.site_id, r.hash from media_removed r
      where r.removed_at < now() - interval '{KEPT_DAYS} days' limit {BATCH}
    ), dropped as (
      delete from media_removed r using old o where r.site_id = o.site_id and r.hash = o.hash returning 1
    )
    select count(*) from dropped
    """,
)


class Purging:
    """The job; it runs in one process of each node. *disk* is None where this node has no cache."""

    def __init__(
        self, database: Database, disk: DiskCache | None, clock: Any, in_thread: Callable[..., Awaitable[Any]],
    ) -> None:  # fmt: skip
        self._database = database
        self._disk = disk
        self._in_thread = in_thread
        self._job = Periodic(clock, INTERVAL, self.purge, "cached files that are gone")

    def start(self) -> None:
        """Look now and then."""
        if self._disk is not None:
            self._job.start(now=True)

    def stop(self) -> None:
        """Look no more."""
        self._job.stop()

    async def purge(self) -> int:
        """Remove what went since the last time; gives how many slices that were."""
        if self._disk is None:
            return 0
        removed, preference = 0, ReadPreference.PRIMARY_PREFERRED
        try:
            since = await self._in_thread(_followed, self._disk.folder)
            times = [
                float((await part.system.read(SELECT_NOW, preference=preference)).rows[0][0])
                for part in self._database.parts
            ]
            # Of several databases the one that is behind: it is read again, not left out.
            now = min(times)
            if since < now - KEPT_DAYS * 86_400 + OVERLAP:
                # Nobody knows any more what went meanwhile.
                await self._in_thread(_empty, self._disk)
                since = now
            for part, time in zip(self._database.parts, times, strict=True):
                # A database whose clock was put back, or another one in its place, notes earlier times than before.
                last: tuple[float, int, bytes] = (min(since, time) - OVERLAP, 0, b"")
                # A copy may be behind by more than is read again.
                while rows := (
                    await part.system.read(SELECT_REMOVED, *last, preference=preference)
                ).rows:
                    for site, digest, _ in rows:
                        removed += await self._in_thread(self._disk.purge, site, bytes(digest))
                    last = (rows[-1][2], rows[-1][0], bytes(rows[-1][1]))
            await self._in_thread(_follow, self._disk.folder, now)
        except (DatabaseError, OSError) as error:
            # The next time goes on from the same moment.
            log.warn("cached files that are gone could not be removed: {reason}", reason=str(error)[:300])
        return removed


def _followed(folder: Path) -> float:
    try:
        return float((folder / ".followed").read_text("ascii"))
    except (OSError, ValueError):
        return 0.0


def _follow(folder: Path, until: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    early = folder / ".followed.new"
    early.write_text(repr(until), "ascii")
    os.replace(early, folder / ".followed")


def _empty(disk: DiskCache) -> None:
    """Remove all slices, and count anew."""
    if not disk.folder.is_dir():
        return
    for one in list(os.scandir(disk.folder)):
        if len(one.name) == 2 and one.is_dir(follow_symlinks=False):
            shutil.rmtree(one.path, ignore_errors=True)
    disk.begin()
