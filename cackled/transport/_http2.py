"""HTTP/2: each stream is handled by the HTTP/1.1 server, so that every rule and limit exists only once.

A stream's request is written as an HTTP/1.1 request and read by an `HttpConnection` on a transport in memory; its
answer is cut into frames. In addition to h2's own checks: after a connection error nothing more is read and the
connection ends within a second; a window below zero (RFC 9113 section 6.9.2) just waits; floods of resets and of small
frames end the connection.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IPushProducer, ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from cackled.token_bucket import TokenBucket
from cackled.transport import _private
from cackled.transport._client_watchdog import STALL_BYTES
from cackled.transport._connection import PIPELINE_BYTES, HttpConnection
from cackled.transport._ending import GONE, IDLE
from cackled.transport._frames import Cutter

if TYPE_CHECKING:
    from cackled.transport.http import HttpFactory

STREAMS = 32
# Waiting bytes of a stream above which its producer is paused, and of the connection above which frames wait.
PAUSE_BYTES = 65536
AHEAD_BYTES = 128 * 1024
# Seconds for which input is dropped after an error, so that our GOAWAY arrives; then the connection is aborted.
GRACE_SECONDS = 1.0
# Control frames and resets that a client may send at once, and again each second.
BURST, RATE = 400, 50
# A client may send one more for each of these many bytes that it is sent.
WINDOW_BYTES = 512
BUSY = 3

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_BREAK = re.compile(rb"[\0\r\n]")
_DROPPED = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))


@implementer(ITransport, IPushProducer)
class StreamTransport:
    """The transport that the HTTP/1.1 server sees for one stream."""

    def __init__(self, owner: Http2, number: int) -> None:
        self.owner = owner
        self.number = number
        self.protocol: Any = None
        self.producer: Any = None
        self.queue: deque[bytes] = deque()
        self.held = 0
        self.ended = False
        # How the request's body is encoded.
        self.chunked = False
        self._head: bytes | None = b""
        self._chunks: Any = None
        self._paused = False

    def write(self, data: bytes) -> None:
        """Bytes of the answer: its head first."""
        if self.ended:
            return
        while self._head is not None:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._head = b"" if head[9:10] == b"1" else None
            if self._head is None:
                self._begin(head)
        if data and self._chunks is not None:
            self._chunks.dataReceived(data)
        elif data:
            self._body(data)
        self.owner.flush()

    def _begin(self, head: bytes) -> None:
        lines = head.split(b"\r\n")
        fields = [(b":status", lines[0][9:12])]
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            name, value = name.lower(), value.strip()
            if name == b"transfer-encoding":
                self._chunks = _private.ChunkedDecoder(self._body, lambda rest: None)
            if name not in _DROPPED:
                fields.append((name, value))
        self.owner.head(self.number, fields)

    def _body(self, data: bytes) -> None:
        self.queue.append(data)
        self.held += len(data)
        self.owner.count(len(data))
        if self.held > PAUSE_BYTES and self.producer is not None and not self._paused:
            self._paused = True
            self.producer.pauseProducing()

    def taken(self, size: int) -> None:
        """*size* bytes were put into frames."""
        self.held -= size
        self.owner.count(-size)
        if self.held == 0 and self._paused:
            self._paused = False
            if self.producer is not None:
                self.producer.resumeProducing()

    def writeSequence(self, iovec: Any) -> None:
        """As `write`."""
        self.write(b"".join(iovec))

    def loseConnection(self) -> None:
        """The answer is complete."""
        if not self.ended:
            self.ended = True
            self.owner.flush()
            self.owner.factory.clock.callLater(0, self.finish, connectionDone)

    def abortConnection(self) -> None:
        """The answer is aborted."""
        self.owner.reset(self)
        self.owner.factory.clock.callLater(0, self.finish, Failure(ConnectionAborted()))

    def finish(self, reason: Failure) -> None:
        """Tell the protocol once that the connection has ended."""
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            self.ended = True
            protocol.connectionLost(reason)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Register the `HttpConnection` as producer."""
        self.producer = producer

    def unregisterProducer(self) -> None:
        """Remove the producer."""
        self.producer = None

    def pauseProducing(self) -> None:
        """Do nothing: what a client may send ahead is bounded by its window."""

    def resumeProducing(self) -> None:
        """Do nothing (see `pauseProducing`)."""

    def stopProducing(self) -> None:
        """As `loseConnection`."""
        self.loseConnection()

    def getPeer(self) -> Any:
        """The client's address."""
        return self.owner.transport.getPeer()

    def getHost(self) -> Any:
        """Our own address."""
        return self.owner.transport.getHost()


