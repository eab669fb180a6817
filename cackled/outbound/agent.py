"""One request by Twisted's client, to an address that was checked: bounded in bytes, redirects are not followed.

`cackled.outbound.post` is what others use; it loads this with the first request.
"""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, FileBodyProducer, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from cackled import __version__
from cackled.outbound.guard import Target
from cackled.outbound.post import SECONDS, Answer, NotSent, TooLong


async def ask(
    reactor: Any, target: Target, address: str, trust: Any, method: bytes, url: str,
    headers: list[tuple[bytes, bytes]], body: bytes, most: int, kept: bool,
    cut: bool = False,
) -> Answer:  # fmt: skip
    """Send a request for *url* to *address*; the answer's body, of at most *most* bytes, is empty unless *kept*. With
    *cut* it is the beginning of what is longer.

    Raises:
        NotSent: the answer is too long, or was cut off. What Twisted's client raises comes as it is.
    """
    # Below the body there are the head, and TLS.
    fixed = _Fixed(reactor, target, address, trust, most if not kept else 2 * most + 32_768)
    agent = Agent.usingEndpointFactory(reactor, fixed)
    given = Headers({b"User-Agent": [b"cackled/" + __version__.encode("ascii")]})
    for name, value in headers:
        given.setRawHeaders(name, [value])
    producer = FileBodyProducer(BytesIO(body)) if method == b"POST" else None
    try:
        answer = await agent.request(method, url.encode("ascii"), given, producer)
        found = {
            name.decode("latin-1").lower(): values[-1].decode("latin-1")
            for name, values in answer.headers.getAllRawHeaders()
        }
        if not kept:
            answer.deliverBody(_Drop())
            return Answer(int(answer.code), found, b"")
        keep = _Keep(most, cut)
        answer.deliverBody(keep)
        return Answer(int(answer.code), found, await keep.done)
    finally:
        # Closing TLS waits for the other side, which may keep the connection open for ever.
        fixed.abort()


class _Counted(ProtocolWrapper):
    """Closes a connection on which too many bytes arrive."""

    def __init__(self, factory: Any, wrapped: Any, most: int) -> None:
        super().__init__(factory, wrapped)
        self._left = most

    def dataReceived(self, data: bytes) -> None:
        """Pass *data* on if the limit allows it, else close the connection."""
        self._left -= len(data)
        if self._left < 0:
            assert self.transport is not None
            self.transport.abortConnection()  # type: ignore[attr-defined]
            return
        super().dataReceived(data)


@implementer(IStreamClientEndpoint)
class _Capped:
    """An endpoint whose connections receive at most *most* bytes, counted below TLS."""

    def __init__(self, inner: Any, most: int) -> None:
        self._inner = inner
        self._most = most
        self._wrapping: Any = None

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """Connect. Fires with the protocol that *protocolFactory* made."""
        wrapping = WrappingFactory(protocolFactory)
        wrapping.protocol = partial(_Counted, most=self._most)
        wrapping.noisy = False
        self._wrapping = wrapping
        connected: Deferred[Any] = self._inner.connect(wrapping)
        return connected.addCallback(lambda wrapper: wrapper.wrappedProtocol)

    def abort(self) -> None:
        """Close the connections at once, those that are not closed yet."""
        for wrapper in list(self._wrapping.protocols) if self._wrapping is not None else ():
            wrapper.transport.abortConnection()


@implementer(IAgentEndpointFactory)
class _Fixed:
    """Connects to the address that was checked, whatever host the URL names."""

    def __init__(self, reactor: Any, target: Target, address: str, trust: Any, most: int) -> None:
        self._most = most
        self._reactor = reactor
        self._target = target
        self._address = address
        self._trust = trust
        self._endpoint: _Capped | None = None

    def abort(self) -> None:
        """Close a connection with TLS at once, if it is not closed yet; one without needs nobody for that."""
        if self._endpoint is not None:
            self._endpoint.abort()

    def endpointForURI(self, uri: URI) -> Any:
        """The endpoint of the checked address."""
        kind = TCP6ClientEndpoint if ":" in self._address else TCP4ClientEndpoint
        endpoint = _Capped(kind(self._reactor, self._address, self._target.port, timeout=SECONDS), self._most)
        if not self._target.secure:
            return endpoint
        self._endpoint = endpoint
        return wrapClientTLS(optionsForClientTLS(self._target.host, trustRoot=self._trust), endpoint)


class _Drop(Protocol):
    """Discards the body of the answer."""

    def connectionMade(self) -> None:
        """Close the connection at once."""
        assert self.transport is not None
        self.transport.loseConnection()


class _Keep(Protocol):
    """Collects the body of an answer, up to a size."""

    def __init__(self, most: int, cut: bool = False) -> None:
        self._most = most
        self._cut = cut
        # Who waits no longer, for it takes too long, gives up the connection.
        self.done: Deferred[bytes] = Deferred(lambda done: self._close())
        self._parts: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        """A piece."""
        self._parts.append(data)
        self._most -= len(data)
        if self._most < 0 and not self.done.called:
            if self._cut:
                self.done.callback(b"".join(self._parts)[: self._most])
            else:
                self.done.errback(TooLong("the answer is too long"))
            self._close()

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is whole, or was cut off."""
        if self.done.called:
            return
        # What has neither a length nor chunks ends with the connection.
        if reason.check(ResponseDone, PotentialDataLoss):
            self.done.callback(b"".join(self._parts))
        else:
            self.done.errback(NotSent("the answer was cut off"))
