"""Files for reading: as parts that the transport sends without copying, and checked before the first byte leaves."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from cackled.media.origins import FolderOrigin
from cackled.media.service import Known
from cackled.media.sums import SLICE, slice_length, sum_of
from cackled.transport.streaming import Body, FilePart, OpenFile, read_fully

# Descriptors kept open in a process, so that a file that is asked for often is opened and checked once.
MOST_OPEN = 256


class Damaged(OSError):
    """A file is missing, cut short, or not what was written."""


class Files(Protocol):
    """Gives files in slices of `cackled.media.sums.SLICE` bytes."""

    async def slice(self, site: int, digest: bytes, known: Known, number: int) -> FilePart | bytes:
        """Slice *number* of a file, whole and right.

        Raises:
            Damaged: it is not.
            OSError, DatabaseError: it can't be read now.
        """

    def forget(self, site: int, digest: bytes) -> None:
        """The contents *digest* of *site* are not needed any more, or are gone."""

    def trouble(self) -> list[str]:
        """What went wrong of late, in sentences for operators."""


def check_slice(data: bytes, known: Known, number: int, place: str) -> None:
    """See that *data* is slice *number* of *known*.

    Raises:
        Damaged: it is not; *place* says where it was.
    """
    if len(data) != slice_length(known.bytes, number):
        raise Damaged(f"{place} is missing or cut short")
    if known.sums and (number >= len(known.sums) or known.sums[number] != sum_of(data)):
        raise Damaged(f"{place} is damaged")


class OpenFiles:
    """Descriptors of files, the last used of them, with the slices of each that were seen to be right."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[int, bytes, str, int], tuple[OpenFile, set[int]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def get(self, key: tuple[int, bytes, str, int]) -> tuple[OpenFile, set[int]] | None:
        """What is open under *key* (site, digest, name, and what else tells files apart)."""
        found = self._open.get(key)
        if found is not None:
            self._open.move_to_end(key)
        return found

    def put(self, key: tuple[int, bytes, str, int], file: OpenFile, checked: set[int]) -> None:
        """Keep *file* open."""
        self._open[key] = (file, checked)
        self._open.move_to_end(key)
        while len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)

    def drop(self, key: tuple[int, bytes, str, int]) -> None:
        """Keep that one no longer."""
        self._open.pop(key, None)

    def forget(self, site: int, digest: bytes) -> None:
        """Keep none of these contents."""
        for key in [one for one in self._open if one[:2] == (site, digest)]:
            del self._open[key]


class FolderFiles:
    """The files of a `FolderOrigin`, sent from where they are."""

    def __init__(self, origin: FolderOrigin, in_thread: Callable[..., Awaitable[Any]]) -> None:
        self._origin = origin
        self._in_thread = in_thread
        self._open = OpenFiles()

    async def slice(self, site: int, digest: bytes, known: Known, number: int) -> FilePart | bytes:
        """As `Files` says."""
        key = (site, digest, known.name, 0)
        found = self._open.get(key)
        part_length = slice_length(known.bytes, number)
        if found is None or number not in found[1]:
            file = None if found is None else found[0]
            path = self._origin.place(site, digest) / known.name
            try:
                file = await self._in_thread(_open_checked, path, file, known, number)
            except OSError:
                self._open.drop(key)
                raise
            found = self._open.get(key)
            if found is None or found[0] is not file:
                found = (file, set())
            found[1].add(number)
            self._open.put(key, *found)
        return FilePart(found[0], number * SLICE, part_length)

    def forget(self, site: int, digest: bytes) -> None:
        """As `Files` says."""
        self._open.forget(site, digest)

    def trouble(self) -> list[str]:
        """As `Files` says: a file that can't be read is told by who asks for it."""
        return []


def _open_checked(path: Path, file: OpenFile | None, known: Known, number: int) -> OpenFile:
    place = str(Path(*path.parts[-4:]))
    if file is None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise Damaged(f"{place} is missing or cut short") from None
        file = OpenFile(descriptor, os.fstat(descriptor).st_size)
    if file.size != known.bytes:
        raise Damaged(f"{place} is missing or cut short")
    # It is read in any case: what follows finds it in memory.
    data = read_fully(file.descriptor, number * SLICE, slice_length(known.bytes, number))
    check_slice(data, known, number, place)
    return file


class _Slices:
    """The bytes *first* to *last* of a file, slice by slice; the first may be at hand already."""

    def __init__(
        self, files: Files, place: tuple[int, bytes, Known], first: int, last: int, begun: FilePart | bytes
    ) -> None:
        self._files = files
        self._place = place
        self._at = first
        self._last = last
        # None once it was given.
        self.begun: FilePart | bytes | None = begun

    async def next(self) -> FilePart | bytes | None:
        """As `cackled.transport.streaming.Pieces` says."""
        if self._at > self._last:
            return None
        number, skip = divmod(self._at, SLICE)
        begun, self.begun = self.begun, None
        part = await self._files.slice(*self._place, number) if begun is None else begun
        size = len(part) if isinstance(part, bytes) else part.length
        take = min(size - skip, self._last - self._at + 1)
        self._at += take
        if isinstance(part, bytes):
            return part if take == size else part[skip : skip + take]
        return FilePart(part.file, part.start + skip, take)


async def body_of(
    files: Files, site: int, digest: bytes, known: Known, first: int, last: int,
    in_thread: Callable[..., Awaitable[Any]],
) -> Body:  # fmt: skip
    """The bytes *first* to *last* of a file as the body of an answer; the first slice is at hand when this returns.

    Raises:
        OSError, DatabaseError: it can't be read now, or is damaged.
    """
    begun = await files.slice(site, digest, known, first // SLICE)
    return Body(last - first + 1, _Slices(files, (site, digest, known), first, last, begun), in_thread)


def whole_part(body: Body) -> FilePart | None:
    """The open file that is all of a `body_of`; None: there is more than one, or it is not open."""
    begun = body.pieces.begun if isinstance(body.pieces, _Slices) else None
    return begun if isinstance(begun, FilePart) and begun.length == body.length else None
