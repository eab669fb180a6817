"""A public listener: accepts and counts connections, handles PROXY headers and TLS handshakes, then passes them on.

The socket may also have been bound elsewhere (`adopt`): by another process, a parent, or systemd.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from ssl import SSLContext
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IProtocolFactory, IReadDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from zope.interface import implementer

from cackled.metrics import Metrics
from cackled.transport import _private, _proxy
from cackled.transport._limits import TrustedProxies
from cackled.transport._socket import HANDSHAKE, OPEN, PREFACE, Transport, _address
from cackled.transport._tlssocket import TlsTransport, handshake_failure

# Connections accepted in one reactor turn, and seconds spent on that, at most. Many clients that return at once are
# accepted as fast as they can be served, and everybody else is served meanwhile.
ACCEPTS = 64
ACCEPT_SECONDS = 0.005
# Seconds for a PROXY header and a handshake together.
OPENING_SECONDS = 10.0
BACKLOG = 4096
# Seconds for which accepting pauses when descriptors or memory are used up.
PAUSE_SECONDS = 0.2
# Seconds between log lines while that lasts.
COMPLAINT_SECONDS = 30.0
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
# Handshake errors that are no fault are counted under these words, others under "protocol".
_REASONS = frozenset(
    ("connection", "eof", "no_shared_cipher", "unsupported_protocol", "http_request", "wrong_version_number",
     "tlsv1_alert_unknown_ca", "sslv3_alert_certificate_unknown", "no_suitable_signature_algorithm")
)  # fmt: skip

log = Logger()


def bind(
    port: int, interface: str = "", *, backlog: int = BACKLOG, reuse_port: bool = False
) -> socket.socket:
    """A listening socket, to be given to `Listener`; with *reuse_port* several processes may have one each.

    Raises:
        CannotListenError: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in interface else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((interface, port))
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise CannotListenError(interface, port, error) from None
    return sock


def adopt(descriptor: int) -> socket.socket:
    """A listening socket from the number of an open one; the number stays the caller's, to close when he likes.

    Raises:
        ValueError: it is no listening TCP socket.
    """
    try:
        sock = socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM)
        sock = socket.socket(fileno=sock.detach())
        if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.close()
            raise ValueError(f"descriptor {descriptor} is no listening socket")
    except OSError as error:
        raise ValueError(f"descriptor {descriptor}: {error.strerror}") from None
    return sock


