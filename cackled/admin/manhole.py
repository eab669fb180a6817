"""The telnet console: the operator commands, and a Python prompt inside the running daemon.

Telnet is clear text and the prompt controls the daemon, so the listener must be loopback or a private unix socket
(`ManholeFactory.check` refuses anything else).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger

from cackled.admin.commands import Runner
from cackled.admin.endpoints import require_local
from cackled.admin.gate import Gate
from cackled.admin.secrets import Password
from cackled.metrics import Metrics

if TYPE_CHECKING:
    from twisted.conch.telnet import TelnetProtocol

    from cackled.admin.login import ConsoleTransport

log = Logger()

# Maximum connections: logged in, and still at the login.
MOST_SESSIONS = 8
MOST_WAITING = 8


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
        # Not at the start: the line editor and telnet are of no use to a daemon that no operator calls.
        from cackled.admin.login import ConsoleTransport, Login

        session = ConsoleTransport(
            self._clock, self._idle, lambda: Login(self._gate, self._shell), lambda one: self._open.pop(one, None)
        )
        self._open[session] = None
        return session

    def close(self) -> None:
        """End all sessions, because the daemon stops."""
        for session in list(self._open):
            session.write(b"\nThe daemon stops.\n")
            session.leave()

    def _shell(self, who: str) -> TelnetProtocol:
        from cackled.admin.shell import Shell, ShellTransport

        return ShellTransport(lambda: Shell(self._runner, who, self._namespace))
