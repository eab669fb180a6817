"""Tells systemd that the daemon is ready, stopping and alive (sd_notify, for ``Type=notify`` and ``WatchdogSec``).

Does nothing outside systemd.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from twisted.internet.interfaces import IReactorTime

from cackled.clock import Periodic


class Systemd:
    """The service manager, as found in the environment. Source: sd_notify(3), sd_watchdog_enabled(3)."""

    def __init__(self, clock: IReactorTime, environ: Mapping[str, str] | None = None, pid: int | None = None) -> None:
        environ = os.environ if environ is None else environ
        path = environ.get("NOTIFY_SOCKET", "")
        # A name that starts with @ is an abstract socket.
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._watchdog: Periodic | None = None
        try:
            interval = int(environ.get("WATCHDOG_USEC", "0")) / 1e6
            meant = int(environ.get("WATCHDOG_PID", "0")) in (0, os.getpid() if pid is None else pid)
        except ValueError:
            interval, meant = 0.0, False
        if path and interval > 0 and meant:
            self._watchdog = Periodic(clock, interval / 3, lambda: self._tell("WATCHDOG=1"), "systemd watchdog")

    def ready(self, status: str = "") -> None:
        """Report that all listeners are open, and start the watchdog messages."""
        self._tell("READY=1", f"STATUS={status}")
        if self._watchdog is not None:
            self._watchdog.start()

    def stopping(self) -> None:
        """Report that the daemon is stopping. Watchdog messages go on until the end: other code bounds the drain."""
        self._tell("STOPPING=1")

    def stop(self) -> None:
        """Stop the watchdog messages."""
        if self._watchdog is not None:
            self._watchdog.stop()

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)
                sock.sendto("\n".join(line.replace("\n", " ") for line in lines).encode(), self._address)
        except OSError:
            # Nobody listens, or its buffer is full: the next message will do.
            pass
