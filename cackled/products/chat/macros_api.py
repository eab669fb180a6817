"""The routes of macros."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from cackled.api.calls import Call, etag, json_response, version_matched
from cackled.api.route import VERSIONED, Caller, Route
from cackled.products.chat.answers import Done, Seq
from cackled.products.chat.desk import Desks
from cackled.products.chat.macros import Macro, MacroBody, Macros
from cackled.products.chat.refusals import TEXT


class MacroList(Struct, frozen=True):
    """Macros, the most used first."""

    macros: list[Macro]


class RunBody(Struct, frozen=True):
    """``seen``: the newest seq that the operator has seen; ``anyway``: whatever came after that."""

    seen: Seq | UnsetType = UNSET
    anyway: bool = False


async def list_macros(call: Call) -> bytes:
    """List the macros, the most used first."""
    return b'{"macros":[%b]}' % ",".join(await call.service(Macros).listed()).encode()


async def add_macro(call: Call) -> bytes:
    """Create a macro."""
    return (await call.service(Macros).add(call.body)).encode()


async def change_macro(call: Call) -> Any:
    """Replace a macro. Requires If-Match."""
    seen = version_matched(call.request)
    made, version = await call.service(Macros).change(call.number("macro"), call.body, seen)
    return json_response(made.encode(), 200, etag(version))


async def remove_macro(call: Call) -> None:
    """Delete a macro."""
    await call.service(Macros).remove(call.number("macro"))


async def run_macro(call: Call) -> Any:
    """Carry out all steps of a macro in a conversation, or none."""
    body, desks = call.body, call.service(Desks)
    # Who runs one has a desk: what it assigns to them can be.
    await desks.beat(call.colleague, None, look=False)
    seen = None if body.seen is UNSET or body.anyway else int(body.seen)
    seq = await call.service(Macros).run(
        call.number("chat"), call.number("macro"), call.colleague, call.idempotency_key or "", seen
    )
    # A step may have given a conversation back, or made room for another one.
    await desks.route()
    return Done(seq)


_MACROS = "/sites/{site}/chats/macros"
_MACRO = _MACROS + "/{macro}"
_STAFF: dict[str, Any] = {"caller": Caller.STAFF, "role": "operator", "limit": "chat.staff"}
_READ: dict[str, Any] = {**_STAFF, "scope": "chat"}
_ADMIN: dict[str, Any] = {**_STAFF, "role": "admin", "scope": "sync"}
_STEPS = ("chat-closed", "taken", "not-assignee", "newer-messages", "operator", "department", "chat-not-open")

ROUTES = (
    Route(
        method="GET", path=_MACROS, name="listChatMacros", summary="List the macros, the most used first.",
        handler=list_macros, answer=MacroList, **_READ,
    ),
    Route(
        method="POST", path=_MACROS, name="addChatMacro", summary="Create a macro.", handler=add_macro, body=MacroBody,
        answer=Macro, status=201, mend=True, refusals=TEXT, **_ADMIN,
    ),
    Route(
        method="PUT", path=_MACRO, name="changeChatMacro", summary="Replace a macro. Requires If-Match.",
        handler=change_macro,
        body=MacroBody, answer=Macro, mend=True, refusals=("macro", *VERSIONED, *TEXT), **_ADMIN,
    ),
    Route(
        method="DELETE", path=_MACRO, name="removeChatMacro", summary="Delete a macro.", handler=remove_macro,
        status=204, refusals=("macro",), **_ADMIN,
    ),
    Route(
        method="POST", path="/sites/{site}/chats/{chat}/macros/{macro}", name="runChatMacro",
        summary="Carry out all steps of a macro in a conversation, or none.", handler=run_macro, body=RunBody,
        bodiless=True, answer=Done, refusals=("chat", "macro", *_STEPS, *TEXT), **_STAFF,
    ),
)  # fmt: skip
