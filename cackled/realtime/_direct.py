"""Sending on the socket itself: the one module of realtime that knows what kinds of transport there are.

Transports of our own listeners, plain and TLS, have `push` for it; what is done about Twisted's TCP transport is in
`cackled.transport._private`, which checks at start whether it can be. ``transport.write`` costs one `send` and two
`epoll_ctl`; a direct send costs the one `send`.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import tcp

from cackled.transport import _private
from cackled.transport._socket import Transport

# The kernel holds at most so much per client (it doubles the figure for its own books), of which so much unsent.
SEND_BUFFER = 64 * 1024
NOT_SENT = 32 * 1024
TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)
# As plain numbers: an enumeration's member costs as much as the call.
_SOCKET, _TCP, _SO_SNDBUF = int(socket.SOL_SOCKET), int(socket.IPPROTO_TCP), int(socket.SO_SNDBUF)

_SUPPORTED: list[bool] = []


def _supported() -> bool:
    if not _SUPPORTED:
        _SUPPORTED.append(_private.supported())
    return _SUPPORTED[0]


def usable(transport: Any) -> bool:
    """Whether `send` may be used on *transport*: plain TCP, no producer, and Twisted as we know it."""
    if isinstance(transport, Transport):
        return True
    return (
        _supported()
        and isinstance(transport, tcp.Connection)
        and not getattr(transport, "TLS", False)
        and transport.producer is None
    )


def own(transport: Any) -> bool:
    """Whether *transport* is of our listeners: then its ``push`` is as good as `send`, and one call less."""
    return isinstance(transport, Transport)


def send(transport: Any, data: bytes) -> int:
    """Put *data* on the wire, or behind what waits to go there.

    Returns the bytes that *transport* holds afterwards (0: the kernel has it all), or -1 where the connection is dead.
    Only for a transport that is `usable` and connected.
    """
    if isinstance(transport, Transport):
        return transport.push(data)
    return _private.push(transport, data)


def held(transport: Any) -> int:
    """Bytes that *transport* (TCP, or TLS over it) still holds for the kernel; 0 where that can't be known."""
    if isinstance(transport, Transport):
        return transport.held
    connection = _private.tcp_of(transport)
    if connection is None or not _supported():
        return 0
    return _private.unsent(connection) + _private.unsent_tls(transport)


def tune(transport: Any) -> None:
    """Bound what the kernel holds for a client that does not read, and let it look for dead peers (RFC 9293 3.8.4).

    The sockets of our own listeners are looked after from their acceptance.
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
