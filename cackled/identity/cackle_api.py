"""Cackle's calls of signing in, at their old addresses: a session of ours is what they give as the token."""

from __future__ import annotations

from typing import Any

from cackled.api.old_calls import OldCall, OldRequest
from cackled.domain.errors import Forbidden, Refused
from cackled.domain.people import People
from cackled.domain.site import Site
from cackled.identity.sso import Statement, Statements
from cackled.identity.sso_refusals import RefusalBook
from cackled.transport.response import Response


def _known(asked: OldRequest, site: Site) -> None:
    """See that a page of the site asks: what it gets signs its visitor in.

    Raises:
        Forbidden: another's does.
    """
    asked.limit("sessions.open", site)
    origin = asked.request.getHeader(b"origin")
    if origin is not None and not site.allows_origin(origin.decode("latin-1")):
        raise Forbidden("Pages of that origin can't sign in to this site.", slug="origin")


async def authorize(asked: OldRequest) -> Response:
    """Who is signed in. Nobody, as far as this can tell: what signs in here is a token, and no cookie."""
    asked.site("site")
    return asked.answer({"authorizeResponse": {"auth": None, "token": None}})


async def anonym(asked: OldRequest) -> Response:
    """A guest."""
    site = asked.site("site")
    _known(asked, site)
    grant = asked.context.sessions.guest(site, None)
    name = asked.text("name")[:100]
    user = {"id": str(grant.visitor), "name": name, "provider": "anonym"}
    return asked.answer({"authorizeResponse": {"auth": user, "token": grant.token}, "widgetUser": user})


async def sso(asked: OldRequest) -> Response:
    """Who the site's own server says it is (``token`` is an ssoAuth)."""
    site = asked.site("site")
    _known(asked, site)
    context = asked.context
    statement = Statement(cackle=asked.text("token", "ssoAuth"))
    book = context.shared[RefusalBook]
    session = await context.service(Statements, site).read(statement, None, context.sessions.new_visitor(), book)
    if session is None:
        return asked.answer({"widgetUser": None})
    person = await context.service(People, site).find(session.visitor)
    grant = context.sessions.signed_in(session)
    user: dict[str, Any] = {"id": str(session.visitor), "provider": "sso", "token": grant.token}
    if person is not None:
        user |= {"name": person.name, "avatar": person.avatar or None, "www": person.url or None}
    return asked.answer({"widgetUser": user})


def sso_failed(asked: OldRequest, error: Refused) -> Response:
    """The answer to what does not hold."""
    return asked.answer({"widgetUser": None, "error": error.detail}, error.status)


async def logout(asked: OldRequest) -> Response:
    """Nothing has to be forgotten here: the page forgets its token."""
    return asked.answer({"logout": True})


_HINT = "What signs somebody in is never done by GET: send it by POST."
CALLS = (
    OldCall(path="/login/{site}/authorize.json", handler=authorize),
    OldCall(path="/login/{site}/anonym.json", handler=anonym, methods=(b"POST",), hint=_HINT),
    OldCall(path="/login/{site}/sso.json", handler=sso, methods=(b"POST",), hint=_HINT, refused=sso_failed),
    OldCall(path="/login/logout.json", handler=logout, methods=(b"POST",),
            hint="What changes something is never done by GET. The page forgets its token, and is signed out."),
)  # fmt: skip
