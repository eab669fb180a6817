"""The routes of polls for a site's staff."""

from __future__ import annotations

from typing import Any

from msgspec import UnsetType

from cackled.api.calls import Call, etag, header, json_response, version_matched
from cackled.api.route import VERSIONED, Caller, Route
from cackled.domain.channels import parse_id
from cackled.domain.errors import Conflict, Outdated
from cackled.events import Position
from cackled.products.polls import answers
from cackled.products.polls.api import parse_option
from cackled.products.polls.editor import PollEditor
from cackled.transport.response import Response

# As many changes as a poll's number of them can count.
MOST_VERSION = 2**31 - 1


def _saved(saved: tuple[int, int, Position], status: int) -> Response:
    poll, version, position = saved
    return json_response(answers.Saved(str(poll), version, str(position)), status, etag(version))


async def make_poll(call: Call) -> Any:
    """Create a poll."""
    assert call.staff is not None
    return _saved(await call.service(PollEditor).make(call.body, call.staff.actor), 201)


async def change_poll(call: Call) -> Any:
    """Change a poll. Once there are votes: add options, correct typing errors, or close it. Requires If-Match."""
    body: answers.PollChange = call.body
    editor, poll = call.service(PollEditor), call.number("poll")
    if not isinstance(body.version, UnsetType) and header(call.request, "if-match") is None:
        return _saved(await editor.change(poll, body, body.version), 200)
    version = version_matched(call.request)
    if version > MOST_VERSION:
        raise Outdated
    try:
        return _saved(await editor.change(poll, body, version), 200)
    except Conflict as error:
        if error.slug != "version":
            raise
        raise Outdated from None


async def list_polls(call: Call) -> bytes:
    """List the site's polls, newest first."""
    query: answers.ListQuery = call.query
    before = parse_id(query.before, "before") if query.before else None
    return b'{"polls":' + await call.service(PollEditor).polls(before, query.size) + b"}"


async def get_results(call: Call) -> Any:
    """Get a poll's full results: hidden counts, proposed options, votes by day and page, bursts."""
    found = await call.service(PollEditor).results(call.number("poll"))
    return json_response(found, 200, etag(found["version"]))


async def export_votes(call: Call) -> Response:
    """Export a poll's votes as CSV, without the voters."""
    text = await call.service(PollEditor).export(call.number("poll"), call.query.offset)
    name = b"poll-%d.csv" % call.number("poll")
    return Response(
        200,
        [
            (b"content-type", b"text/csv; charset=utf-8"),
            (b"content-disposition", b'attachment; filename="' + name + b'"'),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ],
        text.encode(),
    )


async def decide_option(call: Call) -> Any:
    """Accept or refuse a proposed option."""
    option = parse_option(call.parameters["option"])
    position = await call.service(PollEditor).decide(call.number("poll"), option, call.body.shown)
    return {"position": str(position)}


async def decide_burst(call: Call) -> Any:
    """Strike out a burst of votes (one network, one minute), or count votes that were held back."""
    body: answers.BurstBody = call.body
    count, position = await call.service(PollEditor).decide_burst(
        call.number("poll"), body.network, body.minute, body.action == "strike"
    )
    return {"position": str(position), "votes": count}


_ONE = "/sites/{site}/polls/{poll}"
_EDIT = ("poll", "version", "has-votes", "key", "locked", "media-unknown")
# A poll is in no section.
_STAFF: dict[str, Any] = {
    "caller": Caller.STAFF, "role": "moderator", "scope": "moderate", "limit": "polls.staff", "whole": True,
}  # fmt: skip

ROUTES = (
    Route(
        method="POST", path="/sites/{site}/polls", name="makePoll", summary="Create a poll.", handler=make_poll,
        body=answers.PollBody, answer=answers.Saved, status=201, writes=True, refusals=_EDIT, **_STAFF,
    ),
    Route(
        method="GET", path="/sites/{site}/polls", name="listPolls", summary="List the site's polls, newest first.",
        handler=list_polls, query=answers.ListQuery, answer=answers.Polls, **_STAFF,
    ),
    Route(
        method="PATCH", path=_ONE, name="changePoll",
        summary="Change a poll. Once there are votes: add options, correct typing errors, or close it. "
        "Requires If-Match.",
        handler=change_poll, body=answers.PollChange, answer=answers.Saved, writes=True,
        refusals=(*_EDIT, *VERSIONED), **_STAFF,
    ),
    Route(
        method="GET", path=_ONE + "/results", name="getPollResults",
        summary="Get a poll's full results: hidden counts, proposed options, votes by day and page, bursts.",
        handler=get_results, answer=answers.StaffPoll, refusals=("poll",), **_STAFF,
    ),
    Route(
        method="GET", path=_ONE + "/export", name="exportVotes",
        summary="Export a poll's votes as CSV, without the voters.",
        handler=export_votes, query=answers.ExportQuery, answer=str, media="text/csv", refusals=("poll",), **_STAFF,
    ),
    Route(
        method="PUT", path=_ONE + "/options/{option}", name="decideOption",
        summary="Accept or refuse a proposed option.", handler=decide_option, body=answers.DecisionBody,
        answer=answers.Decided, writes=True, refusals=("poll", "proposals"), **_STAFF,
    ),
    Route(
        method="POST", path=_ONE + "/bursts", name="decideBurst",
        summary="Strike out a burst of votes (one network, one minute), or count votes that were held back.",
        handler=decide_burst, body=answers.BurstBody, answer=answers.DecidedBurst, writes=True, refusals=("poll",),
        **_STAFF,
    ),
)  # fmt: skip
