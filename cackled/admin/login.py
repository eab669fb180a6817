"""The telnet console's door: user and password on any telnet client, slower after wrong tries.

May touch: twisted.conch.telnet, the ground, `cackled.admin.secrets`.

Twisted's own login protocol waits for the client's answer to the ECHO negotiation and is dead when none comes or a
second try begins before it; this one negotiates but does not depend on it, so that ``nc`` and scripts get in as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.conch.telnet import ECHO, TelnetProtocol, TelnetTransport
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure

from cackled.admin.secrets import same
from cackled.clock import sleep
from cackled.turns import Turns

log = Logger()

FREE_TRIES = 5
LONGEST_DELAY = 30.0
FORGET_AFTER = 900.0
LONGEST_WORD = 256
MOST_AHEAD = 8_192
LOGIN_TIMEOUT = 120.0


class Gate:
    """Admits one user, checking one password at a time for all connections together.

    The first five wrong tries cost nothing; from then on each next check, on whatever connection, waits 1, 2, 4 .. 30
    seconds. A right one, or 15 minutes without a wrong one, forgives.

    Args:
        verify: checks the password; to be run in a thread by its maker.
    """

    def __init__(self, clock: IReactorTime, user: str, verify: Callable[[str], Awaitable[bool]]) -> None:
        self._clock = clock
        self._user = user
        self._verify = verify
        self._turns = Turns()
        self._wrong = 0
        self._not_before = 0.0
        self._last = 0.0

    async def admit(self, user: str, password: str) -> bool:
        """Whether *user* with *password* may in; takes the same time for a wrong user as for a wrong password."""
        async with self._turns:
            now = self._clock.seconds()
            if self._wrong and now - self._last > FORGET_AFTER:
                self._wrong = 0
            if self._wrong >= FREE_TRIES and now < self._not_before:
                await sleep(self._clock, self._not_before - now)
            right = await self._verify(password)
            right = same(user, self._user) and right
            self._last = self._clock.seconds()
            if right:
                self._wrong = 0
            else:
                self._wrong += 1
                if self._wrong >= FREE_TRIES:
                    self._not_before = self._last + min(LONGEST_DELAY, 2.0 ** min(self._wrong - FREE_TRIES, 10))
            return right


class ConsoleTransport(TelnetTransport, TimeoutMixin):
    """Telnet's transport with an idle timeout, and a quiet end for peers that speak no telnet."""

    transport: Any

    def __init__(self, clock: IReactorTime, idle: float, make: Callable[[], TelnetProtocol]) -> None:
        super().__init__(make)
        self.callLater = clock.callLater  # type: ignore[method-assign,assignment]
        self._idle = idle
        self._inside = False
        self._leaving = False

    def connectionMade(self) -> None:
        """Begin the login."""
        self.setTimeout(LOGIN_TIMEOUT)
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        """Hand on what came; broken telnet commands end the connection, without a traceback."""
        if self._leaving:
            return
        if self._inside:
            self.resetTimeout()
        try:
            super().dataReceived(data)
        except Exception as error:
            # Twisted's parser raises ValueError, IndexError or AssertionError at bad commands.
            if self._inside:
                log.failure("console: session failed")
            log.info("console: broken input from {peer}: {error}", peer=str(self.getPeer()), error=type(error).__name__)
            self.transport.abortConnection()

    def admitted(self) -> None:
        """The login is over: from now on only idleness ends the session."""
        self._inside = True
        self.setTimeout(self._idle)

    def timeoutConnection(self) -> None:
        """Say goodbye, and hang up on a peer that does not take it."""
        if self._leaving:
            self.transport.abortConnection()
            return
        self.write(b"\nIdle for too long, goodbye.\n")
        self.leave()

    def leave(self) -> None:
        """Close once what was written is out, within five seconds."""
        self._leaving = True
        self.setTimeout(5.0)
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Let go of the timer and of what hangs on this."""
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

    def connectionMade(self) -> None:
        """Ask for the user."""
        self.transport.write(b"cackled\nUser: ")

    def dataReceived(self, data: bytes) -> None:
        """Collect lines. What is typed ahead of the password's check waits, bounded."""
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
            # The client need not agree, and may have been asked already: then the password is seen, no more.
            self.transport.will(ECHO).addErrback(lambda f: None)
            self.transport.write(b"Password: ")
            return
        user, self._user = self._user, None
        self._checking = True
        Deferred.fromCoroutine(self._check(user, word)).addErrback(self._failed)

    async def _check(self, user: str, password: str) -> None:
        admitted = await self._gate.admit(user, password)
        if self._gone:
            return
        peer = f"{self.transport.getPeer().host}:{self.transport.getPeer().port}" if _has_port(self.transport) else "-"
        self._checking = False
        if not admitted:
            log.warn("console: wrong user or password from {peer}", peer=peer)
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
        """Only ECHO, to hide the password."""
        return bool(option == ECHO)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """A check under way ends for itself."""
        self._gone = True


def _has_port(transport: Any) -> bool:
    return hasattr(transport.getPeer(), "port")