class Http2(Protocol):
    """An HTTP/2 connection. To the factory, which checks and drains it, it looks like an `HttpConnection`."""

    transport: Any

    def __init__(self, factory: HttpFactory, lane: int) -> None:
        self.factory: Any = factory
        self.lane = lane
        self.state = IDLE
        self.deadline = 0.0
        # The listener counts it.
        self.network: str | None = None
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.streams: dict[int, StreamTransport] = {}
        self._turns: deque[int] = deque()
        # Input not yet processed, where its frames end, and whether this connection waits in the factory's queue.
        self._input = b""
        self._cutter = Cutter()
        self._queued = False
        self._blocked = False
        self._ending = False
        self._flushing = False
        now = factory.clock.seconds()
        self._budget = TokenBucket(RATE, BURST, now)
        # For the stall watchdog: total bytes of bodies framed; the value at the last progress, and when that was.
        self._framed = 0
        self._gone = 0
        self._progress = now

    def connectionMade(self) -> None:
        """Send our settings."""
        clock = self.factory.clock
        self.deadline = clock.seconds() + self.factory.settings.idle_timeout
        wanted = {
            SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS,
            SettingCodes.MAX_HEADER_LIST_SIZE: self.factory.settings.head_bytes,
        }
        self.h2.local_settings = Settings(client=False, initial_values=wanted)
        self.h2.initiate_connection()
        self.transport.registerProducer(self, True)
        self.factory.opened(self)
        self._send()

    def dataReceived(self, data: bytes) -> None:
        """Process frames."""
        if self._ending:
            return
        if self._input:
            self._input += data
            if self._queued:
                self._hold()
                return
        else:
            self._input = data
        self._take()

    def _hold(self) -> None:
        """Stop reading while much input waits to be processed."""
        if len(self._input) > PIPELINE_BYTES:
            self.transport.pauseProducing()

    def go_on(self) -> None:
        """Continue: it is this connection's turn again."""
        self._queued = False
        if not self._ending:
            self._take()
            if not self._queued and not self._ending:
                self.transport.resumeProducing()

    def _take(self) -> None:
        """Process a few frames; the rest waits for another turn."""
        end = self._cutter.cut(self._input)
        data, self._input = self._input[:end], self._input[end:]
        self._frames(data)
        if self._input and not self._ending:
            self._queued = True
            self.factory.line.join(self)
            self._hold()

    def _frames(self, data: bytes) -> None:
        before = self.h2.inbound_flow_control_window
        try:
            events = self.h2.receive_data(data)
        except (ProtocolError, ValueError, KeyError, IndexError):
            self._error("protocol")
            return
        cost = 0
        for event in events:
            if isinstance(event, RequestReceived):
                self._request(event)
            elif isinstance(event, DataReceived):
                cost += not event.data and event.stream_ended is None
                self._data(event)
            elif isinstance(event, StreamEnded):
                stream = self.streams.get(event.stream_id)
                if stream is not None and stream.protocol is not None and stream.chunked:
                    stream.protocol.dataReceived(b"0\r\n\r\n")
            elif isinstance(event, StreamReset):
                cost += 1
                self._drop(event.stream_id)
            else:
                cost += 1
        if not events and before == self.h2.inbound_flow_control_window:
            cost += 1
        if cost and not self._afford(cost):
            self.h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            self._error("flood")
            return
        self.flush()

    def _afford(self, cost: int) -> bool:
        return self._budget.charge(self.factory.clock.seconds(), cost)

    def _error(self, why: str) -> None:
        """End the connection: send GOAWAY, drop input, and close soon whatever the client does."""
        self.factory.refused(f"http2-{why}", 400)
        self._ending = True
        self._send()
        self.transport.pauseProducing()
        self.factory.clock.callLater(GRACE_SECONDS, self.transport.abortConnection)
        self._drop_all(Failure(ConnectionDone()))

    # Requests

    def _request(self, event: Any) -> None:
        number = event.stream_id
        raw = self._head(event)
        if raw is None or number in self.streams:
            self.h2.reset_stream(number, ErrorCodes.PROTOCOL_ERROR)
            return
        stream = self.streams[number] = StreamTransport(self, number)
        self._turns.append(number)
        self.state = BUSY
        stream.chunked = b"\r\ntransfer-encoding: chunked\r\n" in raw
        channel = HttpConnection(self.factory, self.transport.getPeer(), None, self.lane)
        stream.protocol = channel
        channel.makeConnection(stream)
        channel.dataReceived(raw)

    @staticmethod
    def _head(event: Any) -> bytes | None:
        """The request as HTTP/1.1; None if it can't be expressed so."""
        pseudo: dict[bytes, bytes] = {}
        lines: list[bytes] = []
        cookies: list[bytes] = []
        length = False
        for name, value in event.headers:
            name, value = bytes(name), bytes(value)
            if _BREAK.search(value):
                return None
            if name.startswith(b":"):
                pseudo[name] = value
            elif not _NAME.fullmatch(name) or name in _DROPPED:
                return None
            elif name == b"cookie":
                cookies.append(value)
            elif name != b"host" or b":authority" not in pseudo or value != pseudo[b":authority"]:
                length = length or name == b"content-length"
                lines.append(name + b": " + value)
        if b":authority" in pseudo:
            lines.append(b"host: " + pseudo[b":authority"])
        if cookies:
            lines.append(b"cookie: " + b"; ".join(cookies))
        if event.stream_ended is None and not length:
            lines.append(b"transfer-encoding: chunked")
        line = pseudo.get(b":method", b"") + b" " + pseudo.get(b":path", b"") + b" HTTP/1.1"
        return b"\r\n".join((line, *lines, b"connection: close", b"", b""))

    def _data(self, event: Any) -> None:
        stream = self.streams.get(event.stream_id)
        if event.flow_controlled_length:
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if stream is not None and stream.protocol is not None and event.data:
            data = event.data
            stream.protocol.dataReceived(b"%x\r\n%b\r\n" % (len(data), data) if stream.chunked else data)

    # Answers

    def count(self, size: int) -> None:
        """*size* bytes more (or fewer) wait in a stream: they count like bytes that wait for the kernel."""
        buffers = self.transport.buffers
        if buffers is not None and self.transport.connected:
            buffers.change(self.transport, size)

    def head(self, number: int, fields: list[tuple[bytes, bytes]]) -> None:
        """Send the head of an answer."""
        try:
            self.h2.send_headers(number, fields)
        except ProtocolError:
            self._drop(number)

    def flush(self) -> None:
        """Frame what may be sent now, stream by stream, and send it."""
        if self._flushing or self.transport is None:
            return
        self._flushing = True
        try:
            idle = 0
            while self._turns and idle < len(self._turns) and not self._blocked:
                number = self._turns[0]
                self._turns.rotate(-1)
                idle = 0 if self._frame(number) else idle + 1
                if self.transport.held > AHEAD_BYTES:
                    break
        finally:
            self._flushing = False
        self._send()

    def _frame(self, number: int) -> bool:
        """Send one frame of stream *number*; returns whether there was something to send and room for it."""
        stream = self.streams.get(number)
        if stream is None:
            self._turns.remove(number)
            return False
        try:
            if stream.queue:
                # May be below zero: the client has shrunk the windows of streams that are open.
                room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
                if room <= 0:
                    return False
                data = stream.queue.popleft()
                if len(data) > room:
                    stream.queue.appendleft(data[room:])
                    data = data[:room]
                self.h2.send_data(number, data)
                stream.taken(len(data))
                self._framed += len(data)
                # A client that downloads sends window updates.
                self._budget.give(len(data) / WINDOW_BYTES)
                self._send()
                return True
            if stream.ended:
                self.h2.end_stream(number)
                self._close(number)
        except ProtocolError:
            self._drop(number)
        return False

    def _send(self) -> None:
        data = self.h2.data_to_send()
        if data:
            self.transport.write(data)

    def reset(self, stream: StreamTransport) -> None:
        """Abort an answer."""
        if self.streams.get(stream.number) is stream:
            try:
                self.h2.reset_stream(stream.number, ErrorCodes.CANCEL)
            except ProtocolError:
                pass
            self._close(stream.number)
            self._send()

    def _close(self, number: int) -> None:
        stream = self.streams.pop(number, None)
        if stream is not None and stream.held:
            self.count(-stream.held)
            stream.held = 0
        if number in self._turns:
            self._turns.remove(number)
        if not self.streams and self.state == BUSY:
            self.state = IDLE
            timeout = 0.0 if self.factory.draining else self.factory.settings.idle_timeout
            self.deadline = self.factory.clock.seconds() + timeout

    def _drop(self, number: int) -> None:
        stream = self.streams.get(number)
        self._close(number)
        if stream is not None:
            # This may happen in the middle of one of its own writes, so it is told afterwards.
            stream.ended = True
            stream.queue.clear()
            self.factory.clock.callLater(0, stream.finish, Failure(ConnectionDone()))

    def _drop_all(self, reason: Failure) -> None:
        for stream in list(self.streams.values()):
            self._close(stream.number)
            stream.finish(reason)

    # Factory and transport interface

    def pauseProducing(self) -> None:
        """The kernel's buffer is full."""
        self._blocked = True

    def resumeProducing(self) -> None:
        """The kernel's buffer has room again."""
        self._blocked = False
        self.flush()

    def stopProducing(self) -> None:
        """The transport has ended."""

    def check(self, now: float) -> None:
        """Enforce the deadlines; called about once a second."""
        waiting = self.transport.held or any(stream.queue for stream in self.streams.values())
        gone = self._framed - self.transport.held
        if not waiting or gone - self._gone >= STALL_BYTES:
            self._gone, self._progress = gone, now
        if waiting:
            if now - self._progress >= self.factory.settings.stall_timeout:
                self.abort("stall")
        elif self.state == IDLE and now >= self.deadline and not self._ending:
            self.factory.cut("idle")
            self._ending = True
            self.h2.close_connection()
            self._send()
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def abort(self, why: str) -> None:
        """Drop the connection."""
        if self.state != GONE:
            self.factory.cut(why)
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End all streams."""
        self.state = GONE
        self._ending = True
        self._drop_all(reason)
        self.factory.closed(self)
