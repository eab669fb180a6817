"""SQLite databases that strangers made: opened for reading alone, with nothing in them that could do something."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from cackled.importing.records import BadFile
from cackled.importing.source import MOST_VALUE, Source

_MAGIC = b"SQLite format 3\x00"
# Steps of SQLite's machine, and how often so many: some minutes.
_STEPS, MOST_ROUNDS = 1_000_000, 100_000


def is_sqlite(source: Source) -> bool:
    """Whether the file is a SQLite database."""
    with source.open() as file:
        return file.read(16) == _MAGIC


@contextmanager
def opened(source: Source) -> Iterator[sqlite3.Connection]:
    """The database, for reading; unpacked to a file of its own where it is packed.

    Raises:
        BadFile: it is damaged, or lacks what is asked for.
    """
    if source.packed:
        with tempfile.NamedTemporaryFile(prefix="cackled-database-") as plain:
            with source.open() as file:
                shutil.copyfileobj(file, plain, 1 << 20)
            plain.flush()
            with opened(Source(Path(plain.name), stop=source.check)) as db:
                yield db
        return
    address = f"file:{quote(str(source.path.absolute()))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True, check_same_thread=False)) as db:
            db.row_factory = sqlite3.Row
            db.text_factory = lambda raw: raw.decode("utf-8", "replace")
            db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 4 * MOST_VALUE)
            db.execute("pragma trusted_schema = off")
            db.execute("pragma cell_size_check = on")
            # A view could compute for ever: this asks now and then whether the work is to end.
            rounds = 0

            def tick() -> int:
                nonlocal rounds
                rounds += 1
                return int(rounds > MOST_ROUNDS)

            db.set_progress_handler(tick, _STEPS)
            yield db
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise BadFile(f"The database can't be read: {str(error)[:150]}.") from None


def tables(db: sqlite3.Connection) -> dict[str, list[str]]:
    """The columns of each table; no views and no virtual tables, and no columns that are computed."""
    names = [
        row[0] for row in db.execute(
            "select name from sqlite_master where type = 'table' and sql not like 'create virtual%' limit 1000"
        )
    ]  # fmt: skip
    return {name: [row[1] for row in db.execute("select * from pragma_table_info(?)", (name,))] for name in names}


def need(db: sqlite3.Connection, table: str, *columns: str) -> set[str]:
    """The columns of a table.

    Raises:
        BadFile: there is no such table (a view is none: it could compute for ever), or it lacks one of *columns*.
    """
    found = set(tables(db).get(table, ()))
    missing = [one for one in columns if one not in found]
    if not found or missing:
        what = f"no columns {', '.join(missing)} in its table {table}" if found else f"no table {table}"
        raise BadFile(f"The database has {what}.")
    return found


def chosen(columns: Iterable[str], *wanted: str) -> str:
    """Those of a table's *columns* that are called as one of *wanted*, small or large letters, as a query takes them.

    What else is there is not read: it may be anything, and any number of megabytes.
    """
    low = {one.lower().replace("_", "") for one in wanted}
    quoted = (one.replace('"', '""') for one in columns if one.lower().replace("_", "") in low)
    return ", ".join(f'"{one}"' for one in quoted)


def rows(db: sqlite3.Connection, source: Source, sql: str) -> Iterator[sqlite3.Row]:
    """The rows of a query, one by one; how far it is shows in *source*."""
    # Nobody knows which part of the file a row is from.
    for count, row in enumerate(db.execute(sql)):
        if count % 500 == 0:
            source.check()
        yield row
