"""Challenges that we know again without having stored them: sealed with a key that all nodes share.

A challenge says what it is for and until when, and nobody else can make one. That it was taken is written down, so that
each is taken once; nothing is written for those that strangers only ask for.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from hashlib import blake2b, sha256
from typing import Any

from cackled.database.query import Query
from cackled.database.routing import Database

# Seconds that a challenge holds.
LIFETIME = 600
_NONCE, _TIME, _MAC = 16, 8, 32

SPEND_CHALLENGE = Query(
    "spend_challenge",
    """
    insert into catalog.account_challenge (token_hash, kind, value, expires_at)
    values ($1, $2, '', to_timestamp($3)) on conflict do nothing returning true
    """,
    ("bytea", "text", "float8"),
)
DROP_CHALLENGES = Query(
    "drop_challenges",
    """
    with gone as (
      delete from catalog.account_challenge where token_hash in (
        select token_hash from catalog.account_challenge where expires_at < now() limit 1000) returning 1
    ) select count(*) from gone
    """,
)


class Challenges:
    """Makes and knows challenges."""

    def __init__(
        self, database: Database, random: Any, secret: Callable[[str], Awaitable[bytes]],
        wall_time: Callable[[], float],
    ) -> None:  # fmt: skip
        self._database = database.system
        self._random = random
        self._secret = secret
        self._wall_time = wall_time
        self._key = b""

    async def make(self, kind: str, about: bytes = b"") -> bytes:
        """A challenge of *kind*, about whatever *about* says."""
        nonce: bytes = self._random.getrandbits(_NONCE * 8).to_bytes(_NONCE, "big")
        body = nonce + (int(self._wall_time()) + LIFETIME).to_bytes(_TIME, "big")
        return body + await self._mac(kind, about, body)

    async def holds(self, challenge: bytes, kind: str, about: bytes = b"") -> bool:
        """Whether *challenge* is one that we made for that, and not too old."""
        body, mac = challenge[:-_MAC], challenge[-_MAC:]
        if len(challenge) != _NONCE + _TIME + _MAC:
            return False
        genuine = hmac.compare_digest(mac, await self._mac(kind, about, body))
        return genuine and int.from_bytes(body[_NONCE:], "big") >= self._wall_time()

    async def spend(self, challenge: bytes, kind: str) -> bool:
        """Take a challenge that holds; False where it was taken before."""
        ends = float(int.from_bytes(challenge[_NONCE : _NONCE + _TIME], "big"))
        return bool(await self._database.write(SPEND_CHALLENGE, sha256(challenge).digest(), kind, ends))

    async def _mac(self, kind: str, about: bytes, body: bytes) -> bytes:
        if not self._key:
            self._key = blake2b(await self._secret("session"), person=b"cackled.chall").digest()
        text = kind.encode() + b"\0" + len(about).to_bytes(4, "big") + about + body
        return blake2b(text, key=self._key, digest_size=_MAC).digest()
