"""A query's arguments as a Struct: texts, whole numbers, choices and lists of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct, inspect
from msgspec.structs import fields

from cackled.domain.errors import BadField

# Digits of the longest number that a query may hold.
DIGITS = 18


class QueryReader:
    """Reads the arguments that a Struct describes; others are left alone.

    Each member is a text, a whole number, one of several texts, or a list of such (an argument that may be repeated).
    An empty value is none, but in a list.
    """

    def __init__(self, shape: type[Struct]) -> None:
        self.shape = shape
        self._members: list[tuple[str, bytes, bool, bool]] = []
        for member in fields(shape):
            kind = _bare(inspect.type_info(member.type))
            several = isinstance(kind, inspect.ListType)
            inner = _bare(kind.item_type) if isinstance(kind, inspect.ListType) else kind
            kinds = inner.types if isinstance(inner, inspect.UnionType) else (inner,)
            number = any(isinstance(_bare(one), inspect.IntType) for one in kinds)
            self._members.append((member.encode_name, member.encode_name.encode("ascii"), several, number))

    def read(self, args: Mapping[bytes, Sequence[bytes]]) -> Any:
        """The Struct.

        Raises:
            BadField: an argument is missing, no UTF-8, or not what the Struct takes.
        """
        found: dict[str, Any] = {}
        for name, key, several, number in self._members:
            values = args.get(key)
            if not values:
                continue
            if several:
                found[name] = [_value(name, one, number) for one in values]
            elif values[-1]:
                found[name] = _value(name, values[-1], number)
        try:
            return msgspec.convert(found, self.shape)
        except msgspec.ValidationError as error:
            text = str(error)
            what, _, where = text.partition(" - at `$.")
            name = where.split("[")[0].split(".")[0].rstrip("`")
            if not name and "missing required field" in what:
                name = what.split("`")[1]
            raise BadField(f"{name}: {what}." if where else f"{what}.", field=name or None) from None


@cache
def query_reader(shape: type[Struct]) -> QueryReader:
    """The reader of *shape*, made once: routes are copied whenever an application is opened."""
    return QueryReader(shape)


def _bare(kind: inspect.Type) -> inspect.Type:
    return _bare(kind.type) if isinstance(kind, inspect.Metadata) else kind


def _value(name: str, raw: bytes, number: bool) -> Any:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadField(f"{name} is not UTF-8.", field=name) from None
    if number and text.isascii() and text.isdigit() and len(text) <= DIGITS:
        return int(text)
    return text