@implementer(IListeningPort, IReadDescriptor)
class Listener:
    """Accepts connections for *factory* on *sock*, which it owns from here on.

    - *contexts*: with TLS, asked for the context of each new connection.
    - *proxies*: networks (CIDR) of load balancers; then every connection has to come from them and to begin with a
      PROXY header, whose word about the client is believed.
    - *redirect*: our own pages are redirected to https (see `cackled.transport.secure`).

    A factory with ``admit(host)``, ``leave(network)`` and ``build(transport)`` (`HttpFactory`) is asked before anything
    is read; of any other a protocol is built once a connection is open.

    Raises:
        ValueError: one of *proxies* is no network.
    """

    # See cackled.clock.
    own_context = False

    def __init__(
        self,
        reactor: Any,
        sock: socket.socket,
        factory: IProtocolFactory,
        *,
        contexts: Callable[[], SSLContext] | None = None,
        proxies: tuple[str, ...] = (),
        redirect: bool = False,
        metrics: Metrics | None = None,
    ) -> None:
        self.reactor = reactor
        self.factory: Any = factory
        self.redirect = redirect
        self._socket: socket.socket | None = sock
        self._accept = _private.accepting(sock)
        self._contexts = contexts
        self._proxies = TrustedProxies(proxies) if proxies else None
        self._admit = getattr(factory, "admit", None)
        self._buffers = getattr(factory, "buffers", None)
        self._kind = TlsTransport if contexts is not None else Transport
        # Connections that are not open yet, oldest first, and their deadlines.
        self._opening: dict[Transport, float] = {}
        # The same for all listeners of a factory that drains.
        self._unopened: set[Any] = getattr(factory, "opening", set())
        # What has arrived of a PROXY header.
        self._headers: dict[Transport, bytes] = {}
        self._check: IDelayedCall | None = None
        self._pause: IDelayedCall | None = None
        self._complain_at = 0.0
        metrics = metrics or Metrics()
        self._refused = metrics.counter("http_refusals", "Requests and connections refused.", ["reason"])
        handshakes = metrics.counter("tls_handshakes", "TLS handshakes completed.", ["kind"])
        # Metric children are kept because looking up a label costs more than counting.
        self._handshakes = (handshakes.labels("full"), handshakes.labels("resumed"))
        self._failures = metrics.counter("tls_handshake_failures", "TLS handshakes that failed.", ["reason"])

    # IListeningPort

    def startListening(self) -> None:
        """Start accepting."""
        assert self._socket is not None
        sock = self._socket
        sock.setblocking(False)
        # Linux copies these options to accepted sockets, which saves a system call for each.
        options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
        timeout = getattr(getattr(self.factory, "settings", None), "stall_timeout", 0)
        if timeout and hasattr(socket, "TCP_USER_TIMEOUT"):
            # Let the kernel drop a peer that acknowledges nothing (RFC 5482), also when no heartbeat checks it.
            options.append((socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeout * 2000)))
        for level, name, value in options:
            sock.setsockopt(level, name, value)
        self.factory.doStart()
        self.reactor.addReader(self)

    def stopListening(self) -> Deferred[None]:
        """Stop accepting. Existing connections go on, also those that are not open yet."""
        if self._socket is not None:
            if self._pause is not None:
                self._pause.cancel()
                self._pause = None
            self.reactor.removeReader(self)
            self._socket.close()
            self._socket = None
            self._check_no_more()
            self.factory.doStop()
        return succeed(None)

    def getHost(self) -> Any:
        """The address listened on."""
        assert self._socket is not None
        return _address(self._socket.getsockname())

    # Reactor interface

    def fileno(self) -> int:
        """The listening descriptor, -1 once closed."""
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        """The prefix of log lines."""
        return "listener"

    def connectionLost(self, reason: Any) -> None:
        """The reactor has removed the listener."""
        self.stopListening()

    def doRead(self) -> None:
        """Accept some connections."""
        until = self.reactor.seconds() + ACCEPT_SECONDS
        for _ in range(ACCEPTS):
            if self._socket is None:
                return
            try:
                sock, peer = self._accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._rest(error)
                    return
                # The client has gone meanwhile, or a firewall would not have it (accept(2)).
                continue
            self._accepted(sock, peer)
            if self.reactor.seconds() >= until:
                return

    def _rest(self, error: OSError) -> None:
        now = self.reactor.seconds()
        if now >= self._complain_at:
            self._complain_at = now + COMPLAINT_SECONDS
            log.warn("connections wait to be accepted: {reason}", reason=error.strerror)
        self.reactor.removeReader(self)
        if self._pause is None:
            self._pause = self.reactor.callLater(PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        self._pause = None
        if self._socket is not None:
            self.reactor.addReader(self)

    # Connections

    def _accepted(self, sock: Any, peer: tuple[Any, ...]) -> None:
        host = peer[0]
        if self._proxies is not None and not self._proxies.trusts(host):
            self._refused.labels("proxy").inc()
            sock.close()
            return
        sock.setblocking(False)
        transport = self._kind(sock, peer, self, self.reactor)
        transport.buffers = self._buffers
        if not self._admitted(transport, host, proxy=self._proxies is not None):
            return
        if self._proxies is not None:
            transport.stage = PREFACE
        if transport.stage:
            self._opening[transport] = self.reactor.seconds() + OPENING_SECONDS
            self._unopened.add(transport)
            if self._check is None:
                self._check = self.reactor.callLater(1.0, self._overdue)
        try:
            if transport.stage or self.opened(transport):
                transport.begin()
            else:
                transport.connectionLost(connectionDone)
        except Exception:
            # An error in our code: the reactor would log it as well, and go on.
            log.failure("a new connection")
            transport.abortConnection()

    def _admitted(self, transport: Transport, host: str, *, proxy: bool) -> bool:
        """Count *transport* under *host*'s network, or refuse it."""
        if self._admit is None:
            return True
        transport.network = self._admit(host, proxy)
        if transport.network is not None:
            return True
        transport.listener = None
        if transport.stage or self._proxies is not None:
            # Nothing can be sent before the handshake, which is not waited for.
            transport.socket.close()
        else:
            self._say(transport.socket, self.factory.full())
        transport.socket = None
        return False

    @staticmethod
    def _say(sock: socket.socket, answer: bytes) -> None:
        """Send *answer* if the kernel takes it, and close.

        Input is read first, so that no reset destroys the answer.
        """
        try:
            sock.recv(65536)
        except OSError:
            pass
        try:
            sock.send(answer)
        except OSError:
            pass
        sock.close()

    def preface(self, transport: Transport) -> Any:
        """Read the PROXY header from *transport*, leaving everything after it in the kernel; returns as ``doRead``."""
        sock = transport.socket
        try:
            data = sock.recv(_proxy.PEEK, socket.MSG_PEEK)
            if not data:
                return CONNECTION_DONE
            before = self._headers.pop(transport, b"")
            told = _proxy.read(before + data)
            if told is None:
                # All of it belongs to the header, so it may be taken from the socket.
                self._headers[transport] = before + sock.recv(len(data))
                return None
            sock.recv(told.size - len(before))
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        except _proxy.ProxyError:
            self._refused.labels("proxy").inc()
            return CONNECTION_LOST
        if told.client is not None:
            transport.peer = told.client
            if self._admit is not None:
                self.factory.leave(transport.network)
                transport.network = self._admit(told.client[0], False)
                if transport.network is None:
                    return CONNECTION_LOST
        transport.secure = transport.secure or told.secure
        transport.stage = HANDSHAKE if self._contexts is not None else OPEN
        return None

    def context(self) -> SSLContext:
        """The TLS context for a new connection."""
        assert self._contexts is not None
        return self._contexts()

    def opened(self, transport: Transport) -> bool:
        """*transport* is ready for its protocol; returns False if there is none for it."""
        self._settled(transport)
        if isinstance(transport, TlsTransport):
            self._handshakes[bool(transport.tls.session_reused)].inc()
        factory = self.factory
        if self._admit is not None:
            protocol = factory.build(transport)
        else:
            protocol = factory.buildProtocol(transport.getPeer())
        if protocol is None:
            return False
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return True

    def failed(self, transport: Transport, error: Exception) -> None:
        """The handshake of *transport* failed."""
        reason = handshake_failure(error)
        self._failures.labels(reason if reason in _REASONS else "protocol").inc()

    def lost(self, transport: Transport) -> None:
        """*transport* is closed."""
        self._settled(transport)
        self._headers.pop(transport, None)
        if transport.network is not None:
            self.factory.leave(transport.network)
            transport.network = None

    def _settled(self, transport: Transport) -> None:
        if not self._opening or self._opening.pop(transport, None) is None:
            return
        self._unopened.discard(transport)
        # While the listener is open another connection will come: the timer ends by itself.
        if self._socket is None:
            self._check_no_more()

    def _check_no_more(self) -> None:
        if not self._opening and self._check is not None:
            self._check.cancel()
            self._check = None

    def _overdue(self) -> None:
        self._check = self.reactor.callLater(1.0, self._overdue) if self._opening else None
        now = self.reactor.seconds()
        late = []
        for transport, until in self._opening.items():
            if now < until:
                break
            late.append(transport)
        for transport in late:
            self._failures.labels("deadline").inc()
            transport.abortConnection()
