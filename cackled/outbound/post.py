"""Requests to URLs that strangers chose: guarded, limited in time and bytes, without following redirects."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

from msgspec import Struct
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
from cackled.outbound.guard import Policy, Refused, Resolve, Target, checked, target_of

SECONDS = 5.0
MOST_BYTES = 65_536


class Answer(Struct, frozen=True):
    """What a server answered: status, headers by name in small letters (the last of each), and the body."""

    status: int
    headers: dict[str, str]
    body: bytes


class NotSent(OSError):
    """The request failed, or no answer came; the message is for the operator."""


class _Counted(ProtocolWrapper):
    """Closes a connection on which too many bytes arrive."""

    def __init__(self, factory: Any, wrapped: Any, most: int = MOST_BYTES) -> None:
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

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        """Connect. Fires with the protocol that *protocolFactory* made."""
        wrapping = WrappingFactory(protocolFactory)
        wrapping.protocol = partial(_Counted, most=self._most)
        wrapping.noisy = False
        connected: Deferred[Any] = self._inner.connect(wrapping)
        return connected.addCallback(lambda wrapper: wrapper.wrappedProtocol)


@implementer(IAgentEndpointFactory)
class _Fixed:
    """Connects to the address that was checked, whatever host the URL names."""

    def __init__(self, reactor: Any, target: Target, address: str, trust: Any, most: int) -> None:
        self._most = most
        self._reactor = reactor
        self._target = target
        self._address = address
        self._trust = trust

    def endpointForURI(self, uri: URI) -> Any:
        """The endpoint of the checked address."""
        kind = TCP6ClientEndpoint if ":" in self._address else TCP4ClientEndpoint
        endpoint: Any = _Capped(kind(self._reactor, self._address, self._target.port, timeout=SECONDS), self._most)
        if not self._target.secure:
            return endpoint
        return wrapClientTLS(optionsForClientTLS(self._target.host, trustRoot=self._trust), endpoint)


class _Drop(Protocol):
    """Discards the body of the answer."""

    def connectionMade(self) -> None:
        """Close the connection at once."""
        assert self.transport is not None
        self.transport.loseConnection()


class _Keep(Protocol):
    """Collects the body of an answer, up to a size."""

    def __init__(self, most: int) -> None:
        self._most = most
        # Who waits no longer, for it takes too long, gives up the connection.
        self.done: Deferred[bytes] = Deferred(lambda done: self._close())
        self._parts: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        """A piece."""
        self._parts.append(data)
        self._most -= len(data)
        if self._most < 0 and not self.done.called:
            self.done.errback(NotSent("the answer is too long"))
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
        return (await self.ask(b"POST", url, headers, body, kept=False)).status

    async def ask(
        self, method: bytes, url: str, headers: list[tuple[bytes, bytes]], body: bytes = b"", *,
        most: int = MOST_BYTES, kept: bool = True, seconds: float = SECONDS,
    ) -> Answer:  # fmt: skip
        """Send a request. Gives the answer, within *seconds* (at most `SECONDS`), whose body has no more than *most*
        bytes; none at all where it is not *kept*. Redirects are not followed.

        Raises:
            Refused (a ValueError): requests to this URL are not allowed.
            NotSent (an OSError): the request failed this time, or the answer is too long.
        """
        target = target_of(url, self._policy)
        work = Deferred.fromCoroutine(self._ask(method, url, target, headers, body, most, kept))
        try:
            return await work.addTimeout(min(seconds, SECONDS), self._reactor, onTimeoutCancel=_late)
        except (Refused, NotSent):
            raise
        except Exception as error:
            raise NotSent(_reason(error)) from None

    async def _ask(
        self, method: bytes, url: str, target: Target, headers: list[tuple[bytes, bytes]], body: bytes, most: int,
        kept: bool,
    ) -> Answer:  # fmt: skip
        address = checked(await self._resolve(target.host), self._policy)
        # Below the body there are the head, and TLS.
        fixed = _Fixed(self._reactor, target, address, self._trust, most if not kept else 2 * most + 32_768)
        agent = Agent.usingEndpointFactory(self._reactor, fixed)
        given = Headers({b"User-Agent": [b"cackled/" + __version__.encode("ascii")]})
        for name, value in headers:
            given.setRawHeaders(name, [value])
        producer = FileBodyProducer(BytesIO(body)) if method == b"POST" else None
        answer = await agent.request(method, url.encode("ascii"), given, producer)
        found = {
            name.decode("latin-1").lower(): values[-1].decode("latin-1")
            for name, values in answer.headers.getAllRawHeaders()
        }
        if not kept:
            answer.deliverBody(_Drop())
            return Answer(int(answer.code), found, b"")
        keep = _Keep(most)
        answer.deliverBody(keep)
        return Answer(int(answer.code), found, await keep.done)


def _late(result: Any, seconds: float) -> Any:
    raise NotSent(f"no answer within {seconds:g} s")


def _reason(error: BaseException) -> str:
    reasons: Callable[[BaseException], Any] = lambda one: getattr(one, "reasons", None)  # noqa: E731
    inner = reasons(error)
    if inner:
        return _reason(inner[0].value)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300].rstrip(": ")
