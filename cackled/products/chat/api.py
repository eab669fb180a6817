"""The routes of conversations for their visitors; operators share those that read and write messages."""

from __future__ import annotations

from random import SystemRandom
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, structs

from cackled.api.calls import Call, bearer, header
from cackled.api.route import Caller, Route
from cackled.api.widget import FirstPage, FirstRender, Widget
from cackled.domain.errors import Conflict, NotFound, Unauthorized
from cackled.domain.people import Facts
from cackled.domain.pictures import PICTURE_ID
from cackled.domain.sessions import BY_SITE
from cackled.domain.signed_media import DRAFT_LIFETIME, SignedMedia
from cackled.domain.site import Site
from cackled.domain.text import clean_text
from cackled.domain.uploads import Uploads
from cackled.domain.vouching import Vouching
from cackled.products.chat import answers, rush
from cackled.products.chat.desk import Desks
from cackled.products.chat.file_answers import FileAddress, FileQuery
from cackled.products.chat.invitations import Invitations
from cackled.products.chat.people import ChatPeople
from cackled.products.chat.places import Places
from cackled.products.chat.refusals import TEXT
from cackled.products.chat.service import ONLINE, Chats, Found, no_chat
from cackled.products.chat.setup import Setups
from cackled.products.chat.tokens import ChatTokens

# Bytes of a picture, whatever the site allows.
MOST_FILE = 20_000_000
MOST_ORIGINAL = 10_000
CLOSED = ("closed", "spam")
_RANDOM = SystemRandom()
STATUSES: tuple[Literal["offline", "away", "online"], ...] = ("offline", "away", "online")


class Party(Struct, frozen=True):
    """Who calls about a conversation: its visitor, an operator (``account``), or a program with a key of the site."""

    found: Found
    account: int
    name: str
    sender: str = "visitor"

    @property
    def side(self) -> str:
        """On whose side they are: ``visitor`` or ``operator``."""
        return "visitor" if self.sender == "visitor" else "operator"


def random_number() -> int:
    """A number of 62 bits that nobody guesses."""
    return _RANDOM.getrandbits(62) | 1


async def party(call: Call) -> Party:
    """Who calls: an operator, or whoever has the conversation's token.

    Raises:
        NotFound: there is no such conversation, or the token is another's.
    """
    chat = call.number("chat")
    if call.staff is not None:
        sender = "bot" if call.staff.key else "operator"
        return Party(await call.service(Chats).find(chat), call.staff.account, call.staff.name, sender)
    number = await token_number(call)
    found = await call.service(Chats).find(chat)
    if found.tokens != number:
        raise no_chat()
    return Party(found, 0, found.name)


async def token_number(call: Call) -> int:
    """Which of the conversation's tokens the call has. The database knows which of them holds.

    Raises:
        NotFound: it is none of them.
    """
    number = await call.shared(ChatTokens).number(call.site.id, call.number("chat"), bearer(call.request) or "")
    if number is None:
        raise no_chat()
    return number


async def visitor(call: Call) -> Party:
    """As `party`, for routes that only visitors call.

    Raises:
        Unauthorized: the call has no token.
        NotFound: it is not that of the conversation.
    """
    if bearer(call.request) is None:
        raise Unauthorized("Send the token of the conversation.", slug="no-token")
    return await party(call)


async def start(call: Call) -> bytes:
    """Start a conversation."""
    chats, setups, people = call.service(Chats), call.service(Setups), call.service(ChatPeople)
    facts = await vouched(call, call.body.identity)
    (_, setup), status = await setups.lately(), await chats.status()
    if chats.settings.rush and status.starts >= chats.settings.rush:
        key = await call.shared(ChatTokens).key()
        rush.check(key, call.site.id, call.address or "", call.context.wall_time(), call.body.work)
    there = (await setups.states(status)).get(call.body.department)
    agent = header(call.request, "user-agent") or ""
    chat, _, _, state, _ = await chats.start(
        call.visitor.visitor, call.body, call.address, agent, random_number(), random_number(),
        there=(await setups.states(status))[""] if there is None else there, setup=setup,
        country=call.shared(Places).country(call.address),
    )  # fmt: skip
    if facts is not None:
        await people.identify(chat, facts, call.context.sessions.new_visitor(), call.context.wall_time())
    elif call.visitor.level == BY_SITE:
        await people.signed_in(chat, call.visitor.visitor)
    if call.body.invitation:
        await call.service(Invitations).started(chat, call.body.invitation, call.body.variant)
    if state == "waiting":
        await call.service(Desks).route()
    return await begun(call, chat)


