"""Routes of who forgot a password, and of who signs up: the same answer whether the address has an account or not.

Whatever depends on that is done after the caller was answered.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cackled.accounts.account_mail import Letters
from cackled.accounts.api.answers import Email
from cackled.accounts.signin import SignIn
from cackled.accounts.store import clean_email, shown_name
from cackled.api.calls import Call, header
from cackled.api.route import Caller, Route
from cackled.domain.errors import Forbidden, Refused
from cackled.languages import Language, accepted


class NoMail(Refused):
    """There is no mail server, so nothing can be sent."""

    status = 503
    slug = "no-mail"
    title = "No mail is sent from here"


class AddressBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A mail address."""

    email: Email


class SignupBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The mail address and name of a new account."""

    email: Email
    name: Annotated[str, Meta(max_length=200)] = ""


class SentAnswer(Struct, frozen=True):
    """The address that mail is sent to, if there is a reason to send any."""

    email: str


class WaysAnswer(Struct, frozen=True):
    """The sign-up policy (``open``, ``invite``, ``closed``), and whether the server sends mail."""

    signup: str
    mail: bool


async def ways(call: Call) -> WaysAnswer:
    """Get the sign-up policy, and whether the server sends mail."""
    return WaysAnswer(call.shared(SignIn).signup, call.shared(Letters).able)


async def ask_reset(call: Call) -> SentAnswer:
    """Request a password reset by mail."""
    email, language = _addressed(call)
    letters = call.shared(Letters)
    letters.afterwards(_reset(call.shared(SignIn), letters, email, language))
    return SentAnswer(email)


async def sign_up(call: Call) -> SentAnswer:
    """Request a sign-up link by mail, where sign-up is open."""
    if call.shared(SignIn).signup != "open":
        raise Forbidden("Here accounts are made by invitation.", slug="signup-closed")
    email, language = _addressed(call)
    letters = call.shared(Letters)
    letters.afterwards(_signup(call.shared(SignIn), letters, email, shown_name(call.body.name), language))
    return SentAnswer(email)


def _addressed(call: Call) -> tuple[str, Language]:
    if not call.shared(Letters).able:
        raise NoMail("Ask whoever runs this server for a link (cackled admin account link).")
    call.shared(SignIn).throttle.take_address(call.address)
    return clean_email(call.body.email), accepted(header(call.request, "accept-language"))


async def _reset(sign_in: SignIn, letters: Letters, email: str, language: Language) -> None:
    account = await sign_in.people.by_email(email)
    if account is None or not sign_in.throttle.take_mail(email):
        return
    link = f"{letters.own_url}/panel/reset#token={await sign_in.links.make(account.id, 'reset')}"
    letters.write(account.email, "reset", language, link=link)


async def _signup(sign_in: SignIn, letters: Letters, email: str, name: str, language: Language) -> None:
    account = await sign_in.people.by_email(email)
    if not sign_in.throttle.take_mail(email):
        return
    if account is not None and account.verified:
        letters.write(account.email, "known", language, link=f"{letters.own_url}/panel/")
        return
    account = await sign_in.people.add(email, name)
    link = f"{letters.own_url}/panel/link#token={await sign_in.links.make(account.id, 'verify')}"
    letters.write(account.email, "verify", language, link=link)


ROUTES = (
    Route(
        method="GET",
        path="/auth/ways",
        name="waysIn",
        summary="Get the sign-up policy, and whether the server sends mail.",
        handler=ways,
        answer=WaysAnswer,
        caller=Caller.OWN_PAGE,
        limit="",
    ),
    Route(
        method="POST",
        path="/auth/reset",
        name="askReset",
        summary="Request a password reset by mail.",
        handler=ask_reset,
        body=AddressBody,
        answer=SentAnswer,
        status=202,
        caller=Caller.OWN_PAGE,
        limit="",
        refusals=("no-mail",),
    ),
    Route(
        method="POST",
        path="/auth/signup",
        name="signUp",
        summary="Request a sign-up link by mail, where sign-up is open.",
        handler=sign_up,
        body=SignupBody,
        answer=SentAnswer,
        status=202,
        caller=Caller.OWN_PAGE,
        limit="",
        refusals=("no-mail", "signup-closed"),
    ),
)
