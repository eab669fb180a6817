"""Routes of a site's settings, as one document with a version, and of the log of what staff did."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from cackled.accounts.hosts import Hosts
from cackled.api.calls import Call, etag, json_response, version_matched
from cackled.api.route import VERSIONED, Caller, Route
from cackled.database.query import ReadPreference
from cackled.domain.audit import Audit, Entry
from cackled.domain.errors import BadField, Forbidden
from cackled.domain.setting_table import Setting
from cackled.domain.site_changes import SiteChanges, SiteDocument
from cackled.transport.response import Response

# Rows of the log in one file.
MOST_EXPORTED = 10_000


class SettingAnswer(Struct, frozen=True):
    """The description of a setting; ``default`` and ``allowed`` are texts."""

    name: str
    kind: str
    default: str
    allowed: str
    help: str
    secret: bool


class SettingsAnswer(Struct, frozen=True):
    """The document of a site.

    Origins in ``waiting`` do not count until their host is proven. Of a secret setting only its presence is shown.
    The ETag is the version; changes send it back as If-Match.
    """

    site: int
    version: int
    name: str
    origins: list[str]
    waiting: list[str]
    settings: dict[str, Any]
    described: list[SettingAnswer]


class SettingsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The settings to change. null resets a setting to its default."""

    name: str | UnsetType = UNSET
    origins: Annotated[list[str], Meta(max_length=100)] | UnsetType = UNSET
    settings: dict[str, Any] = {}


class AuditQuery(Struct, frozen=True):
    """Filters and cursor of the audit log."""

    before: Annotated[int, Meta(ge=1, le=2**63 - 1, description="rows before this one")] | None = None
    actor: Annotated[str, Meta(max_length=60, description="account:7, key:3, console")] = ""
    action: Annotated[str, Meta(max_length=60, description="what was done, or its first part")] = ""
    target: Annotated[str, Meta(max_length=200, description="comment:123")] = ""
    size: Annotated[int, Meta(ge=1, le=200)] = 50


class AuditAnswer(Struct, frozen=True):
    """Rows of the audit log, newest first. ``next``, if present, is the ``before`` of the next page."""

    entries: list[Entry]
    next: str | None


class ExportQuery(Struct, frozen=True):
    """The cursor of an export of the audit log, newest row first."""

    before: Annotated[int, Meta(ge=1, le=2**63 - 1, description="rows before this one")] | None = None


def _told(document: SiteDocument, table: list[Setting]) -> Response:
    described = [SettingAnswer(one.name, one.kind, one.default, one.allowed, one.help, one.secret) for one in table]
    answer = SettingsAnswer(
        document.site, document.version, document.name, document.origins, document.waiting, document.settings, described
    )
    return json_response(answer, 200, etag(document.version))


async def get_settings(call: Call) -> Response:
    """Get the site's name, origins and settings, and the list of available settings."""
    changes = call.shared(SiteChanges)
    return _told(await changes.get(call.site.id), list(changes.table.settings.values()))


async def change_settings(call: Call) -> Response:
    """Change the site's name, origins or settings. Requires If-Match."""
    sent: SettingsBody = call.body
    changes = call.shared(SiteChanges)
    if call.colleague.key and any("secret" in name for name in sent.settings):
        raise Forbidden("Secrets are set by people who sign in.", slug="role")
    if len(sent.settings) > len(changes.table.settings):
        raise BadField("There are not so many settings.", field="settings")
    origins = None if isinstance(sent.origins, UnsetType) else sent.origins
    proven = await call.shared(Hosts).proven(call.site.id)
    document = await changes.change(
        call.site.id,
        version_matched(call.request),
        name=None if isinstance(sent.name, UnsetType) else sent.name,
        origins=origins,
        settings=sent.settings,
        proven=proven,
    )
    # Values are not for the log: among them are secrets.
    more: dict[str, Any] = {"settings": sorted(sent.settings)} if sent.settings else {}
    if origins is not None:
        await call.shared(Hosts).expect(call.site.id, document.waiting)
        more["origins"] = document.origins + document.waiting
    if not isinstance(sent.name, UnsetType):
        more["name"] = document.name
    await call.service(Audit).record(call.colleague, "settings.changed", f"site:{call.site.id}", **more)
    return _told(document, list(changes.table.settings.values()))


