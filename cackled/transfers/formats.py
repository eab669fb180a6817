"""The formats that products declare, by name; loaded when they are first asked for."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from msgspec import Struct

from cackled.transfers.exports import Known
from cackled.transfers.imports import Formats


class ShownFormat(Struct, frozen=True):
    """A format that can be imported. ``endings``: what names of such files end in."""

    name: str
    title: str
    product: str
    endings: list[str]


class ShownExport(Struct, frozen=True):
    """A format that can be exported."""

    name: str
    title: str
    product: str


class KnownFormats:
    """What *products* read and write."""

    def __init__(self, products: Iterable[Any]) -> None:
        self._products = tuple(products)

    @cached_property
    def formats(self) -> Formats:
        """What can be imported, each with its product."""
        made = [(one.name, one.imports()) for one in self._products if one.imports is not None]
        return {format.name: (name, imports, format) for name, imports in made for format in imports.formats}

    @cached_property
    def exports(self) -> Known:
        """What each product is exported in."""
        made = [(one.name, one.exports()) for one in self._products if one.exports is not None]
        return {name: {one.name: one for one in some} for name, some in made}

    @property
    def imported(self) -> list[ShownFormat]:
        """What can be imported, as it is shown."""
        return [
            ShownFormat(name, format.title, product, list(format.endings))
            for name, (product, _, format) in self.formats.items()
        ]

    @property
    def exported(self) -> list[ShownExport]:
        """What can be exported, as it is shown."""
        return [ShownExport(one.name, one.title, name) for name, some in self.exports.items() for one in some.values()]
