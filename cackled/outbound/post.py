"""Sends a POST to a URL that a stranger chose: guarded, limited in time and bytes, without following redirects."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import optionsForClientTLS
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.client import URI, Agent, FileBodyProducer
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from cackled import __version__
from cackled.outbound.guard import Policy, Refused, Resolve, Target, checked, target_of

SECONDS = 5.0
MOST_BYTES = 65_536


class NotSent(OSError):
    """The request failed, or no answer came; the message is for the operator."""


class _Counted(ProtocolWrapper):
    """Closes a connection on which too many bytes arrive."""

    def __init__(self, factory: Any, wrapped: Any) -> None:
        super().__init__(factory, wrapped)
        self._left = MOST_BYTES

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
    """An endpoint whose connections receive at most `MOST_BYTES`, counted below TLS."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """Connect. Fires with the protocol that *protocolFactory* made."""
        wrapping = WrappingFactory(protocolFactory)
        wrapping.protocol = _Counted
        wrapping.noisy = False
        connected: Deferred[Any] = self._inner.connect(wrapping)
        return connected.addCallback(lambda wrapper: wrapper.wrappedProtocol)


@implementer(IAgentEndpointFactory)
class _Fixed:
    """Connects to the address that was checked, whatever host the URL names."""

    def __init__(self, reactor: Any, target: Target, address: str, trust: Any) -> None:
        self._reactor = reactor
        self._target = target
        self._address = address
        self._trust = trust

    def endpointForURI(self, uri: URI) -> Any:
        """The endpoint of the checked address."""
        kind = TCP6ClientEndpoint if ":" in self._address else TCP4ClientEndpoint
        endpoint: Any = _Capped(kind(self._reactor, self._address, self._target.port, timeout=SECONDS))
        if not self._target.secure:
            return endpoint
        return wrapClientTLS(optionsForClientTLS(self._target.host, trustRoot=self._trust), endpoint)


class _Drop(Protocol):
    """Discards the body of the answer."""

    def connectionMade(self) -> None:
        """Close the connection at once."""
        assert self.transport is not None
        self.transport.loseConnection()


class GuardedHttp:
    """Sends guarded requests. *trust*: the authorities for servers' certificates; None: those of the system."""

    def __init__(self, reactor: Any, resolve: Resolve, policy: Policy, *, trust: Any = None) -> None:
        self._reactor = reactor
        self._resolve = resolve
        self._policy = policy
        self._trust = trust

    async def post(self, url: str, headers: list[tuple[bytes, bytes]], body: bytes) -> int:
        """Send a POST. Returns the status of the answer, within `SECONDS`. Redirects are not followed.

        Raises:
            Refused (a ValueError): requests to this URL are not allowed.
            NotSent (an OSError): the request failed this time.
        """
        target = target_of(url, self._policy)
        work = Deferred.fromCoroutine(self._post(url, target, headers, body))
        try:
            return await work.addTimeout(SECONDS, self._reactor, onTimeoutCancel=_late)
        except (Refused, NotSent):
            raise
        except Exception as error:
            raise NotSent(_reason(error)) from None

    async def _post(self, url: str, target: Target, headers: list[tuple[bytes, bytes]], body: bytes) -> int:
        address = checked(await self._resolve(target.host), self._policy)
        agent = Agent.usingEndpointFactory(self._reactor, _Fixed(self._reactor, target, address, self._trust))
        given = Headers({b"User-Agent": [b"cackled/" + __version__.encode("ascii")]})
        for name, value in headers:
            given.setRawHeaders(name, [value])
        answer = await agent.request(b"POST", url.encode("ascii"), given, FileBodyProducer(BytesIO(body)))
        answer.deliverBody(_Drop())
        return int(answer.code)


def _late(result: Any, seconds: float) -> Any:
    raise NotSent(f"no answer within {seconds:g} s")


def _reason(error: BaseException) -> str:
    reasons: Callable[[BaseException], Any] = lambda one: getattr(one, "reasons", None)  # noqa: E731
    inner = reasons(error)
    if inner:
        return _reason(inner[0].value)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300].rstrip(": ")
