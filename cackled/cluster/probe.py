"""Heartbeats over HTTP: asks each other node's ``/readyz`` once a second.

Answers that are slow count as missed, so a node that hangs with its sockets open is noticed too.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool, ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from cackled.clock import Periodic
from cackled.cluster.membership import Membership
from cackled.config import Node

INTERVAL = 1.0
DEADLINE = 0.9
# A longer answer is not a /readyz.
MAX_BODY = 64 * 1024


class Ready(Struct):
    """The part of a ``/readyz`` answer that matters here."""

    checks: dict[str, str] = {}
    deployment: str = ""


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

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._policy = BrowserLikePolicyForHTTPS()

    def endpointForURI(self, uri: URI) -> _Quiet:
        inner: Any = HostnameEndpoint(self._reactor, uri.host, uri.port, timeout=DEADLINE)
        if uri.scheme == b"https":
            inner = wrapClientTLS(self._policy.creatorForNetloc(uri.host, uri.port), inner)
        return _Quiet(inner)


def _read(body: bytes) -> Ready:
    try:
        return msgspec.json.decode(body, type=Ready)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Ready()


class Prober:
    """Asks, and tells the membership what it heard.

    A node whose check ``draining`` failed is draining; any other answer but 200 is a miss, and so is one of another
    deployment than *deployment*.
    """

    def __init__(
        self, reactor: Any, membership: Membership, clock: IReactorTime | None = None, *, deployment: str
    ) -> None:
        self._deployment = deployment
        self._clock: IReactorTime = clock or reactor
        self._membership = membership
        self._pool = HTTPConnectionPool(reactor, persistent=True)
        self._pool.retryAutomatically = False
        self._agent = Agent.usingEndpointFactory(reactor, _Endpoints(reactor), self._pool)
        self._asking: dict[str, Deferred[None]] = {}
        self._job = Periodic(self._clock, INTERVAL, self._round, "cluster probe")

    def start(self, *, always: bool = False) -> None:
        """Begin to ask; nothing happens where there are no other nodes with an address, unless *always*."""
        if always or any(node.url for node in self._membership.others()):
            self._job.start(now=True)

    def stop(self) -> Deferred[None]:
        """Stop asking; fires when the connections are closed."""
        self._job.stop()
        for asked in list(self._asking.values()):
            asked.cancel()
        return self._pool.closeCachedConnections()

    def _round(self) -> None:
        for node in self._membership.others():
            if node.url and node.name not in self._asking:
                self._asking[node.name] = asked = Deferred.fromCoroutine(self._ask(node))
                asked.addBoth(self._asked, node.name)

    def _asked(self, result: Any, name: str) -> None:
        self._asking.pop(name, None)

    async def _ask(self, node: Node) -> None:
        asked = self._agent.request(b"GET", f"{node.url.rstrip('/')}/readyz".encode(), Headers({b"Accept": [b"*/*"]}))
        try:
            response = await asked.addTimeout(DEADLINE, self._clock)
            collected = _Body()
            response.deliverBody(collected)
            body = await collected.done.addTimeout(DEADLINE, self._clock)
        except Exception:
            self._membership.missed(node.name)
            return
        told = _read(body)
        draining = told.checks.get("draining", "ok") != "ok"
        if told.deployment not in ("", self._deployment):
            self._membership.missed(node.name)
        elif response.code == 200 or draining:
            self._membership.heard(node.name, draining=draining)
        else:
            self._membership.missed(node.name)
