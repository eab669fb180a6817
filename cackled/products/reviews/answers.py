"""What the reviews API takes and gives, as Structs: bodies are decoded to them, answers are described by them.

The JSON of a review is made by the database (``review_json``); a test holds it to `Review`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from cackled.api.answers import Count, Id, Key, PositionText, Time

Sort = Literal["helpful", "new", "old", "high", "low", "media"]
Kind = Literal["review", "question", "answer"]
Star = Annotated[int, Meta(ge=1, le=5)]
MOST_CHANNELS = 100
MOST_MEDIA = 10
LONGEST_TITLE = 150
LONGEST_LIST = 2_000
LONGEST_VARIANT = 200
LONGEST_NAME = 60


class ChannelBody(Struct):
    """The reviewed page."""

    key: Annotated[str, Meta(description="1 to 500 characters; without it, the channel of the url.")] = ""
    url: Any = ""
    title: Any = ""
    host: bool = False


class Members(Struct):
    """The content of a review. Members that are left out of a change stay."""

    star: Star | UnsetType | None = UNSET
    title: str | UnsetType = UNSET
    pros: str | UnsetType = UNSET
    cons: str | UnsetType = UNSET
    text: Annotated[str, Meta(description="Markdown.")] | UnsetType = UNSET
    recommend: bool | UnsetType | None = UNSET
    criteria: Annotated[dict[str, Star], Meta(max_length=20)] | UnsetType = UNSET
    attributes: Annotated[dict[str, str], Meta(max_length=20)] | UnsetType = UNSET
    variant: str | UnsetType = UNSET
    experienced: (
        Annotated[str, Meta(max_length=10, description="The day of the experience: YYYY-MM-DD.")] | UnsetType | None
    ) = UNSET
    media: (
        Annotated[list[Annotated[str, Meta(max_length=1_000)]], Meta(max_length=MOST_MEDIA)] | UnsetType
    ) = UNSET


class PostBody(Members, kw_only=True):
    """A new review, question, or answer to a question."""

    channel: ChannelBody
    name: Annotated[str, Meta(description="1 to 60 characters.")] = ""
    kind: Kind = "review"
    parent: Annotated[str | None, Meta(description="The id of the question that is answered.")] = None
    order: Annotated[
        str, Meta(max_length=4_000, description="The token of an order: it was bought.")
    ] = ""
    website: Annotated[
        str, Meta(max_length=2_000, description="Left empty: the field of a form that people don't see.")
    ] = ""
    seconds: Annotated[float, Meta(ge=0)] | None = None
    proof: Annotated[
        str, Meta(max_length=400, description="The answer to the challenge of a problem proof-needed.")
    ] = ""


class VoteBody(Struct):
    """Whether the review was helpful. 0 removes the vote."""

    value: Literal[1, 0, -1]


class FlagBody(Struct):
    """A report."""

    reason: Annotated[str, Meta(max_length=500)] | None = None


class ReplyBody(Struct):
    """The text of the site's reply, and the name under it."""

    text: str
    name: Annotated[str, Meta(max_length=1_000)] = ""


class SummaryQuery(Struct, frozen=True):
    """The page."""

    channel: Annotated[str, Meta(description="The channel's key.")] = ""
    url: Annotated[str, Meta(description="The page's address, of which the key is made where none is given.")] = ""
    host: Annotated[int, Meta(ge=0, le=1, description="1: the host belongs to the key that is made.")] = 0


class PageQuery(SummaryQuery, frozen=True):
    """Filters, order and cursor of reviews."""

    sort: Annotated[Sort | Literal[""], Meta(description="Empty: as the site has it.")] = ""
    star: Annotated[list[Star], Meta(max_length=5, description="Only with so many stars.")] = []
    media: Annotated[int, Meta(ge=0, le=1, description="1: only with photos.")] = 0
    verified: Annotated[int, Meta(ge=0, le=1, description="1: only of buyers.")] = 0
    q: Annotated[str, Meta(max_length=200, description="Words that they hold; the newest first.")] = ""
    kind: Kind = "review"
    parent: Annotated[str | None, Meta(description="A question whose answers are wanted.")] = None
    size: Annotated[int, Meta(ge=1, le=100)] = 10
    cursor: Annotated[str, Meta(description="From the page before.")] = ""


class FirstQuery(PageQuery, frozen=True):
    """Which first page."""


