"""A backup as one file: a tar archive of what the folder holds, the manifest first.

The dump inside is compressed already, so the archive is not.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import IO

# Bytes that are read and written at a time, and after how many such pieces progress is reported.
PIECE = 1 << 20
TOLD = 256


class ArchiveError(Exception):
    """The archive is not one of ours, or is damaged; the message is one line for the operator."""


def pack(folder: Path, names: Sequence[str], target: Path) -> None:
    """Make the archive *target* of *names* in *folder*: readable by its owner only, and flushed to the disk.

    Raises:
        OSError
    """
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name in names:
                archive.add(folder / name, arcname=name, filter=_plain)
        out.flush()
        os.fsync(out.fileno())


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def unpack(source: Path, names: Sequence[str], folder: Path, progress: Callable[[str], None]) -> None:
    """Write the files *names* of the archive *source* into *folder*. Other names and other kinds of entries are errors.

    Raises:
        ArchiveError, OSError
    """
    try:
        with tarfile.open(source, mode="r:") as archive:
            for member in archive:
                if member.name not in names or not member.isreg():
                    raise ArchiveError(f"{source} holds {member.name[:100]!r}, which is no part of a backup")
                data = archive.extractfile(member)
                assert data is not None
                _copy(data, folder / member.name, progress)
    except (tarfile.TarError, EOFError) as error:
        raise ArchiveError(f"{source} is no whole archive: {error}") from None


def _copy(data: IO[bytes], path: Path, progress: Callable[[str], None]) -> None:
    done = 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        while piece := data.read(PIECE):
            out.write(piece)
            done += 1
            if done % TOLD == 0:
                progress(f"{done * PIECE / 1e6:.0f} MB unpacked")


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    found = sha256()
    with open(path, "rb") as data:
        while piece := data.read(PIECE):
            found.update(piece)
    return found.hexdigest()
