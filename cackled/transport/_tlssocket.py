"""TLS on the socket itself: the standard library's ``ssl`` below the same transport as plain TCP.

One SSL_write and one system call carry a message, where TLS through a memory BIO takes two buffers, three system calls
and twice the memory. Contexts come from `cackled.transport.tls`, which forbids renegotiation in them.
"""

from __future__ import annotations

import os
import socket
from ssl import SSLContext, SSLError, SSLWantReadError, SSLWantWriteError
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import ISSLTransport
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from zope.interface import implementer

from cackled.transport import _private
from cackled.transport._socket import HANDSHAKE, PREFACE, READ_BYTES, TURN_BYTES, Transport

if TYPE_CHECKING:
    from cackled.transport.listener import Listener

# The largest TLS record; OpenSSL makes one system call for each.
RECORD = 16384
# Records read in one turn.
READS = 4
# After our close_notify, up to this many further bytes from the peer are read and dropped.
DROPPED_BYTES = 1 << 20
# Pieces of files on their way from the kernel's memory into records.
_SHARED = memoryview(bytearray(8 * RECORD))


@implementer(ISSLTransport)
class TlsTransport(Transport):
    """A connection that begins with a handshake, on the context that the listener has then."""

    __slots__ = ("_broken", "_dropped", "tls")

    def __init__(
        self, sock: socket.socket, peer: tuple[Any, ...], listener: Listener | None, reactor: Any,
    ) -> None:  # fmt: skip
        super().__init__(sock, peer, listener, reactor)
        self.secure = True
        self.stage = HANDSHAKE
        self.tls: Any = None
        # After an error of the protocol nothing may be said any more, not even goodbye.
        self._broken = False
        self._dropped = 0

    def attach(self, context: SSLContext) -> None:
        """Begin the handshake on *context*."""
        self.socket, self.tls = _private.tls_on(context, self.socket, self)

    def switch(self, context: SSLContext) -> None:
        """Go on with another certificate: for the SNI callback."""
        self.tls.context = context

    def protocol_agreed(self) -> str | None:
        """What ALPN agreed on."""
        return None if self.tls is None else self.tls.selected_alpn_protocol()

    # In

    def _advance(self) -> Any:
        if self.stage == PREFACE:
            return super()._advance()
        assert self.listener is not None
        try:
            if self.tls is None:
                self.attach(self.listener.context())
            self.tls.do_handshake()
        except SSLWantReadError:
            self.stopWriting()
            return None
        except SSLWantWriteError:
            self.startWriting()
            return None
        except (OSError, ValueError) as error:
            self._broken = True
            self.listener.failed(self, error)
            return CONNECTION_LOST
        self.stopWriting()
        return self.opened()

    def doRead(self) -> Any:
        """As for plain TCP; some records in one turn."""
        if self.stage:
            return self._advance()
        if self._half == 2:
            return self._drop()
        for _ in range(READS):
            try:
                data = self.tls.read(RECORD)
            except SSLWantReadError:
                return None
            except SSLWantWriteError:
                # An answer to a change of keys is due: it is given by the next write or read.
                self.startWriting()
                return None
            except OSError:
                self._broken = True
                return CONNECTION_LOST
            if not data:
                return CONNECTION_DONE
            why = self._received(data)
            if why is not None or len(data) < RECORD or not self._reading or self.stage:
                return why
        return None

    def _drop(self) -> Any:
        """Read what still comes after our goodbye, lest a reset overtake our last words; it is not for the protocol."""
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        self._dropped += len(data)
        return CONNECTION_DONE if not data or self._dropped > DROPPED_BYTES else None

    # Out

    def push(self, data: bytes) -> int:
        """As for plain TCP: one record and one system call for what is no longer than a record."""
        if self._out is None:
            if not self.connected or self.disconnecting or self._half or self.stage or self._broken:
                return -1
            size = len(data)
            try:
                if size <= RECORD:
                    self.tls.write(data)
                    return 0
                sent = self._some(data, 0)
            except (SSLWantWriteError, SSLWantReadError):
                sent = 0
            except OSError:
                self._broken = True
                return -1
            if sent == size:
                return 0
            data = data[sent:]
        return self._keep(data)

    def _some(self, data: bytes, offset: int) -> int:
        # What SSL_write did not finish must come again, the same bytes and no fewer: nothing that waits is ever
        # dropped or reordered, so it does.
        view = memoryview(data)
        sent, end = 0, min(len(data), offset + TURN_BYTES)
        write = self.tls.write
        try:
            while offset + sent < end:
                sent += write(view[offset + sent : offset + sent + RECORD])
        except (SSLWantWriteError, SSLWantReadError):
            pass
        except OSError:
            self._broken = True
            raise
        return sent

    def _some_of_file(self, descriptor: int, start: int, size: int) -> int:
        """As for plain TCP, through a buffer that all connections share: what the kernel does not take is not kept."""
        sent = 0
        write = self.tls.write
        while sent < size:
            try:
                got = os.preadv(descriptor, [_SHARED[: size - sent]], start + sent)
            except OSError:
                raise EOFError("a file can't be read") from None
            if got == 0:
                raise EOFError("a file is shorter than it was")
            try:
                # A record that was not taken comes again, as long as it was: pieces begin where the last one ended.
                for place in range(0, got, RECORD):
                    sent += write(_SHARED[place : min(place + RECORD, got)])
            except (SSLWantWriteError, SSLWantReadError):
                break
            except OSError:
                self._broken = True
                raise
        return sent

    # The end

    def _goodbye(self) -> bool:
        """Send close_notify; False when the kernel is full."""
        if self._broken or self.tls is None or self.stage:
            return True
        try:
            _private.close_notify(self.tls)
        except SSLWantWriteError:
            return False
        except OSError:
            pass  # sent, and the peer has not answered yet: it need not (RFC 8446 section 6.1)
        return True

    def _end(self) -> Any:
        if self._goodbye():
            self._broken = True
            return CONNECTION_DONE
        self.startWriting()
        return None

    def _end_output(self) -> Any:
        if not self._goodbye():
            self._half = 1
            self.startWriting()
            return None
        return super()._end_output()

    def connectionLost(self, reason: Any) -> None:
        """As for plain TCP; a peer that said goodbye is answered."""
        if self.socket is not None and not self._aborting and self._half != 2:
            self._goodbye()
        self._broken = True
        super().connectionLost(reason)
        self.tls = None

    # ISSLTransport

    def getPeerCertificate(self) -> None:
        """Clients are not asked for certificates."""


def handshake_failure(error: Exception) -> str:
    """Why a handshake failed, as a short word for the metrics."""
    if isinstance(error, SSLError):
        return (error.reason or "eof").lower()
    return "connection"
