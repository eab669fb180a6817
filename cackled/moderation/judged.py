"""What a product says of its items, so that they are judged: where drafts of them come from, and an author's record."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cackled.database.query import Query
from cackled.moderation.verdict import Draft


class Judged(Struct, frozen=True, kw_only=True):
    """The items of one kind.

    - ``kind``: as in ``comment:123``.
    - ``items``: asked with (site, ids), gives a row for each that has words.
    - ``recent``: asked with (site, ids above, not before (seconds since 1970), at most), gives rows by their ids.
    - ``record``: asked with (site, visitor), gives one row: how many of the author's 200 newest texts are approved,
      pending, rejected and spam, and the seconds since the newest (null: there is none).
    - ``total``: asked with (site, not before, at most), gives one row: how many `recent` would give, counted so far.

    Rows are those of `Item`, in its order.
    """

    kind: str
    items: Query
    recent: Query
    record: Query
    total: Query


class Item(Struct, frozen=True):
    """A written item: ``before`` is how many texts its author had that were approved, ``state`` what it is now."""

    id: int
    channel: int
    key: str
    visitor: int
    name: str
    text: str
    html: str
    parent: int | None
    title: str
    url: str
    since: float
    at: float
    before: int
    state: str

    def draft(self, kind: str) -> Draft:
        """The draft that it was."""
        return Draft(
            kind=kind, channel=self.channel, key=self.key, visitor=self.visitor, name=self.name, text=self.text,
            html=self.html, parent=self.parent, title=self.title, url=self.url, since=self.since, at=self.at,
        )  # fmt: skip


class Record(Struct, frozen=True):
    """What is known of an author: how many of their newest texts are in each state, and seconds since the newest."""

    approved: int = 0
    pending: int = 0
    rejected: int = 0
    spam: int = 0
    idle: float | None = None


def item(row: tuple[Any, ...]) -> Item:
    """An item from a row."""
    return Item(*row)
