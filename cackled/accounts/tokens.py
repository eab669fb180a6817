"""Random tokens, and what is stored of them: nobody who reads the database can use one."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

# Bytes of a token, which nobody guesses; longer than so many characters no token of ours is.
BYTES = 32
LONGEST = 200


def make_token(random: Any) -> str:
    """A new token of 43 characters; *random* is a `random.SystemRandom`."""
    raw: bytes = random.getrandbits(BYTES * 8).to_bytes(BYTES, "big")
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def hash_token(token: str) -> bytes:
    """What is stored of *token*. It is random, so that one round of SHA-256 is enough."""
    return sha256(token.encode("utf-8", "replace")).digest()
