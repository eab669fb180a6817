"""The telnet console: the operator commands, and a Python prompt inside the running daemon.

Telnet is clear text and the prompt controls the daemon, so the listener must be loopback or a private unix socket
(`ManholeFactory.check` refuses anything else).
"""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from twisted.conch.insults.insults import ServerProtocol
from twisted.conch.manhole import Manhole
from twisted.conch.telnet import ECHO, NAWS, SGA, TelnetProtocol
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled import __version__
from cackled.admin.commands import Quit, Runner, one_line
from cackled.admin.endpoints import require_local
from cackled.admin.login import ConsoleTransport, Gate, Login
from cackled.admin.render import as_text
from cackled.admin.secrets import Password
from cackled.domain.commands import CommandError, Data
from cackled.metrics import Metrics

log = Logger()

# Maximum connections: logged in, and still at the login.
MOST_SESSIONS = 8
MOST_WAITING = 8
LONGEST_LINE = 4_096
MOST_HISTORY = 500
MOST_QUEUED = 200
_PRINTABLE_FROM = 0x80


class Shell(Manhole):
    """One operator's session.

    A line whose first word is a command runs it. So does a line that can only be a mistyped command, to report the
    error. Anything else is Python (in *namespace*; None: no Python). While a command runs, further lines wait; ^C stops
    waiting for it.
    """

    ps = (b"cackled> ", b"...      ")

    def __init__(self, runner: Runner, who: str, namespace: Mapping[str, Any] | None) -> None:
        python = None if namespace is None else {"run": Deferred.fromCoroutine, **namespace}
        super().__init__(python)
        self._runner = runner
        self._who = who
        self._python = python is not None
        self._queue: list[bytes] = []
        self._busy: object | None = None
        self._over = False

    def connectionMade(self) -> None:
        """Start; accept both codes that terminals send for backspace."""
        super().connectionMade()
        self.keyHandlers[b"\x08"] = self.handle_BACKSPACE

    def initializeScreen(self) -> None:
        """Greet, without clearing the screen."""
        more = "anything else is Python (run(coroutine) waits for one)" if self._python else "quit to leave"
        self.terminal.write(f"\ncackled {__version__}. help lists the commands; {more}.\n".encode())
        self.terminal.write(self.ps[0])
        self.setInsertMode()

    def terminalSize(self, width: int, height: int) -> None:
        """Remember the size; Twisted would also clear the screen."""
        self.width, self.height = width, height

    def keystrokeReceived(self, keyID: Any, modifier: Any) -> None:
        """Handle a key: bytes of UTF-8 are printable too, and unknown keys are not logged."""
        if keyID in self.keyHandlers or (isinstance(keyID, bytes) and keyID in self._printableChars):
            super().keystrokeReceived(keyID, modifier)
        elif isinstance(keyID, bytes) and len(keyID) == 1 and keyID[0] >= _PRINTABLE_FROM:
            self.characterReceived(keyID, False)

    def characterReceived(self, ch: bytes, moreCharactersComing: bool) -> None:
        """Insert a character, up to the maximum line length."""
        if len(self.lineBuffer) < LONGEST_LINE:
            super().characterReceived(ch, moreCharactersComing)

    def handle_TAB(self) -> None:
        """Insert a space for a tab, because the line editor counts a tab as one column."""
        for _ in range(self.TABSTOP if self.pn else 1):
            self.characterReceived(b" ", False)

    def handle_INT(self) -> None:
        """^C: discard the line, and stop waiting for the running command."""
        self._busy = None
        self._queue.clear()
        super().handle_INT()

    def handle_QUIT(self) -> None:
        """End the session."""
        self._bye()

    def lineReceived(self, line: bytes) -> None:
        """Run a line, or queue it while a command runs."""
        del self.historyLines[:-MOST_HISTORY]
        self.historyPosition = len(self.historyLines)
        if self._over:
            return
        if self._busy is not None:
            if len(self._queue) < MOST_QUEUED:
                self._queue.append(line)
            return
        self._run(line)

    def _run(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        first = self.pn == 0
        if first and not text.strip():
            self.terminal.write(self.ps[0])
        elif first and text.strip() == "exit":
            self._bye()
        elif first and (not self._python or self._runner.knows(text) or self._mistyped(text)):
            self._command(text)
        else:
            log.info("operator {who}: python: {line}", who=self._who, line=text[:200])
            try:
                super().lineReceived(text.encode("utf-8"))
            except SystemExit:
                self._bye()

    def _mistyped(self, text: str) -> bool:
        """Whether *text* is words and the first is no name that Python knows, so that it would only be a NameError."""
        words = text.split()
        first, names = words[0], self.interpreter.locals
        if not first.isidentifier() or keyword.iskeyword(first) or keyword.issoftkeyword(first):
            return False
        if first in names or hasattr(builtins, first):
            return False
        return len(words) == 1 or words[1][0].isalnum()

    def _command(self, text: str) -> None:
        mark = self._busy = object()

        def done(answer: Data | Failure) -> None:
            if self._busy is not mark or self._over:
                return
            self._busy = None
            if isinstance(answer, Failure):
                if answer.check(Quit):
                    self._bye()
                    return
                answer = f"error: {_explain(answer)}"
            self.terminal.write(as_text(answer) + "\n")
            if self._queue:
                self.terminal.write(self.ps[0] + self._queue[0] + b"\n")
                self._run(self._queue.pop(0))
            else:
                self.drawInputLine()

        Deferred.fromCoroutine(self._runner.run(text, self._who)).addBoth(done).addErrback(
            lambda f: log.failure("console: answer not shown", f)
        )

    def addOutput(self, data: Any, isAsync: Any = None) -> None:
        """Show Python's output; a Deferred may fire after the session has ended."""
        if not self._over:
            super().addOutput(data, isAsync)

    def _bye(self) -> None:
        self._over = True
        self._queue.clear()
        self.terminal.write(b"bye\n")
        # ServerProtocol.loseConnection would reset the operator's whole terminal.
        self.terminal.transport.loseConnection()

    def connectionLost(self, reason: Any) -> None:
        """The session has ended; the answer of a running command is dropped."""
        self._over = True
        self._queue.clear()


def _explain(failure: Failure) -> str:
    return str(failure.value) if failure.check(CommandError) else one_line(failure.value or Exception())


class ShellTransport(TelnetProtocol):
    """Between telnet and the terminal: negotiates echo and window size, and works whatever the client answers."""

    transport: Any

    def __init__(self, make: Callable[[], Shell]) -> None:
        self._terminal: Any = ServerProtocol(make)

    def connectionMade(self) -> None:
        """Negotiate what a line editor needs, then start."""
        self.transport.negotiationMap[NAWS] = self._window
        for ask, option in ((self.transport.do, NAWS), (self.transport.do, SGA), (self.transport.will, SGA)):
            ask(option).addErrback(lambda f: None)
        # The login has asked for ECHO already and left it on.
        self.transport.will(ECHO).addErrback(lambda f: None)
        self._terminal.makeConnection(self)

    def dataReceived(self, data: bytes) -> None:
        """Pass on keys."""
        if self._terminal is not None:
            self._terminal.dataReceived(data)

    def write(self, data: bytes) -> None:
        """Write text. The terminal has already converted newlines, and telnet would convert them again from LF."""
        self.transport.write(data.replace(b"\r\n", b"\n"))

    def loseConnection(self) -> None:
        """End the session."""
        self.transport.leave()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Tell the terminal that the connection is gone."""
        terminal, self._terminal = self._terminal, None
        if terminal is not None:
            terminal.connectionLost(reason)

    def enableLocal(self, option: bytes) -> bool:
        """Accept that we echo, and character mode."""
        return option in (ECHO, SGA)

    def enableRemote(self, option: bytes) -> bool:
        """Accept that the client reports its window size, and character mode."""
        return option in (NAWS, SGA)

    def _window(self, data: list[bytes]) -> None:
        if len(data) == 4 and self._terminal is not None and self._terminal.terminalProtocol is not None:
            width, height = data[0][0] << 8 | data[1][0], data[2][0] << 8 | data[3][0]
            self._terminal.terminalProtocol.terminalSize(width or 80, height or 24)


class ManholeFactory(Factory):
    """Makes console sessions, at most eight logged in at once.

    Up to eight more connections may be at the login; when another comes, the oldest of these is closed. So connections
    that never log in can't lock an operator out.

    Args:
        password: see `Password.open`.
        in_thread: runs a function in a thread and returns its result (``partial(deferToThreadPool, reactor, pool)``);
            the gate asks for one at a time.
        namespace: names of the Python prompt; None for no Python at all.
        idle: seconds without a key after which a session ends.
    """

    noisy = False

    def __init__(
        self,
        *,
        runner: Runner,
        password: Password,
        clock: IReactorTime,
        metrics: Metrics,
        in_thread: Callable[..., Awaitable[bool]],
        user: str,
        namespace: Mapping[str, Any] | None = None,
        idle: float = 900.0,
    ) -> None:
        self._runner = runner
        self._clock = clock
        self._namespace = namespace
        self._idle = idle
        self._gate = Gate(clock, user, lambda attempt: in_thread(password.check, attempt), password.known)
        # In order of arrival.
        self._open: dict[ConsoleTransport, None] = {}
        metrics.watch("admin_console_sessions", "Open connections to the telnet console.", lambda: len(self._open))

    @staticmethod
    def check(endpoint: str) -> None:
        """Refuse an endpoint that others can reach.

        Raises:
            ConfigError: it is not loopback, nor a unix socket of mode 600.
        """
        require_local(endpoint, "[manhole] endpoint")

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """A session, or None if there are too many."""
        waiting = [one for one in self._open if not one.inside]
        if len(self._open) - len(waiting) >= MOST_SESSIONS:
            log.warn("console: refused a connection, {most} are open", most=MOST_SESSIONS)
            return None
        if len(waiting) >= MOST_WAITING:
            log.warn("console: {most} connections wait at the login; the oldest is closed", most=MOST_WAITING)
            del self._open[waiting[0]]
            waiting[0].begone()
        session = _Session(self._clock, self._idle, lambda: Login(self._gate, self._shell))
        session.closed = lambda one: self._open.pop(one, None)
        self._open[session] = None
        return session

    def close(self) -> None:
        """End all sessions, because the daemon stops."""
        for session in list(self._open):
            session.write(b"\nThe daemon stops.\n")
            session.leave()

    def _shell(self, who: str) -> TelnetProtocol:
        return ShellTransport(lambda: Shell(self._runner, who, self._namespace))


class _Session(ConsoleTransport):
    closed: Callable[[ConsoleTransport], object] = staticmethod(lambda session: None)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.closed(self)
        super().connectionLost(reason)
