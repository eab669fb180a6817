"""Files whose origin is elsewhere: from the disk of this node, else from other nodes, else from the origin.

What is served is right or it is not served: a slice from anywhere is compared with the checksum in the database. Where
the disk can't be used, or is full, slices are served without being kept, and metrics say so.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError, succeed
from twisted.logger import Logger

from cackled.clock import sleep
from cackled.database.errors import DatabaseError
from cackled.media.disk_cache import Claim, DiskCache, NotKept, Place, free_shares
from cackled.media.eviction import SeenBefore
from cackled.media.files import Damaged, OpenFiles, check_slice
from cackled.media.origins import Origin
from cackled.media.service import Known
from cackled.media.sums import SLICE, slice_length
from cackled.metrics import Metrics
from cackled.shared_calls import SharedCalls
from cackled.transport.streaming import FilePart, OpenFile

# Seconds for which another process of this node may be fetching the same before it is fetched here too, and between
# two looks.
CLAIM_SECONDS, CLAIM_PAUSE = 10.0, 0.025
# Seconds that the origin has for one slice. After so many failures in a row it is not asked for a while.
ORIGIN_SECONDS = 15.0
FAILURES, AWAY_SECONDS = 3, 2.0
# Seconds between two attempts to use a folder that can't be used.
FOLDER_SECONDS = 60.0
# A slice that is asked for is marked so on disk, at most this often.
TOUCH_SECONDS = 60.0
# Above this share of the room, only what was asked for before is kept.
CHOOSY = 0.9
SEEN = 20_000

# For how many seconds a fault is told of, and how.
TROUBLE_SECONDS = 300.0
TROUBLE = {
    "origin": "The origin of files does not answer, or a file there is damaged: pictures that are not on this node's "
    "disk are not shown. See [media] origin, and `media verify`.",
    "folder": "The folder of cached files can't be used: pictures come from the origin each time. See [media] "
    "cache_folder.",
    "full": "The disk or its inodes are nearly used up: files are not cached any more. Free some, or change [media] "
    "cache_folder.",
    "write": "Files can't be written into the cache. See [media] cache_folder, and the log of the system.",
    "read": "Files of the cache can't be read. See [media] cache_folder, and the log of the system.",
}

# Asks other nodes for a slice; None: none of them has it.
AskPeers = Callable[[int, bytes, Known, int], Awaitable[bytes | None]]

log = Logger()


async def no_peers(site: int, digest: bytes, known: Known, number: int) -> None:
    """There are no other nodes."""


class EdgeFiles:
    """The files of an origin, with a disk cache before it; *disk* None: without one."""

    def __init__(
        self, origin: Origin, disk: DiskCache | None, clock: Any, in_thread: Callable[..., Awaitable[Any]],
        metrics: Metrics, peers: AskPeers = no_peers,
    ) -> None:  # fmt: skip
        self._origin = origin
        self.disk = disk
        self._clock = clock
        self._in_thread = in_thread
        self._peers = peers
        self._open = OpenFiles()
        self._flights: SharedCalls[FilePart | bytes] = SharedCalls()
        self._seen = SeenBefore(SEEN)
        self._usable = False
        self._try_at = 0.0
        self._failed = 0
        self._away_until = 0.0
        self._slices = metrics.counter(
            "media_cache_slices", "Slices of files served, by where they came from.", ["source"]
        )
        self._faults = metrics.counter(
            "media_cache_faults",
            "Slices that were not kept (full, room, busy, write), or were damaged, unreadable, or not to be had "
            "from the origin; peer: other nodes gave something else; folder: the cache's folder could not be used.",
            ["reason"],
        )
        # When each kind of fault was last seen.
        self._last: dict[str, float] = {}
        if disk is not None:
            _watch(disk, metrics)
        for reason in ("full", "room", "busy", "write", "damaged", "read", "origin", "peer", "folder"):
            self._faults.labels(reason)
        self._memory = self._slices.labels("open")

    async def slice(self, site: int, digest: bytes, known: Known, number: int) -> FilePart | bytes:
        """As `cackled.media.files.Files` says."""
        key = (site, digest, known.name, number)
        found = self._open.get(key)
        if found is not None:
            self._memory.inc()
            self._touch(found[0])
            return FilePart(found[0], 0, slice_length(known.bytes, number))
        place = Place(site, digest, known.name, number, slice_length(known.bytes, number))
        return await self._flights.ask(
            f"{place.site}/{place.path}", lambda: Deferred.fromCoroutine(self._load(key, place, known))
        )

    def forget(self, site: int, digest: bytes) -> None:
        """As `cackled.media.files.Files` says."""
        self._open.forget(site, digest)

    # One slice

    async def _load(self, key: tuple[int, bytes, str, int], place: Place, known: Known) -> FilePart | bytes:
        again = self._seen.ask(hash(key))
        claim: Claim | None = None
        try:
            disk = await self._usable_disk()
            if disk is not None:
                found = await self._find_or_claim(disk, place)
                if isinstance(found, OpenFile):
                    self._slices.labels("disk").inc()
                    return self._keep_open(key, found, place.length)
                claim = found
            data = await self._fetch(place, known)
            if disk is None or claim is None or not (again or claim.wanted() or disk.has_room(CHOOSY)):
                return data
            try:
                file: OpenFile = await self._in_thread(disk.store, place, data)
            except NotKept as why:
                self._fault(str(why))
                return data
            return self._keep_open(key, file, place.length)
        finally:
            if claim is not None:
                claim.release()

    def _keep_open(self, key: tuple[int, bytes, str, int], file: OpenFile, length: int) -> FilePart:
        self._open.put(key, file, set())
        return FilePart(file, 0, length)

    async def _find_or_claim(self, disk: DiskCache, place: Place) -> OpenFile | Claim | None:
        """The slice from the disk, or the right to fetch it; None: it is to be fetched, and not kept."""
        until = self._clock.seconds() + CLAIM_SECONDS
        faults = 0
        while True:
            found = await self._in_thread(_look, disk, place)
            if isinstance(found, str):
                self._fault(found)
                faults += 1
                if found == "folder":
                    self._usable = False
                if faults > 1 or not self._usable:
                    # It can't even be removed, or the folder has gone: it is made again after a while.
                    return None
                continue
            if found is not None or self._clock.seconds() >= until:
                return found
            await sleep(self._clock, CLAIM_PAUSE)

    async def _fetch(self, place: Place, known: Known) -> bytes:
        where = (place.site, place.digest, known, place.number)
        if known.sums:
            # Without a checksum a node's word would have to be taken for it.
            data = await self._peers(*where)
            if data is not None:
                try:
                    check_slice(data, known, place.number, "a slice of another node")
                except Damaged:
                    self._fault("peer")
                else:
                    self._slices.labels("peer").inc()
                    return data
        if self._clock.seconds() < self._away_until:
            raise OSError("the origin of files does not answer")
        try:
            data = await Deferred.fromCoroutine(self._read(place)).addTimeout(ORIGIN_SECONDS, self._clock)
            check_slice(data or b"", known, place.number, f"{place.site}/{place.digest.hex()}/{place.name}")
        except Damaged:
            self._fault("origin")
            raise
        except (OSError, DatabaseError, TimeoutError, CancelledError) as error:
            self._fault("origin")
            self._failed += 1
            if self._failed >= FAILURES:
                self._away_until = self._clock.seconds() + AWAY_SECONDS
            if isinstance(error, OSError | DatabaseError):
                raise
            raise OSError("the origin of files does not answer in time") from None
        self._failed = 0
        self._slices.labels("origin").inc()
        return data or b""

    async def _read(self, place: Place) -> bytes | None:
        return await self._origin.read(place.site, place.digest, place.name, place.number * SLICE, place.length)

    # The disk

    async def _usable_disk(self) -> DiskCache | None:
        disk, now = self.disk, self._clock.seconds()
        if disk is not None and not self._usable and now >= self._try_at:
            self._try_at = now + FOLDER_SECONDS
            try:
                await self._in_thread(disk.begin)
            except NotKept:
                pass  # Another process just counts what is there.
            except OSError as error:
                self._fault("folder")
                log.error("the folder of cached files can't be used: {reason}", reason=str(error)[:200])
                return None
            self._usable = True
        return disk if self._usable else None

    def _touch(self, file: OpenFile) -> None:
        now = self._clock.seconds()
        if now < file.touched + TOUCH_SECONDS:
            return
        file.touched = now
        done = self._in_thread(_touch, file)
        (done if isinstance(done, Deferred) else succeed(None)).addErrback(lambda _: None)

    def _fault(self, reason: str) -> None:
        self._faults.labels(reason).inc()
        self._last[reason] = self._clock.seconds()

    def trouble(self) -> list[str]:
        """What went wrong in the last minutes, for operators."""
        since = self._clock.seconds() - TROUBLE_SECONDS
        return [text for reason, text in TROUBLE.items() if self._last.get(reason, float("-inf")) > since]


def _look(disk: DiskCache, place: Place) -> OpenFile | Claim | str | None:
    """In a thread: as `EdgeFiles._find_or_claim`, once; a word: what was wrong with what was there."""
    try:
        found = disk.find(place)
    except ValueError:
        return "damaged"
    except OSError:
        return "read"
    if found is not None:
        return found
    try:
        claim = disk.claim(place)
    except OSError:
        return "folder"
    if claim is not None:
        # Another may have stored it between the two.
        try:
            found = disk.find(place)
        except (ValueError, OSError):
            found = None
        if found is not None:
            claim.release()
            return found
    return claim


def _touch(file: OpenFile) -> None:
    """Mark an open slice as asked for."""
    os.fchmod(file.descriptor, 0o700)


def _watch(disk: DiskCache, metrics: Metrics) -> None:
    def share(which: int) -> float:
        try:
            return free_shares(disk.folder)[which]
        except OSError:
            return float("nan")

    metrics.watch("media_cache_bytes", "Bytes of files in the disk cache.", lambda: float(disk.used()[0]))
    metrics.watch("media_cache_files", "Slices of files in the disk cache.", lambda: float(disk.used()[1]))
    metrics.watch("media_cache_free_bytes", "Share of the file system's bytes that is free.", lambda: share(0))
    metrics.watch("media_cache_free_inodes", "Share of the file system's inodes that is free.", lambda: share(1))