async def begun(call: Call, chat: int) -> bytes:
    """A conversation, with the token for its visitor."""
    found = await call.service(Chats).find(chat)
    now = msgspec.json.decode(found.chat, type=answers.Chat)
    token = await call.shared(ChatTokens).make(call.site.id, chat, found.tokens)
    return msgspec.json.encode(
        answers.Started(
            str(chat), token, now.position, now.state, now.wait, str(found.channel), found.seq, now.operator
        )
    )


async def vouched(call: Call, token: str, known: str = "") -> Facts | None:
    """What the site says of the visitor; None where it says nothing.

    Raises:
        Unauthorized: it does not hold.
    """
    return await call.shared(Vouching).check(call.site, token, known) if token else None


async def get_chat(call: Call) -> bytes:
    """Get a conversation. Operators also get the visitor's card."""
    caller = await party(call)
    found = caller.found
    if caller.side == "visitor":
        return _one(found.chat, found)
    staff = call.colleague
    card, viewers, row = await call.service(Desks).card(call.number("chat"), staff.may("moderator"))
    more = b',"card":' + card.encode() + b',"viewers":' + viewers.encode()
    return _one(row, found, more)


def _one(chat: str, found: Found, more: bytes = b"") -> bytes:
    return b'{"chat":%b,"seq":%d,"channel":"%d"%b}' % (chat.encode(), found.seq, found.channel, more)


async def list_messages(call: Call) -> bytes:
    """List the messages of a conversation, oldest first. Operators also get notes."""
    caller, query = await party(call), call.query
    found, seq, more = await call.service(Chats).messages(
        call.number("chat"), query.since, query.before, query.size, bool(caller.account)
    )
    return b'{"messages":[%b],"seq":%d,"more":%b}' % (
        ",".join(found).encode(), seq, b"true" if more else b"false",
    )  # fmt: skip


async def say(call: Call) -> Any:
    """Write a message. The same Idempotency-Key again gives the message that was written first."""
    body, staff = call.body, call.staff
    if staff is None:
        sender, account, name, tokens = "visitor", 0, "", await token_number(call)
    else:
        sender, account, name, tokens = "bot" if staff.key else "operator", staff.account, staff.name, None
    original = body.original if staff is not None and staff.account and body.original is not UNSET else None
    if original is not None:
        original = structs.replace(original, text=clean_text(original.text, MOST_ORIGINAL))
    seen = None
    if staff is not None and body.seen is not UNSET and not body.anyway:
        seen = int(body.seen)
    written = await call.service(Chats).say(
        call.number("chat"), sender, account, name, tokens, body.text, call.idempotency_key or "",
        address=call.address if staff is None else None, seen=seen, files=body.files,
        quick=() if staff is None else body.quick, original=original,
    )  # fmt: skip
    return _said(written.message, written.seq)


def _said(message: str, seq: int) -> bytes:
    return b'{"message":%b,"seq":%d}' % (message.encode(), seq)


async def edit(call: Call) -> bytes:
    """Edit a message of the caller's own, while the site allows it."""
    return await _changed(call, call.body.text)


async def delete(call: Call) -> bytes:
    """Delete a message of the caller's own, while the site allows it."""
    return await _changed(call, None)


async def _changed(call: Call, text: str | None) -> bytes:
    caller = await party(call)
    of_visitor = caller.found.visitor if caller.side == "visitor" else None
    written = await call.service(Chats).change(
        call.number("chat"), call.number("message"), of_visitor, caller.account or None, text
    )
    return _said(written.message, written.seq)


async def typing(call: Call) -> None:
    """Tell the other side that the caller is typing. Nothing keeps that; it holds for six seconds."""
    caller = await party(call)
    if caller.found.state not in CLOSED:
        who = f"account:{caller.account}" if caller.account else ""
        call.service(Chats).typing(caller.found.channel, caller.side, caller.name, who)


