"""Grants: what a site's own server lets a visitor see, and under which name.

A grant is a JSON Web Token that the site signs with its own secret (HS256, settings ``channel_secret`` and
``channel_old_secret``) or key (EdDSA, ``channel_public_key``): nobody here makes one. Its claims: ``aud``
(``site:17``), ``exp``, and where wanted ``channels`` (a list of channel keys; without it, all of the site) and ``name``
(who is here, for presence). One with ``sub`` also says which visitor of the site its bearer is, and opens the locks
that are for them, and for their ``groups`` (`cackled.domain.locks`); by it a session is signed in as well
(`cackled.identity.assertion`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct

from cackled.domain.errors import Forbidden, Refused, Unauthorized
from cackled.domain.locks import Standing
from cackled.domain.sessions import BY_SITE
from cackled.domain.site import Site

# A secret shorter than the hash is no secret (RFC 7518 section 3.2).
LEAST_SECRET = 32
# Grants looked at in one request, and channels named in one grant.
MOST_TOKENS = 16
MOST_CHANNELS = 1_000
NAME_LENGTH = 64
# Tokens remembered as genuine.
KNOWN = 20_000
LONGEST = 2_048
# Clocks may differ by this much, in seconds.
LEEWAY = 60
_OPTIONS: Any = {
    "require": ["aud", "exp"], **dict.fromkeys(("verify_exp", "verify_iat", "verify_nbf", "verify_sub"), False)
}  # fmt: skip
# An ``exp`` may be any number.
_FAR = 2**40


class Grant(Struct, frozen=True):
    """What one token grants: *channels* by id (None: all of the site), from *begins* until *expires* (s since 1970)."""

    channels: frozenset[int] | None
    name: str
    expires: int
    # Who it is about: None of a bearer that is not named.
    standing: Standing | None = None
    begins: int = 0

    def covers(self, channel: int) -> bool:
        """Whether *channel* may be seen."""
        return self.channels is None or channel in self.channels


class Grants:
    """Checks the grants of all sites."""

    def __init__(self, wall_time: Callable[[], float], products: Iterable[str]) -> None:
        self._products = tuple(products)
        self._wall_time = wall_time
        self._known: OrderedDict[tuple[Any, ...], Grant] = OrderedDict()

    def read(self, site: Site, tokens: Iterable[str]) -> list[Grant]:
        """The genuine ones among *tokens* that hold now."""
        now = self._wall_time()
        found = (self._grant(site, token) for token in list(tokens)[:MOST_TOKENS])
        return [one for one in found if one is not None and one.expires > now - LEEWAY and one.begins <= now + LEEWAY]

    def refused(self, site: Site, tokens: Sequence[str], channel: int | None = None) -> Refused | None:
        """Why the bearer of *tokens* may not see *channel* of *site* (None: something of it); None where he may."""
        if not site.settings.private:
            return None
        if not tokens:
            return Unauthorized("This site's pages need a token of the site.", slug="no-token")
        grants = self.read(site, tokens)
        if not grants:
            return Unauthorized("That token is not valid here.", slug="bad-token")
        if channel is not None and not any(grant.covers(channel) for grant in grants):
            return Forbidden("The token does not grant that channel.", slug="not-granted")
        return None

    def check(self, site: Site, tokens: Sequence[str], channel: int | None = None) -> None:
        """As `refused`.

        Raises:
            Refused: he may not.
        """
        refusal = self.refused(site, tokens, channel)
        if refusal is not None:
            raise refusal

    def everything(self, site: Site, tokens: Sequence[str]) -> bool:
        """Whether all channels of *site* may be seen."""
        return not site.settings.private or any(grant.channels is None for grant in self.read(site, tokens))

    def channels(self, site: Site, tokens: Sequence[str]) -> frozenset[int] | None:
        """The channels of *site* that may be seen, by id; None: all of them."""
        if self.everything(site, tokens):
            return None
        return frozenset().union(*(grant.channels or () for grant in self.read(site, tokens)))

    def standings(self, site: Site, tokens: Sequence[str]) -> list[Standing]:
        """How the site knows the bearer of *tokens*."""
        return [one.standing for one in self.read(site, tokens) if one.standing is not None] if tokens else []

    def name(self, site: Site, tokens: Sequence[str], channel: int) -> str:
        """The name that the site gave the bearer in *channel*, or an empty one."""
        if not tokens:
            return ""
        return next((grant.name for grant in self.read(site, tokens) if grant.name and grant.covers(channel)), "")

    def seconds_left(self, site: Site, tokens: Sequence[str], channel: int) -> float | None:
        """Seconds for which *tokens* still let their bearer see *channel* (0: no more); None where none are needed."""
        if not site.settings.private:
            return None
        until = max((grant.expires for grant in self.read(site, tokens) if grant.covers(channel)), default=0)
        return max(0.0, min(until, _FAR) + LEEWAY - self._wall_time())

    def _grant(self, site: Site, token: str) -> Grant | None:
        settings = site.settings
        keys = (settings.channel_secret, settings.channel_old_secret, settings.channel_public_key)
        key = (site.id, keys, token, settings.channel_rule, settings.channel_ignore)
        known = self._known
        grant = known.get(key)
        if grant is None:
            grant = self._verify(site, token)
            if grant is not None:
                known[key] = grant
                if len(known) > KNOWN:
                    known.popitem(last=False)
        return grant

    def _verify(self, site: Site, token: str) -> Grant | None:
        if len(token) > LONGEST or not token.isascii():
            return None
        for key in verification_keys(site):
            try:
                claims = jwt.decode(
                    token, key, algorithms=["HS256" if isinstance(key, str) else "EdDSA"], audience=f"site:{site.id}",
                    options=_OPTIONS,
                )  # fmt: skip
                return self._read(site, claims)
            except (jwt.PyJWTError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
                continue
        return None

    def _read(self, site: Site, claims: dict[str, Any]) -> Grant | None:
        expires, begins = int(claims["exp"]), int(claims.get("nbf", 0))
        channels, name = claims.get("channels"), claims.get("name", "")
        if channels is not None:
            if not isinstance(channels, list) or len(channels) > MOST_CHANNELS:
                return None
            keys = [site.key(key) for key in channels]
            channels = frozenset(site.channel(product, key) for key in keys for product in self._products)
        if not isinstance(name, str):
            return None
        standing = None
        if "sub" in claims and channels is None:
            groups = claims.get("groups", [])
            named = isinstance(groups, list) and all(isinstance(one, str) for one in groups)
            standing = Standing(BY_SITE, frozenset(groups) if named else frozenset(), min(expires, _FAR) + LEEWAY)
        name = "".join(letter for letter in name if letter.isprintable())[:NAME_LENGTH]
        return Grant(channels, name, expires, standing, begins)


def verification_keys(site: Site) -> list[str | Ed25519PublicKey]:
    """The live keys of *site*: secrets that are long enough, and its public key."""
    settings = site.settings
    found: list[str | Ed25519PublicKey] = [
        one for one in (settings.channel_secret, settings.channel_old_secret) if len(one.encode()) >= LEAST_SECRET
    ]
    if settings.channel_public_key:
        found.append(Ed25519PublicKey.from_public_bytes(bytes.fromhex(settings.channel_public_key)))
    return found
