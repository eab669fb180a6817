"""Formats answers of operator commands as text: aligned tables, and units that are easy to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cackled.admin.console import Verbatim
from cackled.domain.commands import Data, Fact

# A table with few rows that is wider than this is transposed.
WIDE = 120
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def as_text(data: Data) -> str:
    """*data* as lines for a terminal, without a newline at the end. Control characters in values are shown escaped."""
    if isinstance(data, str):
        return "\n".join(_printable(line) for line in data.splitlines())
    if isinstance(data, Mapping):
        if data and all(_is_section(value) for value in data.values()):
            return "\n\n".join(f"{name}\n{_indent(as_text(value))}" for name, value in data.items())  # type: ignore[arg-type]
        return _verbatim(data) if isinstance(data, Verbatim) else _facts(data)
    return _table(data)


def value_text(name: str, value: object) -> str:
    """One value as text; the unit follows from its *name*."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if name == "seconds" or name.endswith("_seconds"):
            return duration(value)
        if name == "bytes" or name.endswith("_bytes"):
            return size(value)
        if isinstance(value, float):
            return f"{value:,.3f}".rstrip("0").rstrip(".")
        return str(value)
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, Sequence):
        return " ".join(_printable(str(item)) for item in value) or "-"
    return _printable(str(value))


def duration(seconds: float) -> str:
    """``0.4 ms``, ``2.5 s``, ``3 h 12 min``, ``41 d 6 h``."""
    if abs(seconds) < 1:
        return f"{seconds * 1000:.1f} ms"
    if abs(seconds) < 120:
        return f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def size(count: float) -> str:
    """``512 B``, ``12.3 MiB``."""
    left = float(count)
    for unit in _UNITS:
        if abs(left) < 1024 or unit == _UNITS[-1]:
            break
        left /= 1024
    return f"{left:.0f} B" if unit == "B" else f"{left:.1f} {unit}"


def _label(name: str) -> str:
    for ending in ("_seconds", "_bytes"):
        if name.endswith(ending):
            name = name[: -len(ending)]
    return _printable(name.replace("_", " "))


def _is_section(value: object) -> bool:
    if isinstance(value, Mapping):
        return True
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(v, Mapping) for v in value)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _verbatim(facts: Verbatim) -> str:
    width = max((len(name) for name in facts), default=0)
    lines = []
    for name, value in facts.items():
        text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value_text("", value)
        lines.append(f"{_printable(name):<{width}}  {text or '-'}")
    return "\n".join(lines)


def _facts(facts: Mapping[str, Any]) -> str:
    if not facts:
        return "nothing"
    width = max(len(_label(name)) for name in facts)
    return "\n".join(f"{_label(name):<{width}}  {value_text(name, value)}" for name, value in facts.items())


def _table(rows: Sequence[Mapping[str, Fact]]) -> str:
    if not rows:
        return "none"
    columns: list[str] = []
    for row in rows:
        columns.extend(name for name in row if name not in columns)
    cells = [[value_text(name, row.get(name)) for name in columns] for row in rows]
    heads = [_label(name) for name in columns]
    if len(columns) > 4 and sum(_widths(heads, cells)) + 2 * len(columns) > WIDE and len(rows) <= 8:
        return _turned(heads, cells)
    right = [all(_is_number(row.get(name)) for row in rows) for name in columns]
    return _aligned([heads, *cells], _widths(heads, cells), right)


def _turned(heads: list[str], cells: list[list[str]]) -> str:
    """A table transposed because it is too wide for a terminal: its rows become columns."""
    lines = [[head, *(line[number] for line in cells)] for number, head in enumerate(heads)]
    widths = _widths(lines[0], lines[1:])
    return _aligned(lines, widths, [False] + [True] * len(cells))


def _widths(heads: list[str], cells: list[list[str]]) -> list[int]:
    return [max(len(head), *(len(line[number]) for line in cells)) for number, head in enumerate(heads)]


def _aligned(lines: list[list[str]], widths: list[int], right: list[bool]) -> str:
    return "\n".join(
        "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _indent(text: str) -> str:
    return "\n".join("  " + line if line else line for line in text.splitlines())


def _printable(text: str) -> str:
    # Names of sites and words come from outside; an escape sequence in one must not reach the operator's terminal.
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
