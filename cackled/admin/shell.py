"""One session of the telnet console: a line editor, the operator commands, and Python."""

from __future__ import annotations

import builtins
import keyword
import pydoc
import re
from collections.abc import Callable, Mapping
from typing import Any

from twisted.conch.insults.insults import ServerProtocol
from twisted.conch.manhole import Manhole
from twisted.conch.telnet import ECHO, NAWS, SGA, TelnetProtocol
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled import __version__
from cackled.admin.commands import Quit, Runner, one_line
from cackled.admin.render import as_text
from cackled.domain.commands import CommandError, Data

log = Logger()

LONGEST_LINE = 4_096
MOST_HISTORY = 500
MOST_QUEUED = 200
_PRINTABLE_FROM = 0x80
# A command as a Python programmer types it.
_CALL = re.compile(r"^\s*([A-Za-z][\w-]*)\(\s*\)\s*$")


def _help(*things: object) -> None:
    """Print Python's description of *things*, without its pager."""
    for thing in things:
        print(pydoc.render_doc(thing, renderer=pydoc.plaintext))  # type: ignore[attr-defined]


def _no_terminal(*ignored: object, **also: object) -> None:
    """Refuse what would read from the daemon's own terminal, and stop the daemon until somebody types there."""
    raise RuntimeError("this would wait at the daemon's own terminal, not at yours")


# Builtins that block the process: nobody else would be served meanwhile.
_UNBLOCKING: dict[str, Any] = {"help": _help, "input": _no_terminal, "breakpoint": _no_terminal}


class Shell(Manhole):
    """One operator's session.

    A line whose first word is a command runs it. So does a line that can only be a mistyped command, to report the
    error; ``status()`` is the command ``status``. Anything else is Python (in *namespace*; None: no Python). While a
    command runs, further lines wait; ^C stops waiting for it.
    """

    ps = (b"cackled> ", b"...      ")

    def __init__(self, runner: Runner, who: str, namespace: Mapping[str, Any] | None) -> None:
        python = None if namespace is None else {"run": Deferred.fromCoroutine, **_UNBLOCKING, **namespace}
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
        called = _CALL.match(text) if first else None
        if called is not None and (called[1] == "exit" or self._runner.knows(called[1])):
            text = called[1]
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
