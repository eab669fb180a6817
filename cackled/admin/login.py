"""Login of the telnet console: user and password with any telnet client; repeated wrong answers are delayed.

Twisted's own login protocol waits for the client's answer to the ECHO negotiation, and hangs if none comes or a
second try begins before it. This one negotiates but does not depend on it, so that ``nc`` and scripts work as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.conch.telnet import ECHO, TelnetProtocol, TelnetTransport
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure

from cackled.addresses import network_of
from cackled.admin.gate import Gate

log = Logger()

# Wrong tries after which a connection is closed.
MOST_TRIES = 3
LONGEST_WORD = 256
MOST_AHEAD = 8_192
LOGIN_TIMEOUT = 120.0


class ConsoleTransport(TelnetTransport, TimeoutMixin):
    """Telnet transport with an idle timeout. Ends quietly for peers that do not speak telnet."""

    transport: Any

    def __init__(
        self,
        clock: IReactorTime,
        idle: float,
        make: Callable[[], TelnetProtocol],
        closed: Callable[[ConsoleTransport], object] = lambda session: None,
    ) -> None:
        super().__init__(make)
        self._closed = closed
        self.callLater = clock.callLater  # type: ignore[method-assign,assignment]
        self._idle = idle
        self.inside = False
        self._leaving = False

    def connectionMade(self) -> None:
        """Begin the login."""
        self.setTimeout(LOGIN_TIMEOUT)
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        """Pass on input; malformed telnet commands end the connection without a traceback."""
        if self._leaving:
            return
        if self.inside:
            self.resetTimeout()
        try:
            super().dataReceived(data)
        except Exception as error:
            # Twisted's parser raises ValueError, IndexError or AssertionError on malformed commands.
            if self.inside:
                log.failure("console: session failed")
            log.info("console: broken input from {peer}: {error}", peer=str(self.getPeer()), error=type(error).__name__)
            self.transport.abortConnection()

    def admitted(self) -> None:
        """The login succeeded: from now on only the idle timeout ends the session."""
        self.inside = True
        self.setTimeout(self._idle)

    def timeoutConnection(self) -> None:
        """Say goodbye; abort the connection if the peer does not take it."""
        if self._leaving:
            self.transport.abortConnection()
            return
        self.write(b"\nIdle for too long, goodbye.\n")
        self.leave()

    def begone(self) -> None:
        """Close at once, to make room for another connection."""
        self.transport.abortConnection()

    def leave(self) -> None:
        """Close once all output is sent, within five seconds."""
        self._leaving = True
        self.setTimeout(5.0)
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Cancel the timer, say so, and drop references."""
        self._closed(self)
        self.setTimeout(None)
        super().connectionLost(reason)


class Login(TelnetProtocol):
    """Asks for user and password until `Gate` admits them, then hands the transport to the shell."""

    transport: Any

    def __init__(self, gate: Gate, shell: Callable[[str], TelnetProtocol]) -> None:
        self._gate = gate
        self._shell = shell
        self._buffer = b""
        self._user: str | None = None
        self._checking = False
        self._gone = False
        # Wrong tries so far.
        self.wrong = 0

    def connectionMade(self) -> None:
        """Ask for the user."""
        self.transport.write(b"cackled\nUser: ")

    def dataReceived(self, data: bytes) -> None:
        """Collect lines. Input during the password check is kept, up to a bound."""
        # CR LF has become LF already; CR NUL has become CR.
        self._buffer += data.replace(b"\r", b"\n")
        if len(self._buffer) > MOST_AHEAD:
            self.transport.leave()
            return
        self._take()

    def _take(self) -> None:
        while not self._checking and not self._gone and b"\n" in self._buffer:
            line, self._buffer = self._buffer.split(b"\n", 1)
            if len(line) > LONGEST_WORD:
                self.transport.leave()
                return
            self._word(line.decode("utf-8", "replace"))

    def _word(self, word: str) -> None:
        if self._user is None:
            self._user = word.strip()
            # The client may refuse to hide the password, and may have been asked already: then the password is visible.
            self.transport.will(ECHO).addErrback(lambda f: None)
            self.transport.write(b"Password: ")
            return
        user, self._user = self._user, None
        self._checking = True
        Deferred.fromCoroutine(self._check(user, word)).addErrback(self._failed)

    async def _check(self, user: str, password: str) -> None:
        source = network_of(str(getattr(self.transport.getPeer(), "host", "")))
        admitted = await self._gate.admit(user, password, source, lambda: self._gone)
        if self._gone:
            return
        peer = f"{self.transport.getPeer().host}:{self.transport.getPeer().port}" if _has_port(self.transport) else "-"
        self._checking = False
        if not admitted:
            log.warn("console: wrong user or password from {peer}", peer=peer)
            self.wrong += 1
            if self.wrong >= MOST_TRIES:
                self.transport.write(b"\nWrong user or password. Goodbye.\n")
                self.transport.leave()
                return
            self.transport.wont(ECHO).addErrback(lambda f: None)
            self.transport.write(b"\nWrong user or password.\nUser: ")
            self._take()
            return
        log.info("console: {user} came in from {peer}", user=user, peer=peer)
        transport, ahead = self.transport, self._buffer
        self._gone, self._buffer = True, b""
        transport.admitted()
        shell = self._shell(f"{user}@{peer}")
        transport.protocol = shell
        shell.makeConnection(transport)
        if ahead:
            shell.dataReceived(ahead)

    def _failed(self, failure: Failure) -> None:
        log.failure("console: login failed", failure)
        if not self._gone:
            self.transport.leave()

    def enableLocal(self, option: bytes) -> bool:
        """Agree only to ECHO, which hides the password."""
        return bool(option == ECHO)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Nothing to stop: a check under way ends by itself."""
        self._gone = True


def _has_port(transport: Any) -> bool:
    return hasattr(transport.getPeer(), "port")
