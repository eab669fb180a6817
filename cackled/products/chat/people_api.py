"""The routes of visitors: who they are, links that resume a conversation, letters, signing out."""

from __future__ import annotations

from typing import Any

from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.domain.errors import Conflict, Unauthorized, Unprocessable
from cackled.domain.signed_links import SignedLinks
from cackled.products.chat import answers
from cackled.products.chat.api import begun, random_number, visitor, vouched
from cackled.products.chat.invitations import Invitations, InvitedBody
from cackled.products.chat.people import ChatPeople
from cackled.products.chat.places import Places
from cackled.products.chat.resuming import Resuming


async def identify(call: Call) -> Any:
    """Say who the visitor is, with what the site's server signed."""
    found = (await visitor(call)).found
    facts = await vouched(call, call.body.token, found.person)
    assert facts is not None
    if facts.subject == found.person:
        return answers.Done(None)
    new, now = call.context.sessions.new_visitor(), call.context.wall_time()
    return answers.Done(await call.service(ChatPeople).identify(call.number("chat"), facts, new, now))


async def log_out(call: Call) -> None:
    """End the visitor's access to a conversation, and close it for good."""
    await visitor(call)
    await call.service(ChatPeople).end(call.number("chat"), random_number())


async def transcript(call: Call) -> None:
    """Send the conversation by mail, at most three times."""
    await visitor(call)
    mail = call.body.mail.strip()
    name, _, host = mail.rpartition("@")
    odd = not mail.isascii() or not mail.isprintable() or any(one in mail for one in " <>,;")
    if not name or "." not in host or odd:
        raise Unprocessable("That is no address of mail.", field="mail")
    if not call.shared(Resuming).mails:
        raise Conflict("This server sends no mail.", slug="mail-off")
    await call.service(ChatPeople).transcript(call.number("chat"), mail)


async def resume(call: Call) -> bytes:
    """Continue a conversation with a link's token, or a signed-in visitor's newest."""
    people = call.service(ChatPeople)
    if not call.body.token:
        if call.session is None:
            raise Unauthorized("Open a session first.", slug="no-token")
        return await begun(call, await people.newest(call.session.visitor))
    links: SignedLinks = call.shared(Resuming).links
    link = await links.read(call.body.token)
    if link is None or link.deed != "chat" or link.site != call.site.id:
        raise Conflict("That link was used before, or has run out.", slug="link-used")
    # Whatever can fail comes before: the link can't be used again.
    answer = await begun(call, link.target)
    await people.resume(link)
    return answer


async def get_place(call: Call) -> Any:
    """Get the caller's country, for invitations that are for some countries only. Nothing keeps it."""
    return answers.PlaceAnswer(call.shared(Places).country(call.address))


async def invited(call: Call) -> None:
    """Count that an invitation was shown or opened. Nothing else of it is kept."""
    await call.service(Invitations).count(call.body.invitation, call.body.variant, call.body.what)


_ONE = "/sites/{site}/chats/{chat}"
_VISITOR: dict[str, Any] = {"caller": Caller.ANYONE, "token": True, "limit": "chat.use"}

ROUTES = (
    Route(
        method="POST", path="/sites/{site}/chats/invited", name="countChatInvitation",
        summary="Count that an invitation was shown or opened. Nothing else of it is kept.",
        handler=invited, body=InvitedBody, status=204, caller=Caller.ANYONE, limit="chat.use",
    ),
    Route(
        method="GET", path="/sites/{site}/chats/place", name="getChatPlace",
        summary="Get the caller's country, for invitations that are for some countries only. Nothing keeps it.",
        handler=get_place, answer=answers.PlaceAnswer, caller=Caller.ANYONE, limit="reads",
    ),
    Route(
        method="POST", path="/sites/{site}/chats/resume", name="resumeChat",
        summary="Continue a conversation with a link's token, or a signed-in visitor's newest.",
        handler=resume, body=answers.ResumeBody, bodiless=True, answer=answers.Started, caller=Caller.VISITOR,
        limit="chat.start", refusals=("chat", "link-used"),
    ),
    Route(
        method="POST", path=_ONE + "/identify", name="identifyInChat",
        summary="Say who the visitor is, with what the site's server signed.",
        handler=identify, body=answers.IdentifyBody, answer=answers.Done,
        refusals=("chat", "bad-statement", "other-person"), **_VISITOR,
    ),
    Route(
        method="POST", path=_ONE + "/logout", name="logOutOfChat",
        summary="End the visitor's access to a conversation, and close it for good.",
        handler=log_out, body=answers.NothingBody, bodiless=True, status=204, refusals=("chat",), **_VISITOR,
    ),
    Route(
        method="POST", path=_ONE + "/transcript", name="sendChatTranscript",
        summary="Send the conversation by mail, at most three times.",
        handler=transcript, body=answers.TranscriptBody, status=204,
        refusals=("chat", "unprocessable", "transcripts", "mail-off"), **_VISITOR,
    ),
)  # fmt: skip
