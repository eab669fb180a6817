"""OpenID Connect by discovery: any issuer (OpenID Connect Core 1.0, Discovery 1.0), code flow with PKCE.

What an issuer says of itself and its keys is kept for an hour; a key that is not known is asked for again, at most once
a minute.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import jwt
from msgspec import Struct

from cackled.identity.provider_http import Asking, SignInFailed, text

KEPT = 3_600.0
AGAIN = 60.0
MOST_KEPT = 1_000
LEEWAY = 60.0
# Signatures by a key that the issuer publishes; none with a shared secret, and never "none".
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_OPTIONS: Any = {
    "require": ["iss", "sub", "aud", "exp", "iat"],
    **dict.fromkeys(("verify_exp", "verify_iat", "verify_nbf", "verify_sub"), False),
}


class Issuer(Struct, frozen=True):
    """What an issuer says of itself."""

    issuer: str
    authorize: str
    token: str
    userinfo: str
    keys: str
    basic: bool


class _Kept(Struct):
    until: float
    issuer: Issuer
    keys: dict[str, Any] = {}
    keys_at: float = -AGAIN


class Issuers:
    """What is known of issuers, in a process. *seconds* is a clock for ages, *wall_time* for tokens."""

    def __init__(self, asking: Asking, seconds: Callable[[], float], wall_time: Callable[[], float]) -> None:
        self._asking = asking
        self._seconds = seconds
        self._wall_time = wall_time
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def find(self, issuer: str) -> Issuer:
        """What *issuer* says of itself.

        Raises:
            SignInFailed: it does not answer, or is another.
        """
        return (await self._find(issuer)).issuer

    async def _find(self, issuer: str) -> _Kept:
        kept = self._kept.get(issuer)
        if kept is not None and self._seconds() < kept.until:
            return kept
        said = await self._asking.get(f"{issuer}/.well-known/openid-configuration")
        # Discovery 1.0 section 4.3: it has to be the very issuer that was asked for.
        if text(said, "issuer").rstrip("/") != issuer:
            raise SignInFailed("broken", f"{issuer} says that it is {text(said, 'issuer')[:200]!r}")
        methods = said.get("token_endpoint_auth_methods_supported")
        basic = not isinstance(methods, list) or "client_secret_basic" in methods
        found = Issuer(
            text(said, "issuer"), text(said, "authorization_endpoint"), text(said, "token_endpoint"),
            text(said, "userinfo_endpoint"), text(said, "jwks_uri"), basic,
        )  # fmt: skip
        if not (found.authorize and found.token and found.keys):
            raise SignInFailed("broken", f"{issuer}: its configuration is not whole")
        kept = self._kept[issuer] = _Kept(self._seconds() + KEPT, found)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return kept

    async def _key(self, kept: _Kept, head: dict[str, Any]) -> Any:
        named = str(head.get("kid", ""))
        if named not in kept.keys and (named or len(kept.keys) != 1) and self._seconds() - kept.keys_at >= AGAIN:
            said = await self._asking.get(kept.issuer.keys)
            kept.keys_at = self._seconds()
            found = {}
            for number, one in enumerate(said.get("keys") or ()):
                if not isinstance(one, dict) or one.get("use", "sig") != "sig" or one.get("kty") == "oct":
                    continue
                try:
                    # Which algorithms it is for follows from its kind.
                    bare = {name: value for name, value in one.items() if name != "alg"}
                    found[str(one.get("kid", number if number else ""))] = jwt.PyJWK(bare).key
                except (jwt.PyJWTError, ValueError, TypeError, KeyError):
                    continue
            kept.keys = found
        key = kept.keys.get(named)
        if key is None and not named and len(kept.keys) == 1:
            key = next(iter(kept.keys.values()))
        if key is None:
            raise SignInFailed("broken", f"{kept.issuer.issuer} has no key {named[:60]!r}")
        return key

    async def verify(self, issuer: str, token: str, client: str, nonce: str) -> dict[str, Any]:
        """The claims of an ID token of *issuer* for us (OpenID Connect Core 1.0 section 3.1.3.7).

        Raises:
            SignInFailed: it does not hold.
        """
        kept = await self._find(issuer)
        try:
            head = jwt.get_unverified_header(token)
            if head.get("alg") not in ALGORITHMS:
                raise SignInFailed("broken", f"{issuer}: an ID token signed with {str(head.get('alg'))[:20]!r}")
            key = await self._key(kept, head)
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=[head["alg"]], audience=client, issuer=kept.issuer.issuer, options=_OPTIONS
            )
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise SignInFailed("broken", f"{issuer}: {type(error).__name__} {str(error)[:200]}") from None
        now, expires, issued = self._wall_time(), claims["exp"], claims["iat"]
        if not all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in (expires, issued)):
            raise SignInFailed("broken", f"{issuer}: a time that is no number")
        if not (issued - LEEWAY <= now <= expires + LEEWAY):
            raise SignInFailed("broken", f"{issuer}: the ID token is of {issued} to {expires}, here it is {now:.0f}")
        if claims.get("nonce") != nonce:
            raise SignInFailed("broken", f"{issuer}: the ID token is for another request")
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if (several or "azp" in claims) and claims.get("azp") != client:
            raise SignInFailed("broken", f"{issuer}: the ID token is for another party")
        return claims
