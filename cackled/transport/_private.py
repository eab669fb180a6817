"""The private names of Twisted and of the standard library that the hot path reads, all in one place.

``tests/transport/test_private.py`` pins them; `supported` and `lean_tls` check them at start, and where the answer is
no the public ways are taken.
"""

from __future__ import annotations

import _socket
import fcntl
import socket
import ssl
import struct
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet import tcp
from twisted.internet.protocol import Protocol
from twisted.web import http_headers, resource
from twisted.web.http import _ChunkedTransferDecoder, _MalformedChunkedDataError
from twisted.web.http_headers import Headers

ChunkedDecoder = _ChunkedTransferDecoder
MalformedChunk = _MalformedChunkedDataError


def trailers(decoder: Any) -> list[bytes]:
    """The lines that a `ChunkedDecoder` found behind the last chunk."""
    return getattr(decoder, "_trailerHeaders", [])


# The type of the resource that Resource.getChild returns when there is no child.
ErrorPage: Any = getattr(resource, "_UnsafeErrorPageBase", None)


def _add_headers(headers: Headers, fields: Iterable[tuple[bytes, bytes]]) -> None:
    for name, value in fields:
        headers.addRawHeader(name, value)


def _fill_headers(headers: Any, fields: Iterable[tuple[bytes, bytes]]) -> None:
    # What addRawHeader does, for values that hold no line end.
    raw = headers._rawHeaders
    known, encode = _NAMES._canonicalHeaderCache.get, _NAMES.encode
    for name, value in fields:
        canonical = known(name) or encode(name)
        if canonical in raw:
            raw[canonical].append(value)
        else:
            raw[canonical] = [value]


def lean_headers() -> bool:
    """Whether Twisted keeps the headers of a request where `_fill_headers` puts them."""
    try:
        ours, theirs = Headers(), Headers()
        fields = [(b"x-one", b"1"), (b"ETAG", b"2"), (b"X-One", b"3")]
        _fill_headers(ours, fields)
        _add_headers(theirs, fields)
        return list(ours.getAllRawHeaders()) == list(theirs.getAllRawHeaders())
    except Exception:
        return False


_NAMES: Any = getattr(http_headers, "_nameEncoder", None)
# Adds parsed fields, whose values hold no line ends, to empty headers; half of the time that Twisted takes.
add_headers = _fill_headers if lean_headers() else _add_headers


class _NoReactor:
    """Takes a descriptor's registrations and does nothing."""

    def addReader(self, reader: object) -> None: ...

    def addWriter(self, writer: object) -> None: ...

    def removeReader(self, reader: object) -> None: ...

    def removeWriter(self, writer: object) -> None: ...


def supported() -> bool:
    """Whether TCP transports still keep unsent bytes where the direct send looks for them."""
    ours, theirs = socket.socketpair()
    try:
        transport: Any = tcp.Connection(ours, Protocol(), _NoReactor())  # type: ignore[arg-type]
        transport.connected = 1
        if transport.dataBuffer != b"" or transport._tempDataBuffer != [] or transport.offset != 0:
            return False
        transport.write(b"12345")
        if transport._tempDataBuffer != [b"12345"] or transport._tempDataLen != 5:
            return False
        transport.doWrite()
        return transport.dataBuffer == b"" and transport._tempDataBuffer == [] and theirs.recv(9) == b"12345"
    except Exception:
        return False
    finally:
        ours.close()
        theirs.close()


def tcp_of(transport: Any) -> Any:
    """The TCP connection under *transport* (itself, or below TLS), or None where there is none."""
    for _ in range(3):
        if isinstance(transport, tcp.Connection):
            return transport
        transport = getattr(transport, "transport", None)
    return None


def push(connection: Any, data: bytes) -> int:
    """Give *data* to the kernel if nothing waits before it in a `tcp.Connection`, else let it wait.

    Returns the bytes that wait now, or -1 where the connection is dead.
    """
    if not connection._tempDataBuffer and not connection.dataBuffer:
        try:
            sent = connection.socket.send(data)
        except BlockingIOError:
            sent = 0
        except (OSError, AttributeError):
            return -1
        if sent == len(data):
            return 0
        data = data[sent:]
    connection.write(data)
    return unsent(connection)


