"""Routes of sessions, and of the people who sign in."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from cackled.api.calls import Call, bearer, etag, json_response, tokens, version_matched
from cackled.api.route import VERSIONED, Caller, Reach, Route
from cackled.api.staff import own_origin
from cackled.database.query import ReadPreference
from cackled.domain.audit import Audit
from cackled.domain.errors import BadField, NotFound
from cackled.domain.people import People, Person
from cackled.domain.sessions import BY_SITE, GUEST, Session
from cackled.identity.answers import (
    LEVELS,
    PersonAnswer,
    PersonBody,
    ProfileAnswer,
    ProviderAnswer,
    ProviderBody,
    ProvidersAnswer,
    RefusalsAnswer,
    SessionAnswer,
    SessionBody,
    WayAnswer,
    WaysAnswer,
)
from cackled.identity.flow import SignIn
from cackled.identity.profiles import Profiles, badges_of, picture_of
from cackled.identity.providers import Provider
from cackled.identity.return_codes import WaysBack
from cackled.identity.settings import IdentitySettings
from cackled.identity.sso import FastComments, Statement, Statements
from cackled.identity.sso_refusals import RefusalBook, SsoRefusals


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
        UNSET if person is None else person_answer(call, session, person),
    )  # fmt: skip


def person_answer(call: Call, session: Session, person: Person) -> PersonAnswer:
    """What is told to a person of themselves."""
    return PersonAnswer(
        str(session.visitor), person.name, picture_of(call.site.id, session.visitor, person),
        badges_of(person, call.context.wall_time()), person.staff,  # type: ignore[arg-type]
        person.private, person.gravatar, person.email, person.email_verified,
        bool(person.picture) if call.site.product(IdentitySettings).own_pictures else None,
    )  # fmt: skip


async def sign_out(call: Call) -> None:
    """Sign the visitor out everywhere: none of the person's sessions is renewed."""
    if call.visitor.level != GUEST:
        await call.service(People).sign_out(call.visitor)


async def show_me(call: Call) -> PersonAnswer:
    """Get the visitor of the session."""
    person = None if call.visitor.level == GUEST else await call.service(People).find(call.visitor.visitor)
    if person is None:
        raise NotFound("You are not signed in.")
    return person_answer(call, call.visitor, person)


async def change_me(call: Call) -> PersonAnswer:
    """Change the visitor's own profile."""
    sent: PersonBody = call.body
    if call.visitor.level == GUEST:
        raise NotFound("You are not signed in.")
    people = call.service(People)
    await people.change(call.visitor, name=sent.name, private=sent.private, gravatar=sent.gravatar)
    return await show_me(call)


async def show_profile(call: Call) -> ProfileAnswer:
    """Get a visitor's public profile."""
    doors = call.context.doors
    readers = doors.locks(call.site).readers
    refused = None if readers.open else doors.refused(call.site, "", "read", call.session, tokens(call.request))
    if refused is not None:
        raise refused
    viewer = 0 if call.session is None else call.session.visitor
    return await call.service(Profiles).show(call.number("visitor"), viewer, call.reading, call.context.wall_time())


async def list_refusals(call: Call) -> Any:
    """List refused single sign-on tokens with the reasons."""
    return {"refusals": await call.service(SsoRefusals).list(call.reading)}


async def list_ways(call: Call) -> Any:
    """List the sign-in providers that visitors can use."""
    if not call.site.product(IdentitySettings).sign_in:
        return WaysAnswer([])
    found = await call.shared(SignIn).providers(call.site).all(ReadPreference.NEAREST)
    return WaysAnswer([WayAnswer(one.name, one.kind, one.shown) for one in found if one.enabled])


async def list_providers(call: Call) -> Any:
    """List the sign-in providers with their configuration."""
    own = call.context.own_url or own_origin(call.request)
    return ProvidersAnswer([
        ProviderAnswer(
            one.name, one.kind, one.label, one.issuer, one.client_id, bool(one.secret), one.enabled, one.position,
            f"{own}/auth/{call.site.id}/{one.name}/callback", one.version,
        )
        for one in await call.shared(SignIn).providers(call.site).all()
    ])  # fmt: skip


