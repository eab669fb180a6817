"""Proof of work: a stranger's browser looks for a number before a doubtful text is taken.

The server draws a number below ``most`` and sends its hash, with salt; the browser tries one after the other until the
hash is the same, so the work is bounded and its length known. Nothing is kept until an answer comes: the salt carries
all that has to be known again, and is signed. An answer is used once.

    challenge = sha256(salt + number), hexadecimal; salt = "<expires>.<nonce>.<what it is for>"
    answer    = salt "." number "." signature

(The scheme is that of ALTCHA, altcha.org, with the purpose in the salt.)
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from hashlib import blake2b, sha256
from typing import Protocol

from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.domain.errors import Refused
from cackled.domain.site import Site
from cackled.moderation.verdict import Draft

# Seconds that an answer may take: a slow phone, and somebody who looks elsewhere meanwhile.
LIFETIME = 600
# Numbers to try at most, for a score in the middle and for a bad one.
LEAST_WORK, MOST_WORK = 60_000, 300_000
LONGEST = 400

USE_ANSWER = Query(
    "use_answer",
    """
    insert into used_link (site_id, id, expires_at) values ($1, $2, to_timestamp($3))
    on conflict do nothing returning 1
    """,
    ("int", "bigint", "float8"),
)


class ProofNeeded(Refused):
    """The browser has to work first; the problem document carries what to do."""

    status = 428
    slug = "proof-needed"
    title = "Your browser has to do some work first"


class Random(Protocol):
    """The part of `random.SystemRandom` used here."""

    def randrange(self, stop: int, /) -> int:
        """A number below *stop*."""

    def getrandbits(self, k: int, /) -> int:
        """*k* random bits."""


class Challenges:
    """Gives challenges and checks answers; *secret* gives the key that all nodes share, by name."""

    def __init__(
        self,
        secret: Callable[[str], Awaitable[bytes]],
        database: Database,
        wall_time: Callable[[], float],
        random: Random,
    ) -> None:
        self._secret = secret
        self._database = database
        self._wall_time = wall_time
        self._random = random
        self._key: bytes = b""

    async def check(self, site: Site, draft: Draft, score: float | None) -> None:
        """See that *draft* comes with an answer that holds for it, and that was not used before.

        Raises:
            ProofNeeded: it does not; with a new challenge.
        """
        if not self._key:
            self._key = blake2b(await self._secret("session"), person=b"cackled.proof").digest()
        if not (draft.proof and await self._right(site, draft)):
            raise self._needed(site, draft, score)

    def _purpose(self, site: Site, draft: Draft) -> str:
        """What an answer is good for: this text of this visitor on this page."""
        what = f"{site.id} {draft.channel} {draft.visitor} {draft.text}"
        return blake2b(what.encode("utf-8", "surrogatepass"), key=self._key, digest_size=8).hexdigest()

    def _signature(self, salt: str, challenge: str) -> str:
        return hmac.new(self._key, f"{salt} {challenge}".encode(), sha256).hexdigest()

    def _needed(self, site: Site, draft: Draft, score: float | None) -> ProofNeeded:
        most = LEAST_WORK if score is None else int(LEAST_WORK + (MOST_WORK - LEAST_WORK) * max(0.0, score - 0.5) * 2)
        number = self._random.randrange(most)
        expires = int(self._wall_time()) + LIFETIME
        salt = f"{expires}.{self._random.getrandbits(64):016x}.{self._purpose(site, draft)}"
        challenge = sha256(f"{salt}{number}".encode()).hexdigest()
        error = ProofNeeded("Send the same again with the answer to this challenge as proof.", field="proof")
        error.extra = {
            "salt": salt, "challenge": challenge, "most": str(most), "signature": self._signature(salt, challenge),
        }  # fmt: skip
        return error

    async def _right(self, site: Site, draft: Draft) -> bool:
        parts = draft.proof.split(".")
        if len(draft.proof) > LONGEST or not draft.proof.isascii() or len(parts) != 5:
            return False
        expires, nonce, purpose, number, signature = parts
        if not (expires.isdigit() and number.isdigit() and len(expires) < 12 and len(number) < 8 and len(nonce) == 16):
            return False
        salt = f"{expires}.{nonce}.{purpose}"
        challenge = sha256(f"{salt}{number}".encode()).hexdigest()
        if not hmac.compare_digest(self._signature(salt, challenge), signature):
            return False
        if int(expires) < self._wall_time() or not hmac.compare_digest(purpose, self._purpose(site, draft)):
            return False
        used = blake2b(salt.encode(), digest_size=8).digest()
        once = (site.id, int.from_bytes(used, "big") >> 1, float(expires))
        return bool(await self._database.site(site.id).write(USE_ANSWER, *once))
