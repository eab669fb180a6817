"""Links in letters to followers, and the names that letters have.

A link's token (JSON Web Token, HS256) says whose settings it opens. It works as long as letters are kept: the link to
get no more of them for more than a year. A letter's Message-ID is signed, so that whoever has it back shows that it was
there: a server that could not deliver it, or a mailbox provider whose user complained.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Literal

import jwt
from msgspec import Struct

Errand = Literal["stop", "settings", "confirm"]
ERRANDS = ("stop", "settings", "confirm")
DAY = 86_400
# Seconds that links work.
LIFETIMES: dict[str, int] = {"stop": 400 * DAY, "settings": 30 * DAY, "confirm": 7 * DAY}
LONGEST = 1_000
_ID = re.compile(
    r"<?cackled\.n\.(\d{1,10})\.([0-9a-f]{1,16})\.(\d{1,19})\.([0-9a-f]{16})\.([0-9a-f]{24})@[^\s<>@]{1,253}>?",
    re.ASCII,
)


class NoticeLink(Struct, frozen=True):
    """What a token says: of which site's follower, for what; ``email``: the hash of the address to confirm."""

    site: int
    visitor: int
    errand: Errand
    email: bytes = b""


class LetterName(Struct, frozen=True):
    """What a Message-ID says: to whom the letter went; ``email`` is how the hash of the address begins, in hex."""

    site: int
    visitor: int
    email: str


class NoticeLinks:
    """Makes and reads tokens and names of letters; *secret* gives the key that all nodes share, by name."""

    def __init__(self, secret: Callable[[str], Awaitable[bytes]], wall_time: Callable[[], float]) -> None:
        self._secret = secret
        self._wall_time = wall_time
        self._key = b""

    async def _ready(self) -> bytes:
        if not self._key:
            self._key = blake2b(await self._secret("session"), person=b"cackled.notice").digest()
        return self._key

    async def token(self, link: NoticeLink, seconds: int = 0) -> str:
        """A token for *seconds* (0: as long as such links work)."""
        claims = {
            "aud": "notice", "site": link.site, "sub": str(link.visitor), "do": link.errand,
            "exp": int(self._wall_time()) + (seconds or LIFETIMES[link.errand]),
        }  # fmt: skip
        if link.email:
            claims["for"] = link.email.hex()
        return jwt.encode(claims, await self._ready(), algorithm="HS256")

    async def read(self, token: str) -> NoticeLink | None:
        """What *token* says; None where it is not genuine, or has run out."""
        if len(token) > LONGEST or not token.isascii():
            return None
        try:
            claims = jwt.decode(
                token, await self._ready(), algorithms=["HS256"], audience="notice",
                options={"require": ["aud", "exp", "sub"], "verify_exp": False},
            )  # fmt: skip
            if claims["do"] not in ERRANDS or int(claims["exp"]) <= self._wall_time():
                return None
            return NoticeLink(
                int(claims["site"]), int(claims["sub"]), claims["do"], bytes.fromhex(claims.get("for", ""))
            )
        except (jwt.InvalidTokenError, KeyError, ValueError, TypeError, RecursionError):
            return None

    async def name(self, site: int, visitor: int, work: int, email: bytes, host: str) -> str:
        """The Message-ID of a letter; the same for each try of the same work."""
        said = f"{site}.{visitor:x}.{work}.{email.hex()[:16]}"
        return f"<cackled.n.{said}.{await self._mac(said)}@{host}>"

    async def named(self, name: str) -> LetterName | None:
        """What a Message-ID says; None where it is none of ours."""
        match = _ID.fullmatch(name.strip()[:LONGEST])
        if match is None:
            return None
        said = ".".join(match.group(1, 2, 3, 4))
        if not hmac.compare_digest(match[5], await self._mac(said)):
            return None
        return LetterName(int(match[1]), int(match[2], 16), match[4])

    async def _mac(self, said: str) -> str:
        return blake2b(said.encode(), key=await self._ready(), digest_size=12).hexdigest()
