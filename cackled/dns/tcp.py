"""DNS over TCP: framed messages through the same `handle`, with deadlines, caps and backpressure; zone transfers.

RFC 7766 (TCP), 5936 (AXFR).
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator

from twisted.internet.interfaces import IAddress, IDelayedCall, IPushProducer, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from .cookies import packed_host
from .edns import FormatError, opt_record
from .packet import Query, parse
from .wire import AA, AXFR, IN, IXFR, QR, RD, Writer, name_text
from .zone import Zone

log = Logger()

# Without a query for so long a connection is closed; a message must be whole this long after its first byte; a client
# that does not read its replies has as long.
IDLE_SECONDS = 10.0
FRAME_SECONDS = 5.0
# Messages answered in one turn of the reactor.
BATCH = 64
# Share of all connections that one address may have.
ADDRESS_SHARE = 4
TRANSFER_MESSAGE = 16_000

Handle = Callable[[bytes, str, bool], bytes | None]


@implementer(IPushProducer)
class DnsTcp(Protocol):
    """One connection. Messages may be pipelined; they are answered in order."""

    def __init__(self, factory: DnsTcpFactory, host: str) -> None:
        self._factory = factory
        self.host = host
        self._buffer = bytearray()
        self._deadline: IDelayedCall | None = None
        self._again: IDelayedCall | None = None
        self._framing = False
        self._paused = False
        # More was read than one turn answers: no more is read until it is.
        self._behind = False
        self._done = False

    def connectionMade(self) -> None:
        """Wait for the first query."""
        self.transport.registerProducer(self, True)  # type: ignore[union-attr]
        self._set_deadline(IDLE_SECONDS)

    def dataReceived(self, data: bytes) -> None:
        """Collect bytes and answer the messages that are whole."""
        if self._done:
            return
        self._buffer += data
        if self._again is None:
            self._work()

    def _work(self) -> None:
        self._again = None
        buffer = self._buffer
        at = count = 0
        while not self._paused and not self._done and len(buffer) - at >= 2:
            size = buffer[at] << 8 | buffer[at + 1]
            if len(buffer) - at - 2 < size:
                break
            if count == BATCH:
                self._again = self._factory.clock.callLater(0, self._work)
                if not self._behind:
                    self._behind = True
                    self.transport.pauseProducing()  # type: ignore[union-attr]
                break
            count += 1
            self._answer(bytes(buffer[at + 2 : at + 2 + size]))
            at += 2 + size
        del buffer[:at]
        if self._done or self._paused:
            return
        if self._behind and self._again is None:
            self._behind = False
            self.transport.resumeProducing()  # type: ignore[union-attr]
        # The deadline of a message runs from its first byte: bytes that trickle in don't move it.
        if count or not buffer:
            self._framing = bool(buffer)
            self._set_deadline(FRAME_SECONDS if buffer else IDLE_SECONDS)
        elif not self._framing:
            self._framing = True
            self._set_deadline(FRAME_SECONDS)

    def _answer(self, message: bytes) -> None:
        factory = self._factory
        factory.queries += 1
        factory.touch(self)
        # Whoever got this far has shown that its address is real.
        factory.prove(self.host)
        transfer = factory.transfer(message, self.host)
        if transfer is not None:
            for part in transfer:
                self._send(part)
            return
        reply = factory.handle(message, self.host, True)
        if reply is None:
            # A response or a scrap: no DNS client sends that.
            self.close()
        else:
            self._send(reply)

    def _send(self, message: bytes) -> None:
        self.transport.write(len(message).to_bytes(2, "big") + message)  # type: ignore[union-attr]

    def _set_deadline(self, seconds: float) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = self._factory.clock.callLater(seconds, self.close)

    def close(self) -> None:
        """Drop the connection at once."""
        self._done = True
        # The place is free at once: `connectionLost` comes a turn later, and others may be accepted before.
        self._factory.lost(self)
        self.transport.abortConnection()  # type: ignore[union-attr]

    def pauseProducing(self) -> None:
        """The client does not read: neither do we. The deadline that runs stays."""
        self._paused = True
        if not self._done:
            self.transport.pauseProducing()  # type: ignore[union-attr]
            self._set_deadline(IDLE_SECONDS)

    def resumeProducing(self) -> None:
        """The client has read its replies."""
        self._paused = False
        if not self._done:
            if not self._behind:
                self.transport.resumeProducing()  # type: ignore[union-attr]
            if self._again is None:
                self._again = self._factory.clock.callLater(0, self._work)

    def stopProducing(self) -> None:
        """The transport is gone; see `connectionLost`."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Let go of timers and the place among the connections."""
        self._done = True
        for call in (self._deadline, self._again):
            if call is not None and call.active():
                call.cancel()
        self._factory.lost(self)


