"""The HTTP client of the probes: connections stay open and leave no lines in the log, answers are bounded."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool, ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

# A longer answer is not a /readyz.
MAX_BODY = 64 * 1024


class Client:
    """Asks other nodes; the head and the body of an answer may each take *deadline* seconds by *clock*."""

    def __init__(self, reactor: Any, clock: IReactorTime, deadline: float) -> None:
        self._clock = clock
        self._deadline = deadline
        self._pool = HTTPConnectionPool(reactor, persistent=True)
        self._pool.retryAutomatically = False
        self._agent = Agent.usingEndpointFactory(reactor, _Endpoints(reactor, deadline), self._pool)

    async def get(self, url: str) -> tuple[int, bytes]:
        """The status and the body of what stands at *url*; raises what Twisted's client raises."""
        asked = self._agent.request(b"GET", url.encode(), Headers({b"Accept": [b"*/*"]}))
        response = await asked.addTimeout(self._deadline, self._clock)
        collected = _Body()
        response.deliverBody(collected)
        body = await collected.done.addTimeout(self._deadline, self._clock)
        return int(response.code), body

    def close(self) -> Deferred[None]:
        """Close the connections; fires when they are."""
        return self._pool.closeCachedConnections()


class _Body(Protocol):
    """Collects a body of at most `MAX_BODY`; cancelling ``done`` drops the connection.

    `readBody` logs an error then.
    """

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred(self._cancelled)
        self._got = b""

    def _cancelled(self, done: Deferred[bytes]) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        self._got += data
        if len(self._got) > MAX_BODY and not self.done.called:
            self.done.errback(ValueError("that is no /readyz"))
            self._cancelled(self.done)

    def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment]
        if not self.done.called:
            if reason.check(ResponseDone):
                self.done.callback(self._got)
            else:
                self.done.errback(reason)


@implementer(IStreamClientEndpoint)
class _Quiet:
    """An endpoint whose connections leave no lines in the log: of a node that is away there would be two a second."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        protocolFactory.noisy = False  # type: ignore[attr-defined]
        connected: Deferred[Any] = self._inner.connect(protocolFactory)
        return connected


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Endpoints as an Agent makes them by itself, but quiet."""

    def __init__(self, reactor: Any, timeout: float) -> None:
        self._reactor = reactor
        self._timeout = timeout
        self._policy = BrowserLikePolicyForHTTPS()

    def endpointForURI(self, uri: URI) -> _Quiet:
        inner: Any = HostnameEndpoint(self._reactor, uri.host, uri.port, timeout=self._timeout)
        if uri.scheme == b"https":
            inner = wrapClientTLS(self._policy.creatorForNetloc(uri.host, uri.port), inner)
        return _Quiet(inner)
