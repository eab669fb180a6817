"""One HTTP/1.1 connection: turns bytes into requests and enforces every limit on clients.

Does not use the parser of twisted.web's HTTPChannel, only its interface to Request and transport. Heads are collected
complete and read by `_head.parse`; bodies are counted as they arrive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from cackled.transport import _head, _private
from cackled.transport._ending import BODY, BUSY, CLOSING, GONE, HEAD, IDLE, LINGER_BYTES, Ending
from cackled.transport._fairness import FEW
from cackled.transport._head import Head, Refused, refusal
from cackled.transport._request import Request
from cackled.transport._socket import Transport

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress

    from cackled.transport.http import HttpFactory
    from cackled.transport.response import Response
    from cackled.transport.streaming import Body

# A body may take the configured time, and one second more for each of these many bytes.
BODY_RATE = 8192
# Requests that arrive while another is answered are buffered up to this many bytes; then reading stops.
PIPELINE_BYTES = 16 * 1024


class HttpConnection(Ending):
    """A connection of `HttpFactory`; use `http.takeover` to detach one."""

    timeOut = None
    requestFactory: Any = Request
    transport: Any
    _networkProducer: Any

    def __init__(self, factory: HttpFactory, address: IAddress | None, network: str | None, lane: int) -> None:
        super().__init__()
        self.factory = factory
        self.site = factory
        # What to release at the end; None if the listener does the counting.
        self.network = network
        self.lane = lane
        self.idle_timeout = factory.settings.idle_timeout
        # Our own kind of transport, with `push` and `held`; None for any other.
        self.own: Any = None
        self.tcp: Any = None
        self.state = IDLE
        self.deadline = self._idle_until = 0.0
        self._address = address
        self._local: Any = None
        self._buffer = b""
        self._feeding = False
        # Whether it waits in the factory's queue: the buffer holds more requests than it may answer in this turn.
        self._queued = False
        self._body_left = 0
        self._body_seen = 0
        self._body_cap = 0
        self._began = 0.0

    # Transport interface

    def connectionMade(self) -> None:
        """Set up the socket and wait for the first byte."""
        factory = self.factory
        if isinstance(self.transport, Transport):
            # As Twisted does below, but without checks: the socket is set up, and it is a producer.
            self.own = self._networkProducer = self.transport
            self.transport.registerProducer(self, True)
        else:
            super().connectionMade()
            if self.isSecure():
                self.lane |= 1
            self.tcp = _private.tcp_of(self.transport) if factory.direct else None
        self.deadline = factory.clock.seconds() + factory.settings.idle_timeout
        factory.opened(self)

    def getPeer(self) -> Any:
        """The peer's address when the connection was accepted, looked up once."""
        if self._address is None:
            self._address = self.transport.getPeer()
        return self._address

    def getHost(self) -> Any:
        """Our own address, looked up once."""
        if self._local is None:
            self._local = self.transport.getHost()
        return self._local

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the request in work, and unregister the connection."""
        busy = self.state == BUSY
        timed = all(request.timed for request in self.requests)
        self.state = GONE
        self._buffer = b""
        super().connectionLost(reason)
        if busy:
            self.factory.answered(self._began, 499, timed=timed)
        self.factory.closed(self)

    def write(self, data: bytes) -> None:
        """Write response bytes, and watch that the client takes them."""
        own = self.own
        if own is None:
            self.watch(len(data))
            self.transport.write(data)
            return
        before = own.held
        held = own.push(data)
        if held > 0:
            self.watch(held - before)

    def writeSequence(self, iovec: Any) -> None:
        """As `write`."""
        self.write(b"".join(iovec))

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Any) -> None:
        """As Twisted's, with the watchdog."""
        own = self.own
        before = 0 if own is None else own.held
        super().writeHeaders(b"HTTP/1.1", code, reason, headers)
        if own is None or own.held > before:
            self.watch(0 if own is None else own.held - before)

    # Input

    def dataReceived(self, data: bytes) -> None:
        """Bytes from the client, in any state."""
        state = self.state
        if state == IDLE:
            if self._buffer or self._waitingForTransport:
                # The client has not taken earlier answers, or requests are still unanswered.
                self._buffer += data
                if self._queued:
                    self._hold()
                else:
                    self._feed()
                return
            if self.factory.fast is not None and self.factory.fast.answer(self, data):
                return
            self._begin_head()
            self._buffer = data
            self._feed()
        elif state == CLOSING:
            self._body_seen += len(data)
            if self._body_seen > LINGER_BYTES:
                self.abort("linger")
        elif state == GONE:
            return
        elif state == BUSY:
            self._buffer += data
            self._hold()
        elif state == BODY:
            self._body(data)
            self._feed()
        else:
            self._buffer += data
            self._feed(max(0, len(self._buffer) - len(data) - 3))

    def _hold(self) -> None:
        """Stop reading while much waits to be answered."""
        if len(self._buffer) > PIPELINE_BYTES:
            self._networkProducer.pauseProducing()

    def _begin_head(self) -> None:
        self.state, self._idle_until = HEAD, self.deadline
        self.deadline = self.factory.clock.seconds() + self.factory.settings.head_timeout

    def _feed(self, seen: int = 0, most: int = 1) -> None:
        """Read heads from the buffer, *most* of them in this turn, unless answers pile up.

        The first *seen* bytes are known to contain no end of a head.
        """
        if self._feeding or self._queued:
            return
        self._feeding = True
        served = 0
        try:
            while self.state == HEAD or (self.state == IDLE and self._buffer and not self._waitingForTransport):
                if served >= most:
                    self._queued = True
                    self.factory.line.join(self)
                    self._hold()
                    return
                if self.state == IDLE:
                    self._begin_head()
                if not self._one(seen):
                    return
                seen = 0
                served += 1
        except Refused as error:
            self.refuse(error)
        finally:
            self._feeding = False

    def doing(self) -> str:
        """A description of the current work."""
        return self.requests[0].doing() if self.requests else f"a request from {getattr(self.getPeer(), 'host', '?')}"

    def go_on(self) -> None:
        """Continue: it is this connection's turn again."""
        self._queued = False
        if self.state != IDLE:
            return
        self._feed(most=FEW)
        if not self._queued and not self._waitingForTransport and self.state in (IDLE, HEAD, BODY):
            # Read again what was held back.
            self._networkProducer.resumeProducing()

    def resumeProducing(self) -> None:
        """The client has taken what waited for it: continue with its further requests."""
        super().resumeProducing()
        if self.state == IDLE and self._buffer:
            self._feed()

    def _one(self, seen: int) -> bool:
        """Take one head from the buffer; False if it is not complete."""
        data = self._buffer
        if data.startswith(b"\r\n"):
            data = self._buffer = _head.skip_empty_lines(data)
            seen = 0
            if not data:
                # Only empty lines: no beginning of a request.
                self.state, self.deadline = IDLE, self._idle_until
                return False
        settings = self.factory.settings
        end = data.find(b"\r\n\r\n", seen)
        if end < 0:
            if len(data) > settings.head_bytes:
                raise self._too_large(data)
            if _head.stray_line_end(data, max(0, seen - 1)):
                raise refusal(400, "line-end", "Lines end with CR LF.")
            return False
        if end + 4 > settings.head_bytes:
            raise self._too_large(data)
        raw = data[: end + 4]
        self._buffer = data[end + 4 :]
        head = _head.parse(raw, settings.head_fields, self.factory.hosts)
        fast = self.factory.fast
        if fast is not None and not self._buffer and fast.answer_new(self, raw, head):
            if self.state == HEAD:
                self.state = IDLE
            return True
        self._begin(head)
        return True

    def ask(self, head: Head) -> None:
        """Begin with a request whose head was parsed elsewhere; nothing has arrived after the head."""
        try:
            self._begin(head)
        except Refused as error:
            self.refuse(error)

    def _too_large(self, data: bytes) -> Refused:
        if b"\r\n" in data[: self.factory.settings.head_bytes]:
            return refusal(431, "head", "The request head is too large.")
        return refusal(414, "target", "The request line is too long.")

    def _begin(self, head: Head) -> None:
        """Create the request for a complete and valid head, and read its body."""
        guard = self.factory.guard
        stop = None if guard is None else guard(head)
        if stop is not None:
            self.state = BODY
            raise Refused(stop, "guard")
        cap = self.factory.body_limit(head.method, head.target)
        if head.length is not None and head.length > cap:
            self.state = BODY
            raise refusal(413, "body", f"At most {cap} bytes are taken here.")
        request = self._add(head)
        _private.add_headers(request.requestHeaders, head.fields)
        request.public_host = head.host
        request.scheme = self.factory.scheme(self.lane, head)
        request.no_cache = head.no_cache
        request.accept_encoding = head.joined(b"accept-encoding")
        if b"cookie" in head.named:
            request.parseCookies()
        sinks = self.factory.sinks
        sink = None if sinks is None or head.length == 0 else sinks(head, self)
        if sink is None:
            request.gotLength(head.length)
        else:
            request.content = sink
        self._head = head
        self.length = head.length
        if head.length == 0:
            self._dispatch()
            return
        self.state = BODY
        self._body_cap = cap
        self._body_seen = 0
        self.deadline = self.factory.clock.seconds() + self.factory.settings.body_timeout
        if head.length is None:
            self._transferDecoder = _private.ChunkedDecoder(self._chunk, self._body_done)
        else:
            self._body_left = head.length
            self.deadline += head.length / BODY_RATE
        if head.expects and not self._buffer:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._buffer:
            data, self._buffer = self._buffer, b""
            self._body(data)

    def _add(self, head: Head) -> Any:
        """A request that is the last in line."""
        request = self.requestFactory(self)
        request.site = self.factory
        self.requests.append(request)
        self.persistent = head.persistent
        return request

    def send_rest(self, head: Head, body: Body) -> None:
        """Send what is left of an answer that was begun with before there was a request; its status is 200."""
        request = self._add(head)
        request.method, request.uri, request.clientproto = head.method, head.target, head.version
        self.state = BUSY
        self._handlingRequest = True
        self._began = self.factory.began()
        request.stream(body, 200)

    def _body(self, data: bytes) -> None:
        try:
            if self._transferDecoder is not None:
                self._transferDecoder.dataReceived(data)
                return
        except _private.MalformedChunk:
            self.refuse(refusal(400, "framing", "The chunked body is malformed."))
            return
        except Refused as error:
            self.refuse(error)
            return
        left = self._body_left
        if len(data) < left:
            self._body_left = left - len(data)
            self.requests[-1].handleContentChunk(data)
            return
        self._body_left = 0
        self.requests[-1].handleContentChunk(data[:left])
        self._body_done(data[left:])

    def _chunk(self, data: bytes) -> None:
        if self.state != BODY:
            # Its sink has refused the rest.
            return
        self._body_seen += len(data)
        if self._body_seen > self._body_cap:
            raise refusal(413, "body", f"At most {self._body_cap} bytes are taken here.")
        self.deadline += len(data) / BODY_RATE
        self.requests[-1].handleContentChunk(data)

    def _body_done(self, rest: bytes) -> None:
        if self.state != BODY:
            return
        if self._transferDecoder is not None:
            _head.check_trailers(_private.trailers(self._transferDecoder))
        self._buffer = rest
        self._dispatch()

    def _dispatch(self) -> None:
        head = self._head
        del self._head
        self._transferDecoder = None
        self.state = BUSY
        self._handlingRequest = True
        self._began = self.factory.began()
        self.requests[-1].requestReceived(head.method, head.target, head.version)

    # Interface of a body's sink (`streamed_body.BodyControl`)

    def pause_body(self) -> None:
        """Read no more of the body for now."""
        if self.state == BODY:
            self._networkProducer.pauseProducing()

    def resume_body(self) -> None:
        """Read on."""
        if self.state == BODY:
            self._networkProducer.resumeProducing()

    def refuse_body(self, answer: Response, why: str) -> None:
        """Answer before the body is whole, and close."""
        if self.state == BODY:
            self.refuse(Refused(answer, why))

    # Request interface

    def may_persist(self) -> bool:
        """Decide whether the answer being written leaves the connection open."""
        if self.factory.draining:
            self.persistent = False
        return bool(self.persistent)

    def requestDone(self, request: Request) -> None:
        """The answer is written: continue with the next request, or close."""
        if self.state != BUSY or not self.requests or request is not self.requests[0]:
            raise TypeError("this request is not the one being answered")
        del self.requests[0]
        self._handlingRequest = False
        self.factory.answered(self._began, request.code, timed=request.timed, counted=request.counted)
        if self._waitingForTransport:
            # Reading continued meanwhile, so that a client that leaves is noticed.
            self._networkProducer.pauseProducing()
        else:
            self._networkProducer.resumeProducing()
        if not self.may_persist():
            self.close()
            return
        self.state = IDLE
        self.deadline = self.factory.clock.seconds() + self.factory.settings.idle_timeout
        if self._buffer:
            self._feed()

    # Handing over

    def let_go(self) -> bytes:
        """Detach from request and transport (see `http.takeover`); returns the bytes read but not used."""
        if self.state != BUSY or not self.requests:
            raise RuntimeError("only a request in work can be taken over")
        rest, self._buffer = self._buffer, b""
        request = self.requests.pop()
        self.state = GONE
        self.watching = False
        self._handlingRequest = False
        self._networkProducer.unregisterProducer()
        self._networkProducer.resumeProducing()
        self.factory.answered(self._began, 101, timed=False)
        request.finished = 1
        request.channel = None
        if request.content is not None:
            request.content.close()
        request.notifications = []
        return rest
