"""Web push: a message for one browser, encrypted for it (RFC 8291), by its push service (RFC 8030), from us (RFC 8292).

The key that push services know us by is made from a secret that all nodes share, so that a browser that registered with
one node is told by any. It is one for the whole deployment.
"""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from struct import pack
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cackled.outbound.guard import Policy, check_literal

# Bytes of a message before it is encrypted: push services take 4,096 after.
MOST = 3_000
RECORD = 4_096
# Seconds that a signed statement holds (RFC 8292: at most a day), and that a push service keeps a message.
LIFETIME = 12 * 3_600
KEPT = 24 * 3_600
# The order of the curve P-256 (FIPS 186-4, D.1.2.3).
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def check_keys(p256dh: bytes, auth: bytes) -> None:
    """See that a browser's keys can be used.

    Raises:
        ValueError: they can't.
    """
    if len(auth) != 16:
        raise ValueError("the secret has 16 bytes")
    _point(p256dh)


def _point(data: bytes) -> ec.EllipticCurvePublicKey:
    if len(data) != 65:
        raise ValueError("the key is an uncompressed point of P-256")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("the key is no point of P-256") from None


def encrypt(
    message: bytes, p256dh: bytes, auth: bytes, *, salt: bytes | None = None,
    private: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:  # fmt: skip
    """*message* for one browser, as aes128gcm (RFC 8188) with the keys of RFC 8291. *salt* and *private* are for tests.

    Raises:
        ValueError: it is too long, or the keys can't be used.
    """
    if len(message) > MOST:
        raise ValueError("the message is too long")
    check_keys(p256dh, auth)
    private = ec.generate_private_key(ec.SECP256R1()) if private is None else private
    salt = os.urandom(16) if salt is None else salt
    own = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = private.exchange(ec.ECDH(), _point(p256dh))
    secret = _hkdf(auth, shared, b"WebPush: info\0" + p256dh + own, 32)
    key = _hkdf(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _hkdf(salt, secret, b"Content-Encoding: nonce\0", 12)
    # One record, and so the last: its delimiter is 2.
    sealed = AESGCM(key).encrypt(nonce, message + b"\2", None)
    return salt + pack(">IB", RECORD, len(own)) + own + sealed


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


class PushKeys:
    """Our own keys; *secret* gives a key that all nodes share, by name. *subject* is who push services may write to."""

    def __init__(
        self, secret: Callable[[str], Awaitable[bytes]], subject: str, policy: Policy, wall_time: Callable[[], float]
    ) -> None:
        self._secret = secret
        self._subject = subject
        self._policy = policy
        self._wall_time = wall_time
        self._private: ec.EllipticCurvePrivateKey | None = None

    async def _ready(self) -> ec.EllipticCurvePrivateKey:
        if self._private is None:
            made = blake2b(await self._secret("session"), person=b"cackled.push").digest()
            self._private = ec.derive_private_key(int.from_bytes(made, "big") % (_ORDER - 1) + 1, ec.SECP256R1())
        return self._private

    async def public(self) -> str:
        """The public key, as ``PushManager.subscribe`` takes it (base64url)."""
        point = (await self._ready()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return _encoded(point)

    def check(self, endpoint: str) -> None:
        """See that a push service may be asked at *endpoint*, as far as that can be told before its name is looked up.

        Raises:
            ValueError: it may not.
        """
        check_literal(endpoint, self._policy)

    async def headers(self, endpoint: str, topic: str, seconds: int = KEPT) -> list[tuple[bytes, bytes]]:
        """The headers of a message to *endpoint*; a later one of the same *topic* takes its place while it waits."""
        private = await self._ready()
        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}", "exp": int(self._wall_time()) + LIFETIME, "sub": self._subject,
        }  # fmt: skip
        said = f"{_json({'typ': 'JWT', 'alg': 'ES256'})}.{_json(claims)}"
        r, s = decode_dss_signature(private.sign(said.encode(), ec.ECDSA(hashes.SHA256())))
        token = f"{said}.{_encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
        return [
            (b"Authorization", f"vapid t={token}, k={await self.public()}".encode()),
            (b"Content-Encoding", b"aes128gcm"),
            (b"Content-Type", b"application/octet-stream"),
            (b"TTL", b"%d" % seconds),
            (b"Urgency", b"normal"),
            (b"Topic", topic.encode("ascii")),
        ]


def _json(value: object) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode("ascii").rstrip("=")
