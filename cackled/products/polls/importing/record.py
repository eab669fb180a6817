"""A poll, and a ballot, of an export."""

from __future__ import annotations

from typing import Any

from cackled.importing.records import Item


class ImportedPoll(Item, frozen=True, kw_only=True):
    """A poll; ``line`` is what the export says of it. ``own``: as this server wrote it."""

    line: dict[str, Any]
    own: bool = False


class ImportedBallot(Item, frozen=True, kw_only=True):
    """A ballot, whose ``parent`` is the poll. ``sealed`` holds whose it is; ``visitor`` where the poll tells that.

    ``state``: 1 counted, 2 held back, 3 struck out. ``modified``: seconds since 1970.
    """

    options: tuple[int, ...]
    sealed: str
    visitor: str = ""
    state: int = 1
    modified: float | None = None
