"""Routes of sessions, and of the people who sign in."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from cackled.api.calls import Call, bearer
from cackled.api.route import Caller, Reach, Route
from cackled.database.query import ReadPreference
from cackled.domain.errors import BadField, NotFound
from cackled.domain.people import People, Person
from cackled.domain.sessions import BY_SITE, GUEST, Session
from cackled.identity.answers import (
    LEVELS,
    PersonAnswer,
    PersonBody,
    ProfileAnswer,
    RefusalsAnswer,
    SessionAnswer,
    SessionBody,
)
from cackled.identity.profiles import Profiles, badges_of, picture_of
from cackled.identity.refusals import RefusalBook, SsoRefusals
from cackled.identity.statements import FastComments, Statement, Statements
from cackled.identity.ways_back import WaysBack


async def open_session(call: Call) -> SessionAnswer:
    """A session: of whom a statement is about, of who has just signed in, of who was signed in, else of a guest."""
    sent: SessionBody = call.body
    sessions, token = call.context.sessions, bearer(call.request)
    old = None if token is None else sessions.renewable(call.site, token)
    if sent.code:
        found = await call.service(WaysBack).redeem(sent.code, sent.verifier, old, sessions.new_visitor())
        return await _signed_in(call, found)
    statement, said = _statement(sent)
    if statement is not None:
        new, book = sessions.new_visitor(), call.shared(RefusalBook)
        read = await call.service(Statements).read(statement, old, new, book)
        return await (_as_guest(call, old) if read is None else _signed_in(call, read))
    if old is None or old.level == GUEST or (said and old.level == BY_SITE):
        return await _as_guest(call, old)
    renewed = await call.service(People).renew(old, call.context.wall_time())
    return await (_as_guest(call, old) if renewed is None else _signed_in(call, renewed))


def _statement(sent: SessionBody) -> tuple[Statement | None, bool]:
    """The statement that was sent (None: none, or that nobody is signed in), and whether the site said anything."""
    said = any(one is not UNSET for one in (sent.sso, sent.ssoAuth, sent.remote_auth_s3))
    if isinstance(sent.remote_auth_s3, str) and sent.remote_auth_s3:
        return Statement(disqus=sent.remote_auth_s3), said
    if isinstance(sent.ssoAuth, str) and sent.ssoAuth:
        return Statement(cackle=sent.ssoAuth), said
    if sent.sso is UNSET or sent.sso is None or sent.sso == "":
        return None, said
    try:
        return Statement(sso=msgspec.convert(sent.sso, str | FastComments)), said
    except msgspec.ValidationError:
        raise BadField(
            "sso is a JWT, or an object with userDataJSONBase64, verificationHash and timestamp.", field="sso"
        ) from None


async def _as_guest(call: Call, old: Session | None) -> SessionAnswer:
    visitor = old.visitor if old is not None and old.level == GUEST else None
    if visitor is not None and await call.service(People).is_person(visitor):
        # They signed in since, perhaps in another tab.
        visitor = None
    grant = call.context.sessions.guest(call.site, visitor)
    return SessionAnswer(grant.token, grant.visitor, grant.view, grant.expires)


async def _signed_in(call: Call, session: Session) -> SessionAnswer:
    # Only what locks ask for, so that the token stays short.
    asked = frozenset().union(*(rule.groups for rule in call.context.doors.locks(call.site).rules))
    session = msgspec.structs.replace(session, groups=session.groups & asked)
    person = await call.service(People).find(session.visitor)
    grant = call.context.sessions.signed_in(session)
    return SessionAnswer(
        grant.token, grant.visitor, grant.view, grant.expires, LEVELS[session.level],
        UNSET if person is None else _person(call, session, person),
    )  # fmt: skip


def _person(call: Call, session: Session, person: Person) -> PersonAnswer:
    return PersonAnswer(
        str(session.visitor), person.name, picture_of(call.site.id, session.visitor, person),
        badges_of(person, call.context.wall_time()), person.staff,  # type: ignore[arg-type]
        person.private, person.gravatar, person.email, person.email_verified,
    )  # fmt: skip


async def sign_out(call: Call) -> None:
    """Sign out: no session of the person is made anew, wherever they are signed in."""
    if call.visitor.level != GUEST:
        await call.service(People).sign_out(call.visitor)


async def show_me(call: Call) -> PersonAnswer:
    """Who is signed in."""
    person = None if call.visitor.level == GUEST else await call.service(People).find(call.visitor.visitor)
    if person is None:
        raise NotFound("You are not signed in.")
    return _person(call, call.visitor, person)


async def change_me(call: Call) -> PersonAnswer:
    """Change what one shows of oneself."""
    sent: PersonBody = call.body
    if call.visitor.level == GUEST:
        raise NotFound("You are not signed in.")
    people = call.service(People)
    await people.change(call.visitor, name=sent.name, private=sent.private, gravatar=sent.gravatar)
    return await show_me(call)


async def show_profile(call: Call) -> ProfileAnswer:
    """A visitor, as others see them."""
    return await call.service(Profiles).show(call.number("visitor"), call.reading, call.context.wall_time())


async def list_refusals(call: Call) -> Any:
    """Statements of the site's server that did not hold."""
    return {"refusals": await call.service(SsoRefusals).list(call.reading)}


ROUTES = (
    Route(
        method="POST", path="/sites/{site}/sessions", name="openSession",
        summary="A session: by the site's statement, by a code from signing in, or a guest's; with an old token, the "
        "same visitor's.",
        handler=open_session, body=SessionBody, bodiless=True, answer=SessionAnswer, status=201, limit="sessions.open",
        writes=True, refusals=("bad-token", "token-expired", "bad-statement", "bad-code"),
    ),
    Route(
        method="POST", path="/sites/{site}/me/sign-out", name="signOut",
        summary="Sign out, wherever the person is signed in.",
        handler=sign_out, status=204, caller=Caller.SESSION, limit="identity.change",
    ),
    Route(
        method="GET", path="/sites/{site}/me", name="showMe", summary="Who is signed in.",
        handler=show_me, answer=PersonAnswer, caller=Caller.SESSION, limit="reads", refusals=("not-found",),
    ),
    Route(
        method="PATCH", path="/sites/{site}/me", name="changeMe", summary="Change what one shows of oneself.",
        handler=change_me, body=PersonBody, answer=PersonAnswer, caller=Caller.SESSION, limit="identity.change",
        writes=True, refusals=("conflict", "not-found"),
    ),
    Route(
        method="GET", path="/sites/{site}/visitors/{visitor}", name="showProfile",
        summary="A visitor, as others see them.",
        handler=show_profile, answer=ProfileAnswer, reach=Reach.ALL, limit="reads",
        preference=ReadPreference.NEAREST, refusals=("not-found",),
    ),
    Route(
        method="GET", path="/sites/{site}/sso/refusals", name="listSsoRefusals",
        summary="Statements of the site's server about its visitors that did not hold, and why.",
        handler=list_refusals, answer=RefusalsAnswer, caller=Caller.STAFF, role="admin", scope="sso", limit="reads",
        preference=ReadPreference.PRIMARY,
    ),
)  # fmt: skip
