"""Starts worker processes of the operating system.

The child inherits standard output and error (its log), one end of a socket pair, and the listeners; nothing else.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import Factory, ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

import cackled
from cackled.cluster.control import Message, Pipe, ToParent
from cackled.cluster.sockets import Bound, null

log = Logger()

MODULE = "cackled.daemon.worker"
# The pipe's descriptor in the child; the listeners follow.
PIPE = 3


class Process(ProcessProtocol):
    """One child: see `cackled.cluster.workers.Child`."""

    def __init__(self, heard: Callable[[Any], None], ended: Callable[[str], None]) -> None:
        self._ended = ended
        self.pipe = Pipe(ToParent, heard, self._cut)
        self.pid: int | None = None

    def connectionMade(self) -> None:
        """The process runs."""
        self.pid = self.transport.pid  # type: ignore[union-attr]

    def tell(self, message: Message) -> None:
        """Send *message* through the pipe."""
        self.pipe.tell(message)

    def signal(self, number: int) -> None:
        """Send it a signal if it runs."""
        try:
            self.transport.signalProcess(number)  # type: ignore[union-attr]
        except ProcessExitedAlready:
            pass

    def _cut(self, why: str) -> None:
        log.debug("the pipe of process {pid} has closed: {reason}", pid=self.pid, reason=why)

    def processExited(self, reason: Failure) -> None:
        """The process has ended; no more messages will come."""
        ended, self._ended = self._ended, lambda how: None
        if self.pipe.transport is not None:
            self.pipe.transport.abortConnection()  # type: ignore[attr-defined]
        value: Any = reason.value
        if getattr(value, "signal", None):
            ended(f"signal {value.signal}")
        else:
            ended(f"exit code {getattr(value, 'exitCode', None) or 0}")


class _One(Factory):
    noisy = False

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def buildProtocol(self, addr: Any) -> Pipe:
        return self._pipe


def adopt_pipe(reactor: Any, descriptor: int, pipe: Pipe) -> None:
    """Run *pipe* on a connected socket. The descriptor is closed, because Twisted has its own copy."""
    os.set_blocking(descriptor, False)
    reactor.adoptStreamConnection(descriptor, socket.AF_UNIX, _One(pipe))
    os.close(descriptor)


class Processes:
    """Makes workers that listen on *bound*: see `cackled.cluster.workers.Launch`."""

    def __init__(self, reactor: Any, bound: Sequence[Bound], module: str = MODULE) -> None:
        self._reactor = reactor
        self._bound = bound
        self._module = module
        count = len(bound[0].sockets)
        self.files = [[PIPE + 1 + slot * len(bound) + n for n in range(len(bound))] for slot in range(count)]

    def __call__(self, heard: Callable[[Any], None], ended: Callable[[str], None]) -> Process:
        """Start one.

        Raises:
            OSError: the system has no room for it.
        """
        child = Process(heard, ended)
        ours, theirs = socket.socketpair()
        nothing = null()
        try:
            files: dict[int, Any] = {0: nothing, 1: 1, 2: 2, PIPE: theirs.fileno()}
            for slot, numbers in enumerate(self.files):
                for number, bound in zip(numbers, self._bound, strict=True):
                    files[number] = bound.sockets[slot].fileno()
            adopt_pipe(self._reactor, ours.detach(), child.pipe)
            # -P: the current folder is not searched for modules.
            command = [sys.executable, "-P", "-m", self._module]
            self._reactor.spawnProcess(child, sys.executable, command, env=environment(), childFDs=files)
        finally:
            theirs.close()
            os.close(nothing)
        return child


def environment() -> dict[str, str]:
    """Our environment, with PYTHONPATH so that the worker imports this same package."""
    root = str(Path(cackled.__file__).resolve().parents[1])
    given = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{given}" if given else root}
