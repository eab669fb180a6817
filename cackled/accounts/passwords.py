"""Passwords: Argon2id (RFC 9106), in a thread, few at a time.

Each check takes a core for some 50 ms and 64 MiB of memory, so that a flood of sign-ins would take the machine: at most
`AT_ONCE` are under way, and who would wait behind more than `MOST_WAITING` is told to come back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from cackled.domain.errors import BadField, TooFast
from cackled.turns import Turns

AT_ONCE = 2
MOST_WAITING = 30
LEAST, MOST = 10, 200
# The first of lists of stolen passwords that have ten characters or more; shorter ones are refused anyway.
COMMON = frozenset(
    (
        "1234567890", "password123", "qwertyuiop", "passw0rd123", "1q2w3e4r5t", "0123456789", "0987654321",
        "1111111111", "iloveyou123", "password12", "password1234", "qwerty12345", "123456789a", "administrator",
        "letmein123", "welcome123", "changeme123", "abcdefghij", "aaaaaaaaaa", "12345678910", "1234567891",
        "q1w2e3r4t5", "qwerty123456", "adminadmin", "password!!", "sunshine123", "football123",
    )
)  # fmt: skip


def check_password(password: str, *about: str) -> str:
    """*password*, where it may be one (NIST SP 800-63B: length and what is known, no rules about signs).

    *about* are words that everybody can guess: the address and name of its owner.

    Raises:
        BadField: it is too short, too long, or among the first that somebody tries.
    """
    if not LEAST <= len(password) <= MOST:
        raise BadField(f"A password has {LEAST} to {MOST} characters.", field="password")
    small = password.lower()
    if small in COMMON or len(set(small)) < 4 or any(word and small == word.lower() for word in about):
        raise BadField("Others would try that password first. Take a longer one.", field="password")
    return password


class Passwords:
    """Makes and checks hashes. ``work`` counts them, so that tests can see that each sign-in costs the same."""

    def __init__(self, in_thread: Callable[..., Awaitable[Any]], hasher: PasswordHasher | None = None) -> None:
        self._in_thread = in_thread
        self._hasher = hasher or PasswordHasher()
        self._line = Turns(AT_ONCE)
        self._dummy = ""
        self.work = 0

    async def hash(self, password: str) -> str:
        """What is stored of *password*."""
        made: str = await self._run(self._hasher.hash, password)
        return made

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether *password* is the one of *stored*; without any the work is done all the same, and it is not."""
        if not self._dummy:
            self._dummy = await self._run(self._hasher.hash, "nobody has this one")
        right: bool = await self._run(self._check, stored or self._dummy, password[: MOST + 1])
        self.work += 1
        return right and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether *stored* was made with less work than is asked for today."""
        return self._hasher.check_needs_rehash(stored)

    def _check(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[..., Any], *args: Any) -> Any:
        if self._line.waiting >= MOST_WAITING:
            raise TooFast(5.0)
        async with self._line:
            return await self._in_thread(work, *args)
