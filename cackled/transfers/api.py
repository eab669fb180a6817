"""Routes of imports and exports: begin, send the file, watch, stop, undo, download."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.domain.audit import Audit
from cackled.domain.channels import parse_id
from cackled.importing.run import Options
from cackled.transfers.exports import DownloadLinks, ExportList, ExportRun
from cackled.transfers.file_store import MOST_FILE, MOST_PIECE
from cackled.transfers.formats import KnownFormats, ShownExport, ShownFormat
from cackled.transfers.imports import MOST_MAP, Action, Import, ImportList

_Before = Annotated[str, Meta(max_length=20, description="`next` of the page before")]
_Size = Annotated[int, Meta(ge=1, le=100)]
_Format = Annotated[str, Meta(max_length=40, description="a name of the list of formats")]


class RunsQuery(Struct, frozen=True):
    """The cursor of a list."""

    cursor: _Before = ""
    size: _Size = 20


class ImportsAnswer(Struct, frozen=True):
    """Imports, newest first, and the formats. ``next`` is the cursor of the next page, if there is one."""

    imports: list[Import]
    formats: list[ShownFormat]
    next: str | None


class ImportBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A new import. Its file is sent afterwards, in pieces.

    ``format`` is guessed from the file when it is left out. ``dry``: only a report is made. ``host``: what paths are on
    where the file names no host. ``by``: what pages are known by. ``zone``: seconds east of Greenwich of times that
    name none. ``spam``: with spam. ``photos``: fetch pictures in comments and photos of reviews, and keep them here;
    ``avatars``: those of authors of comments. ``map``: CSV of old and new addresses; ``*`` matches anything.
    """

    size: Annotated[int, Meta(ge=1, le=MOST_FILE, description="bytes of the file")]
    name: Annotated[str, Meta(max_length=200)] = ""
    format: _Format = ""
    dry: bool = False
    host: Annotated[str, Meta(max_length=300)] = ""
    by: Annotated[str, Meta(pattern="^(address|name)$")] = "address"
    zone: Annotated[int, Meta(ge=-50_400, le=50_400)] = 0
    spam: bool = True
    label: Annotated[str, Meta(max_length=100)] = ""
    avatars: bool = False
    photos: bool = False
    map: Annotated[str, Meta(max_length=MOST_MAP)] = ""


class PieceQuery(Struct, frozen=True):
    """Where the piece begins, in bytes."""

    at: Annotated[int, Meta(ge=0, le=MOST_FILE)]


class ImportAction(Struct, frozen=True, forbid_unknown_fields=True):
    """What to do with an import, one of its ``actions``. ``format`` answers the question of one that was asked.

    ``bring`` runs a dry run again for real, with the same file.
    """

    action: Action
    format: _Format = ""


class ExportsAnswer(Struct, frozen=True):
    """Exports, newest first, and the formats. ``next`` is the cursor of the next page, if there is one."""

    exports: list[ExportRun]
    formats: list[ShownExport]
    next: str | None


class ExportBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What to export."""

    format: _Format
    product: Annotated[str, Meta(max_length=40)] = "comments"


class DownloadAnswer(Struct, frozen=True):
    """The address of a file. Whoever has it can download until it expires."""

    url: str
    expires: Annotated[int, Meta(description="seconds since 1970")]


def _before(query: RunsQuery) -> int | None:
    return parse_id(query.cursor, "cursor") if query.cursor else None


async def list_imports(call: Call) -> ImportsAnswer:
    """List the site's imports and the formats that can be imported."""
    found = await call.service(ImportList).list(_before(call.query), call.query.size + 1)
    shown = found[: call.query.size]
    more = shown[-1].id if len(found) > len(shown) else None
    return ImportsAnswer(shown, call.shared(KnownFormats).imported, more)


async def get_import(call: Call) -> Import:
    """Get an import: its state, progress and report."""
    return await call.service(ImportList).get(call.number("run"))


async def begin_import(call: Call) -> Import:
    """Create an import. Then send its file."""
    sent: ImportBody = call.body
    options = Options(
        host=sent.host, zone=sent.zone, by=sent.by, everything=sent.spam, label=sent.label, avatars=sent.avatars,
        photos=sent.photos,
    )
    who = call.colleague
    made = await call.service(ImportList).begin(
        sent.format, sent.name, sent.size, options, sent.map, dry=sent.dry, who=who.name or who.actor
    )
    await call.service(Audit).record(who, "import.begun", f"import:{made.id}", format=sent.format, dry=sent.dry)
    return made


async def send_piece(call: Call) -> Import:
    """Upload a piece of the file, at most 8 MiB. Pieces come in order; a repeated piece changes nothing."""
    content = call.request.content
    data = b"" if content is None else content.read()
    return await call.service(ImportList).receive(call.number("run"), call.query.at, data)


