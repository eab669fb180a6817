"""Routes of who works on a site, and of invitations."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from cackled.accounts.account_mail import Letters
from cackled.accounts.api.answers import Email, MeAnswer, Password
from cackled.accounts.api.signin import caller_of, entered, leave_old, me_of
from cackled.accounts.members import Invitation, Member, Members, check_rank
from cackled.accounts.signin import SignIn
from cackled.accounts.store import People, check_role, clean_email
from cackled.accounts.throttle import MAIL
from cackled.api.answers import Id
from cackled.api.calls import Call, etag, header, version_matched
from cackled.api.route import VERSIONED, Caller, Route
from cackled.api.staff import own_origin, prefix
from cackled.domain.audit import Audit
from cackled.domain.errors import Forbidden, NotFound, TooFast, Unauthorized
from cackled.domain.staff import Staff
from cackled.languages import accepted
from cackled.transport.response import Response

Sections = Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=50)]
# Seconds until one more letter may go to an address.
MAIL_PATIENCE = 1 / MAIL[0]
Token = Annotated[str, Meta(max_length=200)]


class MembersAnswer(Struct, frozen=True):
    """The members of the site, and the open invitations."""

    members: list[Member]
    invitations: list[Invitation]


class InviteBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The mail address and role of the invited."""

    email: Email
    role: str
    sections: Sections = []


class InvitedAnswer(Struct, frozen=True):
    """An invitation. ``link`` is given where no mail is sent: pass it on yourself."""

    id: Id
    email: str
    mailed: bool
    link: str | None


class MemberBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The new role of a member."""

    role: str
    sections: Sections = []


class LookBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The token of an invitation."""

    token: Token


class LookAnswer(Struct, frozen=True):
    """What an invitation offers. ``account``: the invited address already has an account."""

    site: int
    site_name: str
    email: str
    role: str
    account: bool


class AcceptBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The token of an invitation; name and password of those without an account."""

    token: Token
    name: Annotated[str, Meta(max_length=200)] = ""
    password: Password = ""


async def list_members(call: Call) -> MembersAnswer:
    """List the site's members and open invitations."""
    members = call.shared(Members)
    return MembersAnswer(await members.listed(call.site.id), await members.invitations(call.site.id))


async def invite(call: Call) -> InvitedAnswer:
    """Invite a member by mail."""
    sent: InviteBody = call.body
    people, letters, sign_in = call.shared(People), call.shared(Letters), call.shared(SignIn)
    if sign_in.signup == "closed" and await people.by_email(sent.email) is None:
        raise Forbidden("Here only an operator adds accounts.", slug="signup-closed")
    check_rank(call.colleague, check_role(sent.role))
    if letters.able and not sign_in.throttle.take_mail(clean_email(sent.email)):
        # Never the link instead: whoever opens it is taken for the owner of the address.
        raise TooFast(MAIL_PATIENCE)
    email, token, number = await call.shared(Members).invite(
        call.colleague, call.site.id, sent.email, sent.role, sent.sections
    )
    await call.service(Audit).record(call.colleague, "member.invited", f"invitation:{number}", role=sent.role)
    link = f"{letters.own_url or own_origin(call.request)}/panel/invitation#token={token}"
    mailed = letters.able
    if mailed:
        language = accepted(header(call.request, "accept-language"))
        letters.write(email, "invite", language, link=link, site=call.site.name, by=call.colleague.name)
    return InvitedAnswer(str(number), email, mailed, None if mailed else link)


async def withdraw(call: Call) -> None:
    """Revoke an invitation."""
    number = call.number("invitation")
    if not await call.shared(Members).withdraw(call.site.id, number):
        raise NotFound("There is no such invitation.")
    await call.service(Audit).record(call.colleague, "member.uninvited", f"invitation:{number}")


async def change_member(call: Call) -> Response:
    """Change a member's role. Requires If-Match."""
    account = call.number("account")
    version = await call.shared(Members).change(
        call.colleague, call.site.id, account, call.body.role, call.body.sections, version_matched(call.request)
    )
    await call.service(Audit).record(call.colleague, "member.changed", f"account:{account}", role=call.body.role)
    return Response(204, [etag(version), (b"cache-control", b"no-store")], b"")


