"""Positions in a channel, events, and event types: used by all packages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from msgspec import UNSET, Struct, UnsetType

_POSITION = re.compile(r"([1-9][0-9]{0,9})/([0-9]{1,19})(?:@([0-9]{1,18}))?", re.ASCII)
_BIGGEST = 2**63 - 1


class Position(Struct, frozen=True, order=True):
    """A place in a channel's history, written ``site/channel@seq``.

    It is the realtime offset, the cache version and the read-your-writes token at once.
    ``seq`` is -1 where the text gave none ("from now on").
    """

    site: int
    channel: int
    seq: int = -1

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read ``17/42@106`` or ``17/42``.

        Raises:
            ValueError: if the text is anything else.
        """
        match = _POSITION.fullmatch(text)
        if match is None or int(match[2]) > _BIGGEST:
            raise ValueError("a position is written site/channel@seq")
        return cls(int(match[1]), int(match[2]), -1 if match[3] is None else int(match[3]))

    @property
    def sub(self) -> str:
        """The channel's name on the wire: ``17/42``."""
        return f"{self.site}/{self.channel}"

    def __str__(self) -> str:
        return self.sub if self.seq < 0 else f"{self.site}/{self.channel}@{self.seq}"


class Event(Struct, frozen=True):
    """One durable change of a channel, as read from the event log.

    ``data`` is the JSON text of the message's ``data`` member, passed on as bytes and never parsed on the way.
    """

    site: int
    channel: int
    seq: int
    type: str
    data: bytes

    @property
    def position(self) -> Position:
        """The position of this event in its channel."""
        return Position(self.site, self.channel, self.seq)


EventHandler = Callable[[Event], None]


class Subject(Struct, frozen=True, kw_only=True):
    """A kind of thing that events are about, and that holds what a visitor wrote: a comment, for example.

    ``name`` is the member of an event's data that holds the whole thing, with its id first:
    ``{"comment":{"id":"7", ...}, ...}``. ``scrubbed`` gives the members that are replaced when its text is removed.
    The member ``author`` is ``{"id": ...}`` of the visitor who wrote it, or null.
    """

    name: str
    scrubbed: Mapping[str, Any]


# The class of an event's data.
DataShape = type[Struct]


class EventType(Struct, frozen=True, kw_only=True):
    """A type of durable events, as a product declares it.

    - ``type``: its name on the wire.
    - ``subject``: what it is about; None if it holds nothing that a visitor wrote.
    - ``words``: its data holds the subject, in the member named after it. Otherwise its data begins with the id of the
      subject: ``{"id":"7", ...}``.
    - ``removes``: the text of the subject is removed from all earlier events.
    - ``rewrites``: in all earlier events that hold the subject, it is replaced by the subject of this event.
    - ``ends``: it is the last of its channel, and all earlier events of that channel are nothing any more.
    - ``private``: it is told in guarded channels alone (`cackled.domain.listening`).
    - ``data``: the members of its data, which the browser side is checked against; they are written by the database.

    Raises:
        ValueError: the declaration contradicts itself.
    """

    type: str
    subject: Subject | None = None
    words: bool = False
    removes: bool = False
    rewrites: bool = False
    ends: bool = False
    private: bool = False
    data: DataShape | None = None

    def __post_init__(self) -> None:
        """Check that the declaration is consistent."""
        if self.ends and (self.subject is not None or self.words):
            raise ValueError(f"{self.type}: what ends a channel is about none of its subjects")
        if self.subject is None and (self.words or self.removes or self.rewrites):
            raise ValueError(f"{self.type}: whose words?")
        if (self.rewrites and not self.words) or (self.removes and self.words):
            raise ValueError(f"{self.type}: what rewrites words holds them, and what removes them does not")


class ChannelUpdated(Struct, frozen=True):
    """What has changed of a channel as a whole; ``moved`` is the key under which it is now, to be read anew.

    ``readOnly`` is there and true where nothing can be done, ``slow`` where somebody may write once in so many seconds
    only; ``pinned`` are the comments that stand above all others, where there are any.
    """

    locked: bool
    comments: int | UnsetType = UNSET
    moved: str | UnsetType = UNSET
    readOnly: bool | UnsetType = UNSET
    slow: int | UnsetType = UNSET
    pinned: list[str] | UnsetType = UNSET


# What types of events begin with that are for one person's pages, in a channel that nobody else knows: they are told to
# nobody else. The database function queue_webhooks knows it too.
PERSONAL = "notice."

# What types of events begin with that are told of private conversations: webhooks get them by name alone, never because
# they take everything. The database function queue_webhooks knows it too.
CONFIDENTIAL = ("message.", "chat.", "desk.")

# Durable events that belong to no product.
CORE_EVENTS = (EventType(type="channel.updated", data=ChannelUpdated),)

# Channel ids existed before products did, so those of comments are made from the key alone.
FIRST_PRODUCT = "comments"


@lru_cache(maxsize=4096)
def channel_id(product: str, key: str) -> int:
    """The id of a product's channel that a site calls *key*: 63 bits of BLAKE2b.

    A channel belongs to one product: the comments and the reviews of a page have separate sequence numbers and locks.

    The id is computed instead of assigned, so that visitors can subscribe to a page that has no row in the database
    yet. If two keys of a site give the same id, the stored key tells them apart.
    """
    mixed = b"" if product == FIRST_PRODUCT else product.encode("utf-8")
    made = blake2b(key.encode("utf-8"), digest_size=8, key=mixed, person=b"cackled.channel")
    return int.from_bytes(made.digest(), "big") >> 1
