"""A connection of a public listener: Twisted's transport interfaces over a socket, in a small object of our own.

Two things differ from ``twisted.internet.tcp``: what is written goes to the kernel at once where nothing waits before
it (`push`: one system call, where Twisted's ``write`` takes three and another turn of the reactor), and the object is
slotted. Protocols see no difference; their ``connectionLost`` is never called from within a call of theirs.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from errno import EIO
from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IConsumer, IPushProducer, IReadWriteDescriptor, ISystemHandle, ITCPTransport
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

if TYPE_CHECKING:
    from cackled.transport._buffers import Buffers
    from cackled.transport.listener import Listener

READ_BYTES = 65536
# A producer is paused while more than this many bytes wait.
PRODUCER_BYTES = 65536
# Bytes given to the kernel in one reactor turn, at most.
TURN_BYTES = 256 * 1024
# Pieces smaller than this are joined before they are sent.
JOIN_BYTES = 16 * 1024
_RESET = b"\1\0\0\0\0\0\0\0"  # struct linger: on, 0 seconds

# Stages: what has to happen before the protocol may speak.
OPEN, PREFACE, HANDSHAKE = range(3)


@implementer(IReadWriteDescriptor, ITCPTransport, IConsumer, IPushProducer, ISystemHandle)
class Transport:
    """Plain TCP.

    - *listener*: where it was accepted; told of the opening and the end. *network*: what it is counted under there.
    - *peer*: the client's address as ``accept`` gave it, or as a PROXY header told.
    """

    __slots__ = (
        "__weakref__", "_aborting", "_begun", "_ending", "_half", "_inside", "_offset", "_out", "_paused", "_reading",
        "_streaming", "_writing", "buffers", "connected", "disconnecting", "file_left", "held", "listener", "network",
        "peer", "producer", "protocol", "reactor", "secure", "socket", "stage",
    )  # fmt: skip
    disconnected = 0
    # See cackled.clock: the reactor need not prefix our log lines.
    own_context = False
    leaves_by_itself = True

    def __init__(self, sock: socket.socket, peer: tuple[Any, ...], listener: Listener | None, reactor: Any) -> None:
        self.socket: Any = sock
        self.peer = peer
        self.listener = listener
        self.network: str | None = None
        self.reactor = reactor
        self.protocol: Any = None
        self.producer: Any = None
        self.connected = True
        self.disconnecting = False
        # Whether the client speaks TLS, to us or to the proxy before us.
        self.secure = False
        self.stage = OPEN
        # Bytes that wait for the kernel, and how many of the first piece it has.
        self._out: list[bytes] | None = None
        self._offset = self.held = 0
        # Bytes of files that `send_file` will be given: they wait for the client, though not in memory.
        self.file_left = 0
        # Who bounds what waits for all clients together.
        self.buffers: Buffers | None = None
        self._streaming = self._paused = False
        self._reading = self._writing = False
        # Whether doRead is running: then the end can be reported by its return value.
        self._inside = False
        self._ending = self._aborting = False
        # Half-closing: 1 asked for, 2 done.
        self._half = 0
        # Whether `begin` is over: until then the reactor does not know of us.
        self._begun = False

    # Reactor interface

    def fileno(self) -> int:
        """The descriptor, -1 once closed."""
        return self.socket.fileno() if self.socket is not None else -1

    def logPrefix(self) -> str:
        """The prefix of log lines."""
        return "-"

    def begin(self) -> None:
        """Read what has come already, and wait for more."""
        self._reading = True
        why: Any = self.doRead()
        if why is not None:
            self.connectionLost(connectionDone if why is CONNECTION_DONE else Failure(why))
            return
        self._begun = True
        if self._reading:
            self.reactor.addReader(self)
        if self._writing:
            self.reactor.addWriter(self)

    def doRead(self) -> Any:
        """Give the protocol what has come."""
        if self.stage:
            return self._advance()
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        return self._received(data)

    def _received(self, data: bytes) -> Any:
        if self._aborting or self._ending:
            return None
        self._inside = True
        try:
            self.protocol.dataReceived(data)
        finally:
            self._inside = False
        if self._ending:
            return self._end()
        return None

    def _advance(self) -> Any:
        """Do what is left to do before the protocol may speak; returns as `doRead`."""
        if self.stage == PREFACE:
            assert self.listener is not None
            why = self.listener.preface(self)
            if why is not None or self.stage == PREFACE:
                return why
            if self.stage:
                return self._advance()
            return self.opened()
        return self.opened()

    def opened(self) -> Any:
        """The connection is ready: start the protocol, and read on."""
        self.stage = OPEN
        assert self.listener is not None
        if not self.listener.opened(self):
            return CONNECTION_DONE
        return self.doRead() if self.connected and not self.disconnecting and self._reading else None

    def doWrite(self) -> Any:
        """Send what waits; then resume the producer, close, or wait for nothing."""
        if self.stage:
            return self._advance()
        out = self._out
        if out is not None:
            before = self.held
            why = self._send_some(out)
            if self.buffers is not None:
                self.buffers.change(self, self.held - before)
            if why is not None or out:
                return why
            self._out = None
        if self.producer is not None and (not self._streaming or self._paused):
            if self._streaming:
                self.stopWriting()
            self._paused = False
            self.producer.resumeProducing()
            return None
        self.stopWriting()
        if self.producer is None:
            if self.disconnecting:
                return self._end()
            if self._half == 1:
                self._half = 2
                return self._end_output()
        return None

    def _send_some(self, out: list[bytes]) -> Any:
        """Send as much of what waits as the kernel takes, and a turn allows."""
        left = TURN_BYTES
        while out and left > 0:
            if len(out) > 1 and len(out[0]) - self._offset < JOIN_BYTES:
                self._join(out)
            data = out[0]
            try:
                sent = self._some(data, self._offset)
            except OSError:
                return CONNECTION_LOST
            self.held -= sent
            left -= sent
            self._offset += sent
            if self._offset < len(data):
                if sent == 0 or left > 0:
                    break
                return None
            del out[0]
            self._offset = 0
        return None

    def _join(self, out: list[bytes]) -> None:
        """Join the waiting pieces into one, up to a bound."""
        size, count = -self._offset, 0
        for piece in out:
            size += len(piece)
            count += 1
            if size >= TURN_BYTES:
                break
        first = out[0][self._offset :] if self._offset else out[0]
        out[:count] = [b"".join((first, *out[1:count]))]
        self._offset = 0

    def _some(self, data: bytes, offset: int) -> int:
        """Send what the kernel takes of *data*; returns 0 if it is full. Raises OSError if the connection is dead."""
        try:
            if offset or len(data) > TURN_BYTES:
                return int(self.socket.send(memoryview(data)[offset : offset + TURN_BYTES]))
            return int(self.socket.send(data))
        except BlockingIOError:
            return 0

    def _end(self) -> Any:
        """Close, now that everything is sent."""
        return CONNECTION_DONE

    def _end_output(self) -> Any:
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            return CONNECTION_LOST
        return None

    def connectionLost(self, reason: Failure) -> None:
        """Close, and tell the protocol and the listener; once."""
        sock = self.socket
        if sock is None:
            return
        self.connected = False
        if self._begun:
            if self._reading:
                self.reactor.removeReader(self)
            if self._writing:
                self.reactor.removeWriter(self)
        self.socket = None
        self._reading = self._writing = False
        if self.producer is not None:
            producer, self.producer = self.producer, None
            producer.stopProducing()
        self._forget_waiting()
        if self._aborting:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            except OSError:
                pass
        sock.close()
        protocol, self.protocol = self.protocol, None
        listener, self.listener = self.listener, None
        try:
            if protocol is not None:
                protocol.connectionLost(reason)
        finally:
            if listener is not None:
                listener.lost(self)

    # Out

    def push(self, data: bytes) -> int:
        """Send *data*, or keep what the kernel does not take behind what waits already.

        Returns the bytes kept now (0: the kernel has it all), or -1 where the connection is dead or ending.
        """
        if self._out is None:
            if not self.connected or self.disconnecting or self._half or self.stage:
                return -1
            try:
                sent = self.socket.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                return -1
            if sent == len(data):
                return 0
            data = data[sent:]
        return self._keep(data)

    def _keep(self, data: bytes) -> int:
        if self.disconnecting or self._half:
            return -1
        if self._out is None:
            self._out = [data]
            self.startWriting()
        else:
            self._out.append(data)
        self.held += len(data)
        if self.buffers is not None:
            self.buffers.change(self, len(data))
            if self._aborting:
                return -1
        if self.held > PRODUCER_BYTES and self.producer is not None and self._streaming and not self._paused:
            self._paused = True
            self.producer.pauseProducing()
        return self.held

    def send_file(self, descriptor: int, start: int, size: int) -> int:
        """Give the kernel bytes of a file, as many as it takes at once and a turn allows.

        Returns how many, or -1 where the connection is dead or ending. Unless it took all of them, the producer is
        paused, and resumed in a later turn, when the kernel has room.

        Raises:
            EOFError: the file ends before *start*, or can't be read.
        """
        sent = self.send_at_once(descriptor, start, size)
        full = 0 <= sent < size or sent >= TURN_BYTES
        if full and self.producer is not None and not self._paused:
            self._paused = True
            self.producer.pauseProducing()
            self.startWriting()
        return sent

    def send_at_once(self, descriptor: int, start: int, size: int) -> int:
        """As `send_file`, and nobody is paused."""
        if not self.connected or self.disconnecting or self._half or self.stage:
            return -1
        try:
            return 0 if self._out is not None else self._some_of_file(descriptor, start, min(size, TURN_BYTES))
        except OSError:
            return -1

    def _some_of_file(self, descriptor: int, start: int, size: int) -> int:
        """Send what the kernel takes of a file; 0 if it is full. Raises OSError if the connection is dead."""
        try:
            sent = os.sendfile(self.socket.fileno(), descriptor, start, size)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno != EIO:
                raise
            sent = 0
        if sent == 0:
            raise EOFError("a file is shorter than it was, or can't be read")
        return sent

    def write(self, data: bytes) -> None:
        """As `push`; an error is found by the reactor."""
        if data:
            self.push(data)

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """As `write`."""
        self.write(b"".join(iovec))

    # The end

    def loseConnection(self, reason: object = None) -> None:
        """Close when everything is sent and no producer is left."""
        if not self.connected or self.disconnecting:
            return
        self.disconnecting = True
        if self.stage:
            self.abortConnection()
        elif self._inside and self._out is None and self.producer is None:
            self._ending = True
        else:
            self.stopReading()
            self.startWriting()

    def loseWriteConnection(self) -> None:
        """Tell the peer that nothing more comes, when everything is sent; reading goes on."""
        if self.connected and not self._half:
            self._half = 1
            self.startWriting()

    def abortConnection(self) -> None:
        """Close at once, unsent bytes are lost; the protocol hears of it in the next turn."""
        if not self.connected or self._aborting:
            return
        self._aborting = True
        self.disconnecting = True
        self._forget_waiting()
        self.stopReading()
        self.stopWriting()
        self.reactor.callLater(0, self.connectionLost, Failure(ConnectionAborted()))

    def cut_off(self) -> None:
        """As `abortConnection`; called when too many bytes wait for it."""
        self.abortConnection()

    def _forget_waiting(self) -> None:
        """Discard the bytes that wait."""
        self._out = None
        self.held = 0
        if self.buffers is not None:
            self.buffers.forget(self)

    def doing(self) -> str:
        """A description of whose connection it is."""
        return f"{type(self.protocol).__name__} from {self.peer[0]}"

    # Reading and writing

    def startReading(self) -> None:
        """Start watching for input."""
        if not self._reading:
            self._reading = True
            if self._begun:
                self.reactor.addReader(self)

    def stopReading(self) -> None:
        """Stop watching for input."""
        if self._reading:
            self._reading = False
            if self._begun:
                self.reactor.removeReader(self)

    def startWriting(self) -> None:
        """Start watching for writability."""
        if not self._writing:
            self._writing = True
            if self._begun:
                self.reactor.addWriter(self)

    def stopWriting(self) -> None:
        """Stop watching for writability."""
        if self._writing:
            self._writing = False
            if self._begun:
                self.reactor.removeWriter(self)

    def pauseProducing(self) -> None:
        """Read no more for now."""
        self.stopReading()

    def resumeProducing(self) -> None:
        """Read again."""
        if self.connected and not self.disconnecting:
            self.startReading()

    def stopProducing(self) -> None:
        """As `loseConnection`."""
        self.loseConnection()

    # Producers

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Pause *producer* while many bytes wait; a pull producer (not *streaming*) is asked whenever none do."""
        if self.producer is not None:
            raise RuntimeError("another producer is registered")
        if not self.connected:
            producer.stopProducing()
            return
        self.producer, self._streaming, self._paused = producer, streaming, False
        if not streaming:
            self.startWriting()

    def unregisterProducer(self) -> None:
        """Remove the producer."""
        self.producer = None
        if self.connected and (self.disconnecting or self._half == 1):
            self.startWriting()

    # Information

    def getPeer(self) -> IPv4Address | IPv6Address:
        """The client's address."""
        return _address(self.peer)

    def getHost(self) -> IPv4Address | IPv6Address:
        """Our own address."""
        return _address(self.socket.getsockname())

    def getHandle(self) -> Any:
        """The socket."""
        return self.socket

    def getTcpNoDelay(self) -> bool:
        """Whether small writes go out at once."""
        return bool(self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Small writes always go out at once: listeners have set it."""

    def getTcpKeepAlive(self) -> bool:
        """Whether the kernel looks for dead peers."""
        return bool(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Let the kernel look for dead peers."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, enabled)


def _address(pair: tuple[Any, ...]) -> IPv4Address | IPv6Address:
    return IPv6Address("TCP", *pair) if ":" in pair[0] else IPv4Address("TCP", *pair[:2])