class RatingsQuery(Struct, frozen=True):
    """The channels whose ratings are wanted."""

    channel: Annotated[list[Key], Meta(max_length=MOST_CHANNELS, description="Keys of channels.")] = []
    url: Annotated[
        list[str], Meta(max_length=MOST_CHANNELS, description="Addresses of pages, of which the keys are made.")
    ] = []
    host: Annotated[int, Meta(ge=0, le=1, description="1: the host belongs to the keys that are made.")] = 0


class Author(Struct, frozen=True):
    """The author; guests have no badges."""

    id: Id
    name: str
    avatar: str | None
    badges: list[str] | UnsetType = UNSET


class Medium(Struct, frozen=True):
    """A photo: at ``url``, an https address on the site; or an uploaded picture with its ``id``, address, size in
    pixels and placeholder colour; or, of an imported review, at another server: ``link``, with an empty ``url``.
    """

    url: str
    alt: str = ""
    link: Annotated[str, Meta(description="Not to be loaded unasked: it lies at another server.")] | UnsetType = UNSET
    id: str | UnsetType = UNSET
    width: int | UnsetType = UNSET
    height: int | UnsetType = UNSET
    color: str | UnsetType = UNSET


class Reply(Struct, frozen=True):
    """The site's reply."""

    html: str
    name: str
    created: Time
    edited: Time | None


class Revision(Struct, frozen=True):
    """An edit that waits for approval."""

    star: Star | None
    title: str
    pros: str
    cons: str
    text: str
    html: str
    recommend: bool | None
    criteria: dict[str, Star]
    attributes: dict[str, str]
    variant: str
    media: list[Medium]
    experienced: str | None


class ReviewVideo(Struct, frozen=True):
    """A video that a review names, with the title that its site gives it."""

    url: str
    title: str


class Review(Struct, frozen=True):
    """A review, question or answer, as a stranger sees it."""

    id: Id
    kind: Kind
    parent: Id | None
    author: Author | None
    star: Star | None
    title: str
    pros: str
    cons: str
    html: str
    recommend: bool | None
    criteria: dict[str, Star]
    attributes: dict[str, str]
    variant: str
    media: list[Medium]
    experienced: Annotated[str | None, Meta(description="The day of the experience: YYYY-MM-DD.")]
    created: Time
    edited: Time | None
    up: Count
    down: Count
    verified: Annotated[
        Literal["order", "source"] | None,
        Meta(description="order: bought, as a token of this server says; source: as says where it was imported from."),
    ]
    source: Annotated[str | None, Meta(description="Where it was imported from.")]
    incentivized: bool
    staff: bool
    reply: Reply | None
    deleted: bool
    videos: Annotated[
        list[ReviewVideo] | UnsetType, Meta(description="There where videos that it names have titles.")
    ] = UNSET
    featured: Annotated[bool | UnsetType, Meta(description="There and true where moderators recommend it.")] = UNSET
    answered: Annotated[int | UnsetType, Meta(description="Of a question: how many answers it has.")] = UNSET
    answers: Annotated[list[Review] | UnsetType, Meta(description="Of a question: the first of its answers.")] = UNSET
    state: Annotated[
        Literal["pending", "rejected"] | UnsetType, Meta(description="It is not shown; for its author only.")
    ] = UNSET
    reason: Annotated[str | UnsetType, Meta(description="Why it is not shown; for its author only.")] = UNSET
    text: Annotated[str | UnsetType, Meta(description="Markdown; for its author only.")] = UNSET
    revision: Annotated[
        Revision | UnsetType, Meta(description="A change that waits for a moderator; for its author only.")
    ] = UNSET


class Version(Struct, frozen=True):
    """What a review said before an edit."""

    star: Star | None
    title: str
    pros: str
    cons: str
    html: str
    recommend: bool | None
    criteria: dict[str, Star]
    attributes: dict[str, str]
    variant: str
    experienced: str | None
    until: Annotated[Time, Meta(description="When the next version took its place.")]


class VersionsAnswer(Struct, frozen=True):
    """Earlier versions of a review, latest first, at most twenty. Photos of earlier versions are not kept."""

    versions: list[Version]


class CriterionMean(Struct, frozen=True):
    """The mean of a criterion."""

    average: float | None
    count: Count


