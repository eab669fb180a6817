"""What the comments API takes and gives, as Structs: bodies are decoded to them, answers are described by them.

The JSON of a comment is made by the database (``comment_json``); a test holds it to `Comment`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from cackled.api.answers import Count, Id, Key, PositionText, Time

Sort = Literal["best", "new", "old", "discussed"]
MOST_CHANNELS = 100
# Of one comment.
MOST_PICTURES = 4
# Of one call; of all together so many characters.
MOST_FORMULAS = 50
MOST_FORMULA_TEXT = 4_000

Pictures = Annotated[
    list[Annotated[str, Meta(max_length=40)]],
    Meta(max_length=MOST_PICTURES, description="Ids of the caller's own uploads, in their order."),
]


class ChannelBody(Struct):
    """The page that a comment is written on.

    Its address and title never cause a refusal: the visitor did not type them.
    """

    key: Annotated[str, Meta(description="1 to 500 characters; without it, the channel of the url.")] = ""
    url: Any = ""
    title: Any = ""
    host: bool = False


class PostBody(Struct):
    """A new comment."""

    channel: ChannelBody
    text: Annotated[str, Meta(description="Markdown; it may be empty where there are pictures.")]
    name: Annotated[str, Meta(description="1 to 60 characters.", extra_json_schema={"minLength": 1})]
    parent: Annotated[str | None, Meta(description="The id of the comment that is answered.")] = None
    anyway: Annotated[bool, Meta(description="Send it though the author was asked to change it.")] = False
    website: Annotated[
        str, Meta(max_length=2_000, description="Left empty: the field of a form that people don't see.")
    ] = ""
    seconds: Annotated[float, Meta(ge=0)] | None = None
    proof: Annotated[
        str, Meta(max_length=400, description="The answer to the challenge of a problem proof-needed.")
    ] = ""
    media: Pictures = []


class FormulasQuery(Struct, frozen=True):
    """Formulas in TeX: within a line, and on lines of their own."""

    inline: Annotated[list[str], Meta(max_length=MOST_FORMULAS)] = []
    block: Annotated[list[str], Meta(max_length=MOST_FORMULAS)] = []


class Formulas(Struct, frozen=True):
    """MathML of each formula, in order; null where it can't be shown."""

    inline: list[str | None]
    block: list[str | None]


class GifsQuery(Struct, frozen=True):
    """What is searched for; empty: what many take."""

    q: Annotated[str, Meta(max_length=100)] = ""


class GifAnswer(Struct, frozen=True):
    """A moving picture that was found, on the site's own server: a small one to look at, and the one to take."""

    preview: str
    url: str
    alt: str


class GifAnswers(Struct, frozen=True):
    """Those that were found, the best first."""

    gifs: list[GifAnswer]


class GifBody(Struct):
    """The one to take."""

    url: Annotated[str, Meta(max_length=2_000)]
    alt: Annotated[str, Meta(max_length=200)] = ""


class PreviewBody(Struct):
    """A text to preview."""

    text: str


class EditBody(PreviewBody):
    """The new text of a comment. Without ``media`` its pictures stay."""

    media: Pictures | UnsetType = UNSET


class Preview(Struct, frozen=True):
    """A text as HTML."""

    html: str


class VoteBody(Struct):
    """A vote. 0 removes it."""

    value: Literal[1, 0, -1]


class FlagBody(Struct):
    """A report."""

    reason: Annotated[str, Meta(max_length=500)] | None = None


class PageQuery(Struct, frozen=True):
    """Filters, order and cursor of comments."""

    channel: Annotated[str, Meta(description="The channel's key.")] = ""
    url: Annotated[str, Meta(description="The page's address, of which the key is made where none is given.")] = ""
    host: Annotated[int, Meta(ge=0, le=1, description="1: the host belongs to the key that is made.")] = 0
    sort: Sort = "best"
    size: Annotated[int, Meta(ge=1, le=100)] = 25
    cursor: Annotated[str, Meta(description="From the page before.")] = ""
    parent: Annotated[str | None, Meta(description="A root whose replies are wanted.")] = None


