"""Routes of an account's owner: name, password, sessions, second factors, passkeys, and the end of it."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated, Any

from msgspec import Meta, Struct

from cackled.accounts.api.answers import AccountAnswer, MeAnswer, Password
from cackled.accounts.api.signin import caller_of, entered, leave_old
from cackled.accounts.authentication import SESSION
from cackled.accounts.deleted_accounts import Forgetting
from cackled.accounts.passkeys import Passkey, Passkeys, Place
from cackled.accounts.passwords import check_password
from cackled.accounts.pictures import AccountPictures
from cackled.accounts.second_factors import Factors, Setup
from cackled.accounts.sessions import AccountSessions, Listed
from cackled.accounts.signin import SignIn
from cackled.accounts.store import Account, People
from cackled.api.answers import Id
from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.api.staff import own_origin, prefix, set_cookie
from cackled.domain.errors import NotFound, Unauthorized
from cackled.domain.staff import picture_url
from cackled.transport.response import Response

Code = Annotated[str, Meta(max_length=40)]


class NameBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The name that colleagues see."""

    name: Annotated[str, Meta(max_length=200)]


class PasswordBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A new password."""

    password: Password


class ConfirmBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Proof of identity: password and code, or the answer of a passkey."""

    password: Password = ""
    code: Code = ""
    credential: dict[str, Any] | None = None


class SessionsAnswer(Struct, frozen=True):
    """The sessions of the account. ``current`` is the one that asks."""

    sessions: list[Listed]
    current: Id


class EndedAnswer(Struct, frozen=True):
    """The number of ended sessions."""

    ended: int


class HistoryAnswer(Struct, frozen=True):
    """Security events of the account, newest first."""

    entries: list[dict[str, str]]


class FactorsAnswer(Struct, frozen=True):
    """The sign-in factors of the account."""

    password: bool
    totp: bool
    recovery_codes: int
    passkeys: list[Passkey]


class TotpBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The token of the setup, and the first code of the app."""

    token: Annotated[str, Meta(max_length=300)]
    secret: Annotated[str, Meta(max_length=100)]
    code: Code


class CodesAnswer(Struct, frozen=True):
    """New recovery codes. They are shown only here."""

    recovery_codes: list[str]


class CredentialBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A ``PublicKeyCredential.toJSON()`` of the browser, and the owner's name for the passkey."""

    credential: dict[str, Any]
    name: Annotated[str, Meta(max_length=200)] = ""


class MadePasskeyAnswer(Struct, frozen=True):
    """A registered passkey."""

    id: Id


def place_of(call: Call) -> Place:
    """Where the browser asks from."""
    host = call.request.public_host.decode("ascii", "replace")
    default = ":443" if call.request.isSecure() else ":80"
    return Place(host, own_origin(call.request).removesuffix(default))


async def owner_of(call: Call) -> Account:
    """The account that calls.

    Raises:
        Unauthorized: it was deleted at this moment.
    """
    found = await call.shared(People).get(call.colleague.account)
    if found is None:
        raise Unauthorized("Sign in first.", slug="signed-out")
    return found


async def noted(call: Call, what: str) -> None:
    """Write down what happened to the account that calls."""
    caller = caller_of(call)
    await call.shared(People).log(call.colleague.account, what, caller.address, caller.agent)


async def rename(call: Call) -> AccountAnswer:
    """Change the name that colleagues see."""
    account = await owner_of(call)
    name = await call.shared(People).rename(account.id, call.body.name)
    return AccountAnswer(str(account.id), account.email, name, picture_url(account.picture))


async def set_password(call: Call) -> None:
    """Change the password. All other sessions end."""
    account, sign_in = await owner_of(call), call.shared(SignIn)
    check_password(call.body.password, account.email, account.name)
    await sign_in.people.set_password(account.id, await sign_in.passwords.hash(call.body.password))
    await sign_in.sessions.end_others(account.id, call.colleague.session)
    await noted(call, "password changed")


async def confirm(call: Call) -> None:
    """Confirm the identity again, for actions that require it."""
    sent: ConfirmBody = call.body
    account, sign_in = await owner_of(call), call.shared(SignIn)
    if sent.credential is not None:
        sign_in.throttle.take_address(call.address)
        known = await call.shared(Passkeys).account_of(sent.credential, place_of(call))
    else:
        known = (await sign_in.known(account.email, sent.password, sent.code, caller_of(call))).id
    if known != account.id:
        raise Unauthorized("That passkey is another account's.", slug="wrong-passkey")
    await sign_in.sessions.freshen(call.colleague.session)


