"""Keys that sign the zone: files, DNSKEY records, and the DS records for the parent zone.

One key does the work of both kinds (flags 257). RFC 4034 (DNSKEY, DS), 6605 (P-256), 8080 (Ed25519), 4509 (SHA-256
digests).
"""

from __future__ import annotations

import os
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from .wire import name_text
from .zone import ZoneError

P256, ED25519 = 13, 15
NAMES = {"p256": P256, "ed25519": ED25519}
_FLAGS = 257
_SHA256 = hashes.SHA256()


class Key:
    """One private key. ``rdata`` is its DNSKEY, ``tag`` its key tag, ``algorithm`` the number of its kind."""

    def __init__(self, private: Ed25519PrivateKey | EllipticCurvePrivateKey) -> None:
        self._private = private
        if isinstance(private, Ed25519PrivateKey):
            self.algorithm = ED25519
            public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        else:
            self.algorithm = P256
            public = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
        self.rdata = _FLAGS.to_bytes(2, "big") + bytes((3, self.algorithm)) + public
        total = sum(byte << 8 if at % 2 == 0 else byte for at, byte in enumerate(self.rdata))
        self.tag = (total + (total >> 16)) & 0xFFFF

    def sign(self, data: bytes) -> bytes:
        """The signature as an RRSIG has it."""
        if isinstance(self._private, Ed25519PrivateKey):
            return self._private.sign(data)
        r, s = decode_dss_signature(self._private.sign(data, ECDSA(_SHA256)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def describe(self, origin: bytes) -> list[str]:
        """The DS and the DNSKEY record of a zone with this key, as text for the parent zone and for people."""
        name = name_text(origin)
        digest = sha256(origin + self.rdata).hexdigest().upper()
        public = b64encode(self.rdata[4:]).decode("ascii")
        return [
            f"{name} IN DS {self.tag} {self.algorithm} 2 {digest}",
            f"{name} IN DNSKEY {_FLAGS} 3 {self.algorithm} {public}",
        ]


def load(path: str | Path) -> Key:
    """The key in a PEM file.

    Raises:
        ZoneError: it can't be read, is readable by others, or is no key of a kind that we sign with.
    """
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise ZoneError(f"{path} must be readable by its owner only (chmod 600)")
            private = load_pem_private_key(file.read(), None)
    except OSError as error:
        raise ZoneError(f"{path}: {error.strerror or error}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ZoneError(f"{path} is no private key in PEM without a password") from None
    if isinstance(private, Ed25519PrivateKey):
        return Key(private)
    if isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP256R1):
        return Key(private)
    raise ZoneError(f"{path}: only Ed25519 and P-256 keys sign")


def make(path: str | Path, algorithm: int) -> Key:
    """Make a key and put it into a new file, mode 0600.

    Raises:
        ZoneError: the file is there already, or can't be written.
    """
    private: Ed25519PrivateKey | EllipticCurvePrivateKey
    private = Ed25519PrivateKey.generate() if algorithm == ED25519 else generate_private_key(SECP256R1())
    text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
    except OSError as error:
        raise ZoneError(f"{path}: {error.strerror or error}") from None
    return Key(private)
