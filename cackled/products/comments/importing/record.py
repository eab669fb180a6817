"""A comment of another system."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from cackled.importing.records import Item

State = Literal["approved", "pending", "spam", "rejected", "deleted"]
# How its text is written: Markdown, HTML, HTML with meant ends of lines (WordPress), or nothing of that.
Markup = Literal["markdown", "html", "html-lines", "plain"]


class ImportedPicture(Struct, frozen=True):
    """A picture of a comment of our own export: what is kept of it as JSON, its whole address, its contents' SHA-256 in
    hex where that is known."""

    kept: str
    address: str
    digest: str = ""


class ImportedComment(Item, frozen=True, kw_only=True):
    """A comment.

    ``edited``: seconds since 1970. ``votes``: the source's id of each voter, and 1 or -1; ``up`` and ``down`` count
    them and those nobody knows. ``pinned``: it stands above all others.
    """

    text: str = ""
    markup: Markup = "html"
    state: State = "approved"
    up: int = 0
    down: int = 0
    votes: tuple[tuple[str, int], ...] = ()
    edited: float | None = None
    pinned: bool = False
    featured: bool = False
    locked: bool = False
    # From an export of ours: authors and voters are visitors as they are here.
    own: bool = False
    pictures: tuple[ImportedPicture, ...] = ()
    # Addresses of pictures that stand in the text as ``<address>``.
    linked: tuple[str, ...] = ()
