"""Keys that are shown to be held: proofs for tokens (DPoP, RFC 9449), and our own as a client (RFC 7523)."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from hashlib import blake2b, sha256
from secrets import token_urlsafe
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

# The order of the curve P-256 (FIPS 186-4, D.1.2.3).
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# Seconds that a statement of ours as a client holds.
HOLDS = 60


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def public_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """The public half of *key* as a JSON Web Key (RFC 7517)."""
    numbers = key.public_key().public_numbers()
    x, y = (_encoded(one.to_bytes(32, "big")) for one in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def thumbprint(jwk: dict[str, str]) -> str:
    """The name of a key (RFC 7638)."""
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    return _encoded(sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest())


def new_key() -> str:
    """A new key, as text."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def proof(key: str, method: str, url: str, now: float, nonce: str = "", token: str = "") -> str:
    """A proof for one request to *url* (without query), with *nonce* where the server gave one, for *token*."""
    private = load_pem_private_key(key.encode("ascii"), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    claims: dict[str, Any] = {"jti": token_urlsafe(16), "htm": method, "htu": url, "iat": int(now)}
    if nonce:
        claims["nonce"] = nonce
    if token:
        claims["ath"] = _encoded(sha256(token.encode("ascii")).digest())
    return jwt.encode(claims, private, "ES256", headers={"typ": "dpop+jwt", "jwk": public_jwk(private)})


class ClientKey:
    """Our own key as a client; *secret* gives what all nodes share, by name."""

    def __init__(self, secret: Callable[[str], Awaitable[bytes]], wall_time: Callable[[], float]) -> None:
        self._secret = secret
        self._wall_time = wall_time
        self._private: ec.EllipticCurvePrivateKey | None = None

    async def _ready(self) -> ec.EllipticCurvePrivateKey:
        if self._private is None:
            made = blake2b(await self._secret("session"), person=b"cackled.share").digest()
            self._private = ec.derive_private_key(int.from_bytes(made, "big") % (_ORDER - 1) + 1, ec.SECP256R1())
        return self._private

    async def jwk(self) -> dict[str, str]:
        """The public half."""
        bare = public_jwk(await self._ready())
        return {**bare, "kid": thumbprint(bare), "alg": "ES256", "use": "sig"}

    async def statement(self, client: str, audience: str) -> dict[str, str]:
        """The fields that show *audience* that we are *client*."""
        now = int(self._wall_time())
        claims = {
            "iss": client, "sub": client, "aud": audience, "jti": token_urlsafe(16), "iat": now, "exp": now + HOLDS,
        }  # fmt: skip
        headers = {"kid": (await self.jwk())["kid"]}
        return {
            "client_id": client,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jwt.encode(claims, await self._ready(), "ES256", headers=headers),
        }
