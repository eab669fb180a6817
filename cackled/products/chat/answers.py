"""What the chat API takes and gives, as Structs. The JSON of messages and conversations is made by the database."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from cackled.api.answers import Id
from cackled.products.chat.forms import Field, GreetingSetup, Rule

# What the site's server signed of a visitor: a JSON Web Token.
Identity = Annotated[str, Meta(max_length=16_384)]
Line = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=10_000)]
Address = Annotated[str, Meta(max_length=2_000)]
Language = Annotated[str, Meta(max_length=20, pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
# A whole number, however JSON writes it: 2 and 2.0 are the same.
Seq = Annotated[float, Meta(ge=0, le=2**53, multiple_of=1)]


class PageBody(Struct, frozen=True):
    """The page that the visitor is on."""

    url: Address = ""
    title: Line = ""
    referrer: Address = ""


class StartBody(Struct, frozen=True):
    """A new conversation. ``key`` is the client's own: sent again, it gives the same conversation.

    ``invitation``, ``variant``: what it came from.
    """

    key: Annotated[str, Meta(min_length=1, max_length=64)]
    text: Text = ""
    name: Line = ""
    mail: Line = ""
    department: Annotated[str, Meta(max_length=20)] = ""
    fields: dict[str, Annotated[str, Meta(max_length=2_000)]] = {}
    attributes: dict[str, Line] = {}
    consent: bool = False
    page: PageBody = PageBody()
    language: Annotated[str, Meta(max_length=20)] = ""
    identity: Identity = ""
    work: Annotated[str, Meta(max_length=40)] = ""
    invitation: Annotated[str, Meta(max_length=40)] = ""
    variant: Literal["a", "b"] = "a"


class Operator(Struct, frozen=True):
    """An operator, as visitors see them."""

    id: str
    name: str
    avatar: str = ""


class Started(Struct, frozen=True):
    """A conversation, and its secret ``token``. ``position`` is the place in the queue, null if it does not wait."""

    chat: Id
    token: str
    position: int | None
    state: str
    wait: int | None
    channel: str
    seq: int
    operator: Operator | None


class ReadMarks(Struct, frozen=True):
    """Up to which seq each side has read."""

    visitor: int
    operator: int


class Rating(Struct, frozen=True):
    """What the visitor thinks of a conversation."""

    score: int
    text: str


class Chat(Struct, frozen=True):
    """A conversation, as its visitor sees it."""

    id: Id
    state: Literal["waiting", "open", "offline", "closed"]
    operator: Operator | None
    position: int | None
    wait: int | None
    read: ReadMarks
    rating: Rating | None
    created: str
    closed: str | None
    closed_by: str | None


class RowVisitor(Struct, frozen=True):
    """The visitor of a conversation, as operators see them. ``verified``: the site vouches for who they are."""

    id: Id
    name: str
    verified: bool
    country: str | None
    language: str


class Assignee(Struct, frozen=True):
    """The operator who has a conversation."""

    id: str
    name: str


class LastMessage(Struct, frozen=True):
    """The newest message of a conversation."""

    from_: str = field(name="from")
    text: str
    created: str


class OpenCounts(Struct, frozen=True):
    """How many conversations wait and are open, right after the event that tells it."""

    waiting: int
    open: int


class Row(Chat, frozen=True, kw_only=True):
    """A conversation; the members from ``seq`` on are for operators.

    ``status`` is its whole state, ``snoozed`` and ``spam`` included; ``unread``: messages that no operator has read.
    ``channel`` tells what is said in it; whoever listens there from ``told`` on misses nothing that is not in the row.
    ``version`` grows with its state, ``seq`` with its messages. ``counts`` come with events alone.
    """

    seq: int | UnsetType = UNSET
    visitor: RowVisitor | UnsetType = UNSET
    department: Id | UnsetType | None = UNSET
    labels: list[str] | UnsetType = UNSET
    status: str | UnsetType = UNSET
    version: int | UnsetType = UNSET
    channel: Id | UnsetType = UNSET
    told: int | UnsetType = UNSET
    counts: OpenCounts | UnsetType = UNSET
    unread: int | UnsetType = UNSET
    offered: bool | UnsetType = UNSET
    waiting_since: str | UnsetType | None = UNSET
    assignee: Assignee | UnsetType | None = UNSET
    guests: list[Assignee] | UnsetType = UNSET
    last: LastMessage | UnsetType | None = UNSET


class MessageAuthor(Struct, frozen=True):
    """Who wrote a message: a visitor's id, ``account:7`` of an operator, or nobody.

    ``avatar``: of an operator with a picture, its address on this server.
    """

    id: str
    name: str
    avatar: str | UnsetType = UNSET


class MessageEvent(Struct, frozen=True):
    """What happened in a conversation, such as that an operator joined."""

    name: str


class File(Struct, frozen=True):
    """A picture of a message; ``url`` is an address on this server.

    Another file has a ``name``, ``type`` and ``bytes`` and no address: `getChatFile` gives one for some minutes.
    """

    id: str
    url: str
    alt: str
    width: int
    height: int
    color: str
    name: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    bytes: int | UnsetType = UNSET


class NothingBody(Struct, frozen=True):
    """Nothing."""


class Message(Struct, frozen=True):
    """A message, or a line about what happened. ``key`` is the client's own of the call that wrote it.

    ``quick``: answers that it offers.
    """

    id: Id
    author: MessageAuthor
    seq: int
    from_: Literal["visitor", "operator", "bot", "system"] = field(name="from")
    kind: Literal["text", "event", "note"]
    text: str
    html: str
    files: list[File]
    created: str
    edited: str | None
    deleted: bool
    key: str
    event: MessageEvent | UnsetType = UNSET
    quick: list[str] | UnsetType = UNSET


class OneChat(Struct, frozen=True):
    """A conversation, and the newest seq of its channel. ``card`` and ``viewers`` are for operators."""

    chat: Row
    seq: int
    channel: str
    card: dict[str, Any] | UnsetType = UNSET
    viewers: list[Operator] | UnsetType = UNSET


class MessagesQuery(Struct, frozen=True):
    """Which messages."""

    since: Annotated[int, Meta(ge=0, le=10**18 - 1, description="Messages after this seq.")] = 0
    before: Annotated[int, Meta(ge=0, le=10**18 - 1, description="The newest messages before this seq.")] = 0
    size: Annotated[int, Meta(ge=1, le=100)] = 50


class Messages(Struct, frozen=True):
    """Messages, oldest first."""

    messages: list[Message]
    seq: int
    more: bool


class Original(Struct, frozen=True):
    """What an operator wrote before it was translated: ``text`` in ``language``, sent in the language ``to``."""

    text: Annotated[str, Meta(min_length=1, max_length=10_000)]
    language: Language
    to: Language


class MessageBody(Struct, frozen=True):
    """A message.

    ``files``: ids of pictures; without any there is a text. Of operators: ``seen`` is the newest seq that they have
    seen, ``anyway`` sends it whatever came after that, ``quick`` are answers that the visitor may choose from,
    ``original`` is what operators read beside a text that was translated; visitors don't get it.
    """

    text: Text = ""
    files: Annotated[list[Annotated[str, Meta(max_length=40)]], Meta(max_length=8)] = []
    seen: Seq | UnsetType = UNSET
    anyway: bool = False
    quick: Annotated[list[Annotated[str, Meta(min_length=1, max_length=60)]], Meta(max_length=6)] = []
    original: Original | UnsetType = UNSET


class Said(Struct, frozen=True):
    """A message, and the seq of its event."""

    message: Message
    seq: int


class TextBody(Struct, frozen=True):
    """A text."""

    text: Annotated[str, Meta(min_length=1, max_length=10_000)]


class ReadBody(Struct, frozen=True):
    """The newest seq that was read."""

    seq: Seq


class RatingBody(Struct, frozen=True):
    """What the visitor thinks of the conversation."""

    score: Literal[1, 2, 3, 4, 5]
    text: Annotated[str, Meta(max_length=2_000)] = ""


class VisitBody(Struct, frozen=True):
    """Where the visitor is now, and what the site says about them: an attribute that is null goes; ``tags`` are all."""

    page: PageBody | UnsetType = UNSET
    attributes: dict[str, Line | None] = {}
    tags: Annotated[list[Annotated[str, Meta(max_length=40)]], Meta(max_length=20)] | UnsetType = UNSET
    identity: Identity = ""


class IdentifyBody(Struct, frozen=True):
    """What the site's server signed of the visitor."""

    token: Annotated[str, Meta(min_length=1, max_length=16_384)]


