"""The routes of the queue: what waits, what is decided, who is at what."""

from __future__ import annotations

from typing import Any, Literal

from msgspec.structs import replace

from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.database.query import ReadPreference
from cackled.domain.channels import parse_id
from cackled.domain.errors import BadField
from cackled.domain.signed_media import SignedMedia
from cackled.domain.staff import Staff, within
from cackled.domain.staff_tickets import StaffTickets
from cackled.moderation.api.answers import (
    ActionBody,
    ActionsAnswer,
    ActionsQuery,
    ClaimAnswer,
    ClaimBody,
    CountAnswer,
    CountQuery,
    DecidedAnswer,
    FilterBody,
    FoundQuery,
    ItemsAnswer,
    ItemsQuery,
)
from cackled.moderation.api.sections import own_action, within_sections
from cackled.moderation.items import Detail, Found, item_id
from cackled.moderation.live import Live, Place
from cackled.moderation.pictures import opened
from cackled.moderation.queue import MOST_COUNTED, ActionRow, Decided, Queue
from cackled.moderation.search import network, of_author, understand


def found_of(query: FoundQuery | FilterBody, staff: Staff) -> Found:
    """What *query* asks for, within the sections that *staff* is for.

    Raises:
        BadField: something can't be understood.
    """
    found = understand(query.q, Found(state=query.state, sections=staff.sections, mark=query.mark))
    if query.author:
        found = of_author(found, query.author, query.author)
    if query.ip:
        found = replace(found, addresses=(*found.addresses, network(query.ip)))
    if query.channel:
        found = replace(found, pages=(*found.pages, query.channel))
    return found


async def list_items(call: Call) -> Any:
    """List items of the moderation queue."""
    query: ItemsQuery = call.query
    listed = await call.service(Queue).items(
        found_of(query, call.colleague), query.product, query.cursor, query.size, call.reading
    )
    signer = call.shared(SignedMedia)
    return replace(listed, items=tuple(opened(one, signer) for one in listed.items))


async def count_items(call: Call) -> Any:
    """Count matching items."""
    query: CountQuery = call.query
    found = found_of(query, call.colleague)
    if query.newer:
        found = replace(found, after=item_id(query.newer)[1])
    count = await call.service(Queue).count(found, query.product, MOST_COUNTED + 1, call.reading)
    return CountAnswer(min(count, MOST_COUNTED), count > MOST_COUNTED)


async def get_item(call: Call) -> Any:
    """Get an item with its context and full history."""
    detail = await call.service(Queue).detail(call.parameters["item"])
    within(call.colleague, [detail.item.page.key])
    signer = call.shared(SignedMedia)
    return replace(
        detail, item=opened(detail.item, signer), parents=tuple(opened(one, signer) for one in detail.parents),
        siblings=tuple(opened(one, signer) for one in detail.siblings),
    )  # fmt: skip


async def act(call: Call) -> Any:
    """Apply an action to items, or to everything that matches a filter."""
    sent: ActionBody = call.body
    queue = call.service(Queue)
    if (sent.filter is None) == (not sent.items):
        raise BadField("Name items, or a filter.", field="items")
    if sent.filter is not None:
        found = found_of(sent.filter, call.colleague)
        row = await queue.begin(call.colleague, sent.action, found, sent.filter.product, sent.why)
        return DecidedAnswer(row.id, (), (), row.state, row.total)
    await within_sections(call, sent.items)
    made = await queue.decide(call.colleague, sent.action, sent.items, sent.versions, sent.why)
    return DecidedAnswer(made.id, made.done, made.failed, "done", len(sent.items))


async def list_actions(call: Call) -> Any:
    """List moderation actions."""
    query: ActionsQuery = call.query
    before = parse_id(query.before, "before") if query.before else None
    who = call.colleague.actor if query.mine or call.colleague.sections else ""
    return ActionsAnswer(await call.service(Queue).actions(before=before, who=who, size=query.size))


async def get_action(call: Call) -> Any:
    """Get an action and its progress."""
    return await own_action(call, call.number("action"))


async def undo(call: Call) -> Any:
    """Undo an action on every item that was not changed since."""
    queue, number = call.service(Queue), call.number("action")
    await own_action(call, number)
    made: Decided = await queue.undo(call.colleague, number)
    row = await queue.action(number)
    return DecidedAnswer(made.id, made.done, made.failed, row.state, row.done)


async def _steer(call: Call, to: Literal["paused", "running", "stopped"]) -> ActionRow:
    await own_action(call, call.number("action"))
    return await call.service(Queue).steer(call.number("action"), to)


