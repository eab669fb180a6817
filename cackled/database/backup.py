"""Backups of the embedded server's database: made while it runs, restored into an empty state folder.

A backup is a folder, or one file if its name ends in ``.tar``. It has ``database.dump`` (pg_dump's own format, which
any later PostgreSQL reads), ``manifest.json`` and ``erasures.log``, the journal of visitors whose data was erased. It
holds everything that visitors wrote and the key that signs sessions: protect it as you protect the database.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg2
from msgspec import Struct
from twisted.internet.utils import getProcessOutputAndValue

from cackled.clock import Periodic
from cackled.database._txpostgres import Connection, first_line
from cackled.database.archive import ArchiveError, digest, pack, unpack
from cackled.database.binaries import EmbeddedError
from cackled.database.embedded import EmbeddedServer, environment
from cackled.database.migrate import shipped
from cackled.database.row_counts import Counted

DUMP = "database.dump"
MANIFEST = "manifest.json"
ERASURES = "erasures.log"
PARTS = (MANIFEST, ERASURES, DUMP)
TOLD = 2.0
FORMAT = 1

_ROLES = """
do $$
begin
  if not exists (select from pg_roles where rolname = 'cackled_app') then create role cackled_app nologin; end if;
  if not exists (select from pg_roles where rolname = 'cackled_system') then create role cackled_system nologin; end if;
