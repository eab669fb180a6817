"""Who is speaking: anonymous sessions bound to a site.

A session is a signed token and needs no row until its visitor writes. It is low-power by design (comment and vote as
this visitor on this site), since it lives in the host page's localStorage.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Protocol

import jwt
from msgspec import Struct

from cackled.domain.errors import Unauthorized
from cackled.domain.site import Site

LIFETIME = 24 * 3600
# A token that has run out can still be exchanged for a new one of the same visitor.
RENEWABLE = 180 * 24 * 3600
# Tokens remembered as genuine.
KNOWN = 20_000
# Clocks of two nodes may differ by this much.
LEEWAY = 60


class Random(Protocol):
    """The part of `random.SystemRandom` used here."""

    def getrandbits(self, k: int, /) -> int:
        """*k* random bits."""


class Session(Struct, frozen=True):
    """A visitor of one site."""

    site: int
    visitor: int


class Grant(Struct, frozen=True):
    """What `Sessions.open` hands out. ``expires`` is in seconds since 1970."""

    token: str
    visitor: str
    view: str
    expires: int


class Sessions:
    """Makes and checks session tokens and view tickets.

    A *view ticket* travels in the address of the first render. It only lets its bearer see one visitor's own votes
    and blocks, so that the render is one request without a preflight.
    """

    def __init__(self, key: bytes, wall_time: Callable[[], float], random: Random) -> None:
        self._key = blake2b(key, person=b"cackled.session").digest()
        self._view_key = blake2b(key, person=b"cackled.view").digest()
        self._wall_time = wall_time
        self._random = random
        # Tokens found genuine: (site, visitor, expires). A visitor who writes sends the same one again and again.
        self._known: OrderedDict[str, tuple[int, int, int]] = OrderedDict()

    def open(self, site: Site, old_token: str | None = None) -> Grant:
        """A session: of the visitor of *old_token* where that may be renewed, else of a new visitor."""
        visitor = None
        if old_token is not None:
            try:
                visitor = self._decode(site, old_token, RENEWABLE)
            except Unauthorized:
                visitor = None
        if visitor is None:
            visitor = self._random.getrandbits(62) | 1
        now = int(self._wall_time())
        claims = {"sub": str(visitor), "aud": f"site:{site.id}", "iat": now, "exp": now + LIFETIME}
        return Grant(
            jwt.encode(claims, self._key, algorithm="HS256"), str(visitor), self.view(site, visitor), now + LIFETIME
        )

    def check(self, site: Site, token: str) -> Session:
        """The session of *token*.

        Raises:
            Unauthorized: it is none, of another site, or has run out.
        """
        return Session(site.id, self._decode(site, token, 0))

    def view(self, site: Site, visitor: int) -> str:
        """The view ticket of a visitor."""
        mac = blake2b(f"{site.id}/{visitor}".encode(), key=self._view_key, digest_size=15).digest()
        return urlsafe_b64encode(mac).decode("ascii")

    def check_view(self, site: Site, ticket: str) -> Session | None:
        """The session that ``<visitor>.<view>`` may look through, or None where it is not genuine."""
        visitor, _, view = ticket.partition(".")
        if not (visitor.isascii() and visitor.isdigit() and len(visitor) < 20 and view.isascii()):
            return None
        if not hmac.compare_digest(view, self.view(site, int(visitor))):
            return None
        return Session(site.id, int(visitor))

    def _decode(self, site: Site, token: str, grace: int) -> int:
        known = self._known.get(token)
        if known is None:
            known = self._verify(site, token)
            self._known[token] = known
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)
        owner, visitor, expires = known
        if owner != site.id:
            raise Unauthorized("That session is not valid here.", slug="bad-token")
        if self._wall_time() > expires + LEEWAY + grace:
            raise Unauthorized("The session has run out.", slug="token-expired")
        return visitor

    def _verify(self, site: Site, token: str) -> tuple[int, int, int]:
        if len(token) > 1000:
            raise Unauthorized("That session is not valid here.", slug="bad-token")
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                audience=f"site:{site.id}",
                options={"require": ["sub", "aud", "iat", "exp"], "verify_exp": False, "verify_iat": False},
            )
            return site.id, int(claims["sub"]), int(claims["exp"])
        except (jwt.InvalidTokenError, ValueError):
            raise Unauthorized("That session is not valid here.", slug="bad-token") from None