async def add_file(call: Call) -> Any:
    """Upload a picture, or another file, for a message. The body is the file."""
    caller, uploads = await party(call), call.shared(Uploads)
    if caller.found.state in CLOSED:
        raise Conflict("This conversation is closed.", slug="chat-closed")
    content = call.request.content
    raw = b"" if content is None else content.read()
    visitor, account = (caller.found.visitor, None) if caller.side == "visitor" else (None, caller.account)
    made = await uploads.add_any(call.site, raw, call.query.alt, call.query.name, visitor, account)
    picture = await call.service(Chats).picture(made, visitor, account)
    # Nobody else sees it before it is sent.
    return {**picture, "url": call.shared(SignedMedia).address(picture["url"], DRAFT_LIFETIME)}


async def get_file(call: Call) -> Any:
    """Get an address at which a picture or file of a conversation can be had for a while."""
    caller, name = await party(call), call.parameters["file"]
    match = PICTURE_ID.fullmatch(name)
    if match is None or int(match[1]) != call.site.id:
        raise NotFound("There is no such file.", slug="message")
    visitor, account = (caller.found.visitor, None) if caller.side == "visitor" else (None, caller.account)
    known = await call.service(Chats).file(call.number("chat"), match[2], visitor, account)
    signer = call.shared(SignedMedia)
    return FileAddress(
        signer.file(name) if "name" in known else signer.address(known["url"]), known.get("name", ""), known["alt"]
    )


async def read(call: Call) -> Any:
    """Mark messages up to a seq as read."""
    caller = await party(call)
    return answers.Done(await call.service(Chats).read(call.number("chat"), caller.side, int(call.body.seq)))


async def close(call: Call) -> Any:
    """Close a conversation."""
    caller = await party(call)
    reason = "" if caller.side == "visitor" else call.body.reason
    seq = await call.service(Chats).close(call.number("chat"), caller.side, reason)
    if caller.found.assignee is not None:
        await call.service(Desks).route()
    return answers.Done(seq)


async def rate(call: Call) -> Any:
    """Rate a conversation."""
    await visitor(call)
    return answers.Done(await call.service(Chats).rate(call.number("chat"), call.body.score, call.body.text))


async def visit(call: Call) -> Any:
    """Tell operators which page the visitor is on, and attributes that the site sets."""
    found = (await visitor(call)).found
    facts = await vouched(call, call.body.identity, found.person)
    if facts is not None and facts.subject != found.person:
        new, now = call.context.sessions.new_visitor(), call.context.wall_time()
        await call.service(ChatPeople).identify(call.number("chat"), facts, new, now)
    await call.service(Chats).visit(call.number("chat"), call.body)


def first_key(query: answers.ChatQuery, site: Site) -> str:
    """The key of the channel that a first render is about: that of nobody."""
    return "chat"


async def first_page(render: FirstRender) -> FirstPage:
    """Whether somebody is there, and what is asked before a conversation starts."""
    chats = render.service(Chats)
    settings = chats.settings
    setups = render.service(Setups)
    found, (_, setup), (_, following) = await chats.status(), await setups.lately(), await setups.open()
    states = await setups.states(found)
    state = states[""]
    greeting = structs.replace(setup.greeting, text=setup.greeting.text or settings.greeting)
    status = answers.ChatStatus(
        STATUSES[state] if settings.enabled else "off", settings.enabled and state == ONLINE, settings.offline,
        setup.consent or settings.consent, greeting,
        [answers.Department(one.id, one.name, STATUSES[states[one.id]]) for one in found.departments],
        settings.rating, following,
        setup.before, setup.offline, [one for one in setup.invitations if one.on],
        max_length=settings.max_length, edit_seconds=settings.edit_seconds,
        position=str(render.site.position(chats.channel, found.seq)),
    )  # fmt: skip
    return FirstPage(b'"chat":' + msgspec.json.encode(status), found.seq, b"null")


WIDGETS = (
    Widget(name="Chat", query=answers.ChatQuery, key=first_key, page=first_page, answer=answers.ChatPage),
)
FILE_REFUSALS = tuple(
    f"media-{one}"
    for one in ("type", "broken", "pixels", "frames", "memory", "time", "large", "hourly", "room", "harmful")
)
_ALL = "/sites/{site}/chats"
_ONE = "/sites/{site}/chats/{chat}"
_PARTY: dict[str, Any] = {"caller": Caller.PARTY, "role": "operator", "scope": "chat", "limit": "chat.use"}
# What a program does not do: it has no pictures, and changes nothing that it said.
_PEOPLE: dict[str, Any] = {**_PARTY, "scope": ""}
_VISITOR: dict[str, Any] = {"caller": Caller.ANYONE, "token": True, "limit": "chat.use"}