async def list_audit(call: Call) -> AuditAnswer:
    """List what staff did on the site, newest first."""
    query: AuditQuery = call.query
    entries = await call.service(Audit).entries(
        call.reading, before=query.before, actor=query.actor, action=query.action, target=query.target,
        size=query.size + 1,
    )  # fmt: skip
    shown = entries[: query.size]
    return AuditAnswer(shown, shown[-1].id if len(entries) > query.size else None)


async def export_table(call: Call) -> Response:
    """Export the log as CSV, at most `MOST_EXPORTED` rows; ``X-Cackled-Next`` is the ``before`` of the next rows."""
    shown, after = await _exported(call)
    file = StringIO()
    writer = csv.writer(file)
    writer.writerow(Entry.__struct_fields__)
    for one in shown:
        row = msgspec.structs.astuple(one)
        writer.writerow([*(_cell(str(value)) for value in row[:-1]), msgspec.json.encode(one.detail).decode()])
    return _file(call, "csv", b"text/csv", file.getvalue().encode(), after)


async def export_lines(call: Call) -> Response:
    """Export the log as JSON Lines; the same bounds as for CSV."""
    shown, after = await _exported(call)
    body = b"".join(msgspec.json.encode(one) + b"\n" for one in shown)
    return _file(call, "jsonl", b"application/jsonl", body, after)


async def _exported(call: Call) -> tuple[list[Entry], str | None]:
    query: ExportQuery = call.query
    entries = await call.service(Audit).entries(call.reading, before=query.before, size=MOST_EXPORTED + 1)
    shown = entries[:MOST_EXPORTED]
    return shown, shown[-1].id if len(entries) > MOST_EXPORTED else None


def _file(call: Call, end: str, kind: bytes, body: bytes, after: str | None) -> Response:
    headers = [
        (b"content-type", kind + b"; charset=utf-8"),
        (b"content-disposition", f'attachment; filename="audit-{call.site.id}.{end}"'.encode()),
        (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"),
    ]  # fmt: skip
    if after is not None:
        headers.append((b"x-cackled-next", after.encode()))
    return Response(200, headers, body)


def _cell(text: str) -> str:
    """*text* as no spreadsheet takes for a formula: names in it were chosen by people."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


ROUTES = (
    Route(
        method="GET",
        path="/sites/{site}/settings",
        name="getSettings",
        summary="Get the site's name, origins and settings, and the list of available settings.",
        handler=get_settings,
        answer=SettingsAnswer,
        caller=Caller.STAFF,
        role="analyst",
        scope="read",
        limit="",
    ),
    Route(
        method="PATCH",
        path="/sites/{site}/settings",
        name="changeSettings",
        summary="Change the site's name, origins or settings. Requires If-Match.",
        handler=change_settings,
        body=SettingsBody,
        answer=SettingsAnswer,
        caller=Caller.STAFF,
        role="admin",
        scope="sync",
        limit="",
        refusals=(*VERSIONED, "bad-field"),
    ),
    Route(
        method="GET",
        path="/sites/{site}/audit",
        name="listAudit",
        summary="List what staff did on the site, newest first.",
        handler=list_audit,
        query=AuditQuery,
        answer=AuditAnswer,
        caller=Caller.STAFF,
        role="analyst",
        scope="read",
        limit="",
        preference=ReadPreference.NEAREST,
    ),
    *(
        Route(
            method="GET",
            path=f"/sites/{{site}}/audit/{end}",
            name=name,
            summary=f"Export the audit log as {what}.",
            handler=handler,
            query=ExportQuery,
            answer=str,
            media=media,
            caller=Caller.STAFF,
            role="admin",
            scope="read",
            fresh=True,
            limit="",
            preference=ReadPreference.NEAREST,
        )
        for end, name, what, handler, media in (
            ("csv", "exportAuditTable", "CSV", export_table, "text/csv"),
            ("jsonl", "exportAuditLines", "JSON Lines", export_lines, "application/jsonl"),
        )
    ),
)
