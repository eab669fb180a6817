"""The public HTTP server: a factory of hardened connections before a tree of resources.

What a stranger can do is bounded in bytes, time and number here; see
``docs/testing.md``. HTTP/1.1; HTTP/2 where
it is switched on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import IO, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocolNegotiationFactory, IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.web.resource import IResource
from zope.interface import implementer

from cackled import config
from cackled.metrics import Metrics
from cackled.transport import _private
from cackled.transport._buffers import Buffers
from cackled.transport._connection import HttpConnection
from cackled.transport._early import EarlyConnection
from cackled.transport._ending import BUSY, GONE, IDLE
from cackled.transport._fairness import Line
from cackled.transport._head import LANE_PROXY, LANE_TLS, Head, normal_host
from cackled.transport._limits import ConnectionLimits, TrustedProxies, network_of
from cackled.transport._redact import without_tokens
from cackled.transport._request import Request, arguments, render_head
from cackled.transport._socket import Transport
from cackled.transport._tlssocket import TlsTransport
from cackled.transport.problems import problem
from cackled.transport.response import Response
from cackled.transport.streamed_body import BodySinks

__all__ = [
    "LANE_PROXY", "EarlyConnection", "Head", "HttpFactory", "Request", "Shortcut", "arguments", "attach",
    "client_address", "takeover",
]  # fmt: skip

SWEEP_SECONDS = 0.5
# Seconds for which draining waits for connections whose handshake is under way.
OPENING_GRACE = 1.0
SLOW_SECONDS = 0.1

# Takes over the connection of a GET request with this head (`EarlyConnection.leave`, `attach`) and returns True. Or
# does nothing and returns False: then the request takes the usual path, which also reports errors.
Shortcut = Callable[[Head, EarlyConnection], bool]

log = Logger()


class _Full(Protocol):
    """Answers 503 to a connection above the limits, and closes."""

    def connectionMade(self) -> None:
        """Answer before anything is read.

        Below TLS nothing can be sent before the handshake, which is not waited for: then the connection just closes.
        """
        transport: Any = self.transport
        if hasattr(transport, "wrappedProtocol"):
            transport.abortConnection()
            return
        transport.write(_full())
        transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """Drop input."""


def _full() -> bytes:
    answer = problem(503, "too-many-connections", headers=[(b"Retry-After", b"5")])
    return render_head(503, answer.headers, len(answer.body), close=True) + answer.body


@implementer(IProtocolNegotiationFactory)
class HttpFactory(Factory):
    """Serves *root* to every connection; ``root.shortcuts``, where it has them, are asked first: path -> `Shortcut`.

    - *clock*: monotonic timers. *settings*: limits; ``settings.hosts`` are the names answered to.
    - *body_limit*: ``(method, target) -> bytes``, the cap of a body on a route; without it ``settings.body_bytes``.
    - *fast*: a `cackled.transport._fastpath.FastPath`, usually made by ``Microcache.fast_path()``.
    - *access*: where access lines go when ``settings.access_log`` is on (default: the process's standard output).
    - *guard*: looks at each head before a byte of a body is read; its answer, if it gives one, is the end of it.
    - *tls*: whether connections reach us through TLS; it is also seen from the transport.

    Raises:
        ValueError: a network in ``settings.trusted_proxies`` or a name in ``settings.hosts`` is malformed.
    """

    noisy = False
    displayTracebacks = False

    def __init__(
        self,
        root: IResource,
        settings: config.Http,
        clock: IReactorTime,
        metrics: Metrics,
        *,
        body_limit: Callable[[bytes, bytes], int] | None = None,
        fast: Any = None,
        tls: bool = False,
        access: IO[str] | None = None,
        guard: Callable[[Head], Response | None] | None = None,
    ) -> None:
        self.root = root
        self.settings = settings
        self.clock = clock
        self.fast = fast
        self.tls = tls
        self.access = (access or sys.__stdout__) if settings.access_log else None
        self.proxies = TrustedProxies(settings.trusted_proxies)
        self.hosts = frozenset(_known_host(name) for name in settings.hosts)
        self.limits = ConnectionLimits(settings.max_connections, settings.max_connections_per_address)
        self.buffers = Buffers(
            settings.buffer_bytes_per_address, settings.buffer_bytes, self._speaks_for_many, lambda: self.cut("buffers")
        )
        self.body_limit = body_limit or (lambda method, target: settings.body_bytes)
        self.guard = guard
        # Gives what a body is written to as it arrives, where it is not collected whole.
        self.sinks: BodySinks | None = None
        # Certificate folders of our TLS listeners: the names in their certificates are ours.
        self.certificates: list[Any] = []
        self.direct = _private.supported()
        self.draining = False
        # Set while answers must not take the fast path: they are to be logged, or to close the connection.
        self.plain_answers_only = self.access is not None
        self.in_flight = 0
        self.channels: set[Any] = set()
        # Connections with more requests than they may answer in one turn.
        self.line = Line(clock)
        # Connections that a listener admitted and that are not open yet.
        self.opening: set[Any] = set()
        self._grace = 0.0
        self._sweep: IDelayedCall | None = None
        self._drained: list[Deferred[bool]] = []
        self._drain_ends: IDelayedCall | None = None
        self._opening_ends: IDelayedCall | None = None
        self._requests = metrics.counter("http_requests", "Requests answered.", ["status"])
        # Metric children are kept because looking up a label costs more than counting.
        self._classes = [self._requests.labels(f"{first}xx") for first in range(1, 6)]
        self._taken = self._classes[0]
        self._seconds = metrics.histogram("http_request_seconds", "Time to answer, microcache hits left out.")
        self._slow = metrics.counter("http_slow_requests", "Requests that took more than 100 ms.")
        self._refusals = metrics.counter("http_refusals", "Requests and connections refused.", ["reason"])
        self._cuts = metrics.counter("http_connections_cut", "Connections closed by a deadline.", ["reason"])
        metrics.watch(
            "http_connections", "Open connections, realtime ones included.", lambda: float(self.limits.total)
        )
        metrics.watch("http_buffered_bytes", "Bytes that wait for clients to read.", lambda: float(self.buffers.total))
        metrics.watch("http_requests_in_flight", "Requests being answered.", lambda: float(self.in_flight))
        if not self.direct:
            log.warn("this Twisted keeps its write buffers elsewhere: direct sends and the stall watchdog are off")

    @property
    def root(self) -> IResource:
        """The tree of resources."""
        return self._root

    @root.setter
    def root(self, root: IResource) -> None:
        self._root = root
        self.shortcuts: dict[bytes, Shortcut] = getattr(root, "shortcuts", {})

    def acceptableProtocols(self) -> list[bytes]:
        """What TLS offers (ALPN): HTTP/1.1, nothing else."""
        return [b"http/1.1"]

    # Connections

    def admit(self, host: str, proxy: bool) -> str | None:
        """Count a connection from *host* (*proxy*: it speaks for others); gives what to `leave`; None: no room."""
        network = network_of(host)
        proxy = proxy or (bool(self.proxies) and self.proxies.trusts(host))
        why = self.limits.admit(network, counted=not proxy)
        if why is None:
            return network
        self._refusals.labels(why).inc()
        return None

    def _speaks_for_many(self, network: str) -> bool:
        return bool(self.proxies) and self.proxies.trusts(network.partition("/")[0])

    def leave(self, network: str) -> None:
        """Undo one `admit`."""
        self.limits.release(network)
        if self.draining:
            self._maybe_drained()

    def full(self) -> bytes:
        """The answer to a connection that is not admitted."""
        return _full()

    def build(self, transport: Transport) -> Any:
        """The protocol of an admitted connection that is ready to speak; it is counted by its listener."""
        lane = LANE_TLS if transport.secure else 0
        if self.proxies and self.proxies.trusts(transport.peer[0]):
            lane |= LANE_PROXY
        if self.settings.http2 and isinstance(transport, TlsTransport) and transport.protocol_agreed() == "h2":
            from cackled.transport._http2 import Http2

            return Http2(self, lane)
        return EarlyConnection(self, lane)

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """On transports that are not our listeners': a connection, or a refusal above the caps."""
        host = getattr(addr, "host", "")
        network = self.admit(host, False)
        if network is None:
            return _Full()
        proxy = bool(self.proxies) and self.proxies.trusts(host)
        lane = (LANE_TLS if self.tls else 0) | (LANE_PROXY if proxy else 0)
        return HttpConnection(self, addr, network, lane)

    def opened(self, channel: Any) -> None:
        """Register a new connection."""
        self.channels.add(channel)
        if self.draining:
            channel.deadline = min(channel.deadline, self.clock.seconds() + self._grace)
        if self._sweep is None:
            self._sweep = self.clock.callLater(SWEEP_SECONDS, self._check)

    def closed(self, channel: Any) -> None:
        """Unregister a closed connection."""
        self._forget(channel)
        if channel.network is not None:
            self.limits.release(channel.network)

    def taken(self, early: EarlyConnection) -> None:
        """Another protocol has taken the connection over; it counts until it closes."""
        self._taken.inc()
        self._forget(early)

    def _forget(self, channel: Any) -> None:
        self.channels.discard(channel)
        # While something listens the next connection is not far.
        if not self.channels and not self.numPorts:
            self._rest()
        if self.draining:
            self._maybe_drained()

    def _rest(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
            self._flush()

    def stopFactory(self) -> None:
        """The last listener has stopped."""
        if not self.channels:
            self._rest()

    def _check(self) -> None:
        self._sweep = None
        if self.channels:
            self._sweep = self.clock.callLater(SWEEP_SECONDS, self._check)
        now = self.clock.seconds()
        for channel in list(self.channels):
            try:
                channel.check(now)
            except Exception:
                log.failure("deadlines of a connection")
                channel.abort("error")
        self._flush()

    def _flush(self) -> None:
        if self.access is not None:
            self.access.flush()
        if self.fast is not None:
            hits = self.fast.take_hits() + self.fast.files.take_hits()
            if hits:
                self._classes[1].inc(hits)

    def scheme(self, lane: int, head: Head) -> bytes:
        """``http`` or ``https``, as the browser sees it."""
        if lane & LANE_PROXY:
            # Each proxy adds how it was spoken to; what the browser spoke comes first, as in X-Forwarded-For.
            told = head.joined(b"x-forwarded-proto").partition(b",")[0].strip().lower()
            if told:
                return b"https" if told in (b"https", b"wss") else b"http"
        return b"https" if lane & LANE_TLS else b"http"

    # Accounting

    def began(self) -> float:
        """A request is passed to its resource; returns the time."""
        self.in_flight += 1
        return self.clock.seconds()

    def answered(self, began: float, status: int, *, timed: bool, counted: bool = True) -> None:
        """A request was answered (499: the client left first; 101: taken over)."""
        self.in_flight -= 1
        if counted:
            self._classes[status // 100 - 1].inc()
        if timed:
            took = self.clock.seconds() - began
            self._seconds.observe(took)
            if took > SLOW_SECONDS:
                self._slow.inc()
        self._maybe_drained()

    def refused(self, why: str, status: int) -> None:
        """A request was refused before it reached a resource."""
        self._refusals.labels(why).inc()
        self._classes[status // 100 - 1].inc()

    def cut(self, why: str) -> None:
        """A connection is closed by a deadline."""
        self._cuts.labels(why).inc()

    def log(self, request: Request) -> None:
        """Twisted's hook at the end of a request: the access line."""
        if self.access is not None:
            # The access log must not contain what was meant for a taken-over protocol.
            address = request.uri if request.code != 421 else request.uri.partition(b"?")[0]
            address = without_tokens(address[:1000])
            self.access.write(
                f"{request.client_address} {request.method.decode()} {address.decode('ascii', 'replace')}"
                f" {request.code} {request.sentLength}\n"
            )

    # Shutdown

    def drain(self, timeout: float | None = None, grace: float = 1.0) -> Deferred[bool]:
        """Finish: connections close after the request in work; idle ones after *grace* seconds.

        A request that still comes in on one of them is answered, with ``Connection: close``; a handshake under way is
        waited for. Fires with True when no connection of ours is left (those taken over are not ours), with False after
        *timeout* seconds. Stop the listening first.
        """
        self.draining = self.plain_answers_only = True
        self._grace = grace
        until = self.clock.seconds() + grace
        for channel in self.channels:
            if channel.state == IDLE:
                channel.deadline = min(channel.deadline, until)
        done: Deferred[bool] = Deferred()
        self._drained.append(done)
        if timeout is not None and self._drain_ends is None:
            self._drain_ends = self.clock.callLater(timeout, self._drain_over, False)
        if self.opening and self._opening_ends is None:
            self._opening_ends = self.clock.callLater(OPENING_GRACE, self._opening_over)
        self._maybe_drained()
        return done

    def _maybe_drained(self) -> None:
        if self.draining and self._drained and not self.channels and not self.opening:
            self._drain_over(True)

    def _opening_over(self) -> None:
        self._opening_ends = None
        self.opening.clear()
        self._maybe_drained()

    def _drain_over(self, clean: bool) -> None:
        for timer in (self._drain_ends, self._opening_ends):
            if timer is not None and timer.active():
                timer.cancel()
        self._drain_ends = self._opening_ends = None
        waiting, self._drained = self._drained, []
        for done in waiting:
            done.callback(clean)

    def abort_all(self) -> None:
        """Drop every connection that is still ours."""
        for channel in list(self.channels):
            channel.abort("shutdown")


def _known_host(name: str) -> bytes:
    host = normal_host(name.encode("ascii", "replace"))
    if host is None:
        raise ValueError(f"[http] hosts: {name!r} is no host name")
    return host


def client_address(request: Any) -> str:
    """The client's IP address; X-Forwarded-For is read only where a trusted proxy speaks."""
    return request.client_address


def takeover(request: Any) -> tuple[Any, bytes]:
    """Detach the connection from HTTP: for WebSocket and EventSource.

    Returns the transport and the bytes that came after the request's head. The request is over (its ``notifyFinish``
    never fires, it must not be written to), the channel holds no timer and no reference to it is left; the connection
    counts in the caps and gauges until the socket closes. Hand both to `attach`. Must be called before anything was
    written, and while the request is being rendered or waited for.

    Raises:
        RuntimeError: the connection has gone, or the answer was begun.
    """
    channel = getattr(request, "channel", None)
    if channel is None or request.startedWriting or request.finished or channel.state != BUSY:
        raise RuntimeError("this request can't be taken over any more")
    transport = channel.transport
    factory = channel.factory
    rest = channel.let_go()
    assert channel.state == GONE
    # Whoever gets the connection need not know of our accounts: they are closed when the transport closes.
    if channel.network is not None:
        original = getattr(transport, "connectionLost", None)
        if original is not None:
            transport.connectionLost = partial(_lost, factory, channel.network, original)
        else:
            factory.limits.release(channel.network)
    factory._forget(channel)
    return transport, rest


def _lost(factory: HttpFactory, network: str, original: Any, *args: Any, **kw: Any) -> Any:
    factory.limits.release(network)
    # The transport holds us and we hold the transport: without this it would wait for the garbage collector.
    vars(original.__self__).pop("connectionLost", None)
    return original(*args, **kw)


def attach(transport: Any, protocol: Protocol, leftover: bytes = b"") -> None:
    """Make *protocol* the reader of a *transport* from `takeover`, plain or TLS, and replay *leftover* into it."""
    if hasattr(transport, "wrappedProtocol"):
        transport.wrappedProtocol = protocol
    else:
        transport.protocol = protocol
    protocol.makeConnection(transport)
    if leftover:
        protocol.dataReceived(leftover)