async def pause(call: Call) -> Any:
    """Pause a bulk action."""
    return await _steer(call, "paused")


async def resume(call: Call) -> Any:
    """Resume a bulk action."""
    return await _steer(call, "running")


async def stop(call: Call) -> Any:
    """Stop a bulk action."""
    return await _steer(call, "stopped")


async def claim(call: Call) -> Any:
    """Claim an item."""
    await within_sections(call, [call.parameters["item"]])
    sent: ClaimBody = call.body
    return ClaimAnswer(await call.service(Queue).claim(call.colleague, call.parameters["item"], sent.seconds))


async def release(call: Call) -> None:
    """Release a claimed item."""
    await within_sections(call, [call.parameters["item"]])
    await call.service(Queue).claim(call.colleague, call.parameters["item"], 0)


async def live(call: Call) -> Any:
    """Get the staff's live channel."""
    place, tickets = await call.service(Live).place(call.colleague.sections), call.shared(StaffTickets)
    return Place(str(place), tickets.make(call.site.id, place.channel, call.colleague.actor))


_BASE = "/sites/{site}/moderation"
_STAFF: dict[str, Any] = {"caller": Caller.STAFF, "role": "moderator", "scope": "moderate", "limit": ""}
_READS = {**_STAFF, "preference": ReadPreference.PRIMARY}
# Near is good enough: with ``after``, a number of the staff's channel, nothing is missing that the caller heard of.
_NEAR = {**_STAFF, "preference": ReadPreference.NEAREST}

ROUTES = (
    Route(
        method="GET", path=_BASE + "/items", name="listModerationItems", summary="List items of the moderation queue.",
        handler=list_items, query=ItemsQuery, answer=ItemsAnswer, **_NEAR,
    ),
    Route(
        method="GET", path=_BASE + "/count", name="countModerationItems", summary="Count matching items.",
        handler=count_items, query=CountQuery, answer=CountAnswer, **_NEAR,
    ),
    Route(
        method="GET", path=_BASE + "/items/{item:text}", name="getModerationItem",
        summary="Get an item with its context and full history.",
        handler=get_item, answer=Detail, refusals=("section",), **_READS,
    ),
    Route(
        method="PUT", path=_BASE + "/items/{item:text}/claim", name="claimModerationItem",
        summary="Claim an item.",
        handler=claim, body=ClaimBody, answer=ClaimAnswer, refusals=("section", "claimed"), **_STAFF,
    ),
    Route(
        method="DELETE", path=_BASE + "/items/{item:text}/claim", name="releaseModerationItem",
        summary="Release a claimed item.", handler=release, status=204, refusals=("section", "claimed"), **_STAFF,
    ),
    Route(
        method="POST", path=_BASE + "/actions", name="moderate",
        summary="Apply an action to items, or to everything that matches a filter.",
        handler=act, body=ActionBody, answer=DecidedAnswer,
        refusals=("changed", "gone", "replies", "section", "reason"), **_STAFF,
    ),
    Route(
        method="GET", path=_BASE + "/actions", name="listModerationActions", summary="List moderation actions.",
        handler=list_actions, query=ActionsQuery, answer=ActionsAnswer, **_READS,
    ),
    Route(
        method="GET", path=_BASE + "/actions/{action}", name="getModerationAction",
        summary="Get an action and its progress.",
        handler=get_action, answer=ActionRow, refusals=("section",), **_READS,
    ),
    Route(
        method="POST", path=_BASE + "/actions/{action}/undo", name="undoModerationAction",
        summary="Undo an action on every item that was not changed since.",
        handler=undo, answer=DecidedAnswer, refusals=("state", "section"), **_STAFF,
    ),
    *(
        Route(
            method="POST", path=f"{_BASE}/actions/{{action}}/{verb}", name=f"{verb}ModerationAction",
            summary=f"{verb.capitalize()} a bulk action.",
            handler=handler, answer=ActionRow, refusals=("state", "section"), **_STAFF,
        )
        for verb, handler in (("pause", pause), ("resume", resume), ("stop", stop))
    ),
    Route(
        method="GET", path=_BASE + "/live", name="listenToModeration",
        summary="Get the staff's live channel.", handler=live, answer=Place, certain=True, **_STAFF,
    ),
)  # fmt: skip
PROBLEMS = {"changed": 409, "gone": 409, "replies": 409, "state": 409, "claimed": 409, "section": 403}
