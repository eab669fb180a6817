"""Routes of a site's keys."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from cackled.accounts.keys import SiteKey, SiteKeys
from cackled.api.answers import Id
from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.domain.audit import Audit
from cackled.domain.errors import NotFound


class KeysAnswer(Struct, frozen=True):
    """The keys that live."""

    keys: list[SiteKey]


class KeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What a new key is for."""

    scopes: Annotated[list[str], Meta(max_length=10)]
    name: Annotated[str, Meta(max_length=200)] = ""


class MadeKeyAnswer(Struct, frozen=True):
    """A new key: this is the only time that it is shown."""

    id: Id
    key: str


class RotateBody(Struct, frozen=True, forbid_unknown_fields=True):
    """For how many seconds the old key goes on."""

    overlap: Annotated[int, Meta(ge=0, le=90 * 86_400)] = 7 * 86_400


async def list_keys(call: Call) -> KeysAnswer:
    """The site's keys."""
    return KeysAnswer(await call.shared(SiteKeys).listed(call.site.id))


async def make_key(call: Call) -> Any:
    """A new key."""
    sent: KeyBody = call.body
    number, key = await call.shared(SiteKeys).add(call.site.id, sent.name, sent.scopes, call.colleague.name)
    await call.service(Audit).record(call.colleague, "key.made", f"key:{number}", scopes=sent.scopes)
    return MadeKeyAnswer(str(number), key)


async def rotate_key(call: Call) -> Any:
    """A key in place of another."""
    number = call.number("key")
    made = await call.shared(SiteKeys).rotate(call.site.id, number, call.colleague.name, call.body.overlap)
    if made is None:
        raise NotFound("There is no such key.")
    await call.service(Audit).record(call.colleague, "key.rotated", f"key:{number}", to=str(made[0]))
    return MadeKeyAnswer(str(made[0]), made[1])


async def end_key(call: Call) -> None:
    """End a key at once."""
    number = call.number("key")
    if not await call.shared(SiteKeys).end(call.site.id, number):
        raise NotFound("There is no such key.")
    await call.service(Audit).record(call.colleague, "key.ended", f"key:{number}")


ROUTES = (
    Route(
        method="GET",
        path="/sites/{site}/keys",
        name="listKeys",
        summary="The site's keys, without what they are.",
        handler=list_keys,
        answer=KeysAnswer,
        caller=Caller.STAFF,
        role="admin",
        limit="",
    ),
    Route(
        method="POST",
        path="/sites/{site}/keys",
        name="makeKey",
        summary="A new key for the site's servers; shown once. Two of a name live at a time.",
        handler=make_key,
        body=KeyBody,
        answer=MadeKeyAnswer,
        status=201,
        caller=Caller.STAFF,
        role="admin",
        fresh=True,
        limit="",
        refusals=("keys",),
    ),
    Route(
        method="POST",
        path="/sites/{site}/keys/{key}/rotate",
        name="rotateKey",
        summary="A new key in place of another, which goes on for a while.",
        handler=rotate_key,
        body=RotateBody,
        answer=MadeKeyAnswer,
        status=201,
        caller=Caller.STAFF,
        role="admin",
        fresh=True,
        limit="",
        refusals=("keys",),
    ),
    Route(
        method="DELETE",
        path="/sites/{site}/keys/{key}",
        name="endKey",
        summary="End a key at once.",
        handler=end_key,
        status=204,
        caller=Caller.STAFF,
        role="admin",
        limit="",
    ),
)
