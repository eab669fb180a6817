"""One connection to another node: identification, hello, then messages within limits.

Input is not read before the other end is identified. Any error ends the connection, with at most one line in the log.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.protocols import amp
from twisted.python.failure import Failure
from zope.interface import implementer

from cackled.cluster.messages import (
    MAX_BODY,
    PROTOCOL,
    Absent,
    BadMessage,
    Beat,
    Heartbeat,
    Hello,
    Hint,
    Hints,
    Part,
    SayHello,
    SendHints,
    SendSignals,
    Signal,
    Signals,
    WantContents,
    Wanted,
    Whole,
    decode,
)
from cackled.token_bucket import TokenBucket

# Seconds from the connection to the other end's hello, including the handshake.
HELLO_TIMEOUT = 5.0
# Seconds after an orderly close until the link is aborted.
CLOSE_TIMEOUT = 2.0
# Seconds between two questions of a node that asks for contents, in which it also has to take the answer.
WANT_TIMEOUT = 60.0
# Bytes and signals accepted per second and in a burst: at least twice what a node sends.
BYTES_RATE, BYTES_BURST = 2e6, 8e6
SIGNALS_RATE, SIGNALS_BURST = 4_000.0, 10_000.0
# One of our boxes holds one name and one body.
MAX_BOX = MAX_BODY + 8_192


class Owner(Protocol):
    """Gets the events of links."""

    def identify(self, link: Link) -> str:
        """The name of the node at the other end; any exception refuses it."""

    def hello(self) -> Hello:
        """The first message of this node."""

    def linked(self, link: Link) -> None:
        """The other end said hello and is compatible."""

    def heard(self, link: Link, beat: Beat) -> None:
        """A heartbeat came."""

    def signals(self, link: Link, signals: list[Signal]) -> None:
        """Signals came."""

    def hints(self, link: Link, hints: list[Hint]) -> None:
        """Hints came."""

    def wanted(self, link: Link, wanted: Wanted) -> None:
        """The other end asks for contents; `Link.answer` is to be called, once."""

    def closed(self, link: Link, reason: str) -> None:
        """The link has ended; called once for every link that was connected."""

    def dropped(self) -> None:
        """A signal was discarded."""


class Wrong(Exception):
    """The other end is not acceptable; the message says why."""


@implementer(IHandshakeListener, IPushProducer)
class Link(amp.AMP):
    """``name`` is known after the handshake; ``greeting`` after the other's hello, and only then is it in use.

    ``asks``: the other end said no hello, but asks for contents, and nothing else (`cackled.cluster.exchange`).

    Args:
        expected: the node that was dialled; None for one that dialled us.
    """

    transport: Any

    def __init__(self, owner: Owner, clock: IReactorTime, expected: str | None = None) -> None:
        super().__init__()
        self.expected = expected
        self.name: str | None = None
        self.greeting: Hello | None = None
        self.asks = False
        self._answering = False
        self._owner = owner
        self._clock = clock
        self._deadline: IDelayedCall | None = None
        self._why = ""
        self._over = False
        self._paused = False
        self._since_box = 0
        self._bytes = TokenBucket(BYTES_RATE, BYTES_BURST, clock.seconds())
        self._signals = TokenBucket(SIGNALS_RATE, SIGNALS_BURST, clock.seconds())

    # The connection

    def makeConnection(self, transport: Any) -> None:
        """As AMP does it, without its log lines."""
        amp.BinaryBoxProtocol.makeConnection(self, transport)

    def connectionMade(self) -> None:
        """Limit the time in which the other end must identify itself."""
        super().connectionMade()
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)
        self._deadline = self._clock.callLater(HELLO_TIMEOUT, self.drop, f"no hello within {HELLO_TIMEOUT:g} s")

    def handshakeCompleted(self) -> None:
        """TLS is established: identify the other end, and say hello."""
        try:
            self.name = self._owner.identify(self)
        except Exception as error:
            self.drop(f"refused: {' '.join(str(error).split()) or type(error).__name__}")
            return
        self.transport.registerProducer(self, True)
        self._say(SayHello, self._owner.hello())

    def dataReceived(self, data: bytes) -> None:
        """Process input of an identified node."""
        if self._over:
            return
        if self.name is None:
            self.drop("spoke before it was known")
            return
        if not self._bytes.take(self._clock.seconds(), len(data)):
            self.drop("sends too much")
            return
        self._since_box += len(data)
        try:
            super().dataReceived(data)
        except Exception as error:
            self.drop(f"sent what is no AMP: {type(error).__name__}")
            return
        if self._since_box > MAX_BOX:
            self.drop("sent a box that is too large")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the owner, once."""
        self._settle()
        self._over = True
        amp.BinaryBoxProtocol.connectionLost(self, reason)
        self._owner.closed(self, self._why or _words(reason))

    def drop(self, why: str) -> None:
        """End the link at once."""
        self._why = self._why or why
        self._over = True
        self._settle()
        self.transport.abortConnection()

    def close(self, why: str) -> None:
        """End the link after pending output is sent."""
        if self._over:
            return
        self._why = why
        self._over = True
        self._settle()
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self._deadline = self._clock.callLater(CLOSE_TIMEOUT, self.transport.abortConnection)

    def _settle(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None

    # Flow control: the other end does not read fast enough.

    def pauseProducing(self) -> None:
        """Buffers are full: messages are discarded from now on."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Buffers have room again."""
        self._paused = False

    def stopProducing(self) -> None:
        """The transport is gone."""
        self._paused = True

    @property
    def over(self) -> bool:
        """Whether the link has been ended."""
        return self._over

    @property
    def clear(self) -> bool:
        """Whether a message sent now would leave soon."""
        return not self._over and not self._paused

    # Out

    def _say(self, command: type[amp.Command], message: Any) -> None:
        self.callRemote(command, body=msgspec.json.encode(message))

    def beat(self, beat: Beat) -> bool:
        """Send a heartbeat unless earlier bytes still wait; returns whether it was sent."""
        if not self.clear:
            return False
        self._say(Heartbeat, beat)
        return True

    def pass_on(self, signals: list[bytes], hints: list[bytes]) -> bool:
        """Send encoded signals and hints unless earlier bytes still wait; returns whether they were sent."""
        if not self.clear:
            return False
        for body in signals:
            self.callRemote(SendSignals, body=body)
        for body in hints:
            self.callRemote(SendHints, body=body)
        return True

    def answer(self, data: bytes | None) -> None:
        """What the other end asked for; None: it is not here."""
        self._answering = False
        if self._over:
            return
        if data is None:
            self.callRemote(Absent, body=b"")
            return
        for start in range(0, len(data), MAX_BODY):
            self.callRemote(Part, body=data[start : start + MAX_BODY])
        self.callRemote(Whole, body=b"")

    # In

    def ampBoxReceived(self, box: Any) -> None:
        """Handle one box. Only our five commands are handled; AMP's own machinery sees none."""
        self._since_box = 0
        if self._over:
            return
        handler = self._handlers.get(box.get(amp.COMMAND))
        try:
            if handler is None:
                # An unknown command is from a newer version and is ignored; but nothing may come before hello.
                self._greeted()
            else:
                handler(self, box.get(b"body"))
        except (BadMessage, Wrong) as error:
            self.drop(str(error))

    def _want(self, body: bytes | None) -> None:
        if self.greeting is not None or self.expected is not None:
            raise Wrong("asks for contents where it must not")
        if self._answering or not self.clear:
            raise Wrong("asks before it has taken the answer")
        wanted = decode(body, Wanted)
        self.asks = self._answering = True
        self._settle()
        self._deadline = self._clock.callLater(WANT_TIMEOUT, self.drop, "asks nothing more")
        self._owner.wanted(self, wanted)

    def _greeted(self) -> None:
        if self.greeting is None:
            raise Wrong("did not say hello first")

    def _hello(self, body: bytes | None) -> None:
        if self.greeting is not None or self.asks:
            raise Wrong("said hello twice")
        said, mine = decode(body, Hello), self._owner.hello()
        if said.name != self.name:
            raise Wrong(f"says it is {said.name[:60]!r}")
        if said.protocol != PROTOCOL:
            raise Wrong(f"speaks version {said.protocol} of the mesh, we speak {PROTOCOL}")
        if said.deployment != mine.deployment:
            raise Wrong(f"is of deployment {said.deployment[:60]!r}, we are of {mine.deployment!r}")
        self.greeting = said
        self._settle()
        self._owner.linked(self)

    def _beat(self, body: bytes | None) -> None:
        self._greeted()
        self._owner.heard(self, decode(body, Beat))

    def _take_signals(self, body: bytes | None) -> None:
        self._greeted()
        signals = decode(body, Signals)
        self._owner.signals(self, [signal for signal in signals if self._may_pass()])

    def _may_pass(self) -> bool:
        if self._signals.take(self._clock.seconds()):
            return True
        self._owner.dropped()
        return False

    def _take_hints(self, body: bytes | None) -> None:
        self._greeted()
        hints = decode(body, Hints)
        self._owner.hints(self, [hint for hint in hints if self._may_pass()])

    _handlers = {
        SayHello.commandName: _hello,
        Heartbeat.commandName: _beat,
        SendSignals.commandName: _take_signals,
        SendHints.commandName: _take_hints,
        WantContents.commandName: _want,
    }


def _words(reason: Any) -> str:
    if isinstance(reason, Failure):
        reason = reason.value
    inner = getattr(reason, "args", None) or ()
    # OpenSSL's errors are lists of (library, function, reason).
    if inner and isinstance(inner[0], list) and inner[0] and isinstance(inner[0][0], tuple):
        return f"TLS: {inner[0][0][-1]}"
    if isinstance(reason, ConnectionLost | ConnectionDone | ConnectionAborted):
        return "the connection ended"
    return " ".join(str(reason).split())[:200]
