"""The disk cache of a node: slices of files whose origin is elsewhere, shared by all processes of the node.

The folder itself is the index: a file's name says what it is, its time of change when it came, and the owner's
execute bit that it was asked for since the hand of `cackled.media.eviction` came by. So a process that is killed at
any point loses nothing, and nothing has to be read to begin again.

- A file that has its name is whole: it was written under another name in the same folder, and renamed. Its last bytes
  hold a mark, its length and a checksum, which are compared when a process first opens it: after a power failure a
  renamed file may be empty.
- How much is used is counted in ``.used``, under a lock of all processes, before a byte is written. After a crash it
  may say too much, never too little, until the next look at the folder puts it right.
- All functions may wait for the disk: call them in threads.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex

from msgspec import Struct

from cackled.media.eviction import Entry, sieve
from cackled.transport.streaming import OpenFile, read_fully

MARK = b"CKL1"
_FOOTER = struct.Struct("<4sI16s")
_USED = struct.Struct("<QQQ")
# Share of the bounds that is made free at once, so that the folder is not looked through for each file.
SHARE = 0.05
# Below this share of free bytes or inodes of the file system nothing is added.
LEAST_FREE_BYTES, LEAST_FREE_INODES = 0.02, 0.01
# Seconds after which a file that was begun and has no name yet is a dead process's.
ABANDONED = 600.0
# How often, and after how many seconds, the lock is tried for.
TRIES, PAUSE = 40, 0.005
# Locks of fills. Two that share one wait for each other without need, which is rare.
STRIPES = 256
_VISITED = 0o100


class Place(Struct, frozen=True):
    """Which slice of which file; *length* is its own."""

    site: int
    digest: bytes
    name: str
    number: int
    length: int

    @property
    def contents(self) -> str:
        """What all slices of all files of these contents begin with."""
        return contents_key(self.site, self.digest)

    @property
    def path(self) -> str:
        """Below the folder of the cache."""
        key = self.contents
        return f"{key[:2]}/{key}-{self.name}-{self.number}"


def contents_key(site: int, digest: bytes) -> str:
    """32 hexadecimal digits that stand for contents of a site."""
    return blake2b(b"%d %s" % (site, digest), digest_size=16).hexdigest()


class Claim:
    """The right to fetch a slice, among all processes of the node; ends with `release`, or with the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def wanted(self) -> bool:
        """Whether another process has come for it meanwhile."""
        return bool(os.pread(self._descriptor, 1, 0))

    def release(self) -> None:
        """Let others."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class NotKept(Exception):
    """A slice is not kept; the message is why, one word: full, room, busy, write."""


def free_shares(folder: Path) -> tuple[float, float]:
    """Which share of the file system's bytes, and of its inodes, is free.

    Raises:
        OSError
    """
    at = os.statvfs(folder)
    return at.f_bavail / max(1, at.f_blocks), at.f_favail / at.f_files if at.f_files else 1.0


class DiskCache:
    """At most so many bytes and files in *folder*.

    *step* is called before each change of the disk, with its name: tests end the process there.
    """

    def __init__(
        self, folder: Path, most_bytes: int, most_files: int, *,
        free: Callable[[Path], tuple[float, float]] = free_shares, step: Callable[[str], None] = lambda name: None,
    ) -> None:  # fmt: skip
        self.folder = folder
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._free = free
        self._step = step

    def begin(self) -> None:
        """Make the folder, count what is there, and remove what a process left that was ended.

        Raises:
            OSError: the folder can't be used.
            NotKept: another process is at it.
        """
        (self.folder / "claims").mkdir(parents=True, exist_ok=True)
        with self._locked() as used:
            self._look_through(used, 0, 0)

    def used(self) -> tuple[int, int]:
        """Bytes and files, as counted."""
        try:
            with (self.folder / ".used").open("rb") as file:
                return _USED.unpack(file.read(_USED.size))[:2]
        except (OSError, struct.error):
            return 0, 0

    def has_room(self, share: float) -> bool:
        """Whether less than this share of the bounds is used."""
        total, files = self.used()
        return total < share * self._most_bytes and files < share * self._most_files

    # Reading

    def has(self, place: Place) -> bool:
        """Whether there is a slice of that length; it may be damaged."""
        try:
            return (self.folder / place.path).stat().st_size == place.length + _FOOTER.size
        except OSError:
            return False

    def find(self, place: Place) -> OpenFile | None:
        """A slice, whole and as it was written; None where it is not there. Its data begin the file.

        Raises:
            ValueError: it was damaged, and is removed.
            OSError: it can't be read.
        """
        path = self.folder / place.path
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        file = OpenFile(descriptor, place.length)
        at = os.fstat(descriptor)
        try:
            whole = at.st_size == place.length + _FOOTER.size and _is_whole(descriptor, place.length)
        except OSError:
            self._remove(path, at.st_size)
            raise
        if not whole:
            self._remove(path, at.st_size)
            raise ValueError("damaged")
        if not at.st_mode & _VISITED:
            os.fchmod(descriptor, 0o700)
        return file

    def claim(self, place: Place) -> Claim | None:
        """The right to fetch a slice; None: another process has it, and is told that others wait.

        Raises:
            OSError
        """
        stripe = int(place.contents[:4], 16) + place.number
        descriptor = os.open(
            self.folder / "claims" / f"{stripe % STRIPES:02x}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.pwrite(descriptor, b"1", 0)
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        return Claim(descriptor)

    # Writing

    def store(self, place: Place, data: bytes) -> OpenFile:
        """Keep a slice; gives it open.

        Raises:
            NotKept: the disk is full, all is too large, another process is at it for long, or it can't be written.
        """
        size = len(data) + _FOOTER.size
        path = self.folder / place.path
        # Its size is in its name: whoever counts meanwhile counts all of it.
        early = path.parent / f".{token_hex(8)}.{size}"
        try:
            with self._locked() as used:
                self._make_room(used, size)
                path.parent.mkdir(exist_ok=True)
                self._step("count")
                used.change(size, 1)
                self._step("begin")
                descriptor = os.open(early, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError:
            raise NotKept("write") from None
        try:
            self._step("write")
            _write_fully(descriptor, data)
            self._step("mark")
            _write_fully(descriptor, _FOOTER.pack(MARK, len(data), blake2b(data, digest_size=16).digest()))
            self._step("rename")
            early.rename(path)
            self._step("done")
        except OSError:
            os.close(descriptor)
            self._remove(early, size)
            raise NotKept("write") from None
        return OpenFile(descriptor, len(data))

    def _make_room(self, used: _Used, size: int) -> None:
        bytes_free, inodes_free = self._free(self.folder)
        if bytes_free < LEAST_FREE_BYTES or inodes_free < LEAST_FREE_INODES:
            raise NotKept("full")
        if used.total + size > self._most_bytes or used.files + 1 > self._most_files:
            self._look_through(used, size, 1)
        if used.total + size > self._most_bytes or used.files + 1 > self._most_files:
            raise NotKept("room")

    def purge(self, site: int, digest: bytes) -> int:
        """Remove all slices of these contents; gives how many there were.

        Raises:
            OSError
        """
        key = contents_key(site, digest)
        folder, removed = self.folder / key[:2], 0
        try:
            names = [one for one in os.listdir(folder) if one.startswith(key)]
        except FileNotFoundError:
            return 0
        for name in names:
            self._step("purge")
            removed += self._remove(folder / name, None)
        return removed

    def _remove(self, path: Path, size: int | None) -> bool:
        """Remove a file and count it no more; False: it was not there."""
        try:
            size = path.stat().st_size if size is None else size
            path.unlink()
        except OSError:
            return False
        try:
            with self._locked() as used:
                used.change(-size, -1)
        except (OSError, NotKept):
            pass  # The next look at the folder counts anew.
        return True

    # The count and the lock

    @contextmanager
    def _locked(self) -> Iterator[_Used]:
        descriptor = os.open(self.folder / ".used", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            for turn in range(TRIES):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if turn == TRIES - 1:
                        raise NotKept("busy") from None
                    time.sleep(PAUSE)
            yield _Used(descriptor)
        finally:
            os.close(descriptor)

    def _look_through(self, used: _Used, size: int, files: int) -> None:
        """Count what is there; make room for *size* bytes and *files* files, and some more, where that is missing."""
        entries: list[Entry] = []
        total = count = 0
        for folder in [one.path for one in os.scandir(self.folder) if len(one.name) == 2]:
            for one in os.scandir(folder):
                try:
                    at = one.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                size_of = at.st_size
                if one.name.startswith("."):
                    if time.time() - at.st_mtime > ABANDONED:
                        _quietly(os.unlink, one.path)
                        continue
                    given = one.name.rpartition(".")[2]
                    size_of = int(given) if given.isdecimal() else size_of
                else:
                    entries.append(Entry(one.path, size_of, at.st_mtime_ns, bool(at.st_mode & _VISITED)))
                total += size_of
                count += 1
            # Other threads first: this one only counts.
            time.sleep(0)
        hand = used.hand
        if total + size > self._most_bytes or count + files > self._most_files:
            chosen = sieve(
                entries, hand, max(0, total + size - int(self._most_bytes * (1 - SHARE))),
                max(0, count + files - int(self._most_files * (1 - SHARE))),
            )  # fmt: skip
            for entry in chosen.cleared:
                _quietly(os.chmod, entry.name, 0o600)
            for entry in chosen.removed:
                self._step("evict")
                _quietly(os.unlink, entry.name)
                total -= entry.size
                count -= 1
            hand = chosen.hand
        used.set(total, count, hand)


class _Used:
    """The count, held under the lock: bytes, files, and where the hand stands."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        raw = os.pread(descriptor, _USED.size, 0)
        self.total, self.files, self.hand = _USED.unpack(raw) if len(raw) == _USED.size else (0, 0, 0)

    def set(self, total: int, files: int, hand: int) -> None:
        """Count so much."""
        self.total, self.files, self.hand = max(0, total), max(0, files), hand
        os.pwrite(self._descriptor, _USED.pack(self.total, self.files, self.hand), 0)

    def change(self, size: int, files: int) -> None:
        """Count so much more."""
        self.set(self.total + size, self.files + files, self.hand)


def _is_whole(descriptor: int, length: int) -> bool:
    raw = read_fully(descriptor, 0, length + _FOOTER.size)
    data = memoryview(raw)[:length]
    return _FOOTER.unpack(raw[length:]) == (MARK, length, blake2b(data, digest_size=16).digest())


def _write_fully(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _quietly(function: Callable[..., object], *given: object) -> None:
    """A file may have gone meanwhile."""
    try:
        function(*given)
    except FileNotFoundError:
        pass
