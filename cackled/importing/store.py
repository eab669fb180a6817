"""The runs of imports as the database knows them."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database

_COLUMNS = """
    r.id, r.product, r.format, r.source, r.name, r.who, r.dry, r.options, r.state, r.report, r.error, r.size, r.done,
    r.items, r.added, r.present, r.at_channel, r.at_depth, r.at_number, r.told_channel,
    extract(epoch from r.created_at)::float8, extract(epoch from r.ended_at)::float8,
    extract(epoch from now() - r.beat_at)::float8, r.pictures, r.pictures_taken, r.pictures_failed::text
"""
INSERT_RUN = Query(
    "insert_import_run",
    """
    insert into import_run (site_id, product, format, source, name, who, dry, options, size)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id
    """,
    ("int", "text", "text", "text", "text", "text", "boolean", "text", "bigint"),
)
SELECT_RUN = Query(
    "select_import_run", f"select {_COLUMNS} from import_run r where r.site_id = $1 and r.id = $2", ("int", "bigint")
)
SELECT_RUNS = Query(
    "select_import_runs",
    f"select {_COLUMNS} from import_run r where r.site_id = $1 and r.id < $2 order by r.id desc limit $3",
    ("int", "bigint", "int"),
)
# The one that was cut off, of the same file.
SELECT_UNENDED = Query(
    "select_unended_import",
    """
    select r.id from import_run r where r.site_id = $1 and r.format = $2 and r.source = $3 and r.name = $4
      and r.size = $5 and r.options = $6 and not r.dry
      and r.state in ('waiting', 'reading', 'writing', 'stopped', 'failed')
    order by r.id desc limit 1
    """,
    ("int", "text", "text", "text", "bigint", "text"),
)
# Nobody else is at it: whoever is says so every few seconds.
TAKE_RUN = Query(
    "take_import_run",
    """
    update import_run r set state = $3, beat_at = now(), error = '', ended_at = null
    where r.site_id = $1 and r.id = $2
      and (r.state not in ('reading', 'writing', 'undoing') or r.beat_at < now() - make_interval(secs => $4))
    returning r.id
    """,
    ("int", "bigint", "text", "float8"),
)
UPDATE_RUN = Query(
    "update_import_run",
    """
    update import_run r set state = coalesce($3, r.state), report = coalesce($4, r.report),
      error = coalesce($5, r.error),
      done = coalesce($6, r.done), items = coalesce($7, r.items), beat_at = now(),
      ended_at = case when coalesce($3, r.state) in ('done', 'failed', 'stopped', 'undone') then now() end
    where r.site_id = $1 and r.id = $2
    """,
    ("int", "bigint", "text", "text", "text", "bigint", "bigint"),
)
RESTART_RUN = Query(
    "restart_import_run",
    """
    update import_run r set added = 0, present = 0, at_channel = -1, at_depth = 0, at_number = 0, told_channel = -1
    where r.site_id = $1 and r.id = $2
    """,
    ("int", "bigint"),
)
TOLD = Query(
    "import_told", "update import_run r set told_channel = $3, beat_at = now() where r.site_id = $1 and r.id = $2",
    ("int", "bigint", "bigint"),
)  # fmt: skip
FORGET_AUTHORS = Query(
    "forget_import_authors",
    """
    with dropped as (delete from import_picture p where p.site_id = $1 and p.run_id = $2)
    delete from import_author a where a.site_id = $1 and (a.author, a.source) in (
      select x.author, x.source from import_author x where x.site_id = $1 and x.run_id = $2 limit $3)
    returning a.visitor_id
    """,
    ("int", "bigint", "int"),
)
COUNT_PRESENT = Query(
    "count_imported",
    """
    select count(*)::int from import_item i
    where i.site_id = $1 and i.product = $2 and i.source = $3 and i.external_id = any($4)
    """,
    ("int", "text", "text", "text[]"),
)
# Authors that are forgotten at once.
AUTHORS = 500
# A run that nobody has said a word of for so long was cut off.
SILENT = 60.0


class Run(Struct, frozen=True):
    """One import. Times are in seconds since 1970; ``silent``: seconds since something was heard of it.

    ``size`` and ``done`` are bytes of the file; ``items`` were found in it, ``added`` of them are new here, ``present``
    were there already. ``pictures`` were wished for, ``pictures_taken`` of them are here; ``pictures_failed``: how many
    can't be had, by reason, as JSON.
    """

    id: int
    product: str
    format: str
    source: str
    name: str
    who: str
    dry: bool
    options: str
    state: str
    report: str
    error: str
    size: int
    done: int
    items: int
    added: int
    present: int
    at_channel: int
    at_depth: int
    at_number: int
    told_channel: int
    created: float
    ended: float | None
    silent: float
    pictures: int = 0
    pictures_taken: int = 0
    pictures_failed: str = "{}"

    @property
    def under_way(self) -> bool:
        """Whether somebody works on it."""
        return self.state in ("reading", "writing", "undoing") and self.silent < SILENT


class Runs:
    """The imports of one site."""

    def __init__(self, database: Database, site: int) -> None:
        self._database = database.site(site)
        self._site = site

    async def add(
        self, product: str, format: str, source: str, name: str, who: str, dry: bool, options: dict[str, Any], size: int
    ) -> int:
        """Note a new one; gives its id. One of the same file that was cut off is taken up again."""
        told = msgspec.json.encode(options, order="sorted").decode()
        if not dry:
            rows = await self._database.read(
                SELECT_UNENDED, self._site, format, source, name, size, told, preference=ReadPreference.PRIMARY
            )
            if rows.rows:
                return int(rows.rows[0][0])
        made = await self._database.write(INSERT_RUN, self._site, product, format, source, name, who, dry, told, size)
        return int(made[0][0])

    async def find(self, run: int) -> Run | None:
        """One of them."""
        rows = await self._database.read(SELECT_RUN, self._site, run, preference=ReadPreference.PRIMARY)
        return Run(*rows.rows[0]) if rows.rows else None

    async def list(self, before: int, most: int) -> list[Run]:
        """The newest of those below *before*."""
        rows = await self._database.read(SELECT_RUNS, self._site, before, most, preference=ReadPreference.PRIMARY)
        return [Run(*row) for row in rows.rows]

    async def take(self, run: int, state: str) -> bool:
        """Begin to work on one; False where somebody else does."""
        return bool(await self._database.write(TAKE_RUN, self._site, run, state, SILENT))

    async def note(
        self, run: int, *, state: str | None = None, report: str | None = None, error: str | None = None,
        done: int | None = None, items: int | None = None,
    ) -> None:  # fmt: skip
        """Note how far one is."""
        await self._database.write(UPDATE_RUN, self._site, run, state, report, error, done, items)

    async def restart(self, run: int) -> None:
        """It begins anew."""
        await self._database.write(RESTART_RUN, self._site, run)

    async def told(self, run: int, channel: int) -> None:
        """Readers of the channels up to this one have heard."""
        await self._database.write(TOLD, self._site, run, channel)

    async def forget_authors(self, run: int) -> None:
        """Forget the authors that a run brought, with their pictures, and what is still to be fetched for it."""
        while len(await self._database.write(FORGET_AUTHORS, self._site, run, AUTHORS)) >= AUTHORS:
            await self.note(run)