class FirstQuery(PageQuery, frozen=True):
    """Which first page."""


class CountsQuery(Struct, frozen=True):
    """The channels to count."""

    channel: Annotated[list[Key], Meta(max_length=MOST_CHANNELS, description="Keys of channels.")] = []
    url: Annotated[
        list[str], Meta(max_length=MOST_CHANNELS, description="Addresses of pages, of which the keys are made.")
    ] = []
    host: Annotated[int, Meta(ge=0, le=1, description="1: the host belongs to the keys that are made.")] = 0
    after: Annotated[
        list[Annotated[int, Meta(ge=0)]],
        Meta(max_length=MOST_CHANNELS, description="One for each channel, in their order: not older than this seq."),
    ] = []


class Author(Struct, frozen=True):
    """The author of a comment; guests have no badges."""

    id: Id
    name: str
    avatar: Annotated[str | None, Meta(description="The address of their picture, below this server's.")]
    badges: list[str] | UnsetType = UNSET


class Picture(Struct, frozen=True):
    """A picture of a comment; ``url`` is an address on this server, ``color`` its mean."""

    id: str
    url: str
    alt: str
    width: int
    height: int
    color: str


class LinkPreview(Struct, frozen=True):
    """What a page that a comment links to says of itself; ``url`` is its address. ``video``: it has a player, and only
    its title is known."""

    url: str
    title: str
    text: str | UnsetType = UNSET
    site: str | UnsetType = UNSET
    picture: Picture | UnsetType = UNSET
    video: bool | UnsetType = UNSET


class Comment(Struct, frozen=True):
    """A comment as a stranger sees it."""

    id: Id
    parent: Id | None
    root: Id
    depth: Count
    author: Author | None
    html: str
    created: Time
    edited: Time | None
    up: Count
    down: Count
    score: int
    deleted: bool
    media: Annotated[list[Picture] | UnsetType, Meta(description="There where it shows pictures.")] = UNSET
    links: Annotated[list[LinkPreview] | UnsetType, Meta(description="There where links have previews.")] = UNSET
    reactions: Annotated[
        dict[str, Count] | UnsetType, Meta(description="How many of each, by name; there where there are some.")
    ] = UNSET
    featured: Annotated[bool | UnsetType, Meta(description="There and true where moderators recommend it.")] = UNSET
    locked: Annotated[
        bool | UnsetType, Meta(description="There and true where it is neither changed nor answered any more.")
    ] = UNSET
    replies: list[Comment] | UnsetType = UNSET
    more: Annotated[int, Meta(description="Replies below this root that are not in the page.")] | UnsetType = UNSET
    state: Annotated[
        Literal["pending"] | UnsetType, Meta(description="It waits for a moderator; for its author only.")
    ] = UNSET
    source: Annotated[str, Meta(description="Markdown; for its author only.")] | UnsetType = UNSET


class Channel(Struct, frozen=True):
    """The conversation of a page."""

    id: Id
    key: str
    seq: Count
    url: str
    title: str
    comments: Count
    locked: bool
    readOnly: Annotated[bool | UnsetType, Meta(description="There and true where nothing can be done.")] = UNSET
    slow: Annotated[int | UnsetType, Meta(description="Seconds from one comment of somebody to their next.")] = UNSET
    pinned: Annotated[list[Id] | UnsetType, Meta(description="Comments that stand above all others.")] = UNSET


class PageMembers(Struct, frozen=True):
    """Comments in their order."""

    sort: Sort
    comments: list[Comment]
    cursor: str | None


class Mine(Struct, frozen=True):
    """What is the caller's own on a page: their votes by comment, and whose comments they don't want to see."""

    votes: dict[str, Literal[1, -1]]
    blocked: list[Id]
    reactions: Annotated[
        dict[str, list[str]] | UnsetType, Meta(description="Their reactions by comment, where there are some.")
    ] = UNSET
    own: Annotated[list[Comment], Meta(description="Their comments that wait for a moderator.")] | UnsetType = UNSET


