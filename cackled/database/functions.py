"""The SQL functions of the database: one file per topic with the current text, applied again when it changes.

A file lies in ``cackled/database/sql/functions``, or in ``sql/functions`` of a product's package. It holds
``create or replace function`` for a few functions of one topic and what belongs to them (grants, triggers), and has one
header line::

    -- cackled: revision N

``catalog.function_file`` holds the revision and hash that a database has. A file whose hash is another one is applied,
unless the database has a higher revision: an older release that starts beside a newer one leaves the newer text alone.
So N is raised with every change of a released file.

All files are applied in one transaction, after the migrations. A function whose arguments change keeps its old
overload in its package's ``superseded.sql`` as long as a release in use calls it. ``create or replace`` can't change
what a function returns: that needs other arguments or another name. Old overloads are dropped by a migration whose
``compat`` names the oldest code that does without them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files

import psycopg2
from msgspec import Struct

from cackled.database._txpostgres import Connection
from cackled.database.errors import DatabaseError

# Whose files need no other name.
CORE = "cackled.database"

TABLE = """
create table if not exists catalog.function_file (
  name text primary key,
  revision int not null,
  hash text not null,
  applied_at timestamptz not null default now()
)
"""

_FILE = re.compile(r"[a-z][a-z0-9_]*\.sql", re.ASCII)
_HEADER = re.compile(r"^-- cackled: +(.+?) *$", re.MULTILINE)
_REVISION = re.compile(r"revision ([1-9][0-9]{0,8})", re.ASCII)


class FunctionFileError(DatabaseError):
    """A file is malformed, or the database refused it; the message names the file."""


class FunctionFile(Struct, frozen=True):
    """One file; *name* is shown to operators, with its folder."""

    name: str
    revision: int
    sql: str

    @property
    def hash(self) -> str:
        """What the text is known by, in hexadecimal."""
        return sha256(self.sql.encode()).hexdigest()


def parse(file: str, sql: str, folder: str = "") -> FunctionFile:
    """Read one file; *folder* is put before its name.

    Raises:
        FunctionFileError: its name is malformed, or there is not exactly one header line, with a revision.
    """
    name = f"{folder}functions/{file}"
    if _FILE.fullmatch(file) is None:
        raise FunctionFileError(f"{name}: a file of functions is named name.sql, in small letters")
    headers = _HEADER.findall(sql)
    match = _REVISION.fullmatch(headers[0]) if len(headers) == 1 else None
    if match is None:
        raise FunctionFileError(f"{name}: one line '-- cackled: revision N' is needed, and no other header")
    return FunctionFile(name, int(match[1]), sql)


def shipped_functions(packages: Sequence[str] = ()) -> list[FunctionFile]:
    """The files that this release brings, by name; those of other *packages* have the package's name before theirs.

    Raises:
        FunctionFileError: one is malformed.
    """
    made: list[FunctionFile] = []
    for package in (CORE, *packages):
        folder = files(package) / "sql" / "functions"
        named = "" if package == CORE else f"{package}/"
        if folder.is_dir():
            made += [parse(one.name, one.read_text("utf-8"), named) for one in folder.iterdir() if _is_sql(one.name)]
    return sorted(made, key=lambda one: one.name)


def _is_sql(name: str) -> bool:
    return name.endswith(".sql")


async def stale(connection: Connection, known: Sequence[FunctionFile]) -> list[FunctionFile]:
    """Those of *known* that the database lacks, or has with another text and no higher revision."""
    there = await connection.run("select to_regclass('catalog.function_file') is not null")
    if not there[0][0]:
        return list(known)
    rows = await connection.run("select name, revision, hash from catalog.function_file")
    has = {name: (revision, hash) for name, revision, hash in rows}
    return [one for one in known if (now := has.get(one.name)) is None or _replaces(one, *now)]


def _replaces(one: FunctionFile, revision: int, hash: str) -> bool:
    return hash != one.hash and one.revision >= revision


async def apply(connection: Connection, changed: Sequence[FunctionFile]) -> None:
    """Apply files within the transaction that *connection* is in.

    Raises:
        FunctionFileError: the database refused one.
        psycopg2.Error: a lock could not be had, or the connection was lost.
    """
    # Functions may call functions of other files. So all are created unchecked first, and then again with checks.
    for check in ("off", "on"):
        await connection.run(f"set local check_function_bodies = {check}")
        for one in changed:
            try:
                await connection.run(one.sql)
            except psycopg2.ProgrammingError as error:
                raise FunctionFileError(f"{one.name}: {' '.join(str(error).split())}") from None
    for one in changed:
        await connection.run(
            "insert into catalog.function_file (name, revision, hash) values (%s, %s, %s) on conflict (name) do update "
            "set revision = excluded.revision, hash = excluded.hash, applied_at = now()",
            (one.name, one.revision, one.hash),
        )
