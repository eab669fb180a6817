"""What a visitor wrote and may share with their own account elsewhere: declared by the product that has it."""

from __future__ import annotations

from msgspec import Struct

from cackled.database.query import Query


class Shareable(Struct, frozen=True, kw_only=True):
    """How one kind of item is shared.

    ``find`` is called with ``(site, id)`` and gives at most one row: whose it is, its state (``held``: nobody else sees
    it yet; ``shown``: everybody does; ``gone``: it will not be seen), its HTML, the key and address of its page, and
    when it was written, in seconds since 1970. ``anchor`` and its number are the fragment of its address.
    """

    kind: str
    find: Query
    anchor: str
