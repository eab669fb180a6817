"""The routes about authors: what is known of them, notes among colleagues, warnings."""

from __future__ import annotations

from typing import Any

from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.database.query import ReadPreference
from cackled.domain.bans import Bans
from cackled.domain.people import People
from cackled.moderation.api.answers import AuthorAnswer, Made, NoteBody, WarningsAnswer
from cackled.moderation.authors import Authors
from cackled.moderation.queue import Queue


async def get_author(call: Call) -> Any:
    """Get what is known about an author."""
    visitor, sections = call.number("visitor"), call.colleague.sections
    known = await call.service(Queue).author(visitor, sections)
    authors = call.service(Authors)
    values = {str(visitor), *(one for one in (known["address"], known["first_address"]) if one)}
    bans = [
        {"id": str(one.id), "kind": one.kind, "value": one.value, "until": one.until, "shadow": one.shadow}
        for one in await call.service(Bans).bans()
        if one.value.partition("/")[0] in values
    ]
    return AuthorAnswer(
        id=str(visitor), notes=await authors.notes(visitor), warnings=await authors.warnings(visitor), bans=bans,
        picture=await _picture(call, visitor), **known,
    )  # fmt: skip


async def _picture(call: Call, visitor: int) -> str | None:
    person = await call.service(People).find(visitor)
    if person is None or not person.picture:
        return None
    # Another picture has another address: a page that has shown one does not ask for it again.
    return f"/avatar/{call.site.id}/{visitor}?{person.picture[:6]}"


async def _seen(call: Call) -> None:
    """See that the author wrote in the sections that the caller is for.

    Raises:
        NotFound: they did not.
    """
    if call.colleague.sections:
        await call.service(Queue).author(call.number("visitor"), call.colleague.sections)


async def note(call: Call) -> Any:
    """Add a note about an author for colleagues."""
    await _seen(call)
    return Made(await call.service(Authors).note(call.colleague, call.number("visitor"), call.body.text))


async def forget_note(call: Call) -> None:
    """Delete a note about an author."""
    await _seen(call)
    await call.service(Authors).forget_note(call.number("visitor"), call.number("note"))


async def warn(call: Call) -> Any:
    """Warn an author. They have to acknowledge it before they write again."""
    await _seen(call)
    return Made(await call.service(Authors).warn(call.colleague, call.number("visitor"), call.body.text))


async def own_warnings(call: Call) -> Any:
    """List the visitor's unread warnings."""
    found = await call.service(Authors).warnings(call.visitor.visitor, unread=True)
    return WarningsAnswer(found)


async def read_warning(call: Call) -> None:
    """Acknowledge a warning."""
    await call.service(Authors).read(call.visitor.visitor, call.number("warning"))


_BASE = "/sites/{site}/moderation/authors/{visitor}"
_STAFF: dict[str, Any] = {"caller": Caller.STAFF, "role": "moderator", "scope": "moderate", "limit": ""}
_BODY = ("text-empty", "text-too-long")
ROUTES = (
    Route(
        method="GET", path=_BASE, name="getAuthor", summary="Get what is known about an author.",
        handler=get_author, answer=AuthorAnswer, preference=ReadPreference.PRIMARY, **_STAFF,
    ),
    Route(
        method="POST", path=_BASE + "/notes", name="addAuthorNote",
        summary="Add a note about an author for colleagues.",
        handler=note, body=NoteBody, answer=Made, status=201, refusals=_BODY, **_STAFF,
    ),
    Route(
        method="DELETE", path=_BASE + "/notes/{note}", name="deleteAuthorNote",
        summary="Delete a note about an author.",
        handler=forget_note, status=204, **_STAFF,
    ),
    Route(
        method="POST", path=_BASE + "/warnings", name="warnAuthor",
        summary="Warn an author. They have to acknowledge it before they write again.",
        handler=warn, body=NoteBody, answer=Made, status=201, refusals=_BODY, **_STAFF,
    ),
    Route(
        method="GET", path="/sites/{site}/warnings", name="listWarnings",
        summary="List the visitor's unread warnings.",
        handler=own_warnings, answer=WarningsAnswer, caller=Caller.SESSION, limit="reads",
    ),
    Route(
        method="POST", path="/sites/{site}/warnings/{warning}/read", name="readWarning",
        summary="Acknowledge a warning.",
        handler=read_warning, status=204, caller=Caller.SESSION, limit="queue.read", writes=True,
    ),
)  # fmt: skip
