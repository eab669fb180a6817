"""The routes of conversations for operators."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Struct

from cackled.api.calls import Call, etag, json_response, version_matched
from cackled.api.route import VERSIONED, Caller, Route
from cackled.domain.activity import Doings
from cackled.domain.channels import parse_id
from cackled.domain.errors import NotFound, Outdated
from cackled.domain.staff_tickets import StaffTickets
from cackled.domain.text import clean_text
from cackled.products.chat import answers, staff_answers
from cackled.products.chat.desk import MOST_NOTE, Desks
from cackled.products.chat.hours import Hours
from cackled.products.chat.refusals import TEXT
from cackled.products.chat.service import PRODUCT_NAME, Chats
from cackled.products.chat.setup import Setups
from cackled.products.chat.translations import Translations


class ActivityAnswer(Struct, frozen=True):
    """What a visitor did in other products that everybody may see, the latest of each first.

    ``last`` is empty where the caller may not read all of the site, or the visitor keeps it private.
    """

    products: list[Doings]


async def list_chats(call: Call) -> bytes:
    """List conversations, the latest changed first."""
    desks, query, me = call.service(Desks), call.query, call.colleague.account
    rows, cursor = await desks.listed(me, query)
    counts = msgspec.json.encode(staff_answers.ChatCounts(*await desks.counts(me)))
    return b'{"chats":[%b],"cursor":"%b","counts":%b}' % (",".join(rows).encode(), cursor.encode(), counts)


async def activity(call: Call) -> Any:
    """Get what the visitor of a conversation did elsewhere on the site."""
    found = await call.service(Desks).activity(call.number("chat"), call.colleague)
    return ActivityAnswer(found)


async def take(call: Call) -> Any:
    """Take a conversation."""
    return answers.Done(await call.service(Desks).take(call.number("chat"), call.colleague, call.body.over))


async def transfer(call: Call) -> Any:
    """Hand a conversation to an operator, or to the queue of a department."""
    desks, body = call.service(Desks), call.body
    noted = bool(body.note.strip())
    if noted:
        # A note that is refused must not be refused when the conversation is somebody else's already.
        clean_text(body.note, MOST_NOTE)
    seq = await desks.hand_over(call.number("chat"), body.member, body.department)
    if noted:
        await desks.note(call.number("chat"), call.colleague, body.note)
    return answers.Done(seq)


async def note(call: Call) -> bytes:
    """Write a note for colleagues. The visitor never sees it."""
    written = await call.service(Desks).note(call.number("chat"), call.colleague, call.body.text)
    return b'{"message":%b,"seq":%d}' % (written.message.encode(), written.seq)


async def spam(call: Call) -> Any:
    """Close a conversation as spam."""
    return answers.Done(await call.service(Chats).close(call.number("chat"), "operator", "", "spam"))


async def _accept(call: Call) -> None:
    """Who does something with what is offered to them has it."""
    number, me = call.number("chat"), call.colleague
    if (await call.service(Chats).find(number)).assignee == me.account:
        await call.service(Desks).take(number, me, over=False)


async def invite(call: Call) -> Any:
    """Ask a colleague to help in a conversation."""
    await _accept(call)
    return answers.Done(await call.service(Desks).invite(call.number("chat"), call.body.member))


async def leave(call: Call) -> Any:
    """Stop helping in a conversation, or give one's own back to the queue."""
    return answers.Done(await call.service(Desks).leave(call.number("chat"), call.colleague))


async def block(call: Call) -> Any:
    """Ban the visitor of a conversation, and close it."""
    seconds, number = call.body.seconds, call.number("chat")
    until = None if seconds is None else call.context.wall_time() + seconds
    await call.service(Desks).block(number, call.body.kinds, until, call.colleague.name)
    return answers.Done(await call.service(Chats).close(number, "operator", "blocked"))


async def snooze(call: Call) -> Any:
    """Put a conversation aside for a time, or until its visitor writes."""
    await _accept(call)
    return answers.Done(await call.service(Desks).snooze(call.number("chat"), call.body.seconds))


async def reopen(call: Call) -> Any:
    """Open a closed conversation again."""
    return answers.Done(await call.service(Desks).reopen(call.number("chat")))


async def label(call: Call) -> Any:
    """Replace the labels of a conversation."""
    return answers.Done(await call.service(Desks).label(call.number("chat"), call.body.labels))


async def get_desk(call: Call) -> bytes:
    """Get the caller's desk, those of colleagues, and the departments."""
    return await _desk(call)


