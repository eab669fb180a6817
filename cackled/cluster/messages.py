"""What nodes tell each other: the AMP commands and the JSON in them.

Every command has one argument, ``body``, JSON (bytes in `Part`): its fields are checked by type and bound, unknown
ones are passed over, so that nodes of two versions understand each other during an upgrade. No command is answered.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct
from twisted.protocols import amp

# Raised when nodes of two versions would misunderstand each other; such nodes refuse to link.
PROTOCOL = 1
# An AMP value has at most 65,535 bytes.
MAX_BODY = 60_000
MAX_SIGNAL = 2_000
MAX_ITEMS = 2_000
MAX_SHARDS = 1_000

Name = Annotated[str, Meta(max_length=255)]
Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Value = int | float | bool | Annotated[str, Meta(max_length=500)]
_T = TypeVar("_T")


class BadMessage(Exception):
    """A body that is no JSON of its command."""


class Hello(Struct, frozen=True):
    """The first message each way. ``boot`` is made anew at each start."""

    name: Name
    boot: Name
    deployment: Name
    protocol: int
    version: Name


class Beat(Struct, frozen=True, kw_only=True):
    """The heartbeat, once a second. Times are in seconds of the clock of whoever wrote them.

    ``echo`` is ``at`` of the last beat that came from the receiver, ``held`` how long ago that was: from both the
    receiver knows the round trip. ``lag`` is how far the sender's database is behind the primary. ``zone``: a digest of
    the DNS zone that the sender made from the nodes, and its serial number. ``primaries``: the shards whose primary the
    sender reaches; None: it does not say.
    """

    number: Natural
    at: float
    echo: float = 0.0
    held: float = 0.0
    ready: bool
    draining: bool
    connections: Natural
    capacity: Natural
    lag: float | None = None
    version: Name = ""
    zone: tuple[Name, Natural] | None = None
    primaries: Annotated[tuple[Natural, ...], Meta(max_length=MAX_SHARDS)] | None = None


class Signal(Struct, frozen=True, array_like=True):
    """Something ephemeral of a channel: ``presence`` (``{"count"}`` of the sender's node alone, and ``names``, a line
    each), ``typing``.
    """

    site: Natural
    channel: Natural
    type: Name
    data: Annotated[dict[Name, Value], Meta(max_length=16)]


class Hint(Struct, frozen=True, array_like=True):
    """What was cached of a channel before ``seq`` is stale; the event itself comes through the log."""

    site: Natural
    channel: Natural
    seq: Natural


class Wanted(Struct, frozen=True):
    """A question for contents: *what* kind, and which, in that kind's own words."""

    what: Name
    key: Annotated[str, Meta(max_length=500)]


Signals = Annotated[list[Signal], Meta(max_length=MAX_ITEMS)]
Hints = Annotated[list[Hint], Meta(max_length=MAX_ITEMS)]


class _OneWay(amp.Command):
    """One body, or none; nothing comes back."""

    arguments = [(b"body", amp.String(optional=True))]
    requiresAnswer = False


class SayHello(_OneWay):
    """`Hello`."""

    commandName = b"Hello"


class Heartbeat(_OneWay):
    """`Beat`."""

    commandName = b"Heartbeat"


class SendSignals(_OneWay):
    """A list of `Signal`."""

    commandName = b"Signal"


class SendHints(_OneWay):
    """A list of `Hint`."""

    commandName = b"Hint"


class WantContents(_OneWay):
    """`Wanted`, in place of a hello: on such a connection one node asks, and the other answers."""

    commandName = b"Want"


class Part(_OneWay):
    """Bytes of an answer to `WantContents`, in order."""

    commandName = b"Part"


class Whole(_OneWay):
    """The answer is whole."""

    commandName = b"Whole"


class Absent(_OneWay):
    """There is no answer."""

    commandName = b"Absent"


def decode(body: bytes | None, kind: type[_T]) -> _T:
    """A body as *kind*.

    Raises:
        BadMessage
    """
    try:
        return msgspec.json.decode(body or b"", type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage(" ".join(str(error).split())[:200]) from None


def chunks(items: list[bytes]) -> list[bytes]:
    """JSON lists of *items* (JSON each), in order, none larger than a body may be."""
    made: list[bytes] = []
    held: list[bytes] = []
    size = 0
    for item in items:
        if held and (size + len(item) > MAX_BODY - 2 or len(held) == MAX_ITEMS):
            made.append(b"[" + b",".join(held) + b"]")
            held, size = [], 0
        held.append(item)
        size += len(item) + 1
    if held:
        made.append(b"[" + b",".join(held) + b"]")
    return made
