"""The configuration file with every key at its default, generated from `cackled.config` and the comments there.

So the shipped file always agrees with the program: ``cackled default-config`` prints it, and a test compares it with
``conf/cackled.toml``.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping
from typing import Any, get_args, get_origin

import msgspec

from cackled import config
from cackled.config_base import Section

_HEAD = """\
# cackled: all settings, each at its default. A line that begins with "#" and a key is not set; take the "#" away to
# set it. Sizes are bytes, times are seconds. Listeners are Twisted endpoint strings. Secrets are named by file.
# Check a file with: cackled check-config FILE
"""
_ASSIGNED = re.compile(r"    (\w+): ")


def render(
    products: Mapping[str, type[msgspec.Struct]] | None = None, limits: Mapping[str, config.Rate | str] | None = None
) -> str:
    """The file's text, with the defaults of the settings of *products*, and of *limits* or whose numbers they share."""
    lines = [_HEAD]
    tables: list[tuple[str, type[Section], bool]] = []
    for name, kind, default in _fields(config.Config):
        many = _rows_of(kind)
        section = kind if isinstance(kind, type) and issubclass(kind, Section) else many
        if section is not None:
            tables.append((name, section, many is not None))
        elif get_origin(kind) is not dict:
            lines.append(_entry(config.Config, name, default))
    for name, section, is_array in tables:
        lines.append(_table(name, section, is_array))
        for inner, kind, _ in _fields(section):
            rows = _rows_of(kind)
            if rows is config.Rate:
                lines += [_limit(f'{name}.{inner}."{one}"', rate) for one, rate in (limits or {}).items()]
            elif rows is not None and get_origin(kind) is dict:
                lines.append(_table(f"{name}.{inner}.NAME", rows, False, commented=True))
            elif rows is not None:
                lines.append(_table(f"{name}.{inner}", rows, True))
    for name, kind in (products or {}).items():
        lines.append(_product(name, kind))
    return "\n".join(lines) + "\n"


def _limit(table: str, rate: config.Rate | str) -> str:
    """The numbers of a limit."""
    if isinstance(rate, str):
        return f"\n# Together with {rate}, unless it has numbers of its own.\n#[{table}]"
    return "\n".join(["", f"#[{table}]", *(_entry(config.Rate, key, value) for key, value in _values(rate))])


def _values(section: Section) -> list[tuple[str, object]]:
    return [(key, getattr(section, key)) for key in section.__struct_fields__]


def _product(name: str, kind: type[msgspec.Struct]) -> str:
    """The defaults of a product's settings, used for sites that set nothing."""
    lines = ["", f"# What holds for sites that chose nothing: cackled admin site set SITE {name}.SETTING VALUE."]
    lines.append(f"#[products.{name}]")
    for field in msgspec.inspect.type_info(kind).fields:  # type: ignore[attr-defined]
        if isinstance(field.type, msgspec.inspect.Metadata):
            lines.append(f"# {(field.type.extra_json_schema or {}).get('description', '')}")
        lines.append(f"#{field.name} = {_toml(field.default)}")
    return "\n".join(lines)


def _table(name: str, section: type[Section], many: bool, *, commented: bool = False) -> str:
    # The docstrings name their table, which is printed below anyway.
    text = re.sub(r"(^|, )``\[+[\w.\x22]+\]+``:? ?", "", " ".join((section.__doc__ or "").split()))
    text = text.strip(" .").replace("``", "")
    lines = [""]
    if text:
        lines.append(textwrap.fill(text[0].upper() + text[1:] + ".", 118, initial_indent="# ", subsequent_indent="# "))
    mark = "#" if commented else ""
    lines.append(f"#[[{name}]]" if many else f"{mark}[{name}]")
    for field, kind, default in _fields(section):
        if _rows_of(kind) is None:
            lines.append(_entry(section, field, default))
    return "\n".join(lines)


def _entry(section: type[Section], name: str, default: object) -> str:
    lines = [f"# {line}" for line in _comments(section).get(name, ())]
    if default is msgspec.NODEFAULT:
        lines.append(f"#{name} =            # needed")
    elif default is None:
        lines.append(f"#{name} =            # not set")
    else:
        lines.append(f"#{name} = {_toml(default)}")
    return "\n".join(lines)


def _fields(section: type[Section]) -> list[tuple[str, Any, object]]:
    return [(field.name, field.type, field.default) for field in msgspec.structs.fields(section)]


def _rows_of(kind: Any) -> type[Section] | None:
    rows = [one for one in get_args(kind) if isinstance(one, type) and issubclass(one, Section)]
    return rows[0] if rows else None


def _comments(section: type[Section]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    held: list[str] = []
    for line in inspect.getsource(section).splitlines():
        if line.startswith("    # "):
            held.append(line[6:])
            continue
        match = _ASSIGNED.match(line)
        if match is not None and held:
            found[match[1]] = held
        held = []
    return found


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return msgspec.json.encode(value).decode()
    if isinstance(value, int):
        return f"{value:_}" if value >= 10_000 else str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    raise TypeError(f"no TOML for {type(value).__name__}")
