"""Connections of our own listeners without a reactor: socket pairs, a fake reactor on a clock, a TLS client."""

from __future__ import annotations

import select
import socket
import ssl
from functools import partial
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from cackled.transport._socket import Transport
from cackled.transport.http import HttpFactory
from cackled.transport.listener import Listener


class Reactor(Clock):
    """A clock that also keeps descriptors, and serves those that are ready when told to (`turn`)."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()

    def addReader(self, reader: Any) -> None:
        self.readers.add(reader)

    def addWriter(self, writer: Any) -> None:
        self.writers.add(writer)

    def removeReader(self, reader: Any) -> None:
        self.readers.discard(reader)

    def removeWriter(self, writer: Any) -> None:
        self.writers.discard(writer)

    def _ready(self) -> tuple[set[Any], set[Any]]:
        """Who can be read and who can be written; not by select, which knows descriptors below 1,024 only."""
        poll, by_number = select.poll(), {}
        for one in {*self.readers, *self.writers}:
            wanted = (select.POLLIN if one in self.readers else 0) | (select.POLLOUT if one in self.writers else 0)
            by_number[one.fileno()] = one
            poll.register(one.fileno(), wanted)
        reads, writes = set(), set()
        gone = select.POLLHUP | select.POLLERR
        for number, what in poll.poll(0):
            one = by_number[number]
            if one in self.readers and what & (select.POLLIN | gone):
                reads.add(one)
            if one in self.writers and what & (select.POLLOUT | gone):
                writes.add(one)
        return reads, writes

    def turn(self, turns: int = 1) -> None:
        """Do what an epoll reactor does with whatever is ready, *turns* times; no time passes."""
        from twisted.internet.error import ConnectionDone, ConnectionLost
        from twisted.python.failure import Failure

        for _ in range(turns):
            self.advance(0)
            if not self.readers and not self.writers:
                continue
            reads, writes = self._ready()
            for one in {*reads, *writes}:
                why = one.doRead() if one in reads else None
                if why is None and one in writes and one in self.writers:
                    why = one.doWrite()
                if why is not None:
                    self.readers.discard(one)
                    self.writers.discard(one)
                    assert isinstance(why, (ConnectionDone, ConnectionLost)), why
                    one.connectionLost(Failure(why))


def client_context(**more: Any) -> ssl.SSLContext:
    """A client that believes every certificate: it is the server that is tested."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in more.items():
        setattr(context, name, value)
    return context


class Peer:
    """The client's end of a connection to *listener*, whose reactor is turned while it waits."""

    def __init__(self, listener: Listener, context: ssl.SSLContext | None = None, **more: Any) -> None:
        self.reactor: Any = listener.reactor
        self.socket: Any = socket.create_connection((listener.getHost().host, listener.getHost().port))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reactor.turn()
        self._context, self._more = context, more

    def until(self, call: Any) -> Any:
        """Call until it does not want to wait."""
        for _ in range(2000):
            try:
                return call()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                self.reactor.turn()
        raise AssertionError("nothing comes")

    def handshake(self) -> Peer:
        """Begin TLS, to the end of the handshake on both sides."""
        assert self._context is not None
        self.socket = self._context.wrap_socket(self.socket, do_handshake_on_connect=False, **self._more)
        self.until(self.socket.do_handshake)
        self.reactor.turn(3)
        return self

    def send(self, data: bytes) -> None:
        """Send, and let the server read it."""
        done = 0
        while done < len(data):
            done += self.until(partial(self.socket.send, data[done : done + 16384]))
        self.reactor.turn(3)

    def read(self, size: int) -> bytes:
        """At least so many bytes; fewer only at the end of the connection."""
        data = b""
        while len(data) < size:
            more = self.until(lambda: self.socket.recv(65536))
            if not more:
                break
            data += more
        return data

    def rest(self) -> bytes:
        """Everything up to the end."""
        return self.read(1 << 40)

    def waiting(self) -> bytes:
        """What is there now."""
        data = b""
        try:
            while more := self.socket.recv(65536):
                data += more
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
        return data

    def close(self) -> None:
        self.socket.close()
        self.reactor.turn(2)


class Pair(Transport):
    """Over a socket pair, whose ends have no addresses."""

    __slots__ = ()

    def getHost(self) -> Any:
        return IPv4Address("TCP", "127.0.0.1", 80)


class Visit:
    """A connection on a socket pair to *factory*; the other end is the test's."""

    def __init__(self, factory: HttpFactory, host: str = "127.0.0.1") -> None:
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        self.theirs.setblocking(False)
        self.reactor = Reactor()
        self.factory = factory
        self.ended = False
        self.transport = Pair(ours, (host, 5000), None, self.reactor)
        self.transport.protocol = factory.build(self.transport)
        self.transport.protocol.makeConnection(self.transport)
        self.transport.begin()

    @property
    def protocol(self) -> Any:
        """Whoever is the protocol now."""
        return self.transport.protocol

    def send(self, data: bytes) -> Visit:
        """Let *data* arrive."""
        self.theirs.sendall(data)
        self.reactor.turn()
        return self

    def read(self) -> bytes:
        """All that comes."""
        data, idle = b"", 0
        while not self.ended and idle < 3:
            try:
                some = self.theirs.recv(1 << 20)
            except BlockingIOError:
                self.reactor.turn()
                if len(self.factory.line):
                    self.factory.clock.advance(0)  # type: ignore[attr-defined]
                    continue
                idle += not self.transport.held
                continue
            self.ended = not some
            data += some
        self.reactor.turn()
        return data

    def close(self) -> None:
        self.theirs.close()
        self.reactor.turn(2)
