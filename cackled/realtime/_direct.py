"""Direct writes to the socket. The only module of realtime that distinguishes kinds of transport.

Transports of our own listeners, plain and TLS, have a `push` method for this. For Twisted's TCP transport,
`cackled.transport._private` checks at start whether direct writes are possible. ``transport.write`` costs one `send`
and two `epoll_ctl` calls; a direct send costs only the `send`.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import tcp

from cackled.transport import _private
from cackled.transport._socket import Transport

# Send buffer size per client (the kernel doubles the figure for its own bookkeeping), and how much of it may be unsent.
SEND_BUFFER = 64 * 1024
NOT_SENT = 32 * 1024
TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)
# Plain integers: accessing an enum member costs as much as the call.
_SOCKET, _TCP, _SO_SNDBUF = int(socket.SOL_SOCKET), int(socket.IPPROTO_TCP), int(socket.SO_SNDBUF)

_SUPPORTED: list[bool] = []


def _supported() -> bool:
    if not _SUPPORTED:
        _SUPPORTED.append(_private.supported())
    return _SUPPORTED[0]


def usable(transport: Any) -> bool:
    """Whether `send` may be used on *transport*: plain TCP, no producer, and the Twisted internals that we know."""
    if isinstance(transport, Transport):
        return True
    return (
        _supported()
        and isinstance(transport, tcp.Connection)
        and not getattr(transport, "TLS", False)
        and transport.producer is None
    )


def own(transport: Any) -> bool:
    """Whether *transport* belongs to one of our listeners.

    Then its ``push`` does what `send` does with one call less.
    """
    return isinstance(transport, Transport)


def send(transport: Any, data: bytes) -> int:
    """Send *data* on *transport*, or queue it behind bytes that are already waiting.

    Returns the number of bytes that *transport* still holds afterwards (0: the kernel has taken all), or -1 when the
    connection is dead. *transport* must be connected and `usable`.
    """
    if isinstance(transport, Transport):
        return transport.push(data)
    return _private.push(transport, data)


def held(transport: Any) -> int:
    """Bytes that *transport* (TCP, or TLS over it) has not yet given to the kernel; 0 if unknown."""
    if isinstance(transport, Transport):
        return transport.held
    connection = _private.tcp_of(transport)
    if connection is None or not _supported():
        return 0
    return _private.unsent(connection) + _private.unsent_tls(transport)


def tune(transport: Any) -> None:
    """Bound the kernel's buffer for a client that does not read, and switch on TCP keep-alive (RFC 9293 3.8.4).

    Does nothing for sockets of our own listeners: they are set up when the connection is accepted.
    """
    ours = isinstance(transport, Transport)
    connection = transport if ours else _private.tcp_of(transport)
    if connection is None:
        return
    try:
        handle = connection.socket
        handle.setsockopt(_SOCKET, _SO_SNDBUF, SEND_BUFFER)
        handle.setsockopt(_TCP, TCP_NOTSENT_LOWAT, NOT_SENT)
        if not ours:
            handle.setsockopt(_SOCKET, socket.SO_KEEPALIVE, 1)
    except (OSError, AttributeError):
        pass