class PlaceAnswer(Struct, frozen=True):
    """The caller's country, two capital letters; ``""``: not known."""

    country: str


class ResumeBody(Struct, frozen=True):
    """A link's token; ``""``: the newest conversation of the visitor, who is signed in."""

    token: Annotated[str, Meta(max_length=1_000)] = ""


class TranscriptBody(Struct, frozen=True):
    """Where a conversation goes."""

    mail: Annotated[str, Meta(min_length=3, max_length=250)]


class CloseBody(Struct, frozen=True):
    """Why an operator closes a conversation."""

    reason: Line = ""


class Done(Struct, frozen=True):
    """The seq of the event that tells of a change; null if nothing changed."""

    seq: int | None


class Department(Struct, frozen=True):
    """A department that visitors can choose."""

    id: Id
    name: str
    status: Literal["online", "away", "offline"]


class ChatStatus(Struct, frozen=True):
    """Whether somebody is there; ``off``: the site has no chat.

    ``leave``: messages are taken while nobody is there; ``before``, ``offline``: fields of forms; ``max_length`` of a
    message in characters; ``edit_seconds``: how long a message can be edited or deleted; ``position``: where it is told
    that somebody comes or goes.
    """

    status: Literal["online", "away", "offline", "off"]
    accepting: bool
    leave: bool
    consent: str
    greeting: GreetingSetup
    departments: list[Department]
    rating: bool
    next_opening: str | None
    before: list[Field]
    offline: list[Field]
    invitations: list[Rule]
    max_length: int
    edit_seconds: int
    position: str


class ChatPage(Struct, frozen=True):
    """The first render of the chat widget."""

    chat: ChatStatus


class ChatQuery(Struct, frozen=True):
    """The first render of the chat widget."""

    url: Annotated[str, Meta(description="The page's address.")] = ""
