"""DNS over UDP: a read descriptor on a bound socket that never keeps the reactor long.

Twisted's own UDP port reads up to 256 KiB of datagrams before anything else runs, which is thousands of queries; this
one reads `BATCH` and returns.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

log = Logger()

BATCH = 64
# Asked for; the kernel gives at most net.core.rmem_max. It covers a pause of the process of some ten milliseconds.
RECEIVE_BUFFER = 4 * 1024 * 1024
# A query over UDP that is longer is cut by the kernel and then malformed.
MAX_QUERY = 4096

Handle = Callable[[bytes, str], bytes | None]


def bind_udp(family: int, address: tuple[Any, ...]) -> socket.socket:
    """A bound, non-blocking socket with a big receive buffer.

    Raises:
        OSError: the address can't be bound.
    """
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        else:
            # IP_MTU_DISCOVER = IP_PMTUDISC_OMIT: a forged ICMP message can't make us send fragments.
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_IP, 10, 5)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


@implementer(IReadDescriptor)
class UdpReader:
    """Reads queries from a socket and sends the replies.

    ``queries`` and ``replies`` count; ``unsent`` are replies that the kernel did not take.
    """

    # See cackled.clock: the reactor need not prefix our log lines.
    own_context = False
    # Datagrams in one turn of the reactor, at most.
    turn = BATCH

    def __init__(self, reactor: IReactorFDSet, sock: socket.socket, handle: Handle) -> None:
        self._reactor = reactor
        self._socket = sock
        self._handle = handle
        self.queries = 0
        self.replies = 0
        self.unsent = 0
        self.receive_buffer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    def start(self) -> None:
        """Begin to answer."""
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Close the socket."""
        self._reactor.removeReader(self)
        self._socket.close()

    def fileno(self) -> int:
        """The descriptor, -1 when closed."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Name in the log."""
        return "dns-udp"

    def connectionLost(self, reason: Failure) -> None:
        """Called by the reactor as it ends."""
        self._socket.close()

    def doRead(self) -> None:
        """Answer what has come, `BATCH` datagrams at most; the reactor comes back for more."""
        receive, send, handle = self._socket.recvfrom, self._socket.sendto, self._handle
        for _ in range(BATCH):
            try:
                data, address = receive(MAX_QUERY)
            except BlockingIOError:
                return
            except OSError:
                # An ICMP error about a reply of ours, told at the next read: nobody is there, nothing to do.
                continue
            self.queries += 1
            # Nobody listens on port 0: such a source is forged.
            reply = handle(data, address[0]) if address[1] else None
            if reply is None:
                continue
            try:
                send(reply, address)
                self.replies += 1
            except OSError:
                self.unsent += 1

    def kernel_drops(self) -> int:
        """Datagrams that the kernel threw away because the receive buffer was full; 0 where it does not tell."""
        try:
            inode = str(os.fstat(self._socket.fileno()).st_ino)
        except OSError:
            return 0
        name = "udp6" if self._socket.family == socket.AF_INET6 else "udp"
        try:
            with open(f"/proc/self/net/{name}", encoding="ascii") as table:
                for line in table:
                    fields = line.split()
                    if len(fields) > 12 and fields[9] == inode:
                        return int(fields[12])
        except (OSError, ValueError):
            pass
        return 0
