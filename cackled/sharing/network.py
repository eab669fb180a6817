"""What every network is asked for, and what goes wrong with it. How they are asked: guarded, bounded, JSON."""

from __future__ import annotations

from typing import Any, Literal, Protocol
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from cackled.domain.site import Site

MOST_BYTES = 131_072
Reason = Literal[
    "down", "limit", "expired", "lost", "refused", "broken", "private", "instance", "denied", "late", "origin",
]  # fmt: skip
# What trying later may help.
PASSING: tuple[Reason, ...] = ("down", "limit")


class ShareFailed(Exception):
    """It did not work; ``reason`` is what visitors are told, the message is for the log and holds no secret.

    ``down``: the network does not answer; ``limit``: it wants no more for now; ``expired``: the token has run out, and
    a new one may be had; ``lost``: the account is ours no more; ``refused``: it does not take this text; ``broken``: it
    answers what makes no sense, or the site's owner set it up wrongly; ``private``: others may not read where the
    comment stands; ``instance``: that is no server of this network; ``denied``: the visitor said no; ``late``: it took
    too long, or was done before; ``origin``: the page is none of the site's.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason: Reason = reason


class Tokens(Struct, frozen=True, omit_defaults=True):
    """What an account is used with; kept encrypted. ``more`` is what the network needs besides."""

    access: str
    refresh: str = ""
    more: dict[str, str] = {}


class Connected(Struct, frozen=True):
    """An account that a visitor connected: ``server`` is the instance, ``name`` what the visitor knows it by."""

    server: str
    name: str
    tokens: Tokens


class Post(Struct, frozen=True):
    """What is posted: the comment's HTML and address; ``key`` is the same for each try; ``at``: seconds since 1970."""

    html: str
    link: str
    key: str
    at: float


class Posted(Struct, frozen=True):
    """Where it is; ``name``: whose account that is, where the network says so."""

    url: str
    name: str = ""


class Network(Protocol):
    """One network. Everything that it does raises `ShareFailed`."""

    name: str

    def asks(self, site: Site) -> bool:
        """Whether visitors have to say where their account is."""

    async def begin(
        self, site: Site, named: str, redirect: str, state: str, challenge: str
    ) -> tuple[str, dict[str, str]]:
        """The address to send a browser to, and what has to be known when it is back. *named*: where the account is."""

    async def finish(
        self, site: Site, kept: dict[str, str], redirect: str, verifier: str, arguments: dict[str, str]
    ) -> Connected:
        """The account of who came back with *arguments*."""

    async def refresh(self, site: Site, server: str, tokens: Tokens) -> Tokens:
        """New tokens for old ones."""

    async def post(self, site: Site, server: str, tokens: Tokens, post: Post) -> Posted:
        """Post it. Done again with the same key, it is there once."""

    async def revoke(self, site: Site, server: str, tokens: Tokens) -> None:
        """Give the tokens back."""


class Http(Protocol):
    """What asks: `cackled.outbound.post.GuardedHttp`."""

    async def ask(
        self, method: bytes, url: str, headers: list[tuple[bytes, bytes]], body: bytes = b"", *, most: int = ...
    ) -> Any:
        """Send a request."""


class Answer(Struct, frozen=True):
    """What a network said; ``said`` is its JSON, where it is an object."""

    status: int
    headers: dict[str, str]
    said: dict[str, Any]
    # Its beginning, of what is no JSON.
    raw: str = ""

    def text(self, name: str) -> str:
        """A member that is a text or a number; else ``""``."""
        value = self.said.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        return value.strip()[:8_192] if isinstance(value, str) else ""


class Asking:
    """Asks networks."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def ask(
        self, method: bytes, url: str, headers: list[tuple[bytes, bytes]], body: bytes = b""
    ) -> Answer:
        """What is answered, whatever its status.

        Raises:
            ShareFailed: nothing is, or we may not ask there.
        """
        place = url.partition("?")[0][:200]
        try:
            found = await self._http.ask(
                method, url, [(b"Accept", b"application/json"), *headers], body, most=MOST_BYTES
            )
        except ValueError as error:
            raise ShareFailed("broken", f"{place}: {error}") from None
        except OSError as error:
            raise ShareFailed("down", f"{place}: {error}") from None
        try:
            said = msgspec.json.decode(found.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said = None
        raw = found.body[:200].decode("utf-8", "replace")
        return Answer(found.status, found.headers, said if isinstance(said, dict) else {}, raw)

    async def get(self, url: str, *headers: tuple[bytes, bytes]) -> Answer:
        """Get something."""
        return await self.ask(b"GET", url, list(headers))

    async def form(self, url: str, fields: dict[str, str], *headers: tuple[bytes, bytes]) -> Answer:
        """Send a form."""
        kind = (b"Content-Type", b"application/x-www-form-urlencoded")
        return await self.ask(b"POST", url, [kind, *headers], urlencode(fields).encode())

    async def json(self, url: str, value: Any, *headers: tuple[bytes, bytes]) -> Answer:
        """Send JSON."""
        return await self.ask(
            b"POST", url, [(b"Content-Type", b"application/json"), *headers], msgspec.json.encode(value)
        )


def bearer(token: str, scheme: str = "Bearer") -> tuple[bytes, bytes]:
    """The header that shows a token.

    Raises:
        ShareFailed: it is no token.
    """
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ShareFailed("lost", "a token with characters that none has")
    return b"Authorization", f"{scheme} {token}".encode("ascii")


def passing(answer: Answer, where: str) -> None:
    """Nothing, unless the network can't be used for the time being.

    Raises:
        ShareFailed: it is down, or wants no more for now.
    """
    if answer.status == 429:
        raise ShareFailed("limit", f"{where}: 429")
    if answer.status >= 500 or answer.status in (408, 425):
        raise ShareFailed("down", f"{where}: {answer.status}")


def tokens_of(answer: Answer, where: str, old: Tokens | None = None) -> Tokens:
    """The tokens of a token endpoint's answer (RFC 6749 section 5.1); what it does not say stays as in *old*.

    Raises:
        ShareFailed: it gives none.
    """
    passing(answer, where)
    access = answer.text("access_token")
    if answer.status >= 400 or not access:
        gone = answer.text("error") in ("invalid_grant", "invalid_request", "unauthorized_client")
        raise ShareFailed("lost" if gone else "broken", f"{where}: {answer.status} {answer.text('error')[:80]!r}")
    refresh = answer.text("refresh_token") or ("" if old is None else old.refresh)
    return Tokens(access, refresh, {} if old is None else old.more)


def web_address(text: str) -> str:
    """*text* where it is a web address that can be linked to; else ``""``."""
    good = text.startswith(("https://", "http://")) and len(text) <= 1_000 and text.isascii()
    return text if good and all(32 < ord(one) < 127 and one not in "\"'<>\\`" for one in text) else ""
