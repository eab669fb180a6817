"""Where files are kept: in a folder of this machine, or in the database, which all nodes reach."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.media.image_workers import File

# Seconds after which a file that nobody writes to is left over.
ABANDONED = 10.0

INSERT_FILE = Query(
    "insert_media_file",
    """
    insert into media_file (site_id, hash, name, body) values ($1, $2, $3, $4)
    on conflict (site_id, hash, name) do nothing
    """,
    ("int", "bytea", "text", "bytea"),
)
SELECT_FILE = Query(
    "select_media_file", "select body from media_file where site_id = $1 and hash = $2 and name = $3",
    ("int", "bytea", "text"),
)  # fmt: skip
SELECT_PART = Query(
    "select_media_file_part",
    "select substring(body from $4 for $5) from media_file where site_id = $1 and hash = $2 and name = $3",
    ("int", "bytea", "text", "int", "int"),
)
DELETE_FILES = Query(
    "delete_media_files", "delete from media_file where site_id = $1 and hash = $2", ("int", "bytea")
)


class Origin(Protocol):
    """Keeps files by site, hash of what they were made of, and name."""

    async def put(self, site: int, digest: bytes, files: Sequence[File]) -> None:
        """Keep *files*; all are there when this returns. Those that are there already stay.

        Raises:
            OSError, DatabaseError: they can't be kept.
        """

    async def get(self, site: int, digest: bytes, name: str) -> bytes | None:
        """One of them; None where it is not there.

        Raises:
            OSError, DatabaseError: it can't be read.
        """

    async def read(self, site: int, digest: bytes, name: str, start: int, length: int) -> bytes | None:
        """*length* bytes of one of them from *start*, fewer at its end; None where it is not there.

        Raises:
            OSError, DatabaseError: it can't be read.
        """

    async def remove(self, site: int, digest: bytes) -> None:
        """Remove all of them.

        Raises:
            OSError, DatabaseError
        """


class FolderOrigin:
    """Files in *folder*: ``SITE/ab/abcd../NAME``. One that has its name is whole: it was written under another."""

    def __init__(self, folder: Path, in_thread: Callable[..., Awaitable[Any]]) -> None:
        self._folder = folder
        self._in_thread = in_thread

    def place(self, site: int, digest: bytes) -> Path:
        """The folder of the contents *digest*."""
        name = digest.hex()
        return self._folder / str(site) / name[:2] / name

    async def put(self, site: int, digest: bytes, files: Sequence[File]) -> None:
        """As `Origin` says."""
        await self._in_thread(self._write, self.place(site, digest), files)

    async def get(self, site: int, digest: bytes, name: str) -> bytes | None:
        """As `Origin` says."""
        found: bytes | None = await self._in_thread(_read, self.place(site, digest) / name)
        return found

    async def read(self, site: int, digest: bytes, name: str, start: int, length: int) -> bytes | None:
        """As `Origin` says."""
        found: bytes | None = await self._in_thread(_read, self.place(site, digest) / name, start, length)
        return found

    async def remove(self, site: int, digest: bytes) -> None:
        """As `Origin` says."""
        await self._in_thread(_remove, self.place(site, digest))

    def _write(self, place: Path, files: Sequence[File]) -> None:
        place.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        for one in files:
            if (place / one.name).exists():
                continue
            # On the same file system, so that the last step is all or nothing.
            early = place / f".{token_hex(8)}"
            try:
                with early.open("wb") as file:
                    with suppress(OSError):
                        # Until it is closed, however that comes. Some file systems have no locks.
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    file.write(one.body)
                    file.flush()
                    os.fsync(file.fileno())
                early.rename(place / one.name)
            except BaseException:
                early.unlink(missing_ok=True)
                raise


def _read(path: Path, start: int = 0, length: int = -1) -> bytes | None:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(length)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _sweep(place: Path) -> None:
    """Remove files that a process began which has been ended."""
    for early in place.glob(".*"):
        try:
            with early.open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - early.stat().st_mtime > ABANDONED:
                    early.unlink()
        except OSError:
            # Somebody is at it, or it has got its name meanwhile.
            continue


def _remove(place: Path) -> None:
    if not place.is_dir():
        return
    for path in place.iterdir():
        path.unlink(missing_ok=True)
    place.rmdir()


class DatabaseOrigin:
    """Files in the database: for sites with few of them, on any number of nodes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, site: int, digest: bytes, files: Sequence[File]) -> None:
        """As `Origin` says."""
        for one in files:
            await self._database.site(site).write(INSERT_FILE, site, digest, one.name, one.body)

    async def get(self, site: int, digest: bytes, name: str) -> bytes | None:
        """As `Origin` says."""
        return await self._find(SELECT_FILE, site, digest, name)

    async def read(self, site: int, digest: bytes, name: str, start: int, length: int) -> bytes | None:
        """As `Origin` says."""
        return await self._find(SELECT_PART, site, digest, name, start + 1, length)

    async def _find(self, query: Query, site: int, *place: Any) -> bytes | None:
        database = self._database.site(site)
        for preference in (ReadPreference.NEAREST, ReadPreference.PRIMARY_PREFERRED):
            # A copy that is behind has not got it yet.
            rows = (await database.read(query, site, *place, preference=preference)).rows
            if rows:
                return bytes(rows[0][0])
        return None

    async def remove(self, site: int, digest: bytes) -> None:
        """As `Origin` says."""
        await self._database.site(site).write(DELETE_FILES, site, digest)