def unsent(connection: Any) -> int:
    """Bytes that a `tcp.Connection` still holds for the kernel."""
    return len(connection.dataBuffer) - connection.offset + connection._tempDataLen


def idle_for_writing(connection: Any) -> bool:
    """Whether bytes given to the socket now would go out in their turn."""
    return (
        connection.connected
        and not connection._tempDataBuffer
        and not connection.dataBuffer
        and not connection.disconnecting
    )


def unsent_tls(transport: Any) -> int:
    """Bytes (or at least their being there) that a TLS transport holds above TCP; 0 for others."""
    held = getattr(transport, "_appSendBuffer", None)
    if held:
        return sum(map(len, held))
    return 0


# linux/sockios.h; the same number is TIOCOUTQ elsewhere.
_SIOCOUTQ = 0x5411


def unacknowledged(sock: socket.socket) -> int:
    """Bytes that the kernel holds because the peer has not taken them; 0 where that can't be known."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(sock, _SIOCOUTQ, b"\0\0\0\0"))[0])
    except (OSError, ValueError):
        return 0


def _c_wrap(context: ssl.SSLContext, sock: socket.socket, owner: Any) -> tuple[Any, Any]:
    # What SSLContext.wrap_socket makes an SSLSocket around, without that: half a KB and some system calls less.
    return sock, context._wrap_socket(sock, True, None, owner=owner)  # type: ignore[attr-defined]


def _public_wrap(context: ssl.SSLContext, sock: socket.socket, owner: Any) -> tuple[Any, Any]:
    wrapped = context.wrap_socket(
        sock, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=False
    )
    return wrapped, wrapped


def lean_tls() -> bool:
    """Whether ``SSLContext._wrap_socket`` and what it makes are as we know them."""
    ours, theirs = socket.socketpair()
    try:
        ours.setblocking(False)
        _, tls = _c_wrap(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ours, None)
        names = ("read", "write", "do_handshake", "shutdown", "selected_alpn_protocol", "context", "session_reused")
        if not all(hasattr(tls, name) for name in names):
            return False
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return True
    except Exception:
        return False
    finally:
        ours.close()
        theirs.close()
    return False


class _LeanSocket(_socket.socket):
    """A socket without what the standard library puts around it; ``ssl`` refers to it weakly."""

    __slots__ = ("__weakref__",)


_SOCKET_NAMES = (
    "recv", "send", "close", "shutdown", "setblocking", "setsockopt", "getsockopt", "getsockname", "fileno",
)  # fmt: skip


def lean_sockets() -> bool:
    """Whether the class below ``socket.socket``, and what makes its accept, are as we know them."""
    if not hasattr(socket.socket, "_accept") or not all(hasattr(_LeanSocket, name) for name in _SOCKET_NAMES):
        return False
    ours, theirs = socket.socketpair()
    try:
        lean = _LeanSocket(int(ours.family), int(ours.type), ours.proto, ours.detach())
        lean.setblocking(False)
        theirs.send(b"1")
        works = lean.recv(9) == b"1" and lean.send(b"2") == 1 and theirs.recv(9) == b"2"
        lean.close()
        return works
    except Exception:
        return False
    finally:
        ours.close()
        theirs.close()


def accepting(listening: socket.socket) -> Callable[[], tuple[Any, tuple[Any, ...]]]:
    """``listening.accept``, or the same without the Python object around the socket: half the time, less memory."""
    if not (_LEAN_SOCKETS and _LEAN):
        return listening.accept
    take, make = listening._accept, _LeanSocket  # type: ignore[attr-defined]
    family, kind, proto = int(listening.family), int(listening.type), listening.proto

    def accept() -> tuple[Any, tuple[Any, ...]]:
        descriptor, peer = take()
        return make(family, kind, proto, descriptor), peer

    return accept


_LEAN = lean_tls()
_LEAN_SOCKETS = lean_sockets()
# (context, non-blocking socket, whom the SNI callback is given) -> (socket, TLS object), server side.
tls_on = _c_wrap if _LEAN else _public_wrap


def close_notify(tls: Any) -> None:
    """Say goodbye on what `tls_on` made; SSLWantReadError is as good as a success."""
    if isinstance(tls, ssl.SSLSocket):
        tls.unwrap()
    else:
        tls.shutdown()
