"""Values of other systems' files: times, numbers, words, and JSON and CSV in bounded memory."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import ijson
import msgspec

from cackled.importing.records import BadFile
from cackled.importing.source import MOST_VALUE, Source

_TIME = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*"
    r"(Z|UTC|GMT|[+-]\d{2}:?\d{2}(?::?\d{2})?|[+-]\d{2})?(?:\s.*)?",
    re.IGNORECASE | re.ASCII,
)
# JSON: how deep values lie whose place is told, and how deep any may.
SHALLOW, DEEPEST = 8, 200
# Numbers above are milliseconds.
_SECONDS = 100_000_000_000


def time_of(value: object, zone: int = 0) -> float | None:
    """Seconds since 1970 of a time as text (ISO 8601, RFC 1123, SQL), as seconds or milliseconds; None if it is none.

    *zone*: seconds east of Greenwich of a text that says none.
    """
    if isinstance(value, Mapping):
        # LeanCloud and MongoDB.
        for name in ("iso", "$date", "$numberLong"):
            if name in value:
                return time_of(value[name], zone)
        return None
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        number = float(value)
        if number != number or abs(number) > 1e17:
            return None
        return number / 1000 if abs(number) > _SECONDS else number
    text = str(value).strip()[:80]
    if not text or text.startswith("0000"):
        return None
    if re.fullmatch(r"-?\d{1,17}(?:\.\d{1,9})?", text):
        return time_of(float(text), zone)
    found = _TIME.fullmatch(text)
    if found is None:
        try:
            parsed = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        seconds = min(int(second or 0), 59)
        micro = int((fraction or "0").ljust(6, "0")[:6])
        day_time = int(hour or 0), int(minute or 0), seconds, micro
        return datetime(int(year), int(month), int(day), *day_time, tzinfo=_zone(offset, zone)).timestamp()
    except (ValueError, OverflowError):
        return None


def _zone(offset: str | None, zone: int) -> timezone:
    if not offset:
        return timezone(timedelta(seconds=zone))
    if offset[0] not in "+-":
        return UTC
    digits = offset[1:].replace(":", "").ljust(4, "0")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]))
    return timezone(-away if offset[0] == "-" else away)


def count_of(value: object) -> int:
    """A count as number or text; 0 where it is none or below 0."""
    try:
        number = int(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return 0
    return min(max(number, 0), 2_000_000_000)


def flag_of(value: object) -> bool:
    """Whether a value says yes: true, 1, and as text."""
    if isinstance(value, str):
        return value.strip().lower() in ("true", "1", "yes", "t")
    return bool(value)


def text_of(value: object) -> str:
    """A value as text; ``""`` for none."""
    if value is None or isinstance(value, dict | list):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def is_number(text: str) -> bool:
    """Whether *text* is a number that something here can have."""
    return text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) < 2**63


def id_of(value: object) -> str:
    """An id as text, also where it is wrapped (``{"$oid": ..}``)."""
    if isinstance(value, Mapping):
        return text_of(value.get("$oid") or value.get("objectId") or "")
    return text_of(value).strip()


class _Watched:
    """What ijson reads from: no value may be so long that the parser would keep megabytes of it."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.since = 0

    def read(self, count: int = -1) -> bytes:
        self.since += max(count, 0)
        if self.since > 4 * MOST_VALUE:
            raise BadFile("The file has a value that is too large.")
        data: bytes = self._file.read(count)
        return data


def _events(file: Any) -> Iterator[tuple[tuple[str, ...] | None, str, Any]]:
    """The events of a JSON text, each with its place (``item`` in arrays); None where that lies deep.

    Raises:
        BadFile: it is no JSON, or nested too deeply.
    """
    watched = _Watched(file)
    _skip_mark(file)
    path: list[str] = []
    try:
        for event, value in ijson.basic_parse(watched, use_float=True, multiple_values=True):
            watched.since = 0
            if event == "map_key":
                if len(path) <= SHALLOW:
                    yield tuple(path[:-1]), event, value
                    path[-1] = value
                else:
                    yield None, event, value
                continue
            if event in ("end_map", "end_array"):
                path.pop()
            yield tuple(path) if len(path) <= SHALLOW else None, event, value
            if event in ("start_map", "start_array"):
                path.append("item" if event == "start_array" else "")
                if len(path) > DEEPEST:
                    raise BadFile("The file is nested too deeply.")
    except (ijson.JSONError, UnicodeDecodeError, ValueError) as error:
        raise BadFile(f"The file is no JSON, or breaks off: {_said(error)}.") from None