class OwnMean(Struct, frozen=True):
    """The figures without imported reviews and those of the site's own staff."""

    count: Count
    average: float | None


class Summary(Struct, frozen=True):
    """The rating summary of a page."""

    count: Count
    average: Annotated[float | None, Meta(description="Two decimals; null where there is none.")]
    sum: Count
    histogram: Annotated[list[Count], Meta(min_length=5, max_length=5, description="With one star, .. five stars.")]
    recommend: Count
    recommend_of: Annotated[int, Meta(ge=0, description="How many said whether they recommend it.")]
    criteria: dict[str, CriterionMean]
    verified: Count
    with_media: Annotated[int, Meta(ge=0, description="Reviews that show a photo; links to photos elsewhere are none.")]
    unrated: Annotated[int, Meta(ge=0, description="Reviews without stars, which count nowhere above.")]
    questions: Count
    own: OwnMean


class PlacedSummary(Summary, frozen=True, kw_only=True):
    """The rating summary of a page, and its position."""

    position: PositionText


class Channel(Struct, frozen=True):
    """A reviewed page."""

    id: Id
    key: str
    seq: Count
    url: str
    title: str
    locked: bool


class PageMembers(Struct, frozen=True):
    """Reviews in their order."""

    kind: Kind
    sort: Sort
    reviews: list[Review]
    cursor: str | None


class Page(Struct, frozen=True):
    """A page of reviews."""

    channel: Channel
    position: PositionText
    summary: Summary
    page: PageMembers


class Mine(Struct, frozen=True):
    """What is the caller's own: their votes by review, their reviews, and whose words they don't want to see."""

    votes: dict[str, Literal[1, -1]]
    blocked: list[Id]
    own: list[Review]


class OneReview(Struct, frozen=True):
    """A review, and its position."""

    review: Review
    channel: Annotated[Id, Meta(description="The id of its channel.")]
    key: str
    position: PositionText


class Written(Struct, frozen=True):
    """A review, the page's new summary, and the position of its event."""

    review: Review
    summary: Summary
    position: PositionText


class Deleted(Struct, frozen=True):
    """The page's new summary."""

    summary: Summary
    position: PositionText


class Replied(Struct, frozen=True):
    """A review with the site's reply."""

    review: Review
    position: PositionText


class Votes(Struct, frozen=True):
    """A review's votes, and the caller's own."""

    id: Id
    up: Count
    down: Count
    value: Literal[1, 0, -1]
    position: PositionText


class Rating(Struct, frozen=True):
    """The rating of a product. ``score`` is the Bayesian mean that lists are sorted by."""

    count: Count
    average: float | None
    sum: Count
    score: float | None


class Ratings(Struct, frozen=True):
    """Ratings, by the key or address that was asked for."""

    ratings: dict[str, Rating]
    keys: dict[str, str] | UnsetType = UNSET


class TopQuery(Struct, frozen=True):
    """The category, and how many products."""

    category: Annotated[str, Meta(max_length=300, description="Empty: of all categories.")] = ""
    order: Annotated[
        Literal["score", "count"], Meta(description="score: the Bayesian mean; count: of reviews.")
    ] = "score"
    size: Annotated[int, Meta(ge=1, le=100)] = 10


class TopProduct(Struct, frozen=True):
    """A product in a list; ``average`` is the true mean."""

    key: str
    url: str
    title: str
    image: str
    category: str
    count: Count
    average: float
    score: float


class TopAnswer(Struct, frozen=True):
    """Products, best first."""

    products: list[TopProduct]


class StatementTold(Struct, frozen=True):
    """A sentence of the statement: its code, and the values in its text."""

    code: str
    values: dict[str, Any]


class ChecksAnswer(Struct, frozen=True):
    """The statement on how reviews are checked."""

    statements: list[StatementTold]


class Nothing(Struct, frozen=True):
    """An empty answer."""


class ReviewTold(Struct, frozen=True):
    """A review that was written or changed, and what its page has now."""

    review: Review
    summary: Summary


class ReviewDeleted(Struct, frozen=True):
    """A review that was taken away."""

    id: Id
    summary: Summary


class ReviewVoted(Struct, frozen=True):
    """The votes of a review."""

    id: Id
    up: Count
    down: Count


class SummaryTold(Struct, frozen=True):
    """What a page has of reviews."""

    summary: Summary
