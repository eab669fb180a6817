"""Calls that are done once, however often they come: with an Idempotency-Key the first answer is kept for a day.

(draft-ietf-httpapi-idempotency-key-header.) The answer is encrypted with a key made of the caller's token and of the
idempotency key; neither is stored, so what is kept is of use to nobody but the caller, words and secrets in it too.

A call that was refused is forgotten: with the same key it may be made again, put right.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.domain.errors import Conflict, Unprocessable
from cackled.domain.housekeeping import BATCH
from cackled.domain.site import Site

# Bytes of an answer that is kept.
MOST_KEPT = 65_536
# Seconds after which a call that never ended is taken to be dead.
DEAD = 60.0
TRIES = 3

CLAIM_CALL = Query(
    "claim_idempotent_call",
    """
    with claimed as (
      insert into idempotent_call as x (site_id, slot, call) values ($1, $2, $3)
      on conflict (site_id, slot) do update set at = now(), call = excluded.call
        where not x.done and x.at < now() - make_interval(secs => $4)
      returning 1
    )
    select true, null::bytea, null::bytea, false from claimed
    union all
    select false, x.call, x.answer, x.done from idempotent_call x
    where x.site_id = $1 and x.slot = $2 and not exists (select from claimed)
    """,
    ("int", "bytea", "bytea", "float8"),
)
KEEP_ANSWER = Query(
    "keep_idempotent_answer",
    "update idempotent_call set answer = $3, done = true, at = now() where site_id = $1 and slot = $2",
    ("int", "bytea", "bytea"),
)
FORGET_CALL = Query(
    "forget_idempotent_call", "delete from idempotent_call where site_id = $1 and slot = $2", ("int", "bytea")
)
EXPIRE_CALLS = Query(
    "expire_idempotent_calls",
    f"""
    with gone as (
      delete from idempotent_call where ctid = any(array(
        select ctid from idempotent_call where at < now() - interval '24 hours' limit {BATCH}
      )) returning 1
    )
    select count(*) from gone
    """,
)


class Kept(Struct, frozen=True):
    """An answer: status, headers and body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Once:
    """One call that is to be done once: *caller* is what only whoever calls has (a token), *key* their key for it."""

    def __init__(self, caller: str, key: str, what: bytes) -> None:
        secret = sha256(b"cackled.idempotent\0" + caller.encode() + b"\0" + key.encode()).digest()
        self.slot = sha256(b"slot" + secret).digest()
        self.call = sha256(what).digest()
        self._cipher = AESGCM(sha256(b"answer" + secret).digest())

    def sealed(self, answer: Kept, nonce: bytes) -> bytes:
        """*answer* as it is stored; *nonce* are 12 bytes that were never used before."""
        return nonce + self._cipher.encrypt(nonce, msgspec.msgpack.encode(answer), self.slot)

    def opened(self, stored: bytes) -> Kept | None:
        """What was stored; None where it can't be read."""
        try:
            plain = self._cipher.decrypt(stored[:12], stored[12:], self.slot)
            return msgspec.msgpack.decode(plain, type=Kept)
        except (InvalidTag, ValueError):
            return None


class Replays:
    """The calls of one site that are done once. *nonce* gives random bytes."""

    def __init__(self, site: Site, database: Database, nonce: Callable[[int], bytes]) -> None:
        self._site = site.id
        self._database = database.site(site.id)
        self._nonce = nonce

    async def begin(self, once: Once) -> Kept | None:
        """The first answer; None where it has to be done now.

        Raises:
            Unprocessable: the key was used for another call.
            Conflict: the call is under way, or its answer is not kept.
        """
        for _ in range(TRIES):
            rows = await self._database.write(CLAIM_CALL, self._site, once.slot, once.call, DEAD)
            if rows:
                break
            # No row: another call made it while this statement ran, which sees it the next time.
        else:
            raise Conflict("The same call is under way.", slug="under-way")
        if rows[0][0]:
            return None
        _, call, answer, done = rows[0]
        if bytes(call) != once.call:
            raise Unprocessable("This idempotency key was used for another call.", slug="key-reused")
        kept = None if answer is None else once.opened(bytes(answer))
        if kept is None:
            why = "That was done, and its answer is not kept." if done else "The same call is under way."
            waits = Conflict(why, slug="under-way")
            waits.retry_after = None if done else 1.0
            raise waits
        return kept

    async def keep(self, once: Once, status: int, headers: list[tuple[bytes, bytes]], body: Any) -> None:
        """Keep the answer."""
        fits = isinstance(body, bytes) and len(body) <= MOST_KEPT
        sealed = once.sealed(Kept(status, headers, body), self._nonce(12)) if fits else None
        await self._database.write(KEEP_ANSWER, self._site, once.slot, sealed)

    async def forget(self, once: Once) -> None:
        """It was not done."""
        await self._database.write(FORGET_CALL, self._site, once.slot)
