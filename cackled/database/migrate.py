"""Migrations: numbered SQL files. Each is applied once, in order, also when several daemons start at the same moment.

They change tables; functions are `cackled.database.functions`, applied after them under the same lock. A migration
neither touches functions nor calls any that is newer than migration 0011: a new database has none of those yet.

A file is named ``NNNN_name.sql`` and lies in ``cackled/database/sql``, or in ``sql`` of a product's package; the
numbers are one sequence. Comment lines of the form ``-- cackled: ...`` give it properties:

``compat N``
    the oldest code that still works on the schema, where code counts as the number of its newest file. Without the line
    N is the file's own number: older code refuses to start on it.
``no-transaction``
    each statement is its own transaction (``create index concurrently``). Statements end where a line ends in ``;``.
    Such a file must bear being run again after it broke off.
``batches``
    as ``no-transaction``, and the last statement changes existing rows a batch at a time while the old release serves.
    It is run again and again with ``:cursor`` (text; null at first) as it was given by the run before, and gives one
    row: the next cursor, or null at the end, and how many rows it changed. The cursor is kept in the transaction of the
    batch, so a migration that was cut off goes on where it was.

A migration waits for a lock for `LOCK_TIMEOUT` at most, because all other queries would queue behind it. Then the file
is tried again after a pause, `LOCK_TRIES` times in all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from itertools import pairwise

import psycopg2
from msgspec import Struct
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.internet.interfaces import IReactorTime

from cackled.clock import sleep
from cackled.database import functions as function_files
from cackled.database._txpostgres import Connection, first_line
from cackled.database.dsn import connection_dsn, where
from cackled.database.errors import DatabaseError, Unavailable
from cackled.database.functions import FunctionFile, FunctionFileError, shipped_functions

# An arbitrary number, the same in all releases.
LOCK = 0x6361636B6C6564
LOCK_POLL = 0.1
# Seconds for a connection.
CONNECT = 10.0
# While a statement waits for the lock of a table, all other queries on it wait too: not longer than this.
LOCK_TIMEOUT = "2s"
LOCK_TRIES = 10
LOCK_PAUSE = 2.0
# Seconds between two lines of progress.
TOLD = 2.0
_LOCK_NOT_AVAILABLE = "55P03"

_FILE = re.compile(r"([0-9]{4})_([a-z0-9_]+)\.sql", re.ASCII)
_HEADER = re.compile(r"^-- cackled: +(.+?) *$", re.MULTILINE)

_TABLE = """
create schema if not exists catalog;
create table if not exists catalog.schema_version (
  version int primary key,
  name text not null,
  compat int not null,
  applied_at timestamptz not null default now()
);
create table if not exists catalog.backfill (
  version int primary key,
  cursor text,
  rows bigint not null default 0
)
"""


class MigrationError(DatabaseError):
    """A file is wrong, failed, or the schema is too new for this code; the message names the file."""


class Migration(Struct, frozen=True):
    """One file."""

    version: int
    name: str
    sql: str
    compat: int
    transaction: bool = True
    batches: bool = False

    @property
    def file(self) -> str:
        """The name of the file."""
        return f"{self.version:04d}_{self.name}.sql"


def parse(file: str, sql: str) -> Migration:
    """Read one file.

    Raises:
        MigrationError: its name or one of its header lines is malformed.
    """
    match = _FILE.fullmatch(file)
    if match is None:
        raise MigrationError(f"{file}: a migration is named NNNN_name.sql")
    version = int(match[1])
    compat, transaction, batches = version, True, False
    for line in _HEADER.findall(sql):
        words = line.split()
        if words == ["no-transaction"]:
            transaction = False
        elif words == ["batches"]:
            transaction, batches = False, True
        elif len(words) == 2 and words[0] == "compat" and words[1].isdecimal() and int(words[1]) <= version:
            compat = int(words[1])
        else:
            raise MigrationError(f"{file}: unknown header {line!r}")
    if batches and ":cursor" not in (split(sql) or [""])[-1]:
        raise MigrationError(f"{file}: the last statement of batches needs :cursor")
    return Migration(version, match[2], sql, compat, transaction, batches)


def shipped(packages: Sequence[str] = ()) -> list[Migration]:
    """The files that this release brings, in order, with those of other *packages*.

    Raises:
        MigrationError: one is malformed, or two share a number.
    """
    made: list[Migration] = []
    for package in (function_files.CORE, *packages):
        folder = files(package) / "sql"
        made += [parse(one.name, one.read_text("utf-8")) for one in folder.iterdir() if one.name.endswith(".sql")]
    return ordered(made)


def ordered(migrations: Sequence[Migration]) -> list[Migration]:
    """*migrations* by number.

    Raises:
        MigrationError: two share a number.
    """
    made = sorted(migrations, key=lambda one: one.version)
    for one, other in pairwise(made):
        if one.version == other.version:
            raise MigrationError(f"{one.file} and {other.file} share a number")
    return made


def split(sql: str) -> list[str]:
    """The statements of a file that is marked ``no-transaction`` or ``batches``."""
    statements = re.split(r";[ \t]*(?:\n|\Z)", sql)
    return [one for one in statements if re.sub(r"--[^\n]*", "", one).strip()]


async def migrate(
    dsn: str,
    *,
    clock: IReactorTime,
    progress: Callable[[str], None] = lambda line: None,
    migrations: Sequence[Migration] | None = None,
    functions: Sequence[FunctionFile] | None = None,
    packages: Sequence[str] = (),
) -> list[str]:
    """Apply what is missing, as the user of the DSN. Returns the names of the files applied by this call.

    *packages* have a folder ``sql`` of their own (`cackled.products.product.Product.sql`). If *migrations* are given
    in place of those of this release, only the given functions are applied.

    Raises:
        MigrationError: a file failed (it is rolled back and named), or the schema is too new for this code.
        Unavailable: the server can't be reached, or was lost.
    """
    known, current = _release(migrations, functions, packages)
    connection = await _connect(dsn, clock)
    try:
        await _lock(connection, clock, progress)
        try:
            await connection.run(_TABLE + ";" + function_files.TABLE)
        except psycopg2.Error as error:
            raise MigrationError(f"the version table: {first_line(error)}") from None
        applied = []
        for one in await _missing(connection, known):
            progress(f"applying {one.file}")
            await _apply(connection, one, clock, progress)
            applied.append(one.file)
        changed = await function_files.stale(connection, current)
        if changed:
            progress(f"applying {', '.join(one.name for one in changed)}")
            await _apply_functions(connection, changed, clock, progress)
            applied += [one.name for one in changed]
        if applied and (await connection.run("select to_regclass('shard.self') is not null"))[0][0]:
            await _guard(connection, clock)
        return applied
    except psycopg2.OperationalError as error:
        raise Unavailable(reason=first_line(error)) from None
    finally:
        connection.close()  # this releases the lock


async def migrate_primary(
    dsns: Sequence[str],
    *,
    clock: IReactorTime,
    progress: Callable[[str], None] = lambda line: None,
    packages: Sequence[str] = (),
) -> list[str]:
    """`migrate` on the primary among *dsns*; if several are primaries, the one that was promoted last.

    If no primary is up, a replica that has all migrations is enough, because nothing must be applied then.

    Raises:
        MigrationError: as `migrate`.
        Unavailable: no server can be reached, or only replicas that lack a migration.
    """
    primaries: list[tuple[int, str]] = []
    replicas: list[str] = []
    reasons: list[str] = []
    for dsn in dsns:
        try:
            timeline = await _timeline(dsn, clock)
        except Unavailable as error:
            reasons.append(str(error))
        else:
            if timeline:
                primaries.append((timeline, dsn))
            else:
                replicas.append(dsn)
    if primaries:
        return await migrate(max(primaries)[1], clock=clock, progress=progress, packages=packages)
    for dsn in replicas:
        if not await pending(dsn, clock=clock, packages=packages):
            progress("no primary is up; a replica has the whole schema")
            return []
        reasons.append("a replica lacks migrations")
    raise Unavailable(reason="; ".join(reasons) or "no server is known")


async def _timeline(dsn: str, clock: IReactorTime) -> int:
    """The timeline of a primary; 0 for a replica."""
    connection = await _connect(dsn, clock)
    try:
        rows = await connection.run(
            "select case when pg_is_in_recovery() then 0 "
            "else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int end"
        )
        return int(rows[0][0])
    except psycopg2.OperationalError as error:
        raise Unavailable(reason=first_line(error)) from None
    finally:
        connection.close()


async def pending(
    dsn: str,
    *,
    clock: IReactorTime,
    migrations: Sequence[Migration] | None = None,
    functions: Sequence[FunctionFile] | None = None,
    packages: Sequence[str] = (),
) -> list[str]:
    """The names of the files that `migrate` would apply; changes nothing.

    Raises:
        MigrationError: the schema is too new for this code.
        Unavailable: the server can't be reached.
    """
    known, current = _release(migrations, functions, packages)
    connection = await _connect(dsn, clock)
    try:
        there = await connection.run("select to_regclass('catalog.schema_version') is not null")
        missing = await _missing(connection, known) if there[0][0] else known
        changed = await function_files.stale(connection, current)
        return [*(one.file for one in missing), *(one.name for one in changed)]
    except psycopg2.OperationalError as error:
        raise Unavailable(reason=first_line(error)) from None
    finally:
        connection.close()


def _release(
    migrations: Sequence[Migration] | None, functions: Sequence[FunctionFile] | None, packages: Sequence[str]
) -> tuple[list[Migration], Sequence[FunctionFile]]:
    try:
        if migrations is None:
            return shipped(packages), shipped_functions(packages) if functions is None else functions
    except FunctionFileError as error:
        raise MigrationError(str(error)) from None
    return ordered(migrations), functions or ()


async def _connect(dsn: str, clock: IReactorTime) -> Connection:
    connection = Connection(clock)
    try:
        opening = connection.open(connection_dsn(dsn, application="cackled migrate"))
        return await opening.addTimeout(CONNECT, clock)
    except TimedOut:
        connection.close()
        raise Unavailable(reason=f"{where(dsn)}: no answer for {CONNECT:g} s") from None
    except (psycopg2.Error, OSError) as error:
        connection.close()
        raise Unavailable(reason=f"{where(dsn)}: {first_line(error)}") from None


async def _lock(connection: Connection, clock: IReactorTime, progress: Callable[[str], None]) -> None:
    # The lock is tried repeatedly instead of waited for, so that the connection is free when this daemon stops.
    told = False
    while not (await connection.run(f"select pg_try_advisory_lock({LOCK})"))[0][0]:
        if not told:
            progress("waiting for another daemon that migrates")
            told = True
        await sleep(clock, LOCK_POLL)


async def _missing(connection: Connection, known: Sequence[Migration]) -> list[Migration]:
    rows = await connection.run("select version, name, compat from catalog.schema_version")
    done = {version for version, _, _ in rows}
    ours = known[-1].version if known else 0
    for version, name, compat in sorted(rows):
        if version > ours and compat > ours:
            raise MigrationError(
                f"the database has {version:04d}_{name}, which needs a newer release (this one ends with {ours:04d})"
            )
    return [one for one in known if one.version not in done]


async def _apply(
    connection: Connection, one: Migration, clock: IReactorTime, progress: Callable[[str], None]
) -> None:
    for attempt in range(LOCK_TRIES):
        try:
            await _attempt(connection, one, clock, progress)
            return
        except psycopg2.Error as error:
            if not connection.alive:
                raise
            if connection.in_transaction:
                await connection.run("rollback")
            if error.pgcode != _LOCK_NOT_AVAILABLE or attempt == LOCK_TRIES - 1:
                raise MigrationError(f"{one.file}: {first_line(error)}") from None
            progress(f"{one.file}: a table is in use, trying again")
        await sleep(clock, LOCK_PAUSE)


async def _apply_functions(
    connection: Connection, changed: Sequence[FunctionFile], clock: IReactorTime, progress: Callable[[str], None]
) -> None:
    for attempt in range(LOCK_TRIES):
        try:
            await connection.run(f"begin; set local lock_timeout = '{LOCK_TIMEOUT}'")
            await function_files.apply(connection, changed)
            await connection.run("commit")
            return
        except FunctionFileError as error:
            await connection.run("rollback")
            raise MigrationError(str(error)) from None
        except psycopg2.Error as error:
            if not connection.alive:
                raise
            if connection.in_transaction:
                await connection.run("rollback")
            if error.pgcode != _LOCK_NOT_AVAILABLE or attempt == LOCK_TRIES - 1:
                raise MigrationError(f"functions: {first_line(error)}") from None
            progress("functions: a table is in use, trying again")
        await sleep(clock, LOCK_PAUSE)


async def _guard(connection: Connection, clock: IReactorTime) -> None:
    """In one of several shards: make new tables refuse sites that are not in the shard."""
    for attempt in range(LOCK_TRIES):
        try:
            await connection.run(
                f"set lock_timeout = '{LOCK_TIMEOUT}'; select shard.guard(number) from shard.self; reset lock_timeout"
            )
            return
        except psycopg2.Error as error:
            if not connection.alive:
                raise
            if error.pgcode != _LOCK_NOT_AVAILABLE or attempt == LOCK_TRIES - 1:
                raise MigrationError(f"the walls of the shard: {first_line(error)}") from None
        await sleep(clock, LOCK_PAUSE)


async def _attempt(
    connection: Connection, one: Migration, clock: IReactorTime, progress: Callable[[str], None]
) -> None:
    row = "insert into catalog.schema_version (version, name, compat) values (%s, %s, %s)"
    values = (one.version, one.name, one.compat)
    if one.transaction:
        await connection.run(f"begin; set local lock_timeout = '{LOCK_TIMEOUT}'")
        await connection.run(one.sql)
        await connection.run(row, values)
        await connection.run("commit")
        return
    statements = split(one.sql)
    step = statements.pop() if one.batches else ""
    for statement in statements:
        await connection.run(statement)
    if step:
        await _backfill(connection, one, step, clock, progress)
    await connection.run(row, values)


async def _backfill(
    connection: Connection, one: Migration, step: str, clock: IReactorTime, progress: Callable[[str], None]
) -> None:
    found = await connection.run("select cursor, rows from catalog.backfill where version = %s", (one.version,))
    cursor, done = found[0] if found else (None, 0)
    if found:
        progress(f"{one.file}: going on after {done} rows")
    sql = step.replace("%", "%%").replace(":cursor", "%s")
    places = sql.count("%s")
    told = clock.seconds()
    while True:
        await connection.run(f"begin; set local lock_timeout = '{LOCK_TIMEOUT}'")
        cursor, rows = (await connection.run(sql, (cursor,) * places))[0]
        done += rows
        await connection.run(
            "insert into catalog.backfill (version, cursor, rows) values (%s, %s, %s) "
            "on conflict (version) do update set cursor = excluded.cursor, rows = excluded.rows; commit",
            (one.version, cursor, done),
        )
        if clock.seconds() - told >= TOLD:
            told = clock.seconds()
            progress(f"{one.file}: {done} rows")
        if cursor is None:
            progress(f"{one.file}: {done} rows, done")
            return