async def change_desk(call: Call) -> bytes:
    """Change the caller's state, capacity, departments or languages."""
    body: staff_answers.DeskBody = call.body
    await call.service(Desks).change(
        call.colleague, body.state, body.capacity, body.departments, body.languages, body.skills
    )
    return await _desk(call)


async def _desk(call: Call) -> bytes:
    desks, me = call.service(Desks), call.colleague.account
    found = await desks.desks(me)
    own = f'"id" : "account:{me}"'
    if not found or own not in found[0]:
        await desks.beat(call.colleague, None, look=False)
        found = await desks.desks(me)
    return b'{"me":%b,"colleagues":[%b],"departments":%b,"translate":%b}' % (
        found[0].encode(), ",".join(found[1:]).encode(), msgspec.json.encode(await _departments(call)),
        b"true" if call.service(Translations).on else b"false",
    )  # fmt: skip


async def beat(call: Call) -> Any:
    """Tell that the operator is there, and which conversation they look at. Expected every 25 seconds."""
    viewing = parse_id(call.body.viewing, "viewing") if call.body.viewing else None
    state, seq, room = await call.service(Desks).beat(call.colleague, viewing)
    return staff_answers.BeatAnswer(state, seq, _ticket(call, room) if room else "")


async def live(call: Call) -> Any:
    """Get the operators' live channel."""
    place = await call.service(Desks).place()
    return staff_answers.LivePlace(str(place), _ticket(call, place.channel))


def _ticket(call: Call, room: int) -> str:
    return call.shared(StaffTickets).make(call.site.id, room, call.colleague.actor, PRODUCT_NAME)


async def list_departments(call: Call) -> bytes:
    """List the departments."""
    return b'{"departments":' + msgspec.json.encode(await _departments(call)) + b"}"


async def _departments(call: Call) -> list[staff_answers.DepartmentSetup]:
    return [
        staff_answers.DepartmentSetup(
            one.id, one.name, msgspec.json.decode(one.hours, type=Hours) if one.hours else None, one.skills, one.version
        )
        for one in (await call.service(Chats).status()).departments
    ]


async def add_department(call: Call) -> Any:
    """Create a department."""
    hours, skills = _department(call.body)
    number, version = await call.service(Desks).add_department(call.body.name, hours or "", skills or [])
    await call.service(Setups).told()
    made = staff_answers.DepartmentSetup(str(number), call.body.name, call.body.hours or None, skills or [], version)
    return json_response(made, 201, etag(version))


def _department(body: staff_answers.DepartmentBody) -> tuple[str | None, list[str] | None]:
    """Hours and skills as they are kept; None: as they are."""
    hours: str | None = None
    if body.hours is None:
        hours = ""
    elif isinstance(body.hours, Hours):
        body.hours.check()
        hours = msgspec.json.encode(body.hours).decode()
    return hours, None if body.skills is UNSET else list(body.skills)


async def rename_department(call: Call) -> Any:
    """Change a department. Requires If-Match."""
    number, seen = call.number("department"), version_matched(call.request)
    found = await call.service(Desks).change_department(number, call.body.name, *_department(call.body), seen)
    if found is None:
        if all(one.id != str(number) for one in await _departments(call)):
            raise NotFound("There is no such department.", slug="department")
        raise Outdated
    await call.service(Setups).told()
    name, hours, skills, version = found
    made = staff_answers.DepartmentSetup(
        str(number), name, msgspec.json.decode(hours, type=Hours) if hours else None, skills, version
    )
    return json_response(made, 200, etag(version))


async def remove_department(call: Call) -> Any:
    """Delete a department. Its conversations wait for anybody."""
    if not await call.service(Desks).remove_department(call.number("department")):
        raise NotFound("There is no such department.", slug="department")
    await call.service(Setups).told()


_ALL = "/sites/{site}/chats"
_ONE = "/sites/{site}/chats/{chat}"
_DESK = "/sites/{site}/chats/desk"
_DEPARTMENTS = "/sites/{site}/chats/departments"
_STAFF: dict[str, Any] = {"caller": Caller.STAFF, "role": "operator", "limit": "chat.staff"}
# What a program with a key of the site may do as well.
_SERVER: dict[str, Any] = {**_STAFF, "scope": "chat"}
_ADMIN: dict[str, Any] = {"caller": Caller.STAFF, "role": "admin", "limit": "chat.staff", "scope": "sync"}


