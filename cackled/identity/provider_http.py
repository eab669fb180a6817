"""Questions to providers: guarded, bounded, JSON; and what goes wrong with them, in words for those who can mend it."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import msgspec

MOST_BYTES = 262_144


class SignInFailed(Exception):
    """It did not work; ``reason`` is a key of the words for visitors, the message is for the log.

    Reasons: ``down`` (the provider does not answer: try later), ``refused`` (it, or the visitor, said no), ``broken``
    (what it said does not hold, or the site's owner set it up wrongly), ``late`` (it took too long, or was done
    before).
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


class Http(Protocol):
    """What asks: `cackled.outbound.post.GuardedHttp`."""

    async def ask(
        self, method: bytes, url: str, headers: list[tuple[bytes, bytes]], body: bytes = b"", *, most: int = ...
    ) -> Any:
        """Send a request."""


class Asking:
    """Asks providers."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def get(self, url: str, *, bearer: str = "", scheme: str = "Bearer", **arguments: str) -> dict[str, Any]:
        """The JSON object at *url*.

        Raises:
            SignInFailed
        """
        found = await self.get_any(url, bearer=bearer, scheme=scheme, **arguments)
        if not isinstance(found, dict):
            raise SignInFailed("broken", f"{url}: no JSON object")
        return found

    async def get_any(self, url: str, *, bearer: str = "", scheme: str = "Bearer", **arguments: str) -> Any:
        """The JSON at *url*.

        Raises:
            SignInFailed
        """
        if arguments:
            url += ("&" if "?" in url else "?") + urlencode(arguments)
        headers = [(b"Accept", b"application/json")]
        if bearer:
            headers.append((b"Authorization", f"{scheme} {bearer}".encode("latin-1", "replace")))
        return await self._ask(b"GET", url, headers, b"")

    async def post(self, url: str, fields: dict[str, str], *, basic: tuple[str, str] | None = None) -> dict[str, Any]:
        """Send a form; gives the JSON object that is answered.

        Raises:
            SignInFailed
        """
        headers = [(b"Accept", b"application/json"), (b"Content-Type", b"application/x-www-form-urlencoded")]
        if basic is not None:
            # Both are encoded as form fields first (RFC 6749 section 2.3.1).
            pair = ":".join(quote(one, safe="") for one in basic)
            headers.append((b"Authorization", b"Basic " + b64encode(pair.encode())))
        found = await self._ask(b"POST", url, headers, urlencode(fields).encode())
        if not isinstance(found, dict):
            raise SignInFailed("broken", f"{url}: no JSON object")
        return found

    async def _ask(self, method: bytes, url: str, headers: list[tuple[bytes, bytes]], body: bytes) -> Any:
        try:
            answer = await self._http.ask(method, url, headers, body, most=MOST_BYTES)
        except ValueError as error:
            raise SignInFailed("broken", f"{url[:200]}: {error}") from None
        except OSError as error:
            raise SignInFailed("down", f"{url[:200]}: {error}") from None
        if answer.status >= 500:
            raise SignInFailed("down", f"{url[:200]}: {answer.status}")
        try:
            found = msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise SignInFailed("broken", f"{url[:200]}: {answer.status}, no JSON") from None
        if answer.status >= 400 or (isinstance(found, dict) and found.get("error")):
            told = found.get("error") if isinstance(found, dict) else ""
            raise SignInFailed("broken", f"{url[:200]}: {answer.status} {str(told)[:100]!r}")
        return found


def text(members: dict[str, Any], *names: str) -> str:
    """The first of the members *names* that is a text or a number, and not empty; else ``""``."""
    for name in names:
        value = members.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and value.strip():
            return value.strip()[:2_000]
    return ""