ROUTES = (
    Route(
        method="POST", path=_ALL, name="startChat", summary="Start a conversation.", handler=start,
        body=answers.StartBody, answer=answers.Started, status=201, caller=Caller.SESSION, limit="chat.start",
        mend=True,
        refusals=("chat-off", "consent", "nobody-there", "banned", "chats", *TEXT, "key", "locked", "work-needed",
            "required", "bad-statement", "other-person",),
    ),
    Route(
        method="GET", path=_ONE, name="getChat",
        summary="Get a conversation. Operators also get the visitor's card.",
        handler=get_chat, answer=answers.OneChat, refusals=("chat",), **_PARTY,
    ),
    Route(
        method="GET", path=_ONE + "/messages", name="listChatMessages",
        summary="List the messages of a conversation, oldest first. Operators also get notes.",
        handler=list_messages, query=answers.MessagesQuery, answer=answers.Messages, refusals=("chat",), **_PARTY,
    ),
    Route(
        method="POST", path=_ONE + "/messages", name="sendChatMessage",
        summary="Write a message. The same Idempotency-Key again gives the message that was written first.",
        handler=say, body=answers.MessageBody, answer=answers.Said, status=201, idempotent=True, mend=True,
        refusals=(
            "chat", "chat-closed", "banned", "not-assignee", "newer-messages", *TEXT, "media-unknown",
        ),
        **_PARTY,
    ),
    Route(
        method="PATCH", path=_ONE + "/messages/{message}", name="editChatMessage",
        summary="Edit a message of the caller's own, while the site allows it.",
        handler=edit, body=answers.TextBody, answer=answers.Said, mend=True,
        refusals=("chat", "message", "author", "message-old", *TEXT), **_PEOPLE,
    ),
    Route(
        method="DELETE", path=_ONE + "/messages/{message}", name="deleteChatMessage",
        summary="Delete a message of the caller's own, while the site allows it.",
        handler=delete, answer=answers.Said, refusals=("chat", "message", "author", "message-old"), **_PEOPLE,
    ),
    Route(
        method="PUT", path=_ONE + "/typing", name="typeInChat",
        summary="Tell the other side that the caller is typing. Nothing keeps that; it holds for six seconds.",
        handler=typing, body=answers.NothingBody, bodiless=True, status=204, refusals=("chat",), **_PARTY,
    ),
    Route(
        method="POST", path=_ONE + "/files", name="addChatFile",
        summary="Upload a picture, or another file, for a message. The body is the file.", handler=add_file,
        query=FileQuery, takes="*/*", most=MOST_FILE, answer=answers.File, status=201,
        refusals=("chat", "chat-closed", "no-pictures", "no-files", "file-type", *FILE_REFUSALS), **_PEOPLE,
    ),
    Route(
        method="GET", path=_ONE + "/files/{file:text}", name="getChatFile",
        summary="Get an address at which a picture or file of a conversation can be had for a while.",
        handler=get_file, answer=FileAddress, refusals=("chat", "message"), **_PARTY,
    ),
    Route(
        method="PUT", path=_ONE + "/read", name="readChat", summary="Mark messages up to a seq as read.",
        handler=read, body=answers.ReadBody, answer=answers.Done, refusals=("chat",), **_PARTY,
    ),
    Route(
        method="POST", path=_ONE + "/close", name="closeChat", summary="Close a conversation.", handler=close,
        body=answers.CloseBody, bodiless=True, answer=answers.Done, refusals=("chat",), **_PARTY,
    ),
    Route(
        method="POST", path=_ONE + "/rating", name="rateChat", summary="Rate a conversation.", handler=rate,
        body=answers.RatingBody, answer=answers.Done, refusals=("chat", "chat-off", *TEXT), **_VISITOR,
    ),
    Route(
        method="PUT", path=_ONE + "/visit", name="visitChat",
        summary="Tell operators which page the visitor is on, and attributes that the site sets.",
        handler=visit, body=answers.VisitBody, bodiless=True, status=204,
        refusals=("chat", "unprocessable", "bad-statement", "other-person"), **_VISITOR,
    ),
)  # fmt: skip