class Page(Struct, frozen=True):
    """A page of a channel."""

    channel: Channel
    position: PositionText
    page: PageMembers


class OneComment(Struct, frozen=True):
    """A comment, and its position."""

    comment: Comment
    channel: Annotated[Id, Meta(description="The id of its channel.")]
    permalink: Annotated[str, Meta(description="Its address, where its page is one of the site's origins, or empty.")]


class WrittenComment(Struct, frozen=True):
    """A comment, and the position of its event in the channel."""

    comment: Comment
    position: PositionText


class Votes(Struct, frozen=True):
    """A comment's votes, and the caller's own."""

    id: Id
    up: Count
    down: Count
    score: int
    value: Literal[1, 0, -1]
    position: PositionText


class Reactions(Struct, frozen=True):
    """A comment's reactions by name, and whether the caller's own of that name is among them."""

    id: Id
    reactions: dict[str, Count]
    name: str
    on: bool
    position: PositionText


class Counts(Struct, frozen=True):
    """The number of visible comments, by the key or address that was asked for."""

    counts: dict[str, Count]
    keys: dict[str, str] | UnsetType = UNSET


class FilterQuery(Struct, frozen=True):
    """Filters and cursor of a channel's comments."""

    channel: Annotated[str, Meta(description="The channel's key.")]
    by: Annotated[Literal["me", "staff"], Meta(description="Whose; one's own take a session.")]
    size: Annotated[int, Meta(ge=1, le=100)] = 25
    cursor: Annotated[str, Meta(description="From the page before.")] = ""


class Filtered(Struct, frozen=True):
    """Comments of a channel without their threads, newest first."""

    comments: list[Comment]
    cursor: str | None


class MentionQuery(Struct, frozen=True):
    """The beginning of a name, and the channel that is written in."""

    channel: Annotated[str, Meta(description="The channel's key.")]
    q: Annotated[str, Meta(min_length=1, max_length=60, description="How a name begins.")]


class Mentionable(Struct, frozen=True):
    """Somebody who can be mentioned."""

    id: Id
    name: str


class Mentionables(Struct, frozen=True):
    """At most eight people: participants of the conversation first, then others who ever signed in."""

    people: list[Mentionable]


class ByAuthorQuery(Struct, frozen=True):
    """Cursor of a visitor's comments."""

    size: Annotated[int, Meta(ge=1, le=100)] = 25
    cursor: Annotated[str, Meta(description="From the page before.")] = ""


class Whereabouts(Struct, frozen=True):
    """A comment, and the conversation it belongs to."""

    comment: Comment
    key: str
    title: str
    permalink: str


class ByAuthor(Struct, frozen=True):
    """A visitor's comments, newest first; empty where they are private."""

    comments: list[Whereabouts]
    cursor: str | None


class LatelyQuery(Struct, frozen=True):
    """Which comments of the site."""

    size: Annotated[int, Meta(ge=1, le=20)] = 5
    days: Annotated[
        int, Meta(ge=0, le=366, description="The best voted of so many days; 0: the latest, however voted.")
    ] = 0


class Lately(Struct, frozen=True):
    """Comments of the site with their conversations."""

    comments: list[Whereabouts]


class Nothing(Struct, frozen=True):
    """An empty answer."""


class CommentTold(Struct, frozen=True):
    """A comment that was written or changed; ``comments`` is how many its page shows now."""

    comment: Comment
    comments: Count | UnsetType = UNSET


class CommentDeleted(Struct, frozen=True):
    """A comment that was taken away, whether its place stays, and the tombstones above that went with it."""

    id: Id
    tombstone: bool
    removed: list[Id]
    root: Id | UnsetType = UNSET
    comments: Count | UnsetType = UNSET


class CommentVoted(Struct, frozen=True):
    """The votes of a comment."""

    id: Id
    up: Count
    down: Count
    score: int


class CommentReacted(Struct, frozen=True):
    """The reactions of a comment, by name."""

    id: Id
    reactions: dict[str, Count]
