"""The telnet console's door: user and password on any telnet client; a wrong answer comes slower after wrong tries.

Twisted's own login protocol waits for the client's answer to the ECHO negotiation and is dead when none comes or a
second try begins before it; this one negotiates but does not depend on it, so that ``nc`` and scripts get in as well.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.conch.telnet import ECHO, TelnetProtocol, TelnetTransport
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure

from cackled.addresses import network_of
from cackled.admin.secrets import same
from cackled.clock import sleep
from cackled.turns import Turns

log = Logger()

FREE_TRIES = 5
LONGEST_DELAY = 30.0
# Between two checks for a source that was wrong too often. Short: the right password may come from there as well.
SPACING = 0.25
FORGET_AFTER = 900.0
MOST_SOURCES = 1_000
# Wrong tries on one connection; then it is closed.
MOST_TRIES = 3
LONGEST_WORD = 256
MOST_AHEAD = 8_192
LOGIN_TIMEOUT = 120.0


class Gate:
    """Admits one user, checking one password at a time for all connections together.

    Nobody's wrong tries keep the right password out. Each is checked in its turn, which comes soon; it is the answer to
    a wrong one that takes longer and longer, 1, 2, 4 .. 30 seconds after the fifth of a *source*, and that source's
    checks are a quarter of a second apart. A right one, or 15 minutes without a wrong one, forgives the source.

    Args:
        verify: checks the password; to be run in a thread by its maker.
        known: whether it was right before, without a thread: then it waits for nobody.
    """

    def __init__(
        self,
        clock: IReactorTime,
        user: str,
        verify: Callable[[str], Awaitable[bool]],
        known: Callable[[str], bool] = lambda password: False,
    ) -> None:
        self._clock = clock
        self._user = user
        self._verify = verify
        self._known = known
        self._turns = Turns()
        # Wrong tries of each source, and when the last one was checked; the longest ago first.
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def admit(
        self, user: str, password: str, source: str = "", gone: Callable[[], bool] = lambda: False
    ) -> bool:
        """Whether *user* with *password* may in; takes the same time for a wrong user as for a wrong password.

        Who is *gone* when his turn comes is not checked.
        """
        if self._known(password) and same(user, self._user):
            self._wrong.pop(source, None)
            return True
        async with self._turns:
            if gone():
                return False
            count, last = self._of(source)
            wait = last + SPACING - self._clock.seconds()
            if count >= FREE_TRIES and wait > 0:
                await sleep(self._clock, wait)
            right = await self._verify(password)
            if same(user, self._user) and right:
                self._wrong.pop(source, None)
                return True
            count += 1
            self._wrong[source] = (count, self._clock.seconds())
            self._wrong.move_to_end(source)
            if len(self._wrong) > MOST_SOURCES:
                self._wrong.popitem(last=False)
        if count > FREE_TRIES:
            # Nobody else waits for this.
            await sleep(self._clock, min(LONGEST_DELAY, 2.0 ** min(count - FREE_TRIES - 1, 10)))
        return False

    def _of(self, source: str) -> tuple[int, float]:
        count, last = self._wrong.get(source, (0, 0.0))
        return (0, 0.0) if self._clock.seconds() - last > FORGET_AFTER else (count, last)


class ConsoleTransport(TelnetTransport, TimeoutMixin):
    """Telnet's transport with an idle timeout, and a quiet end for peers that speak no telnet."""

    transport: Any

    def __init__(self, clock: IReactorTime, idle: float, make: Callable[[], TelnetProtocol]) -> None:
        super().__init__(make)
        self.callLater = clock.callLater  # type: ignore[method-assign,assignment]
        self._idle = idle
        self.inside = False
        self._leaving = False

    def connectionMade(self) -> None:
        """Begin the login."""
        self.setTimeout(LOGIN_TIMEOUT)
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        """Hand on what came; broken telnet commands end the connection, without a traceback."""
        if self._leaving:
            return
        if self.inside:
            self.resetTimeout()
        try:
            super().dataReceived(data)
        except Exception as error:
            # Twisted's parser raises ValueError, IndexError or AssertionError at bad commands.
            if self.inside:
                log.failure("console: session failed")
            log.info("console: broken input from {peer}: {error}", peer=str(self.getPeer()), error=type(error).__name__)
            self.transport.abortConnection()

    def admitted(self) -> None:
        """The login is over: from now on only idleness ends the session."""
        self.inside = True
        self.setTimeout(self._idle)

    def timeoutConnection(self) -> None:
        """Say goodbye, and hang up on a peer that does not take it."""
        if self._leaving:
            self.transport.abortConnection()
            return
        self.write(b"\nIdle for too long, goodbye.\n")
        self.leave()

    def begone(self) -> None:
        """Make room: the end comes at once."""
        self.transport.abortConnection()

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
        # Wrong tries so far.
        self.wrong = 0

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
        """Only ECHO, to hide the password."""
        return bool(option == ECHO)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """A check under way ends for itself."""
        self._gone = True


def _has_port(transport: Any) -> bool:
    return hasattr(transport.getPeer(), "port")
