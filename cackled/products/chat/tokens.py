"""The secret of a conversation, which its visitor shows with every call.

It is made from the number of the conversation and a key that all nodes share: a repeated start gives the same one, and
none is stored.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from hmac import compare_digest

PREFIX = "chat."
# The key of a conversation's channel: its number; and behind a dot how often its visitor had signed out before it.
_KEY = re.compile(r"([0-9]{1,19})(?:\.([0-9]{1,9}))?", re.ASCII)


class ChatTokens:
    """Makes and checks the tokens of conversations; *secret* gives the key that all nodes share, by name."""

    def __init__(self, secret: Callable[[str], Awaitable[bytes]]) -> None:
        self._secret = secret
        self._key: bytes | None = None

    def use(self, secret: bytes) -> None:
        """Make and check tokens with *secret*."""
        self._key = blake2b(secret, person=b"cackled.chat").digest()

    def holds(self, site: int, key: str, token: str) -> bool:
        """Whether *token* is of the conversation whose channel has this key."""
        found = _KEY.fullmatch(key)
        if self._key is None or found is None:
            return False
        made = _made(self._key, site, int(found[1]), int(found[2] or 0))
        return compare_digest(made.encode(), token.encode("utf-8", "replace"))

    async def key(self) -> bytes:
        """What tokens, and salts of work, are made with."""
        if self._key is None:
            self.use(await self._secret("session"))
        assert self._key is not None
        return self._key

    async def make(self, site: int, chat: int, number: int = 0) -> str:
        """The token of a conversation; *number* counts how often its visitor signed out."""
        return _made(await self.key(), site, chat, number)

    async def number(self, site: int, chat: int, token: str) -> int | None:
        """Which token of the conversation *token* is; None: it is none. Asks nobody: strangers send many."""
        number = _number(token)
        if number is None:
            return None
        made = await self.make(site, chat, number)
        return number if compare_digest(made.encode(), token.encode("utf-8", "replace")) else None


def private(key: str) -> bool:
    """Whether a channel of chat is a conversation."""
    return _KEY.fullmatch(key) is not None


def _number(token: str) -> int | None:
    words = token.removeprefix(PREFIX).rpartition(".")[0]
    if words and not (words.isascii() and words.isdigit() and len(words) <= 9 and words[0] != "0"):
        return None
    return int(words or 0)


def _made(key: bytes, site: int, chat: int, number: int) -> str:
    words = f"{site} {chat} {number}" if number else f"{site} {chat}"
    mac = blake2b(words.encode(), key=key, digest_size=24).digest()
    return f"{PREFIX}{f'{number}.' if number else ''}{urlsafe_b64encode(mac).decode('ascii')}"