def _said(error: Exception) -> str:
    """The first line of what a parser says, which may be bytes."""
    told = error.args[0] if error.args else ""
    text = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
    return (text.splitlines() or ["?"])[0][:120].rstrip(".")


class _Building:
    """A value that is put together from its events; None in its place where it is too large."""

    def __init__(self) -> None:
        self._builder: Any = ijson.ObjectBuilder()
        self._depth = self._held = 0

    def event(self, event: str, value: Any) -> bool:
        """Take the next event of it; whether that was its last."""
        self._held += 16 + (len(value) if isinstance(value, str) else 0)
        if self._held > MOST_VALUE:
            self._builder = None
        if self._builder is not None:
            self._builder.event(event, value)
        self._depth += (event in ("start_map", "start_array")) - (event in ("end_map", "end_array"))
        return self._depth == 0

    @property
    def value(self) -> Any:
        """What it is."""
        return None if self._builder is None else self._builder.value


def json_items(source: Source, *prefixes: str) -> Iterator[tuple[str, Any]]:
    """The values at *prefixes* (``item`` in arrays: ``item``, ``data.Comment.item``), one by one with its prefix.

    One that is too large is None.

    Raises:
        BadFile: it is no JSON.
    """
    wanted = {tuple(prefix.split(".")) for prefix in prefixes}
    with source.open() as file:
        building: _Building | None = None
        at = ""
        for place, event, value in _events(file):
            if building is None:
                if place not in wanted or event in ("map_key", "end_map", "end_array"):
                    continue
                assert place is not None
                building, at = _Building(), ".".join(place)
            if building.event(event, value):
                yield at, building.value
                building = None


def json_parents(source: Source, prefix: str, member: str) -> Iterator[tuple[int, Any]]:
    """The values at *prefix* with their place among them, from 1; without what is in their *member*, however much.

    Raises:
        BadFile: it is no JSON.
    """
    wanted = tuple(prefix.split("."))
    left_out = (*wanted, member)
    with source.open() as file:
        building: _Building | None = None
        number = 0
        for place, event, value in _events(file):
            if building is None:
                if place != wanted or event in ("map_key", "end_map", "end_array"):
                    continue
                building, number = _Building(), number + 1
            elif place is None or place[: len(left_out)] == left_out or (
                event == "map_key" and value == member and place == wanted
            ):
                continue
            if building.event(event, value):
                yield number, building.value
                building = None


def json_children(source: Source, prefix: str, member: str) -> Iterator[tuple[int, Any]]:
    """What is in the array *member* of each value at *prefix*, with the place of that value as `json_parents` has it.

    Raises:
        BadFile: it is no JSON.
    """
    above = tuple(prefix.split("."))
    wanted = (*above, member, "item")
    with source.open() as file:
        building: _Building | None = None
        number = 0
        for place, event, value in _events(file):
            if building is None:
                if event in ("map_key", "end_map", "end_array"):
                    continue
                number += place == above
                if place != wanted:
                    continue
                building = _Building()
            if building.event(event, value):
                yield number, building.value
                building = None


def _skip_mark(file: Any) -> None:
    if file.peek(3)[:3] == b"\xef\xbb\xbf":
        file.read(3)


def json_top(source: Source, names: int = 50) -> tuple[str, set[str]]:
    """What a JSON file is outermost (``map``, ``array``, ...) and the names in it.

    Raises:
        BadFile: it is no JSON.
    """
    kind, found = "", set[str]()
    with source.open() as file:
        for place, event, value in _events(file):
            if not kind:
                kind = {"start_map": "map", "start_array": "array"}.get(event, event)
            if event == "map_key" and place == ():
                found.add(value)
            if len(found) >= names or kind != "map" or (event == "end_map" and place == ()):
                break
    if not kind:
        raise BadFile("The file is no JSON.")
    return kind, found


