"""What the parent and a worker process tell each other, and the pipe it goes through.

Messages are JSON behind a length of four bytes, over a socket pair that the worker inherits. Both ends are one program
of one version, so a message that is not understood is a fault: the connection ends, and the worker with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import Int32StringReceiver
from twisted.python.failure import Failure

from cackled.cluster.view import View
from cackled.config import Config
from cackled.problems import Problem

# Figures of a worker are some hundred kilobytes; nothing is larger.
LONGEST = 16 * 1024 * 1024


class Message(Struct, frozen=True, tag=True):
    """Base of all messages."""


# To a worker


class Configure(Message, frozen=True):
    """The first message: who the worker is, and all it is configured with.

    ``files`` are its inherited listeners: one descriptor for each ``[[listen]]`` of each slot.
    """

    slot: int
    source: str
    config: Config
    files: list[list[int]]
    view: View


class Serve(Message, frozen=True):
    """Accept connections of exactly these slots' listeners."""

    slots: list[int]


class ClusterChanged(Message, frozen=True):
    """The cluster looks like this now."""

    view: View


class PeerJoined(Message, frozen=True):
    """A worker or a node began; it knows nothing of us yet."""

    source: str


class PeerLeft(Message, frozen=True):
    """A worker or a node ended, and its sessions with it."""

    source: str


class Ask(Message, frozen=True):
    """Do *what* and answer."""

    number: int
    what: str
    words: list[Any]


class Reload(Message, frozen=True):
    """Read certificates again; log from *level* on."""

    level: str


class Retire(Message, frozen=True):
    """Send clients away, finish requests, and end, in so many seconds."""

    seconds: float


# To the parent


class Ready(Message, frozen=True):
    """The worker can serve."""


class Serving(Message, frozen=True):
    """The answer to `Serve`: these are accepted from now."""

    slots: list[int]


class Beat(Message, frozen=True):
    """Once a second. ``capacity`` is how many connections it may have."""

    connections: int
    capacity: int
    sessions: int
    memory: int
    lag: float
    problems: list[Problem] = []


class Answer(Message, frozen=True):
    """The answer to `Ask`: JSON, or one line about what went wrong."""

    number: int
    data: Raw = Raw(b"null")
    error: str = ""


class Leaving(Message, frozen=True):
    """Somebody asks this worker to end (SIGTERM): it wants to be replaced."""


class Failed(Message, frozen=True):
    """The worker can't start; one line for the operator."""

    reason: str


ToWorker = Configure | Serve | ClusterChanged | PeerJoined | PeerLeft | Ask | Reload | Retire
ToParent = Ready | Serving | Beat | Answer | Leaving | Failed


class Pipe(Int32StringReceiver):
    """One end. *kind* is what comes in; *heard* is called with each message, *lost* once when it is over."""

    MAX_LENGTH = LONGEST

    def __init__(self, kind: Any, heard: Callable[[Any], None], lost: Callable[[str], None]) -> None:
        self._decoder = msgspec.json.Decoder(kind)
        self._heard = heard
        self._lost = lost

    def tell(self, message: Message) -> None:
        """Send *message*; nothing happens when the other end is gone."""
        if self.transport is not None and self.connected:
            self.sendString(msgspec.json.encode(message))

    def stringReceived(self, string: bytes) -> None:
        """A message came."""
        try:
            message = self._decoder.decode(string)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._end(f"a message was not understood: {error}")
            return
        self._heard(message)

    def lengthLimitExceeded(self, length: int) -> None:
        """Too long."""
        self._end(f"a message of {length} bytes")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The other end is gone."""
        self._end(reason.getErrorMessage())

    def _end(self, why: str) -> None:
        lost, self._lost = self._lost, lambda why: None
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]
        lost(why)
