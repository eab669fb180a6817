"""Routes of signing in and out, and of who is signed in."""

from __future__ import annotations

from typing import Any

from cackled.accounts.api import answers
from cackled.accounts.api.answers import AccountAnswer, MeAnswer, SiteAnswer
from cackled.accounts.authentication import SESSION
from cackled.accounts.sessions import LIFETIME, AccountSessions
from cackled.accounts.signin import Caller as From
from cackled.accounts.signin import SignedIn, SignIn
from cackled.accounts.store import Account, People
from cackled.accounts.throttle import MARK_LIFETIME
from cackled.api.calls import Call, header, json_response
from cackled.api.route import Caller, Route
from cackled.api.staff import cookie, prefix, set_cookie
from cackled.database.query import ReadPreference
from cackled.domain.logo import logo_of
from cackled.domain.staff import picture_url
from cackled.transport.response import Response

MARK = "known"


def caller_of(call: Call) -> From:
    """From where a call comes."""
    return From(call.address, header(call.request, "user-agent") or "", cookie(call.request, MARK))


def site_answer(call: Call, one: Any) -> SiteAnswer:
    """A site where somebody has a role, as they see it."""
    site = call.context.sites.find(one.site)
    logo = None if site is None else logo_of(site.settings.logo)
    return SiteAnswer(one.site, one.name, one.role, list(one.sections), "" if logo is None else logo.url)


async def me_of(call: Call, account: Account) -> MeAnswer:
    """What *account* is and where it works."""
    sites = await call.shared(People).sites(account.id)
    return MeAnswer(
        AccountAnswer(str(account.id), account.email, account.name, picture_url(account.picture)),
        [site_answer(call, one) for one in sites],
    )


async def entered(call: Call, made: SignedIn) -> Response:
    """The answer to whoever has just signed in: the cookies of the session, and of a browser that is known."""
    answer = json_response(await me_of(call, made.account))
    answer.headers.append(set_cookie(call.request, SESSION, made.token, LIFETIME))
    answer.headers.append(set_cookie(call.request, MARK, made.mark, MARK_LIFETIME))
    return answer


async def leave_old(call: Call) -> None:
    """End the session that the browser had, if it had one."""
    if call.staff is not None and call.staff.session:
        await call.shared(AccountSessions).end(call.staff.account, call.staff.session)


async def login(call: Call) -> Response:
    """Sign in with mail address and password. A session that the browser already had is ended."""
    prefix(call.request)
    sent: answers.LoginBody = call.body
    made = await call.shared(SignIn).with_password(sent.email, sent.password, caller_of(call), sent.code)
    await leave_old(call)
    return await entered(call, made)


async def follow_link(call: Call) -> Response:
    """Sign in with a one-time link; a link for choosing a password also sets it."""
    prefix(call.request)
    sent: answers.LinkBody = call.body
    made = await call.shared(SignIn).with_link(sent.token, sent.password, caller_of(call), sent.code)
    await leave_old(call)
    return await entered(call, made)


async def logout(call: Call) -> Response:
    """Sign out. It is no error if nobody is signed in."""
    await leave_old(call)
    answer = Response(status=204, headers=[], body=b"")
    answer.headers.append(set_cookie(call.request, SESSION, "", 0))
    # Whatever of ours the browser keeps of the panel (Clear Site Data, section 3.1); the mark of the browser stays.
    answer.headers.append((b"clear-site-data", b'"cache"'))
    return answer


async def me(call: Call) -> Any:
    """Get the signed-in account and the sites where it has a role."""
    staff = call.colleague
    sites = await call.shared(People).sites(staff.account, ReadPreference.PRIMARY_PREFERRED)
    return MeAnswer(
        AccountAnswer(str(staff.account), staff.email, staff.name, picture_url(staff.picture)),
        [site_answer(call, one) for one in sites],
    )


ROUTES = (
    Route(
        method="POST",
        path="/auth/login",
        name="login",
        summary="Sign in with mail address and password. Sets the session cookie.",
        handler=login,
        body=answers.LoginBody,
        answer=MeAnswer,
        caller=Caller.OWN_PAGE,
        limit="",
        refusals=("wrong-password", "second-factor", "wrong-code", "insecure"),
    ),
    Route(
        method="POST",
        path="/auth/link",
        name="followLink",
        summary="Sign in with a one-time link, and set a password.",
        handler=follow_link,
        body=answers.LinkBody,
        answer=MeAnswer,
        caller=Caller.OWN_PAGE,
        limit="",
        refusals=("link-spent", "second-factor", "wrong-code"),
    ),
    Route(
        method="POST",
        path="/auth/logout",
        name="logout",
        summary="Sign out.",
        handler=logout,
        status=204,
        caller=Caller.OWN_PAGE,
        limit="",
    ),
    Route(
        method="GET",
        path="/auth/me",
        name="me",
        summary="Get the signed-in account and the sites where it has a role.",
        handler=me,
        answer=MeAnswer,
        caller=Caller.STAFF,
        limit="",
    ),
)
