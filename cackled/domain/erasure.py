"""Requests to be forgotten: what a visitor left is scrubbed, and stays so after an older backup is restored.

Erasures are kept twice: in table ``erasure``, and in a journal beside the database (one line ``SITE VISITOR`` each, no
name). `Erasures.sync` brings both together: a restored database learns from the journal what it has forgotten, and a
new node's journal learns from the database. What takes several transactions is noted as ``SITE VISITOR begun`` and
``SITE VISITOR done``, so that one that was cut off is ended.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError, QueryFailed
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.events import Position

log = Logger()

INTERVAL = 600.0
# Comments and votes scrubbed in one transaction.
BATCH = 100
TRIES = 100
# What follows a pair in the journal.
BEGUN, DONE = " begun", " done"

ERASE_VISITOR = Query(
    "erase_visitor", "select channel, seq from erase_visitor($1, $2, $3)", ("int", "bigint", "int")
)
# Before that, by the way that votes are taken back by their visitor, who may be at it at the same moment; erase_visitor
# then finds those on comments that are gone. More than one page is locked: as there, one at a time.
ERASE_VOTES = Query(
    "erase_votes",
    """
    with alone as materialized (select pg_advisory_xact_lock(1667329381, $1)),
    mine as materialized (
      select v.comment_id from alone, vote v join comment c on c.site_id = v.site_id and c.id = v.comment_id
      where v.site_id = $1 and v.visitor_id = $2 and c.status = 1 order by v.channel_id, v.comment_id limit $3
    )
    select x.channel, x.seq, x.refused
    from mine, lateral vote_comments($1, mine.comment_id, array[$2], array[0], null) x
    """,
    ("int", "bigint", "int"),
)
ERASE_FLAGS = Query(
    "erase_flags",
    """
    with flagged as materialized (
      select c.id from comment c where c.site_id = $1 and c.id in (
        select f.comment_id from flag f where f.site_id = $1 and f.visitor_id = $2
      ) order by c.id for no key update
    ), gone as (
      delete from flag f using flagged where f.site_id = $1 and f.comment_id = flagged.id and f.visitor_id = $2
      returning f.comment_id
    )
    update comment c set n_flags = c.n_flags - 1 from gone where c.site_id = $1 and c.id = gone.comment_id
    """,
    ("int", "bigint"),
)
# A shard that the site left keeps its events until they are too old.
ERASE_LEFT_EVENTS = Query(
    "erase_left_events",
    """
    update event set data = scrubbed_event(data)
    where site_id = $1 and strpos(data, format('"author":{"id":"%s"', $2::text)) > 0
    """,
    ("int", "bigint"),
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
        await self._in_thread(append, self._journal, [(site, visitor)], BEGUN)
        told = 0
        while rows := await self._batch(ERASE_VOTES, site, visitor):
            refused = sum(row[2] is not None for row in rows)
            told += len(rows) - refused
            if refused:
                break  # who is banned can't vote, and so is not at it
        await self._database.site(site).write(ERASE_FLAGS, site, visitor)
        more = True
        while more:
            rows = await self._batch(ERASE_VISITOR, site, visitor)
            more = bool(rows) and rows[-1][0] is None
            told += len(rows) - more
        if len(self._database.parts) > 1:
            for part in self._database.parts:
                await part.system.write(ERASE_LEFT_EVENTS, site, visitor)
        await self._in_thread(append, self._journal, [(site, visitor)], DONE)
        return told

    async def _batch(self, query: Query, site: int, visitor: int) -> list[tuple[Any, ...]]:
        for attempt in range(TRIES):
            try:
                rows = await self._database.site(site).write(query, site, visitor, BATCH)
                break
            except QueryFailed as error:
                # Somebody deletes one of the comments at this moment; nothing was done.
                if error.sqlstate != "CK404" or attempt == TRIES - 1:
                    raise
        for channel, seq, *_ in rows:
            if channel is not None:
                self._evict(Position(site, channel, seq))
        return rows

    async def sync(self) -> int:
        """Erase again what the database does not know of or has in part, and note what the journal lacks.

        Gives how many it erased.
        """
        noted, cut_off = await self._in_thread(read, self._journal)
        try:
            known: set[tuple[int, int]] = set()
            for part in self._database.parts:
                known.update((await part.system.read(SELECT_ERASURES, preference=ReadPreference.PRIMARY)).rows)
            await self._in_thread(append, self._journal, sorted(known - noted))
            # A pair with nobody is a site that was deleted whole, see `cackled.domain.deletion`.
            again = sorted(pair for pair in (noted - known) | cut_off if pair[1])
            for site, visitor in again:
                await self._erase(site, visitor)
        except DatabaseError as error:
            log.warn("erasures could not be compared: {reason}", reason=str(error))
            return 0
        if again:
            log.info("{count} erasures that the database had forgotten or not ended were done again", count=len(again))
        return len(again)


def read(journal: Path) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """The pairs of a journal, and those of them that were begun and not ended; none where there is no file.

    A line cut short by a crash is left out.
    """
    found: set[tuple[int, int]] = set()
    begun: set[tuple[int, int]] = set()
    try:
        lines = journal.read_text("ascii", "replace").splitlines()
    except FileNotFoundError:
        return found, begun
    for line in lines:
        words = line.split()
        if len(words) < 2 or not all(word.isascii() and word.isdigit() and len(word) < 20 for word in words[:2]):
            continue
        pair = int(words[0]), int(words[1])
        match words[2:]:
            case []:
                found.add(pair)
            case ["begun"]:
                begun.add(pair)
            case ["done"]:
                begun.discard(pair)
    return found, begun


def append(journal: Path, pairs: list[tuple[int, int]], how: str = "") -> None:
    """Add *pairs*, on disk when this returns."""
    if not pairs:
        return
    journal.parent.mkdir(parents=True, exist_ok=True)
    with open(journal, "a+b") as file:
        text = "".join(f"{site} {visitor}{how}\n" for site, visitor in pairs).encode("ascii")
        # A line that a crash cut short ends here; or it would take ours with it.
        size = file.seek(0, os.SEEK_END)
        if size and os.pread(file.fileno(), 1, size - 1) != b"\n":
            text = b"\n" + text
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