def looks_like_json(source: Source) -> bool:
    """Whether a file begins as JSON does."""
    with source.open() as file:
        return file.read(200).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[", b"#")


def objects(source: Source, *names: str) -> Iterator[Any]:
    """The objects of a file that is an array of them, has them in a member of one of *names*, or one a line.

    Raises:
        BadFile: it is no JSON.
    """
    kind, found = "map", set[str]()
    with source.open() as file:
        comment = file.read(200).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"#")
    if not comment:
        kind, found = json_top(source)
    if kind == "array":
        yield from (value for _, value in json_items(source, "item"))
        return
    name = next((name for name in names if name in found), "")
    if name:
        yield from (value for _, value in json_items(source, f"{name}.item"))
    elif kind == "map":
        yield from json_lines(source)
    else:
        raise BadFile("The file holds no list of objects.")


def json_lines(source: Source, *, comment: bytes = b"#", skip_first: bool = False) -> Iterator[Any]:
    """The values of a file with one a line; None for a line that is none, or is too long. Lines that begin with
    *comment* are skipped.

    *skip_first*: the first is not read, however long it is.
    """
    for value, _ in lines_with_values(source, comment=comment, skip_first=skip_first):
        yield value


def lines_with_values(
    source: Source, *, comment: bytes = b"#", skip_first: bool = False
) -> Iterator[tuple[Any, bytes]]:
    """As `json_lines`, each value with the line that it was in, which is empty where that was too long."""
    with source.open() as file:
        while skip_first and (part := file.readline(MOST_VALUE)) and not part.endswith(b"\n"):
            pass
        while line := file.readline(MOST_VALUE + 1):
            if len(line) > MOST_VALUE:
                while (part := file.readline(MOST_VALUE)) and not part.endswith(b"\n"):
                    pass
                yield None, b""
                continue
            line = line.strip().removeprefix(b"\xef\xbb\xbf")
            if not line or line.startswith(comment):
                continue
            try:
                value = msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                try:
                    value = msgspec.json.decode(line.decode("utf-8", "replace"))
                except (msgspec.DecodeError, RecursionError):
                    value = None
            yield value, line


def csv_rows(source: Source, delimiter: str = "") -> Iterator[dict[str, str]]:
    """The rows of a CSV file by the names of its first line; names in lower case, bad bytes replaced.

    Raises:
        BadFile: it is none.
    """
    csv.field_size_limit(MOST_VALUE)
    with source.open() as file:
        text = io.TextIOWrapper(file, "utf-8-sig", "replace", newline="")
        head = text.readline(MOST_VALUE).replace("\0", "")
        if not head.strip():
            raise BadFile("The file is empty.")
        mark = delimiter or max(",;\t", key=head.count)
        try:
            names = [name.strip().lower() for name in next(csv.reader([head], delimiter=mark))]
            for row in csv.reader((line.replace("\0", "") for line in _lines(text)), delimiter=mark):
                if row:
                    yield dict(zip(names, row, strict=False))
        except csv.Error as error:
            raise BadFile(f"The CSV can't be read: {error}.") from None


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(MOST_VALUE):
        if len(line) == MOST_VALUE:
            raise BadFile("The file has a line that is too long.")
        yield line


class Shelf:
    """Values by key that wait for what needs them, in a file of their own: some formats say last who somebody is."""

    def __init__(self) -> None:
        self._file = tempfile.NamedTemporaryFile(prefix="cackled-shelf-")  # noqa: SIM115 - closed by `shelf`
        self._db = sqlite3.connect(self._file.name, isolation_level=None, check_same_thread=False)
        self._db.executescript(
            "pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -8000;"
            "create table shelf (key text primary key, value blob) without rowid; begin;"
        )

    def put(self, key: str, value: object) -> None:
        """Keep *value*; one that is there already stays."""
        self._db.execute("insert or ignore into shelf values (?, ?)", (_utf8(key), msgspec.json.encode(value)))

    def get(self, key: str) -> Any:
        """The value of *key*, or None."""
        row = self._db.execute("select value from shelf where key = ?", (_utf8(key),)).fetchone()
        return None if row is None else msgspec.json.decode(row[0])

    def close(self) -> None:
        """Throw it away."""
        self._db.close()
        self._file.close()


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


@contextmanager
def shelf() -> Iterator[Shelf]:
    """A `Shelf`, thrown away at the end."""
    made = Shelf()
    try:
        yield made
    finally:
        made.close()

