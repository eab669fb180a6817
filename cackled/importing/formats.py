"""What a product declares about importing: its formats, and who writes its items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from msgspec import Struct

from cackled.database.routing import Database
from cackled.domain.site import Site
from cackled.events import Position
from cackled.importing.records import Change, Item, Left, Record
from cackled.importing.signed_lines import LineKey
from cackled.importing.source import Source


class Ready(Struct, frozen=True):
    """An item that can be written. ``stored`` is JSON as the writer's statement takes it.

    ``shown``: readers see it. ``changes``: what is not quite as it was.
    ``pictures``: how many are to be fetched for it.
    """

    stored: bytes
    shown: bool = True
    changes: tuple[Change, ...] = ()
    pictures: int = 0


class Spooled(Struct, frozen=True):
    """An item in its place.

    ``id``, ``parent`` and ``root`` are the source's ids (``root`` of an item without parent is itself); ``number`` is
    the id it gets here unless somebody has that: numbers follow time, and a parent's is below its children's.
    ``replies``: how many answers to it are shown; ``thread``: of a root, how many items below it are. ``shown``: it is
    on its page, be it as a tombstone.
    """

    row: int
    channel: int
    id: str
    parent: str
    root: str
    depth: int
    number: int
    created: float
    shown: bool
    replies: int
    thread: int
    stored: bytes


class Target(Struct, frozen=True):
    """A page here: its channel, and what it is called. ``closed``: nobody is to write there if it is new."""

    channel: int
    key: str
    url: str
    title: str
    closed: bool


class Written(Struct, frozen=True):
    """What became of a batch. ``present``: they were there from an earlier import."""

    added: int
    present: int


class Writer(Protocol):
    """Writes the items of a product on one site.

    `prepare` and `missing` are called in a thread and must touch nothing but their arguments. All else may be called
    again for the same things: what is there already stays as it is.
    """

    def channel(self, key: str) -> int:
        """The channel of a page's key."""

    def prepare(self, item: Item) -> Ready | Left:
        """*item* with its texts made as they are stored, or why it can't come."""

    def missing(self, id: str, page: str, created: float) -> Ready | None:
        """What stands for a parent that is not in the file; None: its children have no parent then."""

    async def present(self, ids: Sequence[str]) -> int:
        """How many of these ids were imported before."""

    async def write(self, run: int, pages: Sequence[Target], items: Sequence[Spooled]) -> Written:
        """Store *items*, which are on *pages*, in one transaction. Parents come first."""

    async def settle(self, run: int, channels: Sequence[int]) -> Sequence[Position]:
        """Put the counts of *channels* right and tell readers once that they changed."""

    async def undo(self, run: int, most: int) -> tuple[Sequence[Position], bool]:
        """Take about *most* items of a run back, page by page.

        A page that has none of them left is put right and told, in the same transaction; gives where that led to, and
        whether there are more.
        """


class Parts(Struct, frozen=True, kw_only=True):
    """What a writer is made of. ``source`` is the name under which the ids of the file are known.

    ``avatars``: pictures of authors are to be fetched, and kept here. ``photos``: those of what they wrote.
    ``key``: opens what is sealed in our own exports.
    """

    database: Database
    source: str
    avatars: bool = False
    photos: bool = False
    key: LineKey | None = None


class Format(Struct, frozen=True, kw_only=True):
    """A format that a product reads.

    ``name`` is unique over all products and what ``cackled import`` takes; ``title`` is what people call it;
    ``endings``: what names of such files end in. ``namespace`` gives what ids of a file are unique within, so that two
    blogs don't mix (None: the format's ids are unique in the world, or the file does not say). ``signed``: its lines
    have codes of this server. ``writer``: how its items are written, where that is not as the product's others are.
    """

    name: str
    title: str
    read: Callable[[Source], Iterator[Record]]
    endings: tuple[str, ...] = ()
    namespace: Callable[[Source], str] | None = None
    signed: bool = False
    writer: Callable[[Parts, Site], Any] | None = None


class Imports(Struct, frozen=True, kw_only=True):
    """How a product takes in what other systems have."""

    formats: tuple[Format, ...]
    writer: Callable[[Parts, Site], Any]
