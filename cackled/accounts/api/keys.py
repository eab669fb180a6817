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
    """The valid keys."""

    keys: list[SiteKey]


class KeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The name and scopes of a new key."""

    scopes: Annotated[list[str], Meta(max_length=10)]
    name: Annotated[str, Meta(max_length=200)] = ""


class MadeKeyAnswer(Struct, frozen=True):
    """A new key. Its secret is shown only here."""

    id: Id
    key: str


class RotateBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How many seconds the old key stays valid."""

    overlap: Annotated[int, Meta(ge=0, le=90 * 86_400)] = 7 * 86_400


async def list_keys(call: Call) -> KeysAnswer:
    """List the site's keys, without their secrets."""
    return KeysAnswer(await call.shared(SiteKeys).listed(call.site.id))


async def make_key(call: Call) -> Any:
    """Create a key for the site's servers. It is shown once; two keys of one name can be valid at a time."""
    sent: KeyBody = call.body
    number, key = await call.shared(SiteKeys).add(call.site.id, sent.name, sent.scopes, call.colleague.name)
    await call.service(Audit).record(call.colleague, "key.made", f"key:{number}", scopes=sent.scopes)
    return MadeKeyAnswer(str(number), key)


async def rotate_key(call: Call) -> Any:
    """Rotate a key. The old one stays valid for a while."""
    number = call.number("key")
    made = await call.shared(SiteKeys).rotate(call.site.id, number, call.colleague.name, call.body.overlap)
    if made is None:
        raise NotFound("There is no such key.")
    await call.service(Audit).record(call.colleague, "key.rotated", f"key:{number}", to=str(made[0]))
    return MadeKeyAnswer(str(made[0]), made[1])


async def end_key(call: Call) -> None:
    """Revoke a key at once."""
    number = call.number("key")
    if not await call.shared(SiteKeys).end(call.site.id, number):
        raise NotFound("There is no such key.")
    await call.service(Audit).record(call.colleague, "key.ended", f"key:{number}")


ROUTES = (
    Route(
        method="GET",
        path="/sites/{site}/keys",
        name="listKeys",
        summary="List the site's keys, without their secrets.",
        handler=list_keys,
        answer=KeysAnswer,
        caller=Caller.STAFF,
        role="admin",
        scope="read",
        limit="",
    ),
    Route(
        method="POST",
        path="/sites/{site}/keys",
        name="makeKey",
        summary="Create a key for the site's servers. It is shown once; two keys of one name can be valid at a time.",
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
        summary="Rotate a key. The old one stays valid for a while.",
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
        summary="Revoke a key at once.",
        handler=end_key,
        status=204,
        caller=Caller.STAFF,
        role="admin",
        limit="",
    ),
)
