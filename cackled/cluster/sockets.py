"""Listening sockets that a parent binds and its workers use.

May touch: Twisted, the ground. One socket per worker and listener, all of one address (SO_REUSEPORT): the kernel
spreads connections over them. The parent keeps each open, so what waits in its queue is not lost when the worker that
accepts there is replaced (the queue of a socket that closes is reset).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from cackled.config import ConfigError

BACKLOG = 4096

# Makes an endpoint of its text, on the reactor it is given.
MakeEndpoint = Callable[[Any, str], IStreamServerEndpoint]


class ListenOn:
    """A reactor whose ``listenTCP`` is *listen*; everything else is the real one's.

    Endpoints tell where they would listen, and with what, by asking it to.
    """

    def __init__(self, reactor: Any, listen: Callable[[int, Any, int, str], Any]) -> None:
        self._reactor = reactor
        self._listen = listen

    def __getattr__(self, name: str) -> Any:
        if name.startswith("listen") or name == "adoptStreamPort":
            raise ConfigError("workers listen on tcp: and cackletls: only")
        return getattr(self._reactor, name)

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        """Called by an endpoint."""
        return self._listen(port, factory, backlog, interface)


def _listen(endpoint: IStreamServerEndpoint, factory: Any) -> Any:
    done: list[Any] = []
    maybeDeferred(endpoint.listen, factory).addBoth(done.append)
    if done and isinstance(done[0], Failure):
        done[0].raiseException()
    return done[0] if done else None


class Bound:
    """The sockets of one ``[[listen]]``: one for each of *count* slots.

    Raises:
        ConfigError: the endpoint is of another kind, or its address can't be had.
    """

    def __init__(self, reactor: Any, make: MakeEndpoint, description: str, count: int) -> None:
        self.description = description
        self.sockets: list[socket.socket] = []
        self.port = 0
        place: list[tuple[int, int, str]] = []

        def listen(port: int, factory: Any, backlog: int, interface: str) -> None:
            place.append((port, backlog, interface))

        try:
            endpoint = make(ListenOn(reactor, listen), description)
            _listen(endpoint, Factory())
        except ConfigError as error:
            raise ConfigError(f"[[listen]] {description!r}: {error}") from None
        if hasattr(endpoint, "close"):
            endpoint.close()  # it only told us where
        if not place:
            raise ConfigError(f"[[listen]] {description!r}: workers listen on tcp: and cackletls: only")
        port, backlog, interface = place[0]
        try:
            for _ in range(count):
                self.sockets.append(_bind(interface, port or self.port, backlog))
                self.port = self.sockets[0].getsockname()[1]
        except OSError as error:
            self.close()
            raise ConfigError(f"[[listen]] can't listen on {description}: {error.strerror or error}") from None

    def close(self) -> None:
        """Let go of the sockets; those of workers live on."""
        for one in self.sockets:
            one.close()
        self.sockets = []


def _bind(interface: str, port: int, backlog: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in interface else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((interface, port))
        made.listen(backlog if backlog > 50 else BACKLOG)
    except OSError:
        made.close()
        raise
    return made


class Adopted:
    """The endpoint *description* in a worker: accepts on sockets that the parent has bound.

    Raises:
        ConfigError: the endpoint is of a kind that can't.
    """

    def __init__(self, reactor: Any, make: MakeEndpoint, description: str) -> None:
        self._reactor = reactor
        self._descriptor = -1
        self.endpoint = make(ListenOn(reactor, self._adopt), description)

    def listen(self, descriptor: int, factory: Any) -> Any:
        """Accept connections of *descriptor*, which is left as it is (Twisted works on a copy); gives the port."""
        self._descriptor = descriptor
        return _listen(self.endpoint, factory)

    def _adopt(self, port: int, factory: Any, backlog: int, interface: str) -> Any:
        family = socket.AF_INET6 if ":" in interface else socket.AF_INET
        return self._reactor.adoptStreamPort(self._descriptor, family, factory)


def null() -> int:
    """A descriptor of /dev/null, for a child's standard input."""
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