async def put_provider(call: Call) -> Any:
    """Create or change a sign-in provider. Requires If-Match."""
    sent: ProviderBody = call.body
    name = call.parameters["name"]
    version = await call.shared(SignIn).providers(call.site).put(
        Provider(
            name=name, kind=sent.kind, label=" ".join(sent.label.split()), issuer=sent.issuer,
            client_id=sent.clientId.strip(), enabled=sent.enabled, position=sent.position,
            version=version_matched(call.request),
        ),
        sent.secret,
    )  # fmt: skip
    await call.service(Audit).record(call.colleague, "sign-in.changed", f"provider:{name}", kind=sent.kind)
    return json_response(await list_providers(call), 200, etag(version))


async def delete_provider(call: Call) -> None:
    """Delete a sign-in provider. People who used it keep their identity."""
    await call.shared(SignIn).providers(call.site).delete(call.parameters["name"])
    await call.service(Audit).record(call.colleague, "sign-in.removed", f"provider:{call.parameters['name'][:40]}")


_PROVIDERS = "/sites/{site}/sign-in/providers"
ROUTES = (
    Route(
        method="GET", path="/sites/{site}/sign-in", name="listWaysToSignIn",
        summary="List the sign-in providers that visitors can use.",
        handler=list_ways, answer=WaysAnswer, limit="reads",
    ),
    Route(
        method="GET", path=_PROVIDERS, name="listSignInProviders",
        summary="List the sign-in providers with their configuration.",
        handler=list_providers, answer=ProvidersAnswer, caller=Caller.STAFF, role="admin", scope="sso", limit="reads",
    ),
    Route(
        method="PUT", path=_PROVIDERS + "/{name:text}", name="putSignInProvider",
        summary="Create or change a sign-in provider. Requires If-Match, \"0\" for a new one.",
        handler=put_provider, body=ProviderBody, answer=ProvidersAnswer, caller=Caller.STAFF, role="admin", scope="sso",
        limit="identity.change", refusals=VERSIONED,
    ),
    Route(
        method="DELETE", path=_PROVIDERS + "/{name:text}", name="deleteSignInProvider",
        summary="Delete a sign-in provider.",
        handler=delete_provider, status=204, caller=Caller.STAFF, role="admin", scope="sso", limit="identity.change",
        refusals=("not-found",),
    ),
    Route(
        method="POST", path="/sites/{site}/sessions", name="openSession",
        summary="Open a visitor's session with the site's single sign-on token, a code from signing in, or as a guest. "
        "With an old token, it is a session of the same visitor.",
        handler=open_session, body=SessionBody, bodiless=True, answer=SessionAnswer, status=201, limit="sessions.open",
        writes=True, refusals=("bad-token", "token-expired", "bad-statement", "bad-code"),
    ),
    Route(
        method="POST", path="/sites/{site}/me/sign-out", name="signOut",
        summary="Sign the visitor out everywhere.",
        handler=sign_out, status=204, caller=Caller.SESSION, limit="identity.change",
    ),
    Route(
        method="GET", path="/sites/{site}/me", name="showMe", summary="Get the visitor of the session.",
        handler=show_me, answer=PersonAnswer, caller=Caller.SESSION, limit="reads", refusals=("not-found",),
    ),
    Route(
        method="PATCH", path="/sites/{site}/me", name="changeMe", summary="Change the visitor's own profile.",
        handler=change_me, body=PersonBody, answer=PersonAnswer, caller=Caller.SESSION, limit="identity.change",
        writes=True, refusals=("conflict", "not-found"),
    ),
    Route(
        method="GET", path="/sites/{site}/visitors/{visitor}", name="showProfile",
        summary="Get a visitor's public profile.",
        handler=show_profile, answer=ProfileAnswer, caller=Caller.VISITOR, reach=Reach.ALL, limit="reads",
        preference=ReadPreference.NEAREST, refusals=("not-found",),
    ),
    Route(
        method="GET", path="/sites/{site}/sso/refusals", name="listSsoRefusals",
        summary="List refused single sign-on tokens with the reasons.",
        handler=list_refusals, answer=RefusalsAnswer, caller=Caller.STAFF, role="admin", scope="sso", limit="reads",
        preference=ReadPreference.PRIMARY,
    ),
)  # fmt: skip
