"""Codes that somebody who signed in elsewhere comes back with: good for one session, with the verifier of the page that
began it (as RFC 7636 does it)."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from secrets import token_urlsafe

import msgspec
from msgspec import Struct

from cackled.database.routing import Database
from cackled.domain.errors import Unauthorized
from cackled.domain.people import Facts, People
from cackled.domain.sessions import Session
from cackled.domain.site import Site
from cackled.identity.one_time import OneTime

# Seconds that a code is good for.
LIFETIME = 300.0


class _Kept(Struct, frozen=True):
    facts: Facts
    challenge: str


def challenge_of(verifier: str) -> str:
    """The challenge of a *verifier* (RFC 7636 section 4.2, S256)."""
    return urlsafe_b64encode(sha256(verifier.encode("utf-8", "replace")).digest()).rstrip(b"=").decode("ascii")


class WaysBack:
    """The codes of one site."""

    def __init__(self, site: Site, database: Database, people: People, wall_time: Callable[[], float]) -> None:
        self._once = OneTime(site, database)
        self._people = people
        self._wall_time = wall_time

    async def make(self, facts: Facts, challenge: str) -> str:
        """A code for whoever *facts* are about, and for whoever knows the verifier of *challenge*."""
        code = token_urlsafe(32)
        kept = msgspec.json.encode(_Kept(facts, challenge)).decode()
        await self._once.put("code", code, kept, self._wall_time() + LIFETIME)
        return code

    async def redeem(self, code: str, verifier: str, old: Session | None, new: int) -> Session:
        """The session of who came back with *code*.

        Raises:
            Unauthorized: it was used, has run out, or is another page's.
        """
        data = await self._once.take("code", code)
        kept = None if data is None else msgspec.json.decode(data, type=_Kept)
        if kept is None or not hmac.compare_digest(kept.challenge, challenge_of(verifier)):
            raise Unauthorized("That took too long, or was used before. Sign in once more.", slug="bad-code")
        return await self._people.sign_in(
            kept.facts, 0 if old is None else old.visitor, new, self._wall_time()
        )
