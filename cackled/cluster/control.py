"""The messages between the parent and a worker process, and the pipe for them.

Messages are JSON after a length of four bytes, over a socket pair that the worker inherits. Both ends run the same
version of the program, so a message that can't be decoded is a bug: it ends the connection and the worker.
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

# Largest message in bytes. A worker's metrics take some hundred kilobytes; nothing is larger.
LONGEST = 16 * 1024 * 1024


class Message(Struct, frozen=True, tag=True):
    """Base of all messages."""


# To a worker


class Configure(Message, frozen=True):
    """The first message: the worker's identity and its whole configuration.

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
    """The present state of the cluster."""

    view: View


class PeerJoined(Message, frozen=True):
    """A worker or a node has started, and has no information from us yet."""

    source: str


class PeerLeft(Message, frozen=True):
    """A worker or a node has ended, and its sessions with it."""

    source: str


class Ask(Message, frozen=True):
    """A request to do *what* and send an `Answer`."""

    number: int
    what: str
    words: list[Any]


class Reload(Message, frozen=True):
    """Reload certificates, and set the log level."""

    level: str


class Retire(Message, frozen=True):
    """Send clients away, finish requests, and end within this many seconds."""

    seconds: float


class ContentsGot(Message, frozen=True):
    """The answer to `ContentsWanted`; None: no node has it."""

    number: int
    data: bytes | None = None


# To the parent


class ContentsWanted(Message, frozen=True):
    """A question to other nodes, as `cackled.cluster.exchange.Exchange.ask`."""

    number: int
    what: str
    key: str
    checksum: str


class Ready(Message, frozen=True):
    """The worker can serve."""


class Serving(Message, frozen=True):
    """The answer to `Serve`: the slots that are accepted from now on."""

    slots: list[int]


class Beat(Message, frozen=True):
    """Sent once a second. ``capacity`` is the maximum number of connections."""

    connections: int
    capacity: int
    sessions: int
    memory: int
    lag: float
    problems: list[Problem] = []


class Answer(Message, frozen=True):
    """The answer to `Ask`: JSON, or one line with the error."""

    number: int
    data: Raw = Raw(b"null")
    error: str = ""


class Leaving(Message, frozen=True):
    """The worker was asked to end (SIGTERM) and wants to be replaced."""


class Failed(Message, frozen=True):
    """The worker can't start; one line for the operator."""

    reason: str


ToWorker = Configure | Serve | ClusterChanged | PeerJoined | PeerLeft | Ask | Reload | Retire | ContentsGot
ToParent = Ready | Serving | Beat | Answer | Leaving | Failed | ContentsWanted


class Pipe(Int32StringReceiver):
    """One end of the pipe.

    *kind* is the type of incoming messages. *heard* is called with each, *lost* once at the end.
    """

    MAX_LENGTH = LONGEST

    def __init__(self, kind: Any, heard: Callable[[Any], None], lost: Callable[[str], None]) -> None:
        self._decoder = msgspec.json.Decoder(kind)
        self._heard = heard
        self._lost = lost

    def tell(self, message: Message) -> None:
        """Send *message*; does nothing if the other end is gone."""
        if self.transport is not None and self.connected:
            self.sendString(msgspec.json.encode(message))

    def stringReceived(self, string: bytes) -> None:
        """A message arrived."""
        try:
            message = self._decoder.decode(string)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._end(f"a message was not understood: {error}")
            return
        self._heard(message)

    def lengthLimitExceeded(self, length: int) -> None:
        """A message was too long: end the connection."""
        self._end(f"a message of {length} bytes")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The other end is gone."""
        self._end(reason.getErrorMessage())

    def _end(self, why: str) -> None:
        lost, self._lost = self._lost, lambda why: None
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]
        lost(why)
