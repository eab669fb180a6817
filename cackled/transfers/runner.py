"""Does what staff began: one import and one export at a time in a node, resumed wherever a node went away."""

from __future__ import annotations

import os
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from cackled.clock import Periodic
from cackled.database.errors import DatabaseError
from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.importing.mapping import UrlMap
from cackled.importing.records import Ambiguous, BadFile
from cackled.importing.run import Busy, Importing, Options, Stopped
from cackled.importing.source import Source
from cackled.importing.store import SILENT, Run
from cackled.transfers.exports import Known
from cackled.transfers.file_store import MOST_FILE, Pieces
from cackled.transfers.imports import Formats

log = Logger()

INTERVAL = 2.0
WATCH = 1.0
# Bytes of an export, packed, that make a piece.
PIECE = 1_048_576

# Whoever claims one that waits says so, as long as its file is fetched.
CLAIM_IMPORT = Query(
    "claim_import",
    """
    update import_run r
    set beat_at = case when r.state in ('waiting', 'reading', 'writing') then now() else r.beat_at end,
      state = case when r.state in ('reading', 'writing') then 'waiting' else r.state end
    where (r.site_id, r.id) = (
      select x.site_id, x.id from import_run x
      where x.via = 'api' and ((x.state = 'waiting' and x.beat_at < now() - interval '30 seconds')
        or (x.wish = 'undo' and x.state in ('done', 'stopped', 'failed'))
        or (x.state in ('reading', 'writing', 'undoing') and x.beat_at < now() - make_interval(secs => $1)))
      order by x.beat_at limit 1 for update skip locked)
    returning r.site_id, r.id
    """,
    ("float8",),
)
SELECT_WISH = Query(
    "select_import_wish", "select r.wish, r.map from import_run r where r.site_id = $1 and r.id = $2",
    ("int", "bigint"),
)  # fmt: skip
SET_SOURCE = Query(
    "set_import_source", "update import_run r set source = $3 where r.site_id = $1 and r.id = $2",
    ("int", "bigint", "text"),
)  # fmt: skip
END_IMPORT = Query(
    "end_import",
    """
    update import_run r set state = coalesce($3, r.state), wish = '', error = $4,
      report = coalesce($5, r.report), beat_at = now() - case when $3 = 'waiting' then interval '1 hour' else '0' end
    where r.site_id = $1 and r.id = $2
    """,
    ("int", "bigint", "text", "text", "text"),
)
CLAIM_EXPORT = Query(
    "claim_export",
    """
    update export_run r set state = 'writing', beat_at = now(), done = 0, size = 0
    where (r.site_id, r.id) = (
      select x.site_id, x.id from export_run x where x.state = 'waiting'
        or (x.state = 'writing' and x.beat_at < now() - make_interval(secs => $1))
      order by x.beat_at limit 1 for update skip locked)
    returning r.site_id, r.id, r.product, r.format
    """,
    ("float8",),
)
BEAT_EXPORT = Query(
    "beat_export",
    """
    update export_run r set beat_at = now(), done = $3, size = $4, state = coalesce($5, r.state), error = $6,
      ended_at = case when $5 is not null then now() end
    where r.site_id = $1 and r.id = $2 returning r.wish
    """,
    ("int", "bigint", "bigint", "bigint", "text", "text"),
)
# What nobody came back for. Of imports the file goes, and what came of it stays.
DROP_FILES = Query(
    "drop_old_transfers",
    """
    with late as (
      select r.site_id, 'import' as kind, r.id from import_run r
      where r.via = 'api' and r.state in ('uploading', 'asked', 'stopped', 'failed', 'done', 'undone')
        and r.beat_at < now() - interval '7 days'
        and exists(select 1 from transfer_piece p where p.site_id = r.site_id and p.kind = 'import' and p.number = r.id)
      union all
      select r.site_id, 'export', r.id from export_run r
      where r.state in ('done', 'failed', 'stopped') and r.ended_at < now() - interval '24 hours'
    ), over as (
      update export_run r set state = 'gone' from late l
      where l.kind = 'export' and r.site_id = l.site_id and r.id = l.id and r.state = 'done'
    ), left_lying as (
      update import_run r set state = 'stopped', ended_at = now() from late l
      where l.kind = 'import' and r.site_id = l.site_id and r.id = l.id and r.state in ('uploading', 'asked')
    ), gone as (
      delete from transfer_piece p using late l
      where p.site_id = l.site_id and p.kind = l.kind and p.number = l.id returning 1
    )
    select count(*) from gone
    """,
)

