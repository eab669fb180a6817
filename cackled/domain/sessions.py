"""Who is speaking: sessions bound to a site, of guests and of people who signed in.

A session is a signed token and needs no row until its visitor writes. It is low-power by design (comment and vote as
this visitor on this site), since it lives in the host page's localStorage. One of a person who signed in also says how,
and in which groups they are; it is short, and made anew from what the database knows of the person
(`cackled.domain.people`).
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Protocol

import jwt
import msgspec
from msgspec import Struct

from cackled.domain.errors import Unauthorized
from cackled.domain.site import Site

LIFETIME = 24 * 3600
# The same of somebody who signed in.
SIGNED_LIFETIME = 3600
# A token that has run out can still be exchanged for a new one of the same visitor.
RENEWABLE = 180 * 24 * 3600
# Tokens remembered as genuine.
KNOWN = 20_000
# Clocks of two nodes may differ by this much.
LEEWAY = 60
LONGEST = 3_000
# How somebody is known: not at all, by a way of signing in, or because the site's own server says so.
GUEST, SIGNED_IN, BY_SITE = 0, 1, 2


class Random(Protocol):
    """The part of `random.SystemRandom` used here."""

    def getrandbits(self, k: int, /) -> int:
        """*k* random bits."""


class Session(Struct, frozen=True):
    """A visitor of one site.

    ``level``: `GUEST`, `SIGNED_IN` or `BY_SITE`. Of those who are no guests: ``groups`` (those of them that the site's
    locks ask for), ``staff`` (``moderator``, ``admin`` or ``""``) and ``since``, when they signed in (seconds since
    1970).
    """

    site: int
    visitor: int
    level: int = GUEST
    groups: frozenset[str] = frozenset()
    staff: str = ""
    since: int = 0


class Grant(Struct, frozen=True):
    """What `Sessions.open` hands out. ``expires`` is in seconds since 1970."""

    token: str
    visitor: str
    view: str
    expires: int


class _Known(Struct, frozen=True):
    """What a genuine token says."""

    session: Session
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
        # Tokens found genuine. A visitor who writes sends the same one again and again.
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def open(self, site: Site, old_token: str | None = None) -> Grant:
        """A guest's session: of the visitor of *old_token* where that is a guest's and may be renewed, else of a new
        visitor."""
        old = None if old_token is None else self.renewable(site, old_token)
        return self.guest(site, old.visitor if old is not None and old.level == GUEST else None)

    def guest(self, site: Site, visitor: int | None = None) -> Grant:
        """A session of the guest *visitor*; of a new one where none is named."""
        visitor = self.new_visitor() if visitor is None else visitor
        now = int(self._wall_time())
        claims = {"sub": str(visitor), "aud": f"site:{site.id}", "iat": now, "exp": now + LIFETIME}
        return Grant(self._token(claims), str(visitor), self.view(site, visitor), now + LIFETIME)

    def signed_in(self, session: Session) -> Grant:
        """A session as *session* says, which is no guest's."""
        now = int(self._wall_time())
        expires = now + SIGNED_LIFETIME
        claims: dict[str, object] = {
            "sub": str(session.visitor), "aud": f"site:{session.site}", "iat": now, "exp": expires,
            "lvl": session.level, "at": session.since,
        }  # fmt: skip
        if session.groups:
            claims["grp"] = sorted(session.groups)
        if session.staff:
            claims["stf"] = session.staff
        # Looked through as long as the session lasts: what a locked page shows goes with it.
        view = {name: claims[name] for name in ("exp", "lvl", "grp") if name in claims}
        text = urlsafe_b64encode(msgspec.json.encode(view)).rstrip(b"=").decode("ascii")
        mac = self._mac(f"{session.site}/{session.visitor}/{text}")
        return Grant(self._token(claims), str(session.visitor), f"{mac}~{text}", expires)

    def new_visitor(self) -> int:
        """The number of a visitor that nobody has."""
        return self._random.getrandbits(62) | 1

    def renewable(self, site: Site, token: str) -> Session | None:
        """The session of *token*, which may have run out within `RENEWABLE`; None where it does not hold here."""
        try:
            return self._decode(site, token, RENEWABLE)
        except Unauthorized:
            return None

    def check(self, site: Site, token: str) -> Session:
        """The session of *token*.

        Raises:
            Unauthorized: it is none, of another site, or has run out.
        """
        return self._decode(site, token, 0)

    def view(self, site: Site, visitor: int) -> str:
        """The view ticket of a visitor, as a guest."""
        return self._mac(f"{site.id}/{visitor}")

    def _mac(self, text: str) -> str:
        return urlsafe_b64encode(blake2b(text.encode(), key=self._view_key, digest_size=15).digest()).decode("ascii")

    def check_view(self, site: Site, ticket: str) -> Session | None:
        """The session that ``<visitor>.<view>`` may look through, or None where it is not genuine or has run out."""
        visitor, _, view = ticket.partition(".")
        if not (visitor.isascii() and visitor.isdigit() and len(visitor) < 20 and view.isascii()):
            return None
        mac, signed, text = view.partition("~")
        said = f"{site.id}/{int(visitor)}" + (f"/{text}" if signed else "")
        if len(text) > LONGEST or not hmac.compare_digest(mac, self._mac(said)):
            return None
        if not signed:
            return Session(site.id, int(visitor))
        claims = msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if self._wall_time() > claims["exp"] + LEEWAY:
            return None
        return Session(site.id, int(visitor), claims["lvl"], frozenset(claims.get("grp", ())))

    def view_expires(self, ticket: str) -> int:
        """When a genuine view ticket runs out, in seconds since 1970; 0: never."""
        text = ticket.partition("~")[2]
        if not text:
            return 0
        return int(msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))["exp"])

    def _token(self, claims: dict[str, object]) -> str:
        return jwt.encode(claims, self._key, algorithm="HS256")

    def _decode(self, site: Site, token: str, grace: int) -> Session:
        known = self._known.get(token)
        if known is None:
            known = self._verify(site, token)
            self._known[token] = known
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)
        if known.session.site != site.id:
            raise Unauthorized("That session is not valid here.", slug="bad-token")
        if self._wall_time() > known.expires + LEEWAY + grace:
            raise Unauthorized("The session has run out.", slug="token-expired")
        return known.session

    def _verify(self, site: Site, token: str) -> _Known:
        if len(token) > LONGEST:
            raise Unauthorized("That session is not valid here.", slug="bad-token")
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                audience=f"site:{site.id}",
                options={"require": ["sub", "aud", "iat", "exp"], "verify_exp": False, "verify_iat": False},
            )
            session = Session(
                site.id, int(claims["sub"]), int(claims.get("lvl", GUEST)), frozenset(claims.get("grp", ())),
                str(claims.get("stf", "")), int(claims.get("at", 0)),
            )  # fmt: skip
            return _Known(session, int(claims["exp"]))
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise Unauthorized("That session is not valid here.", slug="bad-token") from None
