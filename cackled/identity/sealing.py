"""Secrets of providers, encrypted at rest: a copy of one site's tables tells nobody else what its providers trust."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import blake2b
from os import urandom

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12


class Sealing:
    """AES-256-GCM under a key derived from the one that all nodes share; *secret* gives that, by name."""

    def __init__(self, secret: Callable[[str], Awaitable[bytes]]) -> None:
        self._secret = secret
        self._cipher: AESGCM | None = None

    async def _ready(self) -> AESGCM:
        if self._cipher is None:
            key = blake2b(await self._secret("session"), digest_size=32, person=b"cackled.seal").digest()
            self._cipher = AESGCM(key)
        return self._cipher

    async def seal(self, place: str, text: str) -> bytes:
        """*text*, to be opened for the same *place* (which site and provider) alone."""
        nonce = urandom(NONCE)
        return nonce + (await self._ready()).encrypt(nonce, text.encode(), place.encode())

    async def open(self, place: str, sealed: bytes) -> str:
        """What was sealed for *place*; ``""`` where nothing was, or it was for another place or by another key."""
        if not sealed:
            return ""
        try:
            return (await self._ready()).decrypt(sealed[:NONCE], sealed[NONCE:], place.encode()).decode()
        except (InvalidTag, ValueError):
            return ""