end
$$
"""


class BackupError(Exception):
    """The operation failed or is refused; the message is one line for the operator."""


class Manifest(Struct, frozen=True):
    """The description inside a backup.

    ``schema`` is the number of its newest migration, ``deployment`` the deployment that it belongs to. ``sha256`` is
    the checksum of the dump ("" if an earlier release made it). ``counts`` has the number of rows of each kind; earlier
    releases counted ``comments`` only.
    """

    format: int
    made: str
    postgres: str
    schema: int
    bytes: int
    deployment: str = ""
    sha256: str = ""
    counts: dict[str, int] = {}
    comments: int | None = None

    @property
    def holds(self) -> str:
        """The counts as text for the operator: ``3 comments, 5 votes``."""
        counts = self.counts or ({} if self.comments is None else {"comments": self.comments})
        return ", ".join(f"{count} {word}" for word, count in counts.items()) or "nothing that is counted"


async def backup(
    reactor: Any, state: Path, target: Path, progress: Callable[[str], None], counted: Sequence[Counted] = ()
) -> Manifest:
    """Copy the database of *state* into the new folder or ``.tar`` file *target*; the daemon may run meanwhile.

    The backup gets its name only when it is complete. Its manifest has the number of rows of the tables *counted*.

    Raises:
        BackupError, EmbeddedError
    """
    if os.path.lexists(target):
        raise BackupError(f"{target} is there already")
    if not state.is_dir():
        raise BackupError(f"{state} is no state folder")
    server = EmbeddedServer(reactor, state)
    borrowed = server.attach()
    if not borrowed and not server.exists():
        raise BackupError(f"{state} holds no database")
    part = target.with_name(target.name + ".part")
    try:
        part.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise BackupError(f"{part} is there: another backup runs, or was cut short; remove it") from None
    except OSError as error:
        raise BackupError(f"{part}: {error.strerror or error}") from None
    try:
        if not borrowed:
            await server.start()
        try:
            manifest = await _dump(reactor, server, part, progress, counted)
        finally:
            if not borrowed:
                await server.stop()
        journal = state / ERASURES
        (part / ERASURES).write_bytes(journal.read_bytes() if journal.exists() else b"")
        (part / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        if target.suffix == ".tar":
            progress("putting it into one file")
            packed = part / target.name
            pack(part, PARTS, packed)
            packed.rename(target)
            shutil.rmtree(part)
        else:
            _sync(part)
            part.rename(target)
        _sync(target.parent, files=False)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise BackupError(f"{target}: {error.strerror or error}") from None
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return manifest


async def verify(
    reactor: Any, source: Path, state: Path, progress: Callable[[str], None], packages: Sequence[str] = ()
) -> Manifest:
    """Check a backup: its manifest, the checksum of the dump, and that PostgreSQL can read all of it.

    *state* is only used to choose the PostgreSQL programs. Nothing is restored.

    Raises:
        BackupError, EmbeddedError
    """
    async with _opened(source, progress) as folder:
        manifest = _manifest(folder, packages)
        progress("comparing the dump with its sum")
        if manifest.sha256 and digest(folder / DUMP) != manifest.sha256:
            raise BackupError(f"{source} is damaged: the dump is not what was written")
        progress("reading the dump's contents")
        # Converted to a script in /dev/null: pg_restore reads and unpacks everything.
        server = EmbeddedServer(reactor, state)
        await _program(reactor, server, "pg_restore", ["--file=/dev/null", str(folder / DUMP)])
    return manifest


@asynccontextmanager
async def _opened(source: Path, progress: Callable[[str], None]) -> AsyncIterator[Path]:
    """The folder of a backup. An archive is unpacked into a temporary folder, which is removed afterwards."""
    if not source.is_file():
        yield source
        return
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{source.name}.", dir=source.parent))
    except OSError as error:
        raise BackupError(f"{source.parent}: {error.strerror or error}") from None
    try:
        try:
            unpack(source, PARTS, folder, progress)
        except ArchiveError as error:
            raise BackupError(str(error)) from None
        except OSError as error:
            raise BackupError(f"{source}: {error.strerror or error}") from None
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def restore(
    reactor: Any,
    source: Path,
    state: Path,
    progress: Callable[[str], None],
    deployment: str = "",
    packages: Sequence[str] = (),
) -> Manifest:
    """Make the database of *state* from the backup *source*, a folder or an archive; *state* must hold none.

    *packages* have migrations of their own. A backup of another deployment than *deployment* is refused.

    Afterwards the journal holds the erasures known to *state* and those known to the backup. The daemon repeats them
    when it starts, before it serves anybody.

    Raises:
        BackupError, EmbeddedError: everything that the attempt made is removed then.
    """
    async with _opened(source, progress) as folder:
        return await _restore(reactor, folder, state, progress, deployment, packages)


async def _restore(
    reactor: Any, source: Path, state: Path, progress: Callable[[str], None], deployment: str, packages: Sequence[str]
) -> Manifest:
    manifest = _manifest(source, packages)
    if deployment and manifest.deployment not in ("", deployment):
        raise BackupError(f"{source} belongs to deployment {manifest.deployment!r}, this node to {deployment!r}")
    server = EmbeddedServer(reactor, state)
    if server.attach() or server.exists():
        raise BackupError(f"{state} holds a database already: restore into an empty state folder")
    try:
        await server.start()
        await _fill(reactor, server, source, progress)
    except BaseException:
        await server.stop()
        shutil.rmtree(server.data, ignore_errors=True)
        raise
    await server.stop()
    with open(state / ERASURES, "ab") as journal:
        # Begin with a newline, in case a crash left the last line incomplete.
        journal.write(b"\n" + (source / ERASURES).read_bytes() if (source / ERASURES).exists() else b"")
        journal.flush()
        os.fsync(journal.fileno())
    return manifest


def _manifest(source: Path, packages: Sequence[str]) -> Manifest:
    try:
        manifest = msgspec.json.decode((source / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise BackupError(f"{source} is no backup: {getattr(error, 'strerror', None) or error}") from None
    if manifest.format != FORMAT or manifest.schema > shipped(packages)[-1].version:
        raise BackupError(f"{source} was made by a newer release (schema {manifest.schema:04d})")
    size = (source / DUMP).stat().st_size if (source / DUMP).exists() else -1
    if size != manifest.bytes:
        raise BackupError(f"{source / DUMP} is not whole: {size} bytes of {manifest.bytes}")
    return manifest


async def _dump(
    reactor: Any, server: EmbeddedServer, part: Path, progress: Callable[[str], None], counted: Sequence[Counted]
) -> Manifest:
    rows = await _ask(
        reactor, server,
        "select current_setting('server_version'), (select max(version) from catalog.schema_version), "
        "pg_database_size(current_database()), to_regclass('catalog.deployment') is not null",
    )  # fmt: skip
    version, schema, size, belongs = rows[0]
    owner = await _ask(reactor, server, "select name from catalog.deployment") if belongs else []
    counts = await _counts(reactor, server, counted)
    progress("".join(f"{count} {word}, " for word, count in counts.items()) + f"{_mb(size)} in the database")
    dump = part / DUMP
    told = Periodic(reactor, TOLD, lambda: _tell(dump, progress), "backup")
    told.start()
    try:
        await _program(reactor, server, "pg_dump", ["--format=custom", f"--file={dump}", f"--dbname={server.dsn}"])
    finally:
        told.stop()
    dump.chmod(0o600)
    made = datetime.now(UTC).isoformat(timespec="seconds")
    size = dump.stat().st_size
    return Manifest(FORMAT, made, version, schema, size, owner[0][0] if owner else "", digest(dump), counts)


async def _counts(reactor: Any, server: EmbeddedServer, counted: Sequence[Counted]) -> dict[str, int]:
    # The database may be of a release that did not have all of these tables.
    tables = ", ".join(f"to_regclass('public.{one.table}') is not null" for one in counted)
    there = (await _ask(reactor, server, f"select {tables}"))[0] if counted else ()
    found = [one for one, known in zip(counted, there, strict=True) if known]
    if not found:
        return {}
    columns = ", ".join(f"(select count(*) from public.{one.table})" for one in found)
    row = (await _ask(reactor, server, f"select {columns}"))[0]
    return {one.word: count for one, count in zip(found, row, strict=True)}


async def _fill(reactor: Any, server: EmbeddedServer, source: Path, progress: Callable[[str], None]) -> None:
    await _ask(reactor, server, _ROLES)
    progress("reading the copy back")
    options = ["--exit-on-error", "--single-transaction", f"--dbname={server.dsn}", str(source / DUMP)]
    await _program(reactor, server, "pg_restore", options)
    progress("counting anew for the planner")
    await _ask(reactor, server, "analyze")


async def _program(reactor: Any, server: EmbeddedServer, name: str, arguments: Sequence[str]) -> None:
    path = server.program(name)
    if not os.access(path, os.X_OK):
        raise BackupError(f"{path} is missing")
    _, told, code = await getProcessOutputAndValue(
        path, [os.fsencode(one) for one in arguments], environment(server.data.parent), reactor=reactor
    )
    if code:
        lines = [line for line in told.decode("utf-8", "replace").splitlines() if line.strip()]
        raise BackupError(f"{name} failed: {'; '.join(lines[:3])[:500] or f'status {code}'}")


async def _ask(reactor: Any, server: EmbeddedServer, sql: str) -> list[tuple[Any, ...]]:
    connection = Connection(reactor)
    try:
        await connection.open(server.dsn).addTimeout(10.0, reactor)
        return await connection.run(sql)
    except psycopg2.Error as error:
        raise BackupError(first_line(error)) from None
    finally:
        connection.close()


async def _tell(dump: Path, progress: Callable[[str], None]) -> None:
    if dump.exists():
        progress(f"{_mb(dump.stat().st_size)} written")


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _sync(folder: Path, *, files: bool = True) -> None:
    for path in [*(folder.iterdir() if files else ()), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


__all__ = ["BackupError", "EmbeddedError", "Manifest", "backup", "restore", "verify"]