async def act_on_import(call: Call) -> Import:
    """Pause, resume, stop, undo or answer an import, or run a dry run for real."""
    number, sent = call.number("run"), call.body
    made = await call.service(ImportList).act(number, sent.action, sent.format)
    await call.service(Audit).record(call.colleague, f"import.{sent.action}", f"import:{number}")
    return made


async def list_exports(call: Call) -> ExportsAnswer:
    """List the site's exports and the formats that can be exported."""
    found = await call.service(ExportList).list(_before(call.query), call.query.size + 1)
    shown = found[: call.query.size]
    more = shown[-1].id if len(found) > len(shown) else None
    return ExportsAnswer(shown, call.shared(KnownFormats).exported, more)


async def get_export(call: Call) -> ExportRun:
    """Get an export: its state and progress."""
    return await call.service(ExportList).get(call.number("run"))


async def begin_export(call: Call) -> ExportRun:
    """Create an export. Its file is kept for a day."""
    who = call.colleague
    made = await call.service(ExportList).begin(call.body.product, call.body.format, who.name or who.actor)
    await call.service(Audit).record(
        who, "export.begun", f"export:{made.id}", product=call.body.product, format=call.body.format
    )
    return made


async def stop_export(call: Call) -> ExportRun:
    """Stop an export, or delete its file."""
    number = call.number("run")
    made = await call.service(ExportList).stop(number)
    await call.service(Audit).record(call.colleague, "export.stopped", f"export:{number}")
    return made


async def link_export(call: Call) -> DownloadAnswer:
    """Get the address of an export's file. It works for ten minutes."""
    number = call.number("run")
    await call.service(ExportList).ready(number)
    token, expires = await call.shared(DownloadLinks).token(call.site.id, number)
    await call.service(Audit).record(call.colleague, "export.fetched", f"export:{number}")
    return DownloadAnswer(f"{call.context.own_url}/exports/{token}", expires)


_ADMIN: dict[str, Any] = {"caller": Caller.STAFF, "role": "admin", "scope": "sync", "limit": "", "whole": True}
_IMPORT, _EXPORT = "/sites/{site}/imports/{run}", "/sites/{site}/exports/{run}"
ROUTES = (
    Route(
        method="GET", path="/sites/{site}/imports", name="listImports",
        summary="List the site's imports and the formats that can be imported.",
        handler=list_imports, query=RunsQuery, answer=ImportsAnswer, **_ADMIN,
    ),
    Route(
        method="POST", path="/sites/{site}/imports", name="beginImport",
        summary="Create an import. Then send its file.",
        handler=begin_import, body=ImportBody, answer=Import, status=201, refusals=("imports-many",), **_ADMIN,
    ),
    Route(
        method="GET", path=_IMPORT, name="getImport", summary="Get an import: its state, progress and report.",
        handler=get_import, answer=Import, **_ADMIN,
    ),
    Route(
        method="PUT", path=f"{_IMPORT}/file", name="sendImportFile",
        summary="Upload a piece of the file, at most 8 MiB. Pieces come in order; a repeated piece changes nothing.",
        handler=send_piece, query=PieceQuery, takes="application/octet-stream", most=MOST_PIECE, answer=Import,
        refusals=("import-place",), **_ADMIN,
    ),
    Route(
        method="POST", path=f"{_IMPORT}/actions", name="actOnImport",
        summary="Pause, resume, stop, undo or answer an import, or run a dry run for real.",
        handler=act_on_import, body=ImportAction, answer=Import, refusals=("import-state",), **_ADMIN,
    ),
    Route(
        method="GET", path="/sites/{site}/exports", name="listExports",
        summary="List the site's exports and the formats that can be exported.",
        handler=list_exports, query=RunsQuery, answer=ExportsAnswer, **_ADMIN,
    ),
    Route(
        method="POST", path="/sites/{site}/exports", name="beginExport",
        summary="Create an export. Its file is kept for a day.",
        handler=begin_export, body=ExportBody, answer=ExportRun, status=201, refusals=("exports-many",), **_ADMIN,
    ),
    Route(
        method="GET", path=_EXPORT, name="getExport", summary="Get an export: its state and progress.",
        handler=get_export, answer=ExportRun, **_ADMIN,
    ),
    Route(
        method="DELETE", path=_EXPORT, name="stopExport", summary="Stop an export, or delete its file.",
        handler=stop_export, answer=ExportRun, refusals=("export-state",), **_ADMIN,
    ),
    Route(
        method="POST", path=f"{_EXPORT}/link", name="linkExport",
        summary="Get the address of an export's file. It works for ten minutes.",
        handler=link_export, answer=DownloadAnswer, refusals=("export-state",), fresh=True, **_ADMIN,
    ),
)  # fmt: skip