def _deed(word: str, name: str, summary: str, handler: Any, *refusals: str, **more: Any) -> Route:
    return Route(
        method="POST", path=f"{_ONE}/{word}", name=name, summary=summary, handler=handler,
        refusals=("chat", *refusals), **{"answer": answers.Done, **_STAFF, **more},
    )  # fmt: skip


ROUTES = (
    Route(
        method="GET", path=_ALL, name="listChats", summary="List conversations, the latest changed first.",
        handler=list_chats, query=staff_answers.ListQuery, answer=staff_answers.Chats, **_SERVER,
    ),
    Route(
        method="GET", path=_ONE + "/activity", name="getChatActivity",
        summary="Get what the visitor of a conversation did elsewhere on the site.", handler=activity,
        answer=ActivityAnswer, refusals=("chat",), **_STAFF,
    ),
    _deed("take", "takeChat", "Take a conversation.", take, "chat-closed", "taken", body=staff_answers.TakeBody,
          bodiless=True),
    _deed("transfer", "transferChat", "Hand a conversation to an operator, or to the queue of a department.", transfer,
          "chat-closed", "operator", "department", *TEXT, body=staff_answers.TransferBody, scope="chat"),
    _deed("note", "noteInChat", "Write a note for colleagues. The visitor never sees it.", note, *TEXT,
          body=answers.TextBody, answer=answers.Said, status=201, mend=True, scope="chat"),
    _deed("spam", "markChatAsSpam", "Close a conversation as spam.", spam),
    _deed("invite", "inviteToChat", "Ask a colleague to help in a conversation.", invite, "chat-closed", "operator",
          body=staff_answers.MemberBody),
    _deed("leave", "leaveChat", "Stop helping in a conversation, or give one's own back to the queue.", leave),
    _deed("block", "blockVisitorOfChat", "Ban the visitor of a conversation, and close it.", block, "not-known",
          body=staff_answers.BlockBody),
    _deed("snooze", "snoozeChat", "Put a conversation aside for a time, or until its visitor writes.", snooze,
          "chat-not-open", body=staff_answers.SnoozeBody),
    _deed("reopen", "reopenChat", "Open a closed conversation again.", reopen, "chat-open", "chat-ended"),
    _deed("labels", "labelChat", "Replace the labels of a conversation.", label, body=staff_answers.LabelsBody,
          scope="chat"),
    Route(
        method="GET", path=_DESK, name="getDesk",
        summary="Get the caller's desk, those of colleagues, and the departments.",
        handler=get_desk, answer=staff_answers.DeskAnswer, **_STAFF,
    ),
    Route(
        method="PUT", path=_DESK, name="changeDesk",
        summary="Change the caller's state, capacity, departments or languages.",
        handler=change_desk, body=staff_answers.DeskBody, answer=staff_answers.DeskAnswer, **_STAFF,
    ),
    Route(
        method="POST", path=_DESK + "/beat", name="beatDesk",
        summary="Tell that the operator is there, and which conversation they look at. Expected every 25 seconds.",
        handler=beat, body=staff_answers.BeatBody, bodiless=True, answer=staff_answers.BeatAnswer, **_STAFF,
    ),
    Route(
        method="GET", path=_ALL + "/live", name="listenToChats", summary="Get the operators' live channel.",
        handler=live, answer=staff_answers.LivePlace, certain=True, **_STAFF,
    ),
    Route(
        method="GET", path=_DEPARTMENTS, name="listDepartments", summary="List the departments.",
        handler=list_departments, answer=staff_answers.DepartmentsAnswer, **_SERVER,
    ),
    Route(
        method="POST", path=_DEPARTMENTS, name="addDepartment", summary="Create a department.",
        handler=add_department, body=staff_answers.DepartmentBody, answer=staff_answers.DepartmentSetup, status=201,
        refusals=("departments",), **_ADMIN,
    ),
    Route(
        method="PATCH", path=_DEPARTMENTS + "/{department}", name="renameDepartment",
        summary="Change a department. Requires If-Match.",
        handler=rename_department, body=staff_answers.DepartmentBody, answer=staff_answers.DepartmentSetup,
        refusals=("department", *VERSIONED), **_ADMIN,
    ),
    Route(
        method="DELETE", path=_DEPARTMENTS + "/{department}", name="removeDepartment",
        summary="Delete a department. Its conversations wait for anybody.",
        handler=remove_department, status=204, refusals=("department",), **_ADMIN,
    ),
)  # fmt: skip
