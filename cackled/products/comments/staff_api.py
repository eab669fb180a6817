"""The routes of comments for staff: conversations as a whole, and what moderators write themselves."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from cackled.api.answers import Count, Id
from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.database.query import ReadPreference
from cackled.domain.channels import parse_id
from cackled.domain.errors import BadField
from cackled.domain.staff import within
from cackled.products.comments import answers
from cackled.products.comments.api import written_json
from cackled.products.comments.conversations import SLOWEST, Conversation, Conversations

Name = Annotated[str, Meta(min_length=1, max_length=2_000, description="A channel's key, or a page's address.")]


class ConversationQuery(Struct, frozen=True):
    """The conversation."""

    channel: Name


class ConversationBody(Struct):
    """What to change. Members that are left out stay."""

    channel: Name
    closed: bool | None = None
    read_only: bool | None = None
    slow: Annotated[int, Meta(ge=0, le=SLOWEST)] | None = None


class MoveBody(Struct):
    """What to move, and where: the thread of ``comment``, or all of ``channel``."""

    to: Name
    comment: str = ""
    channel: str = ""


class MovedAnswer(Struct, frozen=True):
    """The number of moved comments."""

    moved: Count


class AnswerBody(Struct):
    """The comment to reply to, and the text."""

    comment: str
    text: str


class StaffEditBody(Struct):
    """A new text. ``version``: the version that the moderator saw."""

    text: str
    version: Annotated[int, Meta(ge=0, lt=2**31)] | None = None
    why: Annotated[str, Meta(max_length=1_000)] = ""


class Version(Struct, frozen=True):
    """The new version of a comment, and the action of the log that undoes the change."""

    version: Count
    action: Id


async def get_conversation(call: Call) -> Any:
    """Get a conversation by the key of its page."""
    conversations = call.service(Conversations)
    within(call.colleague, [conversations.key(call.query.channel)])
    return await conversations.get(call.query.channel)


async def change_conversation(call: Call) -> Any:
    """Close a conversation, make it read-only, slow it down, or undo any of these."""
    sent: ConversationBody = call.body
    conversations = call.service(Conversations)
    within(call.colleague, [conversations.key(sent.channel)])
    return await conversations.change(
        call.colleague, sent.channel, closed=sent.closed, read_only=sent.read_only, slow=sent.slow
    )


async def _own(call: Call, comment: int) -> None:
    """See that a comment is in sections that the caller is for.

    Raises:
        Forbidden: it is not. NotFound: there is none.
    """
    if call.colleague.sections:
        within(call.colleague, [await call.service(Conversations).page_of(comment)])


async def move(call: Call) -> Any:
    """Move a thread to another page, or merge one conversation into another."""
    sent: MoveBody = call.body
    if bool(sent.comment) == bool(sent.channel):
        raise BadField("Name a comment, or a channel.", field="comment")
    service = call.service(Conversations)
    # Whence and where: both are in sections that are theirs.
    within(call.colleague, [service.key(sent.to), *([service.key(sent.channel)] if sent.channel else ())])
    if sent.comment:
        await _own(call, parse_id(sent.comment, "comment"))
        return MovedAnswer(await service.move(call.colleague, parse_id(sent.comment, "comment"), sent.to))
    return MovedAnswer(await service.merge(call.colleague, sent.channel, sent.to))


async def answer(call: Call) -> Any:
    """Reply to a comment as staff."""
    sent: AnswerBody = call.body
    await _own(call, parse_id(sent.comment, "comment"))
    written = await call.service(Conversations).answer(call.colleague, parse_id(sent.comment, "comment"), sent.text)
    return written_json(written)


async def edit(call: Call) -> Any:
    """Edit any visitor's comment."""
    sent: StaffEditBody = call.body
    await _own(call, call.number("comment"))
    version, action = await call.service(Conversations).edit(
        call.colleague, call.number("comment"), sent.text, sent.version, sent.why
    )
    return Version(version, str(action))


_BASE = "/sites/{site}/moderation"
_STAFF: dict[str, Any] = {"caller": Caller.STAFF, "role": "moderator", "scope": "moderate", "limit": ""}
ROUTES = (
    Route(
        method="GET", path=_BASE + "/conversations", name="getConversation",
        summary="Get a conversation by the key of its page.",
        handler=get_conversation, query=ConversationQuery, answer=Conversation,
        refusals=("section",), preference=ReadPreference.PRIMARY, **_STAFF,
    ),
    Route(
        method="PATCH", path=_BASE + "/conversations", name="changeConversation",
        summary="Close a conversation, make it read-only, slow it down, or undo any of these.",
        handler=change_conversation, body=ConversationBody, answer=Conversation, refusals=("section",), **_STAFF,
    ),
    Route(
        method="POST", path=_BASE + "/conversations/move", name="moveConversation",
        summary="Move a thread to another page, or merge one conversation into another.",
        handler=move, body=MoveBody, answer=MovedAnswer, refusals=("section", "key"), **_STAFF,
    ),
    Route(
        method="POST", path=_BASE + "/comments", name="answerAsStaff", summary="Reply to a comment as staff.",
        handler=answer, body=AnswerBody, answer=answers.WrittenComment, status=201,
        refusals=("section", "text-empty", "text-too-long", "parent", "depth", "locked", "read-only", "comment-locked"),
        **_STAFF,
    ),
    Route(
        method="PATCH", path=_BASE + "/comments/{comment}", name="editAsStaff", summary="Edit any visitor's comment.",
        handler=edit, body=StaffEditBody, answer=Version,
        refusals=("section", "changed", "text-empty", "text-too-long", "comment-locked"), **_STAFF,
    ),
)  # fmt: skip
