"""Realtime messages: JSON text that is encoded once for each transport; and the messages that clients may send.

The JSON is the same on every transport (docs/protocol.md). A WebSocket gets it as one unmasked, uncompressed text
frame (RFC 6455 section 5.2), an EventSource as one `data:` line (WHATWG HTML section 9.2.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from cackled.events import Event, EventType

# Bytes that a message costs in a history beside its text: Python objects, and the copies for each transport.
OVERHEAD = 400
NAME_LENGTH = 64
# Maximum bytes of a client message, whatever the frame limit is: positions and names are short.
CLIENT_MESSAGE = 1_024
TOKEN_LENGTH = 900

_encode = msgspec.json.Encoder().encode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_BREAKS = bytes.maketrans(b"\r\n", b"  ")
_FORGOTTEN = b'{"id":"0",'
# What is left of an event of a channel that has ended; the log keeps the same.
_NOTHING = b',"type":"channel.updated","data":{}}'
_DATA = b',"data":'
_ID = re.compile(rb'\s*\{"id":"([0-9]{1,19})"')
# A message's key ends within this many bytes from its start.
_HEAD = 400


def text_frame(body: bytes) -> bytes:
    """*body* as one WebSocket text frame from a server: FIN, no mask, no extension (RFC 6455 section 5.2)."""
    size = len(body)
    if size < 126:
        return b"\x81" + size.to_bytes(1, "big") + body
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + body
    return b"\x81\x7f" + size.to_bytes(8, "big") + body


class Message:
    """One outgoing message: the JSON text, and its form for each transport, made when first needed.

    ``seq`` is the event's number in its channel, or 0 for a message without one. ``at`` is when it arrived, in seconds
    of the reactor's clock. ``change`` says how it changes the words of earlier messages, if it does.
    """

    __slots__ = ("_single", "at", "block", "body", "change", "frame", "seq")
    # As a WebSocket text frame, and as an EventSource block without an id: made when first needed.
    frame: bytes
    block: bytes

    def __init__(self, body: bytes, seq: int = 0, at: float = 0.0) -> None:
        self.body = body
        self.seq = seq
        self.at = at
        self.change: Change | None = None
        self._single: bytes | None = None

    def __getattr__(self, name: str) -> bytes:
        # Called only while a slot is empty: a property would cost a call per delivery.
        if name == "frame":
            self.frame = text_frame(self.body)
            return self.frame
        if name == "block":
            self.block = b"data: " + self.body + b"\n\n"
            return self.block
        raise AttributeError(name)

    def single(self, sub: str) -> bytes:
        """The EventSource block, with an id, for a connection whose only subscription is *sub*."""
        single = self._single
        if single is None:
            single = self._single = f"id: {sub}@{self.seq}\n".encode() + self.block
        return single

    @property
    def parts(self) -> Sequence[Message]:
        """The messages in it: only itself. `Run` has several."""
        return (self,)

    @property
    def cost(self) -> int:
        """Bytes counted for this message in a history: text, one encoded copy, objects."""
        return 2 * len(self.body) + OVERHEAD


class Change:
    """How a message changes the words of earlier messages about the same subject.

    ``key`` is how the data of messages with the subject's words begins; it is the same for all changes of one subject.
    With ``rewrites`` the words are replaced by those of the message that brings the change, else they are removed.
    """

    __slots__ = ("_name", "_scrubbed", "key", "rewrites")

    def __init__(self, type: _ChangingType, id: bytes) -> None:
        self.key = b',"data":{"' + type.name.encode() + b'":{"id":"' + id + b'",'
        self.rewrites = type.rewrites
        self._name = type.name
        self._scrubbed = type.scrubbed

    def of(self, message: Message, later: Message) -> Message | None:
        """*message* after the change that *later* brought; None if it holds none of the subject's words.

        Without words, it becomes the form given out for a removed subject, the same that the log keeps. A client that
        gets it and then the removal ends up with nothing.
        """
        place = message.body.find(self.key, 0, _HEAD)
        if place < 0:
            return None
        place += len(_DATA)
        # The members as they were written, in their order.
        data = _decode_members(message.body[place:-1])
        if self.rewrites:
            data[self._name] = _decode_members(later.body[later.body.index(self.key) + len(_DATA) : -1])[self._name]
        else:
            members = _decode_members(data[self._name])
            # A member that is not there was not told, and is not now.
            data[self._name] = Raw(_encode({name: self._scrubbed.get(name, members[name]) for name in members}))
        made = Message(message.body[:place] + _encode(data) + b"}", message.seq, message.at)
        if self.rewrites:
            made.change = message.change
        return made


class Ending(Change):
    """The channel has ended with a message: of all earlier ones nothing is left but their numbers."""

    __slots__ = ()

    def __init__(self) -> None:
        self.key = b""
        self.rewrites = False

    def of(self, message: Message, later: Message) -> Message | None:
        """*message* without what it told."""
        if message.body.endswith(_NOTHING):
            return None
        head = message.body[: message.body.index(b',"type":')]
        return Message(head + _NOTHING, message.seq, message.at)


class _ChangingType:
    """What is known of an event type that changes words."""

    __slots__ = ("_id", "name", "rewrites", "scrubbed")

    def __init__(self, type: EventType) -> None:
        assert type.subject is not None
        self.name = type.subject.name
        self.rewrites = type.rewrites
        self.scrubbed = {key: Raw(_encode(value)) for key, value in type.subject.scrubbed.items()}
        name = re.escape(self.name.encode())
        self._id = re.compile(rb'\{"' + name + rb'":\{"id":"([0-9]{1,19})",') if self.rewrites else _ID

    def change(self, data: bytes) -> Change | None:
        """The change that an event with *data* makes."""
        found = self._id.match(data)
        return None if found is None else Change(self, found[1])


class Run(Message):
    """Several consecutive durable messages of one channel: sent as one, received as separate messages."""

    __slots__ = ("_parts", "first")

    def __init__(self, first: Message) -> None:
        super().__init__(b"", first.seq, first.at)
        self.first = first.seq
        self._parts = [first]

    def add(self, message: Message) -> None:
        """Append *message*. Only before anything was sent."""
        self._parts.append(message)
        self.seq = message.seq

    @property
    def parts(self) -> Sequence[Message]:
        """The messages in it, in order."""
        return self._parts

    def __getattr__(self, name: str) -> bytes:
        if name == "frame":
            self.frame = b"".join([part.frame for part in self._parts])
            return self.frame
        if name == "block":
            self.block = b"".join([part.block for part in self._parts])
            return self.block
        raise AttributeError(name)

    def single(self, sub: str) -> bytes:
        """As `Message.single`; each message has its own id."""
        single = self._single
        if single is None:
            single = self._single = b"".join([part.single(sub) for part in self._parts])
        return single


class DurableMessages:
    """Makes messages of events.

    *types* are the event types that products declare; undeclared ones never change words.
    """

    def __init__(self, types: Iterable[EventType] = ()) -> None:
        types = tuple(types)
        self._kinds = {one.type: _ChangingType(one) for one in types if one.removes or one.rewrites}
        self._ends = frozenset(one.type for one in types if one.ends)

    def __call__(self, event: Event, at: float = 0.0) -> Message:
        """The message of *event*. Raw line breaks in its data (insignificant in JSON) become spaces."""
        data = event.data
        kind = self._kinds.get(event.type)
        if kind is not None and not kind.rewrites and data.startswith(_FORGOTTEN):
            # The previous release left this form for events whose words were to be removed.
            event, data, kind = Event(event.site, event.channel, event.seq, "channel.updated", b"{}"), b"{}", None
        if b"\n" in data or b"\r" in data:
            data = data.translate(_BREAKS)
        head = f'{{"sub":"{event.site}/{event.channel}","seq":{event.seq},"type":'.encode()
        made = Message(b"".join((head, _encode(event.type), b',"data":', data or b"null", b"}")), event.seq, at)
        if kind is not None:
            made.change = kind.change(data)
        elif event.type in self._ends:
            made.change = Ending()
        return made


def ephemeral(sub: str, type: str, data: Mapping[str, Any]) -> Message:
    """A signal of channel *sub*: it has no number and may be lost."""
    return Message(_encode({"sub": sub, "type": type, "data": data}))


def hello(heartbeat: float, **more: Any) -> Message:
    """The first message of a connection: the server's limits and intervals."""
    return Message(_encode({"type": "hello", "data": {"heartbeat": heartbeat, **more}}))


