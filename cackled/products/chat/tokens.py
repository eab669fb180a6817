"""The secret of a conversation, which its visitor shows with every call.

It is made from the number of the conversation and a key that all nodes share: a repeated start gives the same one, and
none is stored.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from hmac import compare_digest

PREFIX = "chat."


class ChatTokens:
    """Makes and checks the tokens of conversations; *secret* gives the key that all nodes share, by name."""

    def __init__(self, secret: Callable[[str], Awaitable[bytes]]) -> None:
        self._secret = secret
        self._key: bytes | None = None

    async def make(self, site: int, chat: int) -> str:
        """The token of a conversation."""
        if self._key is None:
            self._key = blake2b(await self._secret("session"), person=b"cackled.chat").digest()
        mac = blake2b(f"{site} {chat}".encode(), key=self._key, digest_size=24).digest()
        return PREFIX + urlsafe_b64encode(mac).decode("ascii")

    async def holds(self, site: int, chat: int, token: str) -> bool:
        """Whether *token* is that of the conversation."""
        return compare_digest((await self.make(site, chat)).encode(), token.encode("utf-8", "replace"))