InThread = Callable[..., Awaitable[Any]]


class TransferWork:
    """The job; *folder* is for files that are worked on, *base* what addresses on this server begin with."""

    def __init__(
        self, database: Database, sites: SiteDirectory, clock: Any, wall_time: Callable[[], float],
        in_thread: InThread, folder: Path, formats: Callable[[], Formats], known: Callable[[], Known],
        base: str = "",
    ) -> None:  # fmt: skip
        self._base = base
        self._database = database
        self._sites = sites
        self._clock = clock
        self._wall_time = wall_time
        self._in_thread = in_thread
        self._folder = folder
        self._formats = formats
        self._known = known
        self._jobs = [
            Periodic(clock, INTERVAL, self.import_one, "imports"),
            Periodic(clock, INTERVAL, self.export_one, "exports"),
        ]
        self._at_work: Importing | None = None
        self._stopping = False

    def start(self) -> None:
        """Look for work every two seconds."""
        for job in self._jobs:
            job.start()

    def stop(self) -> None:
        """Take on no more; what is under way goes on elsewhere, or here after the next start."""
        self._stopping = True
        if self._at_work is not None:
            self._at_work.stop()
        for job in self._jobs:
            job.stop()

    async def import_one(self) -> bool:
        """Do the import that waits longest; whether there was one."""
        for part in self._database.parts:
            try:
                rows = [] if self._stopping else await part.system.write(CLAIM_IMPORT, SILENT)
                site = self._sites.find(rows[0][0]) if rows else None
                if site is not None:
                    await self._import(site, rows[0][1])
                    return True
            except DatabaseError as error:
                log.warn("imports: {reason}", reason=str(error))
        return False

    async def _import(self, site: Site, number: int) -> None:
        work = self._at_work = Importing(
            site, self._database, self._in_thread, self._folder, self._wall_time, self._clock
        )
        own = self._database.site(site.id)
        path = self._folder / f"{site.id}-{number}.upload"
        wish = ""

        async def watch() -> None:
            nonlocal wish
            rows = (await own.read(SELECT_WISH, site.id, number, preference=ReadPreference.PRIMARY)).rows
            wish = rows[0][0] if rows else "stop"
            if wish in ("pause", "stop"):
                work.stop()

        watching = Periodic(self._clock, WATCH, lambda: Deferred.fromCoroutine(watch()), "an import")
        state: str | None = None
        error, report = "", None
        try:
            run = await work.runs.find(number)
            assert run is not None
            rows = (await own.read(SELECT_WISH, site.id, number, preference=ReadPreference.PRIMARY)).rows
            if rows[0][0] == "undo" or run.state == "undoing":
                await self._undo(site, work, run)
                await Pieces(self._database, site.id).drop("import", number)
                return
            watching.start()
            await self._bring(site, work, run, path, rows[0][1])
        except Busy:
            return
        except Stopped:
            state = "waiting" if self._stopping and wish not in ("pause", "stop") else "stopped"
        except Ambiguous as problem:
            state, error = "asked", str(problem)[:500]
            report = msgspec.json.encode({"choices": problem.choices}).decode()
        except BadFile as problem:
            state, error = "failed", str(problem)[:500]
        except DatabaseError:
            # It is taken up again when nothing was heard of it for a minute.
            raise
        except Exception:
            log.failure("import {run} of site {site} broke off", run=number, site=site.id)
            state, error = "failed", "It broke off; the log of the server says more."
        finally:
            watching.stop()
            self._at_work = None
        if state != "waiting":
            await self._in_thread(_remove, path)
        if wish == "stop":
            await Pieces(self._database, site.id).drop("import", number)
            await self._in_thread(_remove, self._folder / f"{site.id}-{number}.spool")
        await own.write(END_IMPORT, site.id, number, state, error, report)

    async def _undo(self, site: Site, work: Importing, run: Run) -> None:
        found = self._formats().get(run.format)
        if found is not None:
            await work.undo(run.id, found[1])
        await self._database.site(site.id).write(END_IMPORT, site.id, run.id, None, "", None)

    async def _bring(self, site: Site, work: Importing, run: Run, path: Path, lines: str) -> None:
        found = self._formats().get(run.format)
        if found is None:
            raise BadFile(f"Nothing is known of format {run.format}.")
        _, imports, format = found
        await self._fetch(site, work, run, path)
        options = msgspec.json.decode(run.options, type=Options)
        if not run.source:
            space = ""
            if format.namespace is not None and not options.label:
                space = await self._in_thread(format.namespace, Source(path, host=options.host, zone=options.zone))
            known = ":".join(one for one in (format.name, options.label or space) if one)[:200]
            await self._database.site(site.id).write(SET_SOURCE, site.id, run.id, known)
        urls = UrlMap.read(lines.splitlines(keepends=True))
        await work.go(run.id, path, format, imports, urls)
        if not run.dry:
            await Pieces(self._database, site.id).drop("import", run.id)

    async def _fetch(self, site: Site, work: Importing, run: Run, path: Path) -> None:
        """The file on this node's disk, whole, with a time that is always the same: so a spool is known again."""
        if await self._in_thread(_size, path) != run.size:
            await self._in_thread(_remove, path)
            async for data in Pieces(self._database, site.id).read("import", run.id):
                await self._in_thread(_append, path, data)
                await work.runs.note(run.id)
            if await self._in_thread(_size, path) != run.size:
                raise BadFile("The file is not here any more.")
        await self._in_thread(_date, path, run.created)

    async def export_one(self) -> bool:
        """Make the export that waits longest; whether there was one."""
        for part in self._database.parts:
            try:
                rows = [] if self._stopping else await part.system.write(CLAIM_EXPORT, SILENT)
                if rows:
                    await self._export(*rows[0])
                    return True
            except DatabaseError as error:
                log.warn("exports: {reason}", reason=str(error))
        return False

    async def _export(self, number_of_site: int, number: int, product: str, format: str) -> None:
        site = self._sites.find(number_of_site)
        export = self._known().get(product, {}).get(format)
        own, pieces = self._database.site(number_of_site), Pieces(self._database, number_of_site)
        await pieces.drop("export", number)
        if site is None or export is None:
            await own.write(BEAT_EXPORT, number_of_site, number, 0, 0, "failed", "That can't be exported here.")
            return
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        done = size = 0
        kept = bytearray()
        state, error = "done", ""
        try:
            async for data in export.write(self._database, site, self._base):
                done += len(data)
                kept += await self._in_thread(packer.compress, data)
                if len(kept) >= PIECE:
                    await pieces.put("export", number, size, bytes(kept))
                    size += len(kept)
                    kept.clear()
                (row,) = await own.write(BEAT_EXPORT, site.id, number, done, size, None, "")
                if row[0] or self._stopping:
                    state = "stopped" if row[0] else "waiting"
                    break
                if size > MOST_FILE:
                    state, error = "failed", f"The file has more than {MOST_FILE} bytes."
                    break
            else:
                kept += packer.flush()
                if kept:
                    await pieces.put("export", number, size, bytes(kept))
                    size += len(kept)
        except DatabaseError:
            raise
        except Exception:
            log.failure("export {run} of site {site} broke off", run=number, site=site.id)
            state, error = "failed", "It broke off; the log of the server says more."
        if state != "done":
            await pieces.drop("export", number)
        await own.write(BEAT_EXPORT, site.id, number, done, size, state, error)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _append(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab") as file:
        file.write(data)


def _date(path: Path, seconds: float) -> None:
    os.utime(path, (int(seconds), int(seconds)))
