"""Listening sockets that a parent binds and its workers use.

One socket per worker and listener, all of one address (SO_REUSEPORT): the kernel spreads connections over them. The
parent keeps each open, so what waits in its queue is not lost when the worker that accepts there is replaced (the
queue of a socket that closes is reset).
"""

from __future__ import annotations

import os
import socket
from typing import Any, Protocol

from twisted.internet.error import CannotListenError

from cackled.config import ConfigError


class Shareable(Protocol):
    """An endpoint whose sockets can be made here and used there: `cackled.transport.endpoints.PublicEndpoint`."""

    def bind(self, *, reuse_port: bool = False) -> socket.socket:
        """A listening socket."""

    def listen_on(self, sock: Any, factory: Any) -> Any:
        """Accept connections of a descriptor, which stays the caller's; gives the port."""

    def reload(self) -> None:
        """Look at certificates, where there are some."""


class Bound:
    """The sockets of one ``[[listen]]``: one for each of *count* slots.

    Raises:
        ConfigError: the endpoint is of a kind that can't be shared, or its address can't be had.
    """

    def __init__(self, endpoint: Any, description: str, count: int) -> None:
        self.endpoint = shareable(endpoint, description)
        self.sockets: list[socket.socket] = []
        try:
            for _ in range(count):
                self.sockets.append(self.endpoint.bind(reuse_port=True))
        except (CannotListenError, ValueError) as error:
            self.close()
            why = getattr(error, "socketError", error)
            raise ConfigError(
                f"[[listen]] can't listen on {description}: {getattr(why, 'strerror', None) or why}"
            ) from None
        if len({one.getsockname() for one in self.sockets}) > 1:
            self.close()
            raise ConfigError(f"[[listen]] {description!r}: workers need a port that is known")

    def close(self) -> None:
        """Let go of the sockets; those of workers live on."""
        for one in self.sockets:
            one.close()
        self.sockets = []


def shareable(endpoint: Any, description: str) -> Shareable:
    """*endpoint*, if it is one.

    Raises:
        ConfigError: it is not.
    """
    if not hasattr(endpoint, "listen_on"):
        raise ConfigError(f"[[listen]] {description!r}: workers listen on tcp: and cackletls: only")
    return endpoint


def null() -> int:
    """A descriptor of /dev/null, for a child's standard input."""
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
