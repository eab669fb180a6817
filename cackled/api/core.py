"""Routes that belong to no product: whom a visitor does not want to read."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cackled.api.answers import Id
from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.database.query import ReadPreference
from cackled.domain.blocks import Blocks


class BlocksAnswer(Struct, frozen=True):
    """Whom a visitor blocks."""

    blocked: list[Id]


async def list_blocks(call: Call) -> Any:
    """Whom the visitor blocks."""
    return {"blocked": await call.service(Blocks).blocked(call.visitor, call.reading)}


async def block_author(call: Call) -> None:
    """Show an author to the visitor no more."""
    await call.service(Blocks).block(call.visitor, call.number("author"))


async def unblock_author(call: Call) -> None:
    """Show an author to the visitor again."""
    await call.service(Blocks).unblock(call.visitor, call.number("author"))


ROUTES = (
    Route(
        method="GET",
        path="/sites/{site}/blocks",
        name="listBlocks",
        summary="Whom this visitor blocks.",
        handler=list_blocks,
        answer=BlocksAnswer,
        caller=Caller.SESSION,
        limit="reads",
        preference=ReadPreference.PRIMARY,
    ),
    Route(
        method="PUT",
        path="/sites/{site}/blocks/{author}",
        name="blockAuthor",
        summary="Stop showing an author to this visitor.",
        handler=block_author,
        status=204,
        caller=Caller.SESSION,
        limit="blocks.write",
        refusals=("unprocessable",),
    ),
    Route(
        method="DELETE",
        path="/sites/{site}/blocks/{author}",
        name="unblockAuthor",
        summary="Show the author again.",
        handler=unblock_author,
        status=204,
        caller=Caller.SESSION,
        limit="blocks.write",
    ),
)