def recovered(sub: str, seq: int, whole: bool) -> Message:
    """The message that ends a subscription's recovery: it is at *seq*; *whole* means that nothing is missing."""
    return Message(_encode({"type": "recovered", "sub": sub, "recovered": whole, "seq": seq}))


def move(host: str | None, after: float) -> Message:
    """Tells a client to reconnect to *host* (None: any other server) in *after* seconds."""
    return Message(_encode({"type": "move", "host": host, "after": round(after, 3)}))


def error(code: str, sub: str | None = None, detail: str = "") -> Message:
    """Tells a client that its request failed; *code* is ``origin``, ``token``, ``limit``, ``sub`` or ``message``."""
    said: dict[str, Any] = {"type": "error", "code": code}
    if sub is not None:
        said["sub"] = sub
    if detail:
        said["detail"] = detail
    return Message(_encode(said))


PONG = Message(_encode({"type": "pong"}))


def poll_answer(events: Sequence[bytes], cursor: Sequence[str]) -> bytes:
    """The body of a long poll's answer."""
    return b'{"events":[' + b",".join(events) + b'],"cursor":' + _encode(list(cursor)) + b"}"


class Subscribe(Struct, tag_field="type", tag="sub", frozen=True, forbid_unknown_fields=True):
    """A client subscribes to a channel, from a position on."""

    sub: Annotated[str, Meta(max_length=64)]
    token: Annotated[str, Meta(max_length=TOKEN_LENGTH)] = ""


class Unsubscribe(Struct, tag_field="type", tag="unsub", frozen=True, forbid_unknown_fields=True):
    """A client ends a subscription."""

    sub: Annotated[str, Meta(max_length=64)]


class Typing(Struct, tag_field="type", tag="typing", frozen=True, forbid_unknown_fields=True):
    """The client's user is typing."""

    sub: Annotated[str, Meta(max_length=64)]
    name: Annotated[str, Meta(max_length=NAME_LENGTH)] = ""


class Ping(Struct, tag_field="type", tag="ping", frozen=True, forbid_unknown_fields=True):
    """A client checks that the server responds: browser scripts can't send WebSocket pings."""


ClientMessage = Subscribe | Unsubscribe | Typing | Ping
_decode = msgspec.json.Decoder(ClientMessage).decode


def parse_client(text: bytes) -> ClientMessage:
    """Parse one message of a client.

    Raises:
        ValueError: it is too long, not JSON, or not one of the known messages.
    """
    if len(text) > CLIENT_MESSAGE:
        raise ValueError("message is too long")
    try:
        return _decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
