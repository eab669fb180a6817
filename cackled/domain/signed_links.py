"""Links in mail to moderators that do one thing, once, for a while, for whoever has them.

A token is a JSON Web Token (HS256, RFC 7519) under a key derived from the one that all nodes share. It names the site,
the deed and what it is done to, and holds no words. That a link was used is written in the transaction of its deed.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Literal, cast, get_args

import jwt
from msgspec import Struct

# Seconds that a link works.
LIFETIME = 7 * 24 * 3600
LONGEST = 1_000

Deed = Literal["remove", "ban", "approve", "reject", "spam", "answer", "chat"]
DEEDS = get_args(Deed)


class SignedLink(Struct, frozen=True):
    """What a token says: *target* is a comment, or a visitor to ban; *expires* in seconds since 1970.

    *version* is that of the comment that the mail showed (None: any). *text* is what the moderator answers with it.
    """

    id: int
    site: int
    deed: Deed
    target: int
    expires: int
    version: int | None = None
    text: str = ""


class SignedLinks:
    """Makes and reads tokens; *secret* gives the key that all nodes share, by name."""

    def __init__(self, secret: Callable[[str], Awaitable[bytes]], wall_time: Callable[[], float]) -> None:
        self._secret = secret
        self._wall_time = wall_time
        self._key: bytes = b""

    async def _ready(self) -> bytes:
        if not self._key:
            self._key = blake2b(await self._secret("session"), person=b"cackled.link").digest()
        return self._key

    async def token(
        self, site: int, deed: Deed, target: int, occasion: int, version: int | None = None
    ) -> tuple[str, int]:
        """A token, and when it runs out. One *occasion* (a piece of mail) has one use, however often it is sent."""
        key = await self._ready()
        expires = int(self._wall_time()) + LIFETIME
        number = blake2b(f"{site} {deed} {target} {occasion}".encode(), key=key, digest_size=8).digest()
        claims = {
            "aud": "link", "jti": str(int.from_bytes(number, "big") >> 1), "site": site, "deed": deed,
            "sub": str(target), "exp": expires, **({} if version is None else {"ver": version}),
        }  # fmt: skip
        return jwt.encode(claims, key, algorithm="HS256"), expires

    async def mark(self, text: str) -> str:
        """A mark of *text* that nobody else can make: 16 small letters and digits, which go into addresses of mail."""
        made = blake2b(text.encode(), key=await self._ready(), digest_size=10, person=b"cackled.mark").digest()
        return b32encode(made).decode("ascii").lower()

    async def read(self, token: str) -> SignedLink | None:
        """What *token* says; None where it is not genuine, or has run out."""
        key = await self._ready()
        if len(token) > LONGEST or not token.isascii():
            return None
        try:
            claims = jwt.decode(
                token, key, algorithms=["HS256"], audience="link",
                options={"require": ["aud", "exp", "jti", "sub"], "verify_exp": False},
            )  # fmt: skip
            made = SignedLink(
                int(claims["jti"]), int(claims["site"]), cast(Deed, claims["deed"]), int(claims["sub"]),
                int(claims["exp"]), int(claims["ver"]) if "ver" in claims else None,
            )  # fmt: skip
        except (jwt.InvalidTokenError, KeyError, ValueError, TypeError, RecursionError):
            return None
        return made if made.deed in DEEDS and made.expires > self._wall_time() else None
