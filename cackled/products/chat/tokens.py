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

    async def key(self) -> bytes:
        """What tokens, and salts of work, are made with."""
        if self._key is None:
            self._key = blake2b(await self._secret("session"), person=b"cackled.chat").digest()
        return self._key

    async def make(self, site: int, chat: int, number: int = 0) -> str:
        """The token of a conversation; *number* counts how often its visitor signed out."""
        key = await self.key()
        words = f"{site} {chat} {number}" if number else f"{site} {chat}"
        mac = blake2b(words.encode(), key=key, digest_size=24).digest()
        return f"{PREFIX}{f'{number}.' if number else ''}{urlsafe_b64encode(mac).decode('ascii')}"

    async def number(self, site: int, chat: int, token: str) -> int | None:
        """Which token of the conversation *token* is; None: it is none. Asks nobody: strangers send many."""
        words = token.removeprefix(PREFIX).rpartition(".")[0]
        if words and not (words.isascii() and words.isdigit() and len(words) <= 9 and words[0] != "0"):
            return None
        number = int(words or 0)
        made = await self.make(site, chat, number)
        return number if compare_digest(made.encode(), token.encode("utf-8", "replace")) else None
