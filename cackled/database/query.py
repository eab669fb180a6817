"""The types of queries, answers and read preferences."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

_NAME = re.compile(r"[a-z][a-z0-9_]{0,50}", re.ASCII)


class ReadPreference(str, Enum):  # noqa: UP042 - format() of it must give the bare word on every Python
    """Which servers may answer a read; the values are those of the public API."""

    PRIMARY = "primary"
    PRIMARY_PREFERRED = "primaryPreferred"
    SECONDARY = "secondary"
    SECONDARY_PREFERRED = "secondaryPreferred"
    NEAREST = "nearest"

    def __str__(self) -> str:
        return self.value


class Query:
    """A statement with ``$1..$n``, PREPAREd lazily on each connection.

    *types* are PostgreSQL's names of the parameters' types; without them the server infers them. A query is a module
    constant beside the function that runs it.
    """

    __slots__ = ("_calls", "_label", "name", "prepare", "sql", "types")

    def __init__(self, name: str, sql: str, types: tuple[str, ...] = ()) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a query name: {name!r}")
        self.name = name
        self.sql = sql
        self.types = types
        # The checksum distinguishes texts of the same name, also on a server that an older release is connected to.
        self._label = f"{name}_{crc32(sql.encode()):08x}"
        declared = f"({', '.join(types)})" if types else ""
        self.prepare = f"prepare {self._label}{declared} as {sql}"
        self._calls: dict[int, str] = {}

    @property
    def label(self) -> str:
        """The name of the prepared statement."""
        return self._label

    def call(self, count: int) -> str:
        """The ``execute`` statement with *count* placeholders for psycopg2."""
        text = self._calls.get(count)
        if text is None:
            if self.types and count != len(self.types):
                raise TypeError(f"query {self.name} takes {len(self.types)} arguments, {count} given")
            places = f"({','.join(['%s'] * count)})" if count else ""
            text = self._calls[count] = f"execute {self._label}{places}"
        return text

    def __repr__(self) -> str:
        return f"Query({self.name!r})"


class Rows(NamedTuple):
    """The rows of a read, and the server that gave them.

    ``staleness``: how many seconds the server may be behind the primary; 0.0 on the primary. ``stale``: the rows may be
    older than was asked for, because no primary is up to compare with, or no server is fresh enough.
    """

    rows: list[tuple[Any, ...]]
    server: str
    staleness: float
    primary: bool
    stale: bool = False


# Types that psycopg2 takes as they are.
_PLAIN = frozenset((int, str, type(None), bool, float))


def adapt(value: Any) -> Any:
    """*value* in the form that psycopg2 takes: dicts become JSON text, tuples become arrays."""
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    if isinstance(value, list | tuple):
        return [adapt(one) for one in value]
    return value


def adapted(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """All of *args* in the form that psycopg2 takes."""
    return tuple([arg if arg.__class__ in _PLAIN else adapt(arg) for arg in args])