async def list_sessions(call: Call) -> SessionsAnswer:
    """List the account's sessions."""
    staff = call.colleague
    return SessionsAnswer(await call.shared(AccountSessions).listed(staff.account), str(staff.session))


async def end_session(call: Call) -> None:
    """End a session."""
    if not await call.shared(AccountSessions).end(call.colleague.account, call.number("session")):
        raise NotFound("There is no such session.")
    await noted(call, "session ended")


async def end_others(call: Call) -> EndedAnswer:
    """End all other sessions."""
    ended = await call.shared(AccountSessions).end_others(call.colleague.account, call.colleague.session)
    await noted(call, "other sessions ended")
    return EndedAnswer(ended)


async def history(call: Call) -> HistoryAnswer:
    """List security events of the account."""
    return HistoryAnswer(await call.shared(People).history(call.colleague.account))


async def list_factors(call: Call) -> FactorsAnswer:
    """List the account's sign-in factors."""
    account = await owner_of(call)
    codes = await call.shared(Factors).recovery_codes(account.id)
    passkeys = await call.shared(Passkeys).listed(account.id)
    return FactorsAnswer(account.password is not None, account.totp is not None, codes, passkeys)


async def begin_totp(call: Call) -> Setup:
    """Get a secret for an authenticator app."""
    return await call.shared(Factors).begin(await owner_of(call))


async def finish_totp(call: Call) -> CodesAnswer:
    """Turn on authenticator codes. The answer has recovery codes."""
    sent: TotpBody = call.body
    made = await call.shared(Factors).finish(await owner_of(call), sent.token, sent.secret, sent.code)
    await noted(call, "app added")
    return CodesAnswer(made)


async def end_totp(call: Call) -> None:
    """Turn off authenticator codes."""
    await call.shared(Factors).end(call.colleague.account)
    await noted(call, "app removed")


async def new_codes(call: Call) -> CodesAnswer:
    """Replace the recovery codes."""
    account = await owner_of(call)
    if account.totp is None:
        raise NotFound("Recovery codes are for accounts that ask for an app's codes.")
    made = await call.shared(Factors).new_recovery_codes(account.id)
    await noted(call, "recovery codes replaced")
    return CodesAnswer(made)


async def offer_passkey(call: Call) -> dict[str, Any]:
    """Get the options for creating a passkey."""
    return await call.shared(Passkeys).offer(await owner_of(call), place_of(call))


async def add_passkey(call: Call) -> MadePasskeyAnswer:
    """Register a passkey."""
    sent: CredentialBody = call.body
    account = await owner_of(call)
    number = await call.shared(Passkeys).add(account, sent.credential, sent.name, place_of(call))
    await noted(call, "passkey added")
    return MadePasskeyAnswer(str(number))


async def remove_passkey(call: Call) -> None:
    """Delete a passkey."""
    if not await call.shared(Passkeys).remove(call.colleague.account, call.number("passkey")):
        raise NotFound("There is no such passkey.")
    await noted(call, "passkey removed")


async def ask_passkey(call: Call) -> dict[str, Any]:
    """Get the options for signing in with a passkey."""
    prefix(call.request)
    return await call.shared(Passkeys).ask(place_of(call))


async def passkey_login(call: Call) -> Response:
    """Sign in with a passkey."""
    prefix(call.request)
    sign_in = call.shared(SignIn)
    sign_in.throttle.take_address(call.address)
    number = await call.shared(Passkeys).account_of(call.body.credential, place_of(call))
    account = await sign_in.people.get(number)
    if account is None:
        raise Unauthorized("No account knows that passkey.", slug="wrong-passkey")
    await leave_old(call)
    return await entered(call, await sign_in.enter(account, caller_of(call), "passkey"))


