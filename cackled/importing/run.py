"""One import, from the file to the database, and back."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError, QueryTimeout
from cackled.database.routing import Database
from cackled.domain.site import Site
from cackled.events import Position
from cackled.importing.format_detection import another
from cackled.importing.formats import Format, Imports, Parts, Spooled, Writer
from cackled.importing.mapping import UrlMap
from cackled.importing.records import BadFile
from cackled.importing.signed_lines import LineKey, line_key
from cackled.importing.source import Source
from cackled.importing.spool import Report, Spool
from cackled.importing.store import Run, Runs

log = Logger()

# Items of one transaction, and their bytes.
BATCH = 500
MOST_BYTES = 4_000_000
UNDO_BATCH = 500
PRESENT_BATCH = 2_000

InThread = Callable[..., Awaitable[Any]]


class Busy(Exception):
    """Somebody else works on that import."""


class Stopped(Exception):
    """The work is to end now; it goes on later where it was."""


class Options(Struct, frozen=True, kw_only=True):
    """How a file is read.

    - ``host``: what paths are on; ``zone``: seconds east of Greenwich of times that say none.
    - ``by``: ``address`` or ``name``, see `cackled.importing.spool.Spool`.
    - ``everything``: with spam and trash.
    - ``label``: whose file it is, where ids of several sources could be the same.
    - ``avatars``: pictures of authors are fetched and kept here; ``photos``: those in comments and of reviews.
    - ``own``: whoever runs the server vouches that the file is an export of it, or of one that it takes the place of.
    """

    host: str = ""
    zone: int = 0
    by: str = "address"
    everything: bool = True
    label: str = ""
    avatars: bool = False
    photos: bool = False
    own: bool = False
    urls: str = ""


class Importing:
    """Imports of one site. *folder* is for spools; *evict* is told each position that came of it.

    *in_thread* runs a function elsewhere and gives an awaitable of its result; *say* is told how far it is:
    what is done, how much of how much.
    """

    def __init__(
        self,
        site: Site,
        database: Database,
        in_thread: InThread,
        folder: Path,
        wall_time: Callable[[], float],
        clock: IReactorTime,
        evict: Callable[[Position], None] = lambda position: None,
        say: Callable[[str, int, int], None] = lambda what, done, of: None,
    ) -> None:
        self._site = site
        self._database = database
        self._in_thread = in_thread
        self._folder = folder
        self._wall_time = wall_time
        self._clock = clock
        self._evict = evict
        self._say = say
        self._stopped = False
        self.runs = Runs(database, site.id)

    def stop(self) -> None:
        """End soon; what was begun can be taken up again."""
        self._stopped = True

    def _check(self) -> None:
        if self._stopped:
            raise Stopped

    async def begin(
        self, product: str, format: Format, path: Path, options: Options, *, dry: bool, who: str, name: str = ""
    ) -> int:
        """Note an import of the file at *path*; gives its id. One of the same file that was cut off goes on.

        Raises:
            BadFile: the file is none of that format.
        """
        source = Source(path, host=options.host, zone=options.zone)
        if not path.is_file():
            raise BadFile(f"There is no file {path.name}.")
        space = ""
        if format.namespace is not None and not options.label:
            space = await self._in_thread(format.namespace, source)
        known = ":".join(part for part in (format.name, options.label or space) if part)[:200]
        told = msgspec.to_builtins(options)
        return await self.runs.add(product, format.name, known, name or path.name, who, dry, told, source.size)

    async def go(self, run: int, path: Path, format: Format, imports: Imports, urls: UrlMap | None = None) -> Report:
        """Do, or go on with, an import that was begun.

        Raises:
            Busy: somebody else does.
            BadFile: the file can't be read; nothing more is written.
            Stopped: `stop` was called.
        """
        if not await self.runs.take(run, "reading"):
            raise Busy("That import is under way already.")
        one = await self.runs.find(run)
        assert one is not None
        options = msgspec.json.decode(one.options, type=Options)
        key = await line_key(self._database, self._site.id) if format.signed else None
        parts = Parts(
            database=self._database, source=one.source, avatars=options.avatars, photos=options.photos, key=key
        )
        writer: Writer = (format.writer or imports.writer)(parts, self._site)
        spool = Spool(self._folder / f"{self._site.id}-{run}.spool", self._site,
                      UrlMap() if urls is None else urls, host=options.host, by=options.by)  # fmt: skip
        try:
            report = await self._spool(one, spool, path, format, writer, options, key)
            if one.dry:
                await self._compare(spool, writer, report)
            else:
                await self._write(one, spool, writer, report)
            spool.remove()
            await self.runs.note(run, state="done", report=_text(report))
            return report
        except BadFile as error:
            spool.remove()
            await self.runs.note(run, state="failed", error=str(error)[:500])
            raise
        except Stopped:
            spool.close()
            await self.runs.note(run, state="stopped")
            raise
        except DatabaseError as error:
            spool.close()
            log.warn(
                "import {run} of site {site} was cut off: {reason}", run=run, site=self._site.id, reason=str(error)
            )
            raise

    async def _spool(
        self, one: Run, spool: Spool, path: Path, format: Format, writer: Writer, options: Options,
        key: LineKey | None,
    ) -> Report:  # fmt: skip
        source = Source(
            path, host=options.host, zone=options.zone, everything=options.everything, stop=self._check,
            key=key, trusted=options.own,
        )  # fmt: skip
        size = source.size
        told = hashlib.blake2b(f"{size} {path.stat().st_mtime_ns} {one.options}".encode()).hexdigest()
        if one.at_channel >= 0 and await self._in_thread(spool.reopen, told):
            return spool.report
        await self.runs.restart(one.id)
        count = 0

        def seen(items: int) -> None:
            nonlocal count
            count = items
            self._say("read", min(source.done, size), size)

        def fill() -> Report:
            return spool.fill(
                format.read(source), writer.channel, writer.prepare, writer.missing, self._wall_time(), told, seen
            )

        try:
            report: Report = await self._beating(one.id, fill, lambda: (min(source.done, size), count))
        except sqlite3.Error as error:
            # No room on the disk, above all.
            raise BadFile(f"What the file holds can't be put in order here: {str(error)[:200]}.") from None
        if not report.items and (other := await self._in_thread(another, source, one.format)):
            raise BadFile(f"Nothing in the file is what {format.title} has: it looks like {other}.")
        await self.runs.note(one.id, report=_text(report), done=size, items=report.items)
        return report

    async def _beating(self, run: int, work: Callable[[], Any], far: Callable[[], tuple[int, int]]) -> Any:
        """*work* in a thread, while it is noted that somebody is at it."""

        async def beat() -> None:
            done, items = far()
            await self.runs.note(run, done=done, items=items)

        periodic = Periodic(self._clock, 2.0, lambda: Deferred.fromCoroutine(beat()), "import")
        periodic.start()
        try:
            return await self._in_thread(work)
        finally:
            periodic.stop()

    async def _compare(self, spool: Spool, writer: Writer, report: Report) -> None:
        for ids in spool.ids(PRESENT_BATCH):
            report.present += await writer.present(ids)
        report.added = report.items - report.present

    async def _write(self, one: Run, spool: Spool, writer: Writer, report: Report) -> None:
        await self.runs.note(one.id, state="writing")
        now = await self.runs.find(one.id)
        assert now is not None
        place = now.at_channel, now.at_depth, now.at_number
        told = now.told_channel
        if told < place[0]:
            # Cut off after a batch, before its pages were told. The last one may go on.
            told = await self._tell(one.id, spool, writer, told, place[0] - 1)
        done = now.added + now.present
        size = BATCH
        while True:
            self._check()
            batch: list[Spooled] = await self._in_thread(_limited, spool, place, size)
            if not batch:
                break
            targets = spool.targets(item.channel for item in batch)
            try:
                await writer.write(one.id, targets, batch)
            except QueryTimeout:
                # Nothing of it was stored. A database that is busy takes less at a time.
                if len(batch) == 1:
                    raise
                size = len(batch) // 2
                continue
            size = min(BATCH, size * 2)
            last = batch[-1]
            place = last.channel, last.depth, last.number
            done += len(batch)
            self._say("written", done, report.items)
            told = await self._tell(one.id, spool, writer, told, last.channel - 1)
        await self._tell(one.id, spool, writer, told, place[0])
        ended = await self.runs.find(one.id)
        assert ended is not None
        report.added, report.present = ended.added, ended.present

    async def _tell(self, run: int, spool: Spool, writer: Writer, after: int, to: int) -> int:
        for channels in spool.channels(after, to):
            await self._settle(run, channels, writer)
            after = channels[-1]
            await self.runs.told(run, after)
        return after

    async def _settle(self, run: int, channels: Sequence[int], writer: Writer) -> None:
        try:
            positions = await writer.settle(run, channels)
        except QueryTimeout:
            half = len(channels) // 2
            if not half:
                raise
            await self._settle(run, channels[:half], writer)
            await self._settle(run, channels[half:], writer)
            return
        for position in positions:
            self._evict(position)

    async def undo(self, run: int, imports: Imports) -> int:
        """Take an import back; gives how many pages changed. May be repeated where it was cut off.

        Raises:
            Busy: somebody works on it.
        """
        one = await self.runs.find(run)
        if one is None or not await self.runs.take(run, "undoing"):
            raise Busy("That import is under way.")
        format = next((each for each in imports.formats if each.name == one.format), None)
        made = format.writer if format is not None else None
        writer: Writer = (made or imports.writer)(Parts(database=self._database, source=one.source), self._site)
        changed = 0
        more = True
        while more:
            self._check()
            positions, more = await writer.undo(run, UNDO_BATCH)
            for position in positions:
                self._evict(position)
            changed += len(positions)
            await self.runs.note(run)
            self._say("taken back", changed, changed)
        await self.runs.forget_authors(run)
        await self.runs.note(run, state="undone")
        return changed


def _limited(spool: Spool, place: tuple[int, int, int], most: int) -> list[Spooled]:
    """The next batch: at most *most* items, at least one, and no more than so many bytes."""
    found = spool.batch(*place, most)
    size = 0
    for n, item in enumerate(found):
        size += len(item.stored)
        if size > MOST_BYTES and n:
            return found[:n]
    return found


def _text(report: Report) -> str:
    return msgspec.json.encode(report).decode()
