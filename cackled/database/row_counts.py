"""Tables whose rows are counted for operators."""

from __future__ import annotations

from msgspec import Struct


class Counted(Struct, frozen=True, kw_only=True):
    """A table with a ``site_id``, and the plural noun for its rows.

    ``kept``: it has an ``id`` that grows, and rows are deleted only together with their site. So a complete copy must
    have all of them.
    """

    table: str
    word: str
    kept: bool = True
