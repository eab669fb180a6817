"""Requests to be forgotten: what a visitor left is scrubbed, and stays so after an older backup is restored.

May touch: database, the standard library's files. Erasures are kept twice: in table ``erasure``, and in a journal
beside the database (one line ``SITE VISITOR`` each, no name). `Erasures.sync` brings both together: a restored database
learns from the journal what it has forgotten, and a new node's journal learns from the database.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.events import Position

log = Logger()

INTERVAL = 600.0
# Comments and votes scrubbed in one transaction.
BATCH = 100
MOST_CALLS = 100_000

ERASE_VISITOR = Query(
    "erase_visitor", "select channel, seq from erase_visitor($1, $2, $3)", ("int", "bigint", "int")
)
SELECT_ERASURES = Query("select_erasures", "select site_id, visitor_id from erasure")

InThread = Callable[..., Awaitable[Any]]


class Erasures:
    """The erasures of all sites; *evict* is told each position they led to."""

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        journal: Path,
        evict: Callable[[Position], None],
        in_thread: InThread,
    ) -> None:
        self._database = database
        self._journal = journal
        self._evict = evict
        self._in_thread = in_thread
        self._job = Periodic(clock, INTERVAL, self.sync, "erasures")

    def start(self) -> None:
        """Bring journal and database together every ten minutes."""
        self._job.start()

    def stop(self) -> None:
        """No more."""
        self._job.stop()

    async def erase(self, site: int, visitor: int) -> int:
        """Scrub comments (text, name, address), votes, flags and blocks; gives how many events told of it.

        The request is in the journal before anything is changed, so that it survives whatever comes.
        """
        await self._in_thread(append, self._journal, [(site, visitor)])
        return await self._erase(site, visitor)

    async def _erase(self, site: int, visitor: int) -> int:
        told = 0
        for _ in range(MOST_CALLS):
            rows = await self._database.site(site).write(ERASE_VISITOR, site, visitor, BATCH)
            for channel, seq in rows:
                if channel is not None:
                    told += 1
                    self._evict(Position(site, channel, seq))
            if not rows or rows[-1][0] is not None:
                break
        return told

    async def sync(self) -> int:
        """Erase again what the database does not know of, and note what the journal lacks; gives how many it erased."""
        noted = await self._in_thread(read, self._journal)
        try:
            known: set[tuple[int, int]] = set()
            for part in self._database.parts:
                known.update((await part.system.read(SELECT_ERASURES, preference=ReadPreference.PRIMARY)).rows)
            await self._in_thread(append, self._journal, sorted(known - noted))
            again = sorted(noted - known)
            for site, visitor in again:
                await self._erase(site, visitor)
        except DatabaseError as error:
            log.warn("erasures could not be compared: {reason}", reason=str(error))
            return 0
        if again:
            log.info("{count} erasures that the database had forgotten were done again", count=len(again))
        return len(again)


def read(journal: Path) -> set[tuple[int, int]]:
    """The pairs of a journal; none where there is no file. A line cut short by a crash is left out."""
    try:
        lines = journal.read_text("ascii", "replace").splitlines()
    except FileNotFoundError:
        return set()
    found = set()
    for line in lines:
        words = line.split()
        if len(words) == 2 and all(word.isascii() and word.isdigit() and len(word) < 20 for word in words):
            found.add((int(words[0]), int(words[1])))
    return found


def append(journal: Path, pairs: list[tuple[int, int]]) -> None:
    """Add *pairs*, on disk when this returns."""
    if not pairs:
        return
    journal.parent.mkdir(parents=True, exist_ok=True)
    with open(journal, "a", encoding="ascii") as file:
        file.write("".join(f"{site} {visitor}\n" for site, visitor in pairs))
        file.flush()
        os.fsync(file.fileno())