async def export(call: Call) -> dict[str, Any]:
    """Export everything stored about the account."""
    account, people = await owner_of(call), call.shared(People)
    picture = await call.shared(AccountPictures).body(account.picture)
    return {
        "account": {
            "id": str(account.id), "email": account.email, "name": account.name, "verified": account.verified,
            "picture": None if picture is None else b64encode(picture).decode(),
        },
        "sites": await people.sites(account.id),
        "sessions": await call.shared(AccountSessions).listed(account.id),
        "passkeys": await call.shared(Passkeys).listed(account.id),
        "totp": account.totp is not None,
        "history": await people.history(account.id),
        "audit": await people.deeds(account.id),
    }


async def delete_account(call: Call) -> Response:
    """Delete the signed-in account. Refused where a site would be left without an owner."""
    await call.shared(Forgetting).remove(call.colleague.account)
    answer = Response(status=204, headers=[], body=b"")
    answer.headers.append(set_cookie(call.request, SESSION, "", 0))
    return answer


def _own(method: str, path: str, name: str, summary: str, handler: Any, **more: Any) -> Route:
    """A route for any account."""
    return Route(
        method=method, path=f"/auth/{path}", name=name, summary=summary, handler=handler, caller=Caller.STAFF, limit="",
        **more,
    )  # fmt: skip


_SIGN_IN = ("wrong-password", "second-factor", "wrong-code", "wrong-passkey")
ROUTES = (
    _own("PATCH", "me", "renameAccount", "Change the name that colleagues see.",
        rename, body=NameBody, answer=AccountAnswer),
    _own("DELETE", "me", "deleteAccount", "Delete the signed-in account.", delete_account, status=204, fresh=True,
         refusals=("last-owner",)),
    _own("GET", "export", "exportAccount", "Export everything stored about the account.", export, answer=dict[str, Any],
         fresh=True),
    _own("PUT", "password", "setPassword", "Change the password. All other sessions end.", set_password,
         body=PasswordBody, status=204, fresh=True),
    _own("POST", "confirm", "confirm", "Confirm the identity again, for actions that require it.", confirm,
         body=ConfirmBody, status=204, refusals=_SIGN_IN),
    _own("GET", "sessions", "listSessions", "List the account's sessions.", list_sessions, answer=SessionsAnswer),
    _own("DELETE", "sessions", "endOtherSessions", "End all other sessions.", end_others, answer=EndedAnswer),
    _own("DELETE", "sessions/{session}", "endSession", "End a session.", end_session, status=204),
    _own("GET", "history", "accountHistory", "List security events of the account.", history, answer=HistoryAnswer),
    _own("GET", "factors", "listFactors", "List the account's sign-in factors.", list_factors, answer=FactorsAnswer),
    _own("POST", "totp", "beginTotp", "Get a secret for an authenticator app.", begin_totp, answer=Setup, fresh=True),
    _own("PUT", "totp", "finishTotp", "Turn on authenticator codes. The answer has recovery codes.", finish_totp,
         body=TotpBody, answer=CodesAnswer, fresh=True),
    _own("DELETE", "totp", "endTotp", "Turn off authenticator codes.", end_totp, status=204, fresh=True),
    _own("POST", "recovery-codes", "newRecoveryCodes", "Replace the recovery codes.", new_codes, answer=CodesAnswer,
         fresh=True, refusals=("not-found",)),
    _own("POST", "passkeys/options", "offerPasskey", "Get the options for creating a passkey.", offer_passkey,
         answer=dict[str, Any], fresh=True),
    _own("POST", "passkeys", "addPasskey", "Register a passkey.", add_passkey, body=CredentialBody,
         answer=MadePasskeyAnswer, status=201, fresh=True, refusals=("passkeys",)),
    _own("DELETE", "passkeys/{passkey}", "removePasskey", "Delete a passkey.", remove_passkey, status=204,
         fresh=True),
    Route(
        method="POST",
        path="/auth/passkey/options",
        name="askPasskey",
        summary="Get the options for signing in with a passkey.",
        handler=ask_passkey,
        answer=dict[str, Any],
        caller=Caller.OWN_PAGE,
        limit="",
    ),
    Route(
        method="POST",
        path="/auth/passkey",
        name="passkeyLogin",
        summary="Sign in with a passkey.",
        handler=passkey_login,
        body=CredentialBody,
        answer=MeAnswer,
        caller=Caller.OWN_PAGE,
        limit="",
        refusals=_SIGN_IN,
    ),
)  # fmt: skip
