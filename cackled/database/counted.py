"""Tables whose rows are counted for operators."""

from __future__ import annotations

from msgspec import Struct


class Counted(Struct, frozen=True, kw_only=True):
    """A table with a ``site_id``, and the word for many of its rows.

    ``kept``: it has an ``id`` that grows, and rows go with their site alone, so that a copy must have them all.
    """

    table: str
    word: str
    kept: bool = True
