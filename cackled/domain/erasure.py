"""Requests to be forgotten: what a visitor left is scrubbed, and stays so after an older backup is restored.

Erasures are kept twice: in table ``erasure``, and in a journal beside the database (one line ``SITE VISITOR`` each, no
name). `Erasures.sync` brings both together: a restored database learns from the journal what it has forgotten, and a
new node's journal learns from the database. What takes several transactions is noted as ``SITE VISITOR begun`` and
``SITE VISITOR done``, so that one that was cut off is ended.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError, QueryFailed
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.events import Position, Subject

log = Logger()

INTERVAL = 600.0
# Things scrubbed in one transaction.
BATCH = 100
TRIES = 100
# What follows a pair in the journal.
BEGUN, DONE = " begun", " done"

NOTE_ERASURE = Query(
    "note_erasure", "insert into erasure (site_id, visitor_id) values ($1, $2) on conflict do nothing",
    ("int", "bigint"),
)  # fmt: skip
FORGET_VISITOR = Query(
    "forget_visitor", "select forget_visitor($1, $2, $3, $4, $5)", ("int", "bigint", "bigint[]", "text[]", "text[]")
)
# A shard that the site left keeps its events until they are too old.
SCRUB_LEFT_EVENTS = Query(
    "scrub_left_events", "select scrub_events($1, $2, null, $3, $4::json)", ("int", "bigint", "text", "text")
)
SELECT_ERASURES = Query("select_erasures", "select site_id, visitor_id from erasure")

InThread = Callable[..., Awaitable[Any]]


class Erasable(Struct, frozen=True, kw_only=True):
    """What a product has of visitors, and how it forgets one.

    - ``steps``: called one after the other with ``(site, visitor, most)``; each scrubs at most so many things in its
      transaction, announces it where it shows, and gives rows ``(channel, seq)``: where that led to, and a last row of
      nulls as long as there is more, for which it is called again. The first thing it does is ``erase_alone(site)``.
    - ``channels``: called after that with ``(site, visitor)``; gives the ids of the channels where the visitor wrote.
    - ``subjects``: those of its events that hold words. The core takes the visitor's out of the log.
    - ``anonymise``: called with ``(site, visitor, fresh, most)``; what is shown stays, as that of *fresh*, who is
      nobody, without name and address. None: what the visitor wrote there always goes.
    """

    steps: tuple[Query, ...]
    channels: Query
    subjects: tuple[Subject, ...] = ()
    anonymise: Query | None = None


class Erasures:
    """The erasures of all sites; *evict* is told each position they led to. *erasables* are those of the products.

    *forget* is told each visitor, so that what this process remembers of them goes as well.
    """

    def __init__(
        self,
        database: Database,
        clock: IReactorTime,
        journal: Path,
        evict: Callable[[Position], None],
        in_thread: InThread,
        erasables: Iterable[Erasable],
        forget: Callable[[int], None] = lambda visitor: None,
    ) -> None:
        self._database = database
        self._forget = forget
        self._erasables = tuple(erasables)
        # Name and what is left, as JSON text, of all subjects.
        self._subjects = [
            (subject.name, msgspec.json.encode(subject.scrubbed).decode())
            for one in self._erasables
            for subject in one.subjects
        ]
        self._journal = journal
        self._evict = evict
        self._in_thread = in_thread
        self._job = Periodic(clock, INTERVAL, self.sync, "erasures")

    def start(self) -> None:
        """Bring journal and database together every ten minutes."""
        self._job.start()

    def stop(self) -> None:
        """Stop the periodic work."""
        self._job.stop()

    async def anonymise(self, site: int, visitor: int, fresh: int) -> int:
        """As `erase`; but what the visitor wrote stays where it is shown, as that of *fresh*, a number that nobody has.

        Done again from a journal (an older backup was restored), it is an erasure: what they wrote goes as well.
        """
        told = 0
        for one in self._erasables:
            if one.anonymise is not None:
                told += await self._to_the_end(one.anonymise, site, visitor, fresh)
        return told + await self.erase(site, visitor)

    async def erase(self, site: int, visitor: int) -> int:
        """Scrub what products have of a visitor (text, name, address, votes), and blocks; gives how many events told.

        The request is in the journal before anything is changed, so that it survives whatever comes.
        """
        await self._in_thread(append, self._journal, [(site, visitor)])
        return await self._erase(site, visitor)

    async def _erase(self, site: int, visitor: int) -> int:
        await self._in_thread(append, self._journal, [(site, visitor)], BEGUN)
        database = self._database.site(site)
        await database.write(NOTE_ERASURE, site, visitor)
        told = 0
        channels: set[int] = set()
        for one in self._erasables:
            for step in one.steps:
                told += await self._to_the_end(step, site, visitor)
            found = await database.read(one.channels, site, visitor, preference=ReadPreference.PRIMARY)
            channels.update(row[0] for row in found.rows)
        names = [name for name, _ in self._subjects]
        left = [left for _, left in self._subjects]
        await database.write(FORGET_VISITOR, site, visitor, sorted(channels), names, left)
        if len(self._database.parts) > 1:
            for part in self._database.parts:
                for name, scrubbed in self._subjects:
                    await part.system.write(SCRUB_LEFT_EVENTS, site, visitor, name, scrubbed)
        self._forget(visitor)
        await self._in_thread(append, self._journal, [(site, visitor)], DONE)
        return told

    async def _to_the_end(self, step: Query, *whose: int) -> int:
        told = 0
        more = True
        while more:
            rows = await self._batch(step, *whose)
            more = bool(rows) and rows[-1][0] is None
            told += len(rows) - more
        return told

    async def _batch(self, query: Query, site: int, *whose: int) -> list[tuple[Any, ...]]:
        for attempt in range(TRIES):
            try:
                rows = await self._database.site(site).write(query, site, *whose, BATCH)
                break
            except QueryFailed as error:
                # Somebody deletes one of the things at this moment; nothing was done.
                if error.sqlstate != "CK404" or attempt == TRIES - 1:
                    raise
        for channel, seq in rows:
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
