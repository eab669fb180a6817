"""What readers yield, whatever the format."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

# Why something does not come; the names are those of reports, and of messages in the panel.
Reason = Literal[
    "broken",  # it can't be read
    "repeated",  # another of the same id came before
    "no-page",  # it is of a page that the file does not have
    "empty",  # there is no text
    "kind",  # it is none of ours: a trackback, a note of a shop
    "private",  # it was never public
    "unwanted",  # spam or trash, which was not asked for
    "unsigned",  # it counts only as this server wrote it
    "not-mapped",  # the map of addresses leaves its page out
]
# What comes, and not quite as it was.
Change = Literal["shortened", "renamed", "no-date", "parent-missing", "parent-elsewhere", "circle", "future"]


class BadFile(Exception):
    """The file is not what it was said to be; the message is one line for whoever gave it."""


class Ambiguous(BadFile):
    """What the file holds can be read in two ways; *choices* are the formats that say in which."""

    def __init__(self, text: str, choices: tuple[str, ...]) -> None:
        super().__init__(text)
        self.choices = choices


class Page(Struct, frozen=True, kw_only=True):
    """A page of the source.

    ``id`` is what items name it by. ``url``: its address, or its path. ``key``: what the site itself called it, which
    counts where there is no address. ``closed``: nobody can write there any more.
    ``exact``: the key is what its channel is called here, unless a map says where the address leads to.
    """

    id: str
    url: str = ""
    key: str = ""
    title: str = ""
    closed: bool = False
    exact: bool = False


class Author(Struct, frozen=True, kw_only=True):
    """Who wrote something.

    ``id`` is the source's for somebody with an account; ``""`` for a guest, who is the same as another only where name
    and mail are. ``email`` is what they can claim it by later; ``address`` is that of their connection.
    """

    id: str = ""
    name: str = ""
    email: str = ""
    url: str = ""
    avatar: str = ""
    address: str = ""


class Item(Struct, frozen=True, kw_only=True):
    """Something that was written on a page. Products add members to it.

    ``id`` is the source's and unique in it; ``parent`` that of what it answers (``""``: nothing). ``created`` is in
    seconds since 1970, None where it is not known. ``number``: what it is known by here if nobody else has that.
    """

    id: str
    page: str
    parent: str = ""
    created: float | None = None
    author: Author = Author()
    number: int | None = None


class Left(Struct, frozen=True, kw_only=True):
    """Something that does not come. ``id`` is the source's, where it has one; ``detail`` holds nobody's words."""

    reason: Reason
    id: str = ""
    detail: str = ""


Record = Page | Item | Left