async def remove_member(call: Call) -> None:
    """Remove a member. Without a role that allows it, members can only remove themselves."""
    account = call.number("account")
    if account != call.colleague.account and not call.colleague.may("admin", "sync"):
        raise Forbidden("That is for the role admin.", slug="role")
    await call.shared(Members).remove(call.colleague, call.site.id, account)
    await call.service(Audit).record(call.colleague, "member.removed", f"account:{account}")


async def look(call: Call) -> LookAnswer:
    """Get what an invitation offers."""
    call.shared(SignIn).throttle.take_address(call.address)
    found = await call.shared(Members).look(call.body.token)
    if found is None:
        raise _spent()
    known = await call.shared(People).by_email(found.email)
    return LookAnswer(found.site, found.site_name, found.email, found.role, known is not None)


async def accept(call: Call) -> Any:
    """Take an invitation: with the account that is signed in, or a new one of the invitation's address.

    Whoever has an account of that address signs in first: the link alone, which may have been handed on, is no proof
    of being its owner.
    """
    sent: AcceptBody = call.body
    sign_in, members, people = call.shared(SignIn), call.shared(Members), call.shared(People)
    sign_in.throttle.take_address(call.address)
    found = await members.look(sent.token)
    if found is None:
        raise _spent()
    made = None
    if call.staff is None:
        prefix(call.request)
        if await people.by_email(found.email) is not None:
            raise Unauthorized("Sign in with the account of that address, then take the invitation.", slug="signed-out")
        made = await sign_in.join(found.email, sent.name, sent.password, caller_of(call))
    account = made.account.id if made is not None else call.colleague.account
    if not await members.accept(sent.token, account):
        # Taken back at this moment, or an owner who stays one.
        await members.role(found.site, account)
    site = call.context.sites.find(found.site)
    who = await people.get(account)
    if site is not None and who is not None:
        audit = call.context.service(Audit, site)
        joined = Staff(account=account, name=who.shown)
        await audit.record(joined, "member.joined", f"account:{account}", role=found.role)
    if made is None:
        assert who is not None
        return await me_of(call, who)
    await leave_old(call)
    return await entered(call, made)


def _spent() -> Unauthorized:
    return Unauthorized("This invitation was used before, taken back, or has run out.", slug="link-spent")


ROUTES = (
    Route(
        method="GET",
        path="/sites/{site}/members",
        name="listMembers",
        summary="List the site's members and open invitations.",
        handler=list_members,
        answer=MembersAnswer,
        caller=Caller.STAFF,
        role="admin",
        scope="sync",
        limit="",
    ),
    Route(
        method="POST",
        path="/sites/{site}/members",
        name="invite",
        summary="Invite a member by mail.",
        handler=invite,
        body=InviteBody,
        answer=InvitedAnswer,
        status=201,
        caller=Caller.STAFF,
        role="admin",
        scope="sync",
        limit="",
        refusals=("invitations", "signup-closed"),
    ),
    Route(
        method="PATCH",
        path="/sites/{site}/members/{account}",
        name="changeMember",
        summary="Change a member's role. Requires If-Match.",
        handler=change_member,
        body=MemberBody,
        status=204,
        caller=Caller.STAFF,
        role="admin",
        scope="sync",
        limit="",
        refusals=(*VERSIONED, "last-owner"),
    ),
    Route(
        method="DELETE",
        path="/sites/{site}/members/{account}",
        name="removeMember",
        summary="Remove a member, or leave the site.",
        handler=remove_member,
        status=204,
        caller=Caller.STAFF,
        role="any",
        scope="sync",
        limit="",
        refusals=("last-owner",),
    ),
    Route(
        method="DELETE",
        path="/sites/{site}/invitations/{invitation}",
        name="withdrawInvitation",
        summary="Revoke an invitation.",
        handler=withdraw,
        status=204,
        caller=Caller.STAFF,
        role="admin",
        scope="sync",
        limit="",
    ),
    Route(
        method="POST",
        path="/auth/invitation/look",
        name="lookAtInvitation",
        summary="Get what an invitation offers.",
        handler=look,
        body=LookBody,
        answer=LookAnswer,
        caller=Caller.OWN_PAGE,
        limit="",
        refusals=("link-spent",),
    ),
    Route(
        method="POST",
        path="/auth/invitation",
        name="acceptInvitation",
        summary="Accept an invitation with the signed-in account or a new one.",
        handler=accept,
        body=AcceptBody,
        answer=MeAnswer,
        caller=Caller.OWN_PAGE,
        limit="",
        refusals=("link-spent", "signed-out", "not-found"),
    ),
)
