"""Routes of one's own data, and of staff who are asked for somebody's."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from cackled.api.answers import Id
from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.domain.audit import Audit
from cackled.domain.erasure import Erasures
from cackled.domain.errors import BadField
from cackled.privacy.parts import PrivacyParts
from cackled.privacy.store import Found, PrivacyData, PrivacyLinks, Removed
from cackled.transport.response import Response


class DataLinkAnswer(Struct, frozen=True):
    """The address of a page with the visitor's own data. It works once."""

    url: str


class VisitorData(Struct, frozen=True):
    """Everything that is stored about a visitor, by table: what it is, how long it is kept, and the rows."""

    site: int
    visitor: Id
    held: dict[str, Any]


class EraseBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How to erase. ``anonymise`` keeps what is shown, without name and address. ``sure`` must be true."""

    mode: Literal["remove", "anonymise"]
    sure: Annotated[bool, Meta(extra_json_schema={"const": True})]


class PeopleQuery(Struct, frozen=True):
    """A visitor's number, mail address or name."""

    q: Annotated[str, Meta(min_length=1, max_length=250)]


class PeopleAnswer(Struct, frozen=True):
    """Visitors that were found, at most 50, last seen first."""

    people: list[Found]


class RemovedAnswer(Struct, frozen=True):
    """How many things were removed by age, newest day first."""

    removed: list[Removed]


def _sure(body: EraseBody) -> None:
    if not body.sure:
        raise BadField("Say that you are sure: this can't be undone.", field="sure")


async def show_own(call: Call) -> Response:
    """Download everything that is stored about the visitor of the session."""
    return await call.shared(PrivacyParts).file(call.site.id, call.visitor.visitor)


async def link_own(call: Call) -> DataLinkAnswer:
    """Get the address of a page where the visitor can download or erase their own data."""
    token = await call.shared(PrivacyLinks).token(call.site.id, visitor=call.visitor.visitor)
    return DataLinkAnswer(f"{call.context.own_url}/privacy/{call.site.id}/mine?token={token}")


async def erase_own(call: Call) -> None:
    """Erase the visitor of the session."""
    _sure(call.body)
    await call.shared(PrivacyParts).erase(call.shared(Erasures), call.site, call.visitor.visitor, call.body.mode)


async def find_people(call: Call) -> PeopleAnswer:
    """Find visitors by number, mail address or name."""
    return PeopleAnswer(await PrivacyData(call.site, call.shared(PrivacyParts).database).search(call.query.q.strip()))


async def show_person(call: Call) -> Response:
    """Download everything that is stored about a visitor."""
    number = call.number("visitor")
    await call.service(Audit).record(call.colleague, "visitor.exported", f"visitor:{number}")
    return await call.shared(PrivacyParts).file(call.site.id, number)


async def erase_person(call: Call) -> None:
    """Erase a visitor."""
    _sure(call.body)
    number = call.number("visitor")
    await call.service(Audit).record(call.colleague, "visitor.erased", f"visitor:{number}", mode=call.body.mode)
    await call.shared(PrivacyParts).erase(call.shared(Erasures), call.site, number, call.body.mode)


async def show_removed(call: Call) -> RemovedAnswer:
    """List how many addresses and texts were removed by age."""
    return RemovedAnswer(await PrivacyData(call.site, call.shared(PrivacyParts).database).removed())


_ONE = "/sites/{site}/people/{visitor}"
ROUTES = (
    Route(
        method="GET", path="/sites/{site}/me/data", name="getMyData",
        summary="Download everything that is stored about the visitor of the session.",
        handler=show_own, answer=list[VisitorData], caller=Caller.SESSION, limit="privacy.own",
    ),
    Route(
        method="POST", path="/sites/{site}/me/data-link", name="linkMyData",
        summary="Get the address of a page where the visitor can download or erase their own data.",
        handler=link_own, answer=DataLinkAnswer, caller=Caller.SESSION, limit="privacy.own",
    ),
    Route(
        method="POST", path="/sites/{site}/me/erase", name="eraseMe", summary="Erase the visitor of the session.",
        handler=erase_own, body=EraseBody, status=204, caller=Caller.SESSION, limit="privacy.own", writes=True,
    ),
    Route(
        method="GET", path="/sites/{site}/people", name="findPeople",
        summary="Find visitors by number, mail address or name.", handler=find_people, query=PeopleQuery,
        answer=PeopleAnswer, caller=Caller.STAFF, role="admin", scope="sync", whole=True, limit="",
    ),
    Route(
        method="GET", path=f"{_ONE}/data", name="getPersonData",
        summary="Download everything that is stored about a visitor.", handler=show_person, answer=list[VisitorData],
        caller=Caller.STAFF, role="admin", scope="sync", whole=True, fresh=True, limit="",
    ),
    Route(
        method="POST", path=f"{_ONE}/erase", name="erasePerson", summary="Erase a visitor.", handler=erase_person,
        body=EraseBody, status=204, caller=Caller.STAFF, role="admin", scope="sync", whole=True, fresh=True, limit="",
    ),
    Route(
        method="GET", path="/sites/{site}/retention", name="getRetention",
        summary="List how many addresses and texts were removed by age.", handler=show_removed, answer=RemovedAnswer,
        caller=Caller.STAFF, role="admin", scope="read", whole=True, limit="",
    ),
)  # fmt: skip
