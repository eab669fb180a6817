"""Imports of a site that staff begin, watch and take back: what each is, what can be done with it, its file."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from cackled.database.query import Query, ReadPreference
from cackled.database.routing import Database
from cackled.domain.errors import BadField, Conflict, NotFound, Unprocessable
from cackled.domain.site import Site
from cackled.importing.format_detection import HEAD, guess
from cackled.importing.formats import Format, Imports
from cackled.importing.mapping import UrlMap
from cackled.importing.records import BadFile
from cackled.importing.run import Options
from cackled.transfers.file_store import MOST_FILE, MOST_PIECE, Pieces

# Formats by name, each with its product.
Formats = dict[str, tuple[str, Imports, Format]]
Action = Literal["pause", "resume", "stop", "undo", "bring", "answer"]
# Imports of a site whose files are here.
MOST_OPEN = 5
MOST_MAP = 1_000_000

INSERT_IMPORT = Query(
    "insert_import",
    """
    insert into import_run (site_id, product, format, source, name, who, dry, options, size, state, via, map)
    select $1, $2, $3, '', $4, $5, $6, $7, $8, 'uploading', 'api', $9
    where (select count(*) from import_run r where r.site_id = $1 and r.via = 'api'
           and r.state in ('uploading', 'waiting', 'asked', 'reading', 'writing', 'undoing')) < $10
    returning id
    """,
    ("int", "text", "text", "text", "text", "boolean", "text", "bigint", "text", "int"),
)
_COLUMNS = """
    r.id, r.product, r.format, r.name, r.who, r.dry, r.options, r.state, r.wish, r.report, r.error, r.size, r.received,
    r.done, r.items, r.added, r.present, r.via,
    to_char(r.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    to_char(r.ended_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    r.pictures, r.pictures_taken, r.pictures_failed::text,
    exists(select 1 from transfer_piece p where p.site_id = $1 and p.kind = 'import' and p.number = r.id)
"""
SELECT_IMPORT = Query(
    "select_import", f"select {_COLUMNS} from import_run r where r.site_id = $1 and r.id = $2", ("int", "bigint")
)
SELECT_IMPORTS = Query(
    "select_imports",
    f"""
    select {_COLUMNS} from import_run r where r.site_id = $1 and ($2::bigint is null or r.id < $2)
    order by r.id desc limit $3
    """,
    ("int", "bigint", "int"),
)
# One statement: of two pieces that come for one place, one is taken, whole.
RECEIVED = Query(
    "import_received",
    """
    with moved as (
      update import_run r set received = $3 + length($6), beat_at = now() - interval '1 hour',
        format = case when $4 = '' then r.format else $4 end, product = case when $5 = '' then r.product else $5 end,
        state = case when $3 + length($6) < r.size then 'uploading' when $4 = '' and r.format = '' then 'asked'
                     else 'waiting' end
      where r.site_id = $1 and r.id = $2 and r.received = $3 and r.state = 'uploading'
      returning r.id
    ), kept as (
      insert into transfer_piece (site_id, kind, number, at, data) select $1, 'import', m.id, $3, $6 from moved m
    )
    select id from moved
    """,
    ("int", "bigint", "bigint", "text", "text", "bytea"),
)
ACT = Query(
    "act_on_import",
    """
    update import_run r set state = coalesce($4, r.state), wish = coalesce($5, r.wish), error = '',
      format = case when $6 = '' then r.format else $6 end, product = case when $7 = '' then r.product else $7 end,
      dry = r.dry and not $8, beat_at = now() - interval '1 hour', report = case when $8 then '{}' else r.report end,
      at_channel = case when $8 then -1 else r.at_channel end,
      ended_at = case when $4 = 'waiting' then null when $4 = 'stopped' then now() else r.ended_at end
    where r.site_id = $1 and r.id = $2 and r.state = any($3)
    returning r.id
    """,
    ("int", "bigint", "text[]", "text", "text", "text", "text", "boolean"),
)


class ImportedPictures(Struct, frozen=True):
    """Pictures that an import named: fetched after it, a few at a time.

    ``waiting`` are still to come; ``failed``: those that stay links, by reason.
    """

    wished: int
    taken: int
    waiting: int
    failed: dict[str, int]


class Import(Struct, frozen=True):
    """One import. States: uploading, asked, waiting, reading, writing, done, failed, stopped, undoing, undone.

    ``asked``: *error* is the question, and *choices* are the formats that answer it. ``size``, ``received`` and
    ``done`` are bytes of the file: all, here, read. ``items`` were found in it; ``added`` are new here, ``present``
    were there.
    ``actions``: what can be done with it now. ``report``: what comes, what does not and why.
    ``pictures``: null where none were wished for.
    """

    id: str
    product: str
    format: str
    name: str
    who: str
    dry: bool
    state: str
    error: str
    size: int
    received: int
    done: int
    items: int
    added: int
    present: int
    created: str
    ended: str | None
    actions: list[Action]
    choices: list[str]
    report: dict[str, Any]
    pictures: ImportedPictures | None = None


def _pictures(wished: int, taken: int, failed: str) -> ImportedPictures | None:
    if not wished:
        return None
    reasons = msgspec.json.decode(failed, type=dict[str, int])
    return ImportedPictures(wished, taken, max(0, wished - taken - sum(reasons.values())), reasons)


def _actions(state: str, wish: str, *, via: str, dry: bool, kept: bool, added: int) -> list[Action]:
    if wish and state != "stopped":
        return []
    if state in ("reading", "writing"):
        return ["pause", "stop"] if via == "api" else []
    found: list[Action] = []
    if state == "waiting":
        found += ["pause", "stop"]
    elif state == "asked":
        found += ["answer", "stop"]
    elif state == "uploading" or (state in ("stopped", "failed") and kept):
        found += ["stop"] if state == "uploading" else ["resume", "stop"]
    elif state == "done" and dry and kept:
        found += ["bring", "stop"]
    if state in ("done", "stopped", "failed") and not dry and added:
        found.append("undo")
    return found


# From which states an action leads where, and what is wished of whoever works on it.
_STILL: dict[str, tuple[tuple[str, ...], str]] = {
    "pause": (("waiting",), "stopped"), "stop": (("waiting", "uploading", "asked", "stopped", "failed"), "stopped"),
    "resume": (("stopped", "failed"), "waiting"), "bring": (("done",), "waiting"), "answer": (("asked",), "waiting"),
}  # fmt: skip


class ImportList:
    """The imports of one site."""

    def __init__(self, site: Site, database: Database, formats: Formats) -> None:
        self._site = site
        self._database = database.site(site.id)
        self._pieces = Pieces(database, site.id)
        self._formats = formats

    def _shown(self, row: tuple[Any, ...]) -> Import:
        (id_, product, format, name, who, dry, _, state, wish, report, error, size, received, done, items, added,
         present, via, created, ended, wished, taken, lost, kept) = row  # fmt: skip
        told: dict[str, Any] = msgspec.json.decode(report)
        asked = state == "asked"
        choices = [one for one in told.get("choices", ()) if one in self._formats] if asked else []
        return Import(
            str(id_), product, format, name, who, dry, state, error, size, received, done, items, added, present,
            created, ended, _actions(state, wish, via=via, dry=dry, kept=kept, added=added),
            choices or (sorted(self._formats) if asked else []), {} if asked else told,
            _pictures(wished, taken, lost),
        )  # fmt: skip

    async def list(self, before: int | None, most: int) -> list[Import]:
        """The newest, or those before one."""
        rows = await self._database.read(
            SELECT_IMPORTS, self._site.id, before, most, preference=ReadPreference.PRIMARY
        )
        return [self._shown(row) for row in rows.rows]

    async def get(self, number: int) -> Import:
        """One of them.

        Raises:
            NotFound: there is none of that number.
        """
        rows = await self._database.read(SELECT_IMPORT, self._site.id, number, preference=ReadPreference.PRIMARY)
        if not rows.rows:
            raise NotFound("There is no such import.")
        return self._shown(rows.rows[0])

    async def begin(
        self, format: str, name: str, size: int, options: Options, map: str, *, dry: bool, who: str
    ) -> Import:
        """Note an import whose file comes in pieces; *format* ``""``: it is guessed.

        Raises:
            BadField: there is no such format, the map can't be read, or the file is too large.
            Unprocessable: too many are under way.
        """
        if format and format not in self._formats:
            raise BadField("There is no such format.", field="format")
        if not 0 < size <= MOST_FILE:
            raise BadField(f"A file has 1 to {MOST_FILE} bytes.", field="size")
        if len(map) > MOST_MAP:
            raise BadField(f"A map has at most {MOST_MAP} characters.", field="map")
        try:
            urls = UrlMap.read(map.splitlines(keepends=True))
        except BadFile as error:
            raise BadField(str(error), field="map") from None
        told = msgspec.json.encode(msgspec.structs.replace(options, urls=urls.digest)).decode()
        product = self._formats[format][0] if format else ""
        made = await self._database.write(
            INSERT_IMPORT, self._site.id, product, format, name, who, dry, told, size, map, MOST_OPEN
        )
        if not made:
            raise Unprocessable(f"At most {MOST_OPEN} imports of a site are under way.", slug="imports-many")
        return await self.get(made[0][0])

    async def receive(self, number: int, at: int, data: bytes) -> Import:
        """Keep a piece of the file, which begins at byte *at*; one that is here already changes nothing.

        Raises:
            Conflict: the file goes on elsewhere; ``received`` of the import says where.
            BadField: it is too long.
        """
        one = await self.get(number)
        if not data or len(data) > MOST_PIECE:
            raise BadField(f"A piece has 1 to {MOST_PIECE} bytes.", field="body")
        if at + len(data) <= one.received:
            return one
        if one.state != "uploading" or at != one.received or at + len(data) > one.size:
            raise Conflict(f"The file goes on at byte {one.received}.", slug="import-place")
        format = product = ""
        if at + len(data) == one.size and not one.format:
            format = guess(await self._head(number, data), frozenset(self._formats))
            product = self._formats[format][0] if format else ""
        if not await self._database.write(RECEIVED, self._site.id, number, at, format, product, data):
            raise Conflict("That piece was sent twice at the same time.", slug="import-place")
        return await self.get(number)

    async def _head(self, number: int, last: bytes) -> bytes:
        """The beginning of a file of which all is here but its *last* piece."""
        head = b""
        async for data in self._pieces.read("import", number):
            head += data
            if len(head) >= HEAD:
                return head
        return head + last

    async def act(self, number: int, action: Action, format: str = "") -> Import:
        """Do something with it.

        Raises:
            Conflict: that can't be done as it is.
            BadField: the answer is none of the choices.
        """
        one = await self.get(number)
        if action not in one.actions:
            raise Conflict("That can't be done with this import now.", slug="import-state")
        if action == "answer" and format not in one.choices:
            raise BadField("Say one of the formats that were asked for.", field="format")
        chosen = format if action == "answer" else ""
        product = self._formats[chosen][0] if chosen else ""
        states: tuple[str, ...]
        state: str | None
        if action == "undo":
            states, state, wish = (one.state,), None, "undo"
        elif one.state in ("reading", "writing"):
            states, state, wish = ("reading", "writing"), None, action
        elif action == "stop" and one.state == "done":
            states, state, wish = ("done",), None, ""
        else:
            (states, state), wish = _STILL[action], ""
        if not await self._database.write(
            ACT, self._site.id, number, list(states), state, wish, chosen, product, action == "bring"
        ):
            raise Conflict("That can't be done with this import now.", slug="import-state")
        if action == "stop" and not wish:
            await self._pieces.drop("import", number)
        return await self.get(number)
