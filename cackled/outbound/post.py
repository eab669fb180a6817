"""Requests to URLs that strangers chose: guarded, limited in time and bytes, without following redirects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred

from cackled.outbound.guard import Policy, Refused, Resolve, Target, checked, target_of

SECONDS = 5.0
MOST_BYTES = 65_536


class Answer(Struct, frozen=True):
    """What a server answered: status, headers by name in small letters (the last of each), and the body."""

    status: int
    headers: dict[str, str]
    body: bytes


class NotSent(OSError):
    """The request failed, or no answer came; the message is for the operator, *why* in a word."""

    why = "away"


class TooLong(NotSent):
    """The answer has more bytes than were asked for."""

    why = "large"


class TooSlow(NotSent):
    """The answer was not here in time."""

    why = "slow"


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
        most: int = MOST_BYTES, kept: bool = True, seconds: float = SECONDS, cut: bool = False,
    ) -> Answer:  # fmt: skip
        """Send a request. Gives the answer, within *seconds* (at most `SECONDS`), whose body has no more than *most*
        bytes; none at all where it is not *kept*; with *cut* its beginning, of what is longer. Redirects are not
        followed.

        Raises:
            Refused (a ValueError): requests to this URL are not allowed.
            NotSent (an OSError): the request failed this time, or the answer is too long.
        """
        target = target_of(url, self._policy)
        work = Deferred.fromCoroutine(self._ask(method, url, target, headers, body, most, kept, cut))
        try:
            return await work.addTimeout(min(seconds, SECONDS), self._reactor, onTimeoutCancel=_late)
        except (Refused, NotSent):
            raise
        except Exception as error:
            raise NotSent(_reason(error)) from None

    async def _ask(
        self, method: bytes, url: str, target: Target, headers: list[tuple[bytes, bytes]], body: bytes, most: int,
        kept: bool, cut: bool,
    ) -> Answer:  # fmt: skip
        address = checked(await self._resolve(target.host), self._policy)
        # Not at the start: Twisted's client is a fifth of what a daemon would load, and many never ask anybody.
        from cackled.outbound.agent import ask

        return await ask(self._reactor, target, address, self._trust, method, url, headers, body, most, kept, cut)


def _late(result: Any, seconds: float) -> Any:
    raise TooSlow(f"no answer within {seconds:g} s")


def _reason(error: BaseException) -> str:
    reasons: Callable[[BaseException], Any] = lambda one: getattr(one, "reasons", None)  # noqa: E731
    inner = reasons(error)
    if inner:
        return _reason(inner[0].value)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300].rstrip(": ")