class DnsTcpFactory(Factory):
    """Makes and counts connections.

    Over *limit* connections the one longest without a query gives way to the new one; one address, of IPv6 one /64,
    has at most a quarter of them.

    Args:
        zone: gives the zone, for transfers.
        transfer_to: whether an address may transfer the zone.
        prove: told the addresses of clients.
    """

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        handle: Handle,
        zone: Callable[[], Zone],
        limit: int,
        transfer_to: Callable[[str], bool],
        prove: Callable[[str], None],
    ) -> None:
        self.clock = clock
        self.handle = handle
        self.prove = prove
        self._zone = zone
        self._limit = limit
        self._transfer_to = transfer_to
        self._open: OrderedDict[DnsTcp, None] = OrderedDict()
        self._by_host: Counter[str | bytes] = Counter()
        self.queries = 0
        self.refused = 0
        self.evicted = 0

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    def buildProtocol(self, addr: IAddress | None) -> DnsTcp | None:
        """A protocol for a new connection, or None to close it."""
        host: str = getattr(addr, "host", "")
        if self._by_host[_client(host)] >= max(2, self._limit // ADDRESS_SHARE):
            self.refused += 1
            return None
        if len(self._open) >= self._limit:
            self.evicted += 1
            next(iter(self._open)).close()
        protocol = DnsTcp(self, host)
        self._open[protocol] = None
        self._by_host[_client(host)] += 1
        return protocol

    def touch(self, protocol: DnsTcp) -> None:
        """*protocol* has just asked something."""
        if protocol in self._open:
            self._open.move_to_end(protocol)

    def lost(self, protocol: DnsTcp) -> None:
        """*protocol* is closed."""
        if protocol in self._open:
            del self._open[protocol]
            client = _client(protocol.host)
            self._by_host[client] -= 1
            if not self._by_host[client]:
                del self._by_host[client]

    def close(self) -> None:
        """Close every connection."""
        for protocol in list(self._open):
            protocol.close()

    def transfer(self, message: bytes, host: str) -> Iterator[bytes] | None:
        """The messages of a zone transfer, if *message* asks for one that *host* may have; else None."""
        if len(message) < 12 or message[2] & (QR | 0x78) or not self._transfer_to(host):
            return None
        query = Query()
        try:
            parse(message, query)
        except FormatError:
            return None
        zone = self._zone()
        # An IXFR may be answered with the whole zone (RFC 1995 section 4).
        if query.qtype not in (AXFR, IXFR) or query.qclass != IN or query.name != zone.origin:
            return None
        if query.edns is not None and query.edns.version:
            return None
        log.info("zone {zone} is transferred to {host}", zone=name_text(zone.origin), host=host)
        return _transfer(zone, message, query)


def _client(host: str) -> str | bytes:
    """What shares are counted by: whoever has an IPv6 address has all of its /64."""
    return packed_host(host)[:8] if ":" in host else host


def _transfer(zone: Zone, message: bytes, query: Query) -> Iterator[bytes]:
    records = [*zone.records(), zone.soa]
    opt = opt_record(do=query.edns.do) if query.edns is not None else b""
    at = 0
    while at < len(records):
        writer = Writer(query.name)
        count = 0
        while at < len(records) and (not count or len(writer.out) + len(records[at][3]) < TRANSFER_MESSAGE):
            writer.record(records[at])
            count += 1
            at += 1
        head = bytes((QR | AA | message[2] & RD, 0, 0, 1)) + count.to_bytes(2, "big") + bytes((0, 0, 0, bool(opt)))
        yield message[:2] + head + query.question + bytes(writer.out) + opt


