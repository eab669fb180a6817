"""Accounts that were deleted stay deleted, also after an older backup of the database is restored.

Each deletion is written into a journal beside the database before it is done: a hash of the account's number and of the
moment in which it was made, so that an account that gets the number again is another one. No address is in it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from cackled.accounts.store import People
from cackled.clock import Periodic
from cackled.database.errors import DatabaseError
from cackled.database.query import Query, ReadPreference

log = Logger()

INTERVAL = 600.0
SELECT_ACCOUNT_AGES = Query(
    "select_account_ages", "select id, (extract(epoch from created_at) * 1000000)::bigint from catalog.account"
)
SELECT_ACCOUNT_AGE = Query(
    "select_account_age",
    "select (extract(epoch from created_at) * 1000000)::bigint from catalog.account where id = $1", ("bigint",),
)  # fmt: skip


def mark_of(account: int, made: int) -> str:
    """What stands in the journal for an account that was *made* then (microseconds since 1970)."""
    return blake2b(f"{account} {made}".encode(), digest_size=16, person=b"cackled.account").hexdigest()


class Forgetting:
    """Deletes accounts for good. *journal* is a file beside the database."""

    def __init__(
        self, people: People, clock: Any, journal: Path, in_thread: Callable[..., Awaitable[Any]]
    ) -> None:
        self._people = people
        self._database = people.database.system
        self._journal = journal
        self._in_thread = in_thread
        self._job = Periodic(clock, INTERVAL, self.sync, "deleted accounts")

    def start(self) -> None:
        """See to it now and every ten minutes."""
        self._job.start()

    def stop(self) -> None:
        """No more."""
        self._job.stop()

    async def remove(self, account: int) -> None:
        """Delete an account.

        Raises:
            Conflict: a site would be without an owner.
        """
        await self._people.check_owners(account)
        rows = await self._database.read(SELECT_ACCOUNT_AGE, account, preference=ReadPreference.PRIMARY)
        if rows.rows:
            await self._in_thread(_append, self._journal, mark_of(account, rows.rows[0][0]))
        await self._people.remove(account)

    async def sync(self) -> int:
        """Delete accounts that a restored database has again; gives how many."""
        gone = 0
        try:
            marks = await self._in_thread(_read, self._journal)
            if not marks or not self._people.database.writable:
                return 0
            rows = await self._database.read(SELECT_ACCOUNT_AGES, preference=ReadPreference.PRIMARY)
            for account, made in rows.rows:
                if mark_of(account, made) in marks:
                    log.info("account {account} was deleted before the database was restored: once more",
                             account=account)  # fmt: skip
                    await self._people.remove(account)
                    gone += 1
        except DatabaseError as error:
            log.warn("deleted accounts could not be looked at: {reason}", reason=str(error))
        return gone


def _append(path: Path, mark: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, f"{mark}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> frozenset[str]:
    try:
        return frozenset(path.read_text("ascii").split())
    except FileNotFoundError:
        return frozenset()
