"""This process for the operator: the implementation of `ProcessArea`."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from twisted.internet.interfaces import IReactorTime

from cackled import __version__
from cackled.admin.lag import LagMonitor
from cackled.domain.commands import CommandError, Facts


class LocalProcess:
    """Facts of this process, and what can be done to it.

    Args:
        drain: makes the node unready and moves its clients; its result is shown. None: draining is not possible.
        undrain: makes the node take visitors again.
        stop: begins an orderly stop (``reactor.stop``).
        draining: whether a drain is under way.
    """

    def __init__(
        self,
        node: str,
        clock: IReactorTime,
        lag: LagMonitor,
        *,
        stop: Callable[[], object],
        drain: Callable[[], Awaitable[Facts]] | None = None,
        undrain: Callable[[], Awaitable[Facts]] | None = None,
        draining: Callable[[], bool] = lambda: False,
        deployment: str = "",
    ) -> None:
        self._node = node
        self._clock = clock
        self._lag = lag
        self._stop = stop
        self._drain = drain
        self._undrain = undrain
        self._draining = draining
        self._deployment = deployment
        self._began = clock.seconds()

    def facts(self) -> Facts:
        """See `ProcessArea`."""
        return {
            "node": self._node,
            **({"deployment": self._deployment} if self._deployment else {}),
            "version": __version__,
            "python": sys.version.split()[0],
            "pid": os.getpid(),
            "uptime_seconds": round(self._clock.seconds() - self._began, 3),
            "draining": self._draining(),
            "reactor_lag_max_seconds": round(self._lag.worst(), 6),
            "memory_bytes": resident_bytes(),
            "open_files": open_files(),
        }

    def collect(self) -> Facts:
        """See `ProcessArea`."""
        began = time.perf_counter()
        found = gc.collect()
        return {
            "collected_objects": found,
            "pause_seconds": round(time.perf_counter() - began, 6),
            "frozen_objects": gc.get_freeze_count(),
            "memory_bytes": resident_bytes(),
        }

    async def drain(self) -> Facts:
        """See `ProcessArea`."""
        if self._drain is None:
            raise CommandError("this process can't be drained")
        return await self._drain()

    async def undrain(self) -> Facts:
        """See `ProcessArea`."""
        if self._undrain is None:
            raise CommandError("this process can't be drained, nor the contrary")
        return await self._undrain()

    async def shutdown(self) -> None:
        """See `ProcessArea`. The stop begins in the next reactor turn, so that the operator still gets the answer."""
        self._clock.callLater(0.1, self._stop)


def resident_bytes() -> int | None:
    """Resident memory of this process in bytes; None if /proc is not available."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def open_files() -> int | None:
    """Open descriptors of this process; None if /proc is not available."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return None
