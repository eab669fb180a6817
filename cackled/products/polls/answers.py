"""What the API of polls takes and gives, as Structs: bodies are decoded to them, answers are described by them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from cackled.api.answers import Count, Id, PositionText, Time

MOST_OPTIONS = 50
LONGEST_QUESTION = 300
LONGEST_OPTION = 200
LONGEST_TEXT = 2_000

Kind = Literal["single", "multiple", "ranked", "number", "quiz"]
Results = Literal["always", "voted", "closed", "staff"]
Identity = Annotated[
    Literal["session", "account", "mail", "sso"],
    Meta(
        description="Who has one vote: a browser's session, an account, a confirmed address of mail, or somebody whom "
        "the site itself signed in."
    ),
]
OptionId = Annotated[str, Meta(pattern="^[0-9]{1,9}$", description="An option's number within its poll.")]


class VoteBody(Struct):
    """A vote. In ranked polls the order of options is the order of preference."""

    options: Annotated[list[str], Meta(min_length=1, max_length=MOST_OPTIONS)]


class ProposalBody(Struct):
    """A proposed option."""

    text: Annotated[str, Meta(max_length=LONGEST_TEXT)]


class OptionBody(Struct):
    """An option as its owner writes it; with ``id`` an existing one."""

    text: Annotated[str, Meta(max_length=LONGEST_TEXT)] = ""
    id: OptionId | None = None
    image: Annotated[
        str, Meta(max_length=2_000, description="https, on a page of the site; or the url of a picture by staff.")
    ] = ""
    video: Annotated[str, Meta(max_length=2_000, description="The address of a video on YouTube or Vimeo.")] = ""
    correct: Annotated[bool, Meta(description="Of a quiz: the right answer.")] = False


class PollBody(Struct, kw_only=True):
    """A new poll. The options of a number poll are made from ``low`` to ``high`` by ``step``."""

    kind: Kind = "single"
    question: Annotated[str, Meta(max_length=LONGEST_TEXT)]
    options: Annotated[list[OptionBody], Meta(max_length=MOST_OPTIONS)] = []
    description: Annotated[str, Meta(max_length=LONGEST_TEXT)] = ""
    explanation: Annotated[str, Meta(max_length=LONGEST_TEXT, description="Of a quiz: shown with its answer.")] = ""
    min: Annotated[int, Meta(ge=1, le=MOST_OPTIONS)] | None = None
    max: Annotated[int, Meta(ge=1, le=MOST_OPTIONS)] | None = None
    low: Annotated[int, Meta(ge=-1_000, le=1_000)] = 1
    high: Annotated[int, Meta(ge=-1_000, le=1_000)] = 10
    step: Annotated[int, Meta(ge=1, le=1_000)] = 1
    results: Results = "always"
    identity: Identity = "session"
    quota: Annotated[int, Meta(ge=0, le=1_000_000, description="New votes of a network in an hour; 0: no bound.")] = 20
    burst: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Votes of a network in a minute before more are held back; 0: none.")
    ] = 30
    changeable: Annotated[bool, Meta(description="Whether a vote can be changed and taken back.")] = True
    voters_shown: Annotated[bool, Meta(description="Whether names of voters are shown; not with sessions.")] = False
    write_in: Annotated[bool, Meta(description="Whether visitors may propose options.")] = False
    opens_at: Time | None = None
    closes_at: Time | None = None
    closed: bool = False


class PollChange(Struct, kw_only=True):
    """Changes of a poll. Once there are votes only some changes are allowed.

    ``version`` is the older form of If-Match, in its place.
    """

    version: Annotated[int, Meta(ge=1, le=2**31 - 1)] | UnsetType = UNSET
    kind: Kind | UnsetType = UNSET
    question: Annotated[str, Meta(max_length=LONGEST_TEXT)] | UnsetType = UNSET
    options: Annotated[list[OptionBody], Meta(max_length=MOST_OPTIONS)] | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=LONGEST_TEXT)] | UnsetType = UNSET
    explanation: Annotated[str, Meta(max_length=LONGEST_TEXT)] | UnsetType = UNSET
    min: Annotated[int, Meta(ge=1, le=MOST_OPTIONS)] | UnsetType = UNSET
    max: Annotated[int, Meta(ge=1, le=MOST_OPTIONS)] | UnsetType = UNSET
    results: Results | UnsetType = UNSET
    identity: Identity | UnsetType = UNSET
    quota: Annotated[int, Meta(ge=0, le=1_000_000)] | UnsetType = UNSET
    burst: Annotated[int, Meta(ge=0, le=1_000_000)] | UnsetType = UNSET
    changeable: bool | UnsetType = UNSET
    voters_shown: bool | UnsetType = UNSET
    write_in: bool | UnsetType = UNSET
    opens_at: Time | UnsetType | None = UNSET
    closes_at: Time | UnsetType | None = UNSET
    closed: bool | UnsetType = UNSET


class DecisionBody(Struct):
    """The decision on a proposed option."""

    shown: bool


class BurstBody(Struct):
    """The decision on a burst of votes."""

    network: Annotated[str, Meta(max_length=50)]
    minute: Time
    action: Literal["strike", "count"]


class PollQuery(Struct, frozen=True):
    """Which poll."""

    poll: Annotated[str, Meta(description="The poll's id.")] = ""
    poll_id: Annotated[str, Meta(description="The same, as the widget's option is called.")] = field(
        default="", name="pollId"
    )

    @property
    def id(self) -> str:
        """The poll's id, or ``""``."""
        return self.poll or self.poll_id


class ListQuery(Struct, frozen=True):
    """Filters and cursor of polls."""

    before: Annotated[str, Meta(description="Those made before the poll of this id.")] = ""
    size: Annotated[int, Meta(ge=1, le=100)] = 25


class VotersQuery(Struct, frozen=True):
    """Cursor of an option's voters."""

    option: Annotated[str, Meta(description="The option's id.")]
    after: Annotated[str, Meta(description="The id of the last voter of the page before.")] = ""


class ExportQuery(Struct, frozen=True):
    """Cursor of an export."""

    offset: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0


class Video(Struct, frozen=True):
    """A video of another site. It is loaded only when somebody plays it. ``title`` is what its site calls it."""

    provider: Literal["youtube", "vimeo"]
    id: str
    hash: str = ""
    title: str = ""


class Option(Struct, frozen=True):
    """An option. ``votes`` and ``correct`` are null while they are hidden."""

    id: OptionId
    text: str
    image: str
    video: Video | None
    value: int | None
    votes: Count | None
    correct: bool | None


class OptionCount(Struct, frozen=True):
    """The votes of an option."""

    id: OptionId
    votes: Count


class PollCounts(Struct, frozen=True):
    """The counts of a poll."""

    id: Id
    voters: Count
    options: list[OptionCount]


class PublicCounts(Struct, frozen=True):
    """The counts of a poll as a stranger sees them who has not voted; null and none where they are hidden."""

    id: Id
    voters: Count | None
    options: list[OptionCount]


class PollUpdated(Struct, frozen=True):
    """A poll was changed: read it again."""

    id: Id
    version: int


class RoundAnswer(Struct, frozen=True):
    """One round of a ranked poll: ballots by option, who is eliminated, and why."""

    counts: list[tuple[OptionId, int]]
    exhausted: Count
    out: str
    tied: list[str]
    by: Literal["", "earlier", "lot"]


class OutcomeAnswer(Struct, frozen=True):
    """The winner of a ranked poll, and the rounds."""

    winner: str
    rounds: list[RoundAnswer]


class Poll(Struct, frozen=True):
    """A poll, as a stranger sees it who has not voted."""

    id: Id
    kind: Kind
    question: str
    description: str
    options: list[Option]
    min: int
    max: int
    results: Results
    identity: Identity
    changeable: bool
    voters_shown: bool
    write_in: bool
    state: Literal["scheduled", "open", "closed"]
    opens_at: Time | None
    closes_at: Time | None
    voters: Count | None
    removed: Count | None
    version: int
    explanation: str | None
    outcome: OutcomeAnswer | None


class QuizAnswer(Struct, frozen=True):
    """The right answers, and the explanation."""

    correct: list[OptionId]
    explanation: str


class Me(Struct, frozen=True):
    """What the caller alone sees."""

    options: list[OptionId]
    results: PollCounts | None
    answer: QuizAnswer | None
    outcome: OutcomeAnswer | None


class PollPage(Struct, frozen=True):
    """A poll, and where its channel stands."""

    position: PositionText
    poll: Poll


class OnePoll(Struct, frozen=True):
    """A poll, and what the caller alone sees of it."""

    position: PositionText
    poll: Poll
    me: Me | None


class Voted(Struct, frozen=True):
    """The poll as its voter sees it."""

    position: PositionText
    me: Me


class Proposed(Struct, frozen=True):
    """The id of the proposed option, or of an equal one that exists."""

    id: OptionId


class Saved(Struct, frozen=True):
    """A poll that was created or changed."""

    id: Id
    version: int
    position: PositionText


class Voter(Struct, frozen=True):
    """A voter, by display name."""

    id: Id
    name: str
    avatar: str


class Voters(Struct, frozen=True):
    """Voters of an option; a page of them."""

    voters: list[Voter]


class Day(Struct, frozen=True):
    """New votes of a day, or from one origin."""

    name: str
    votes: Count


class Burst(Struct, frozen=True):
    """Votes of one network within a minute, some of which are held back."""

    network: str
    minute: Time
    votes: Count
    held: Count
    options: list[OptionCount]


class StaffOption(Option, frozen=True):
    """An option with its state: 0 proposed, 1 shown, 2 refused."""

    state: int


class StaffPoll(Struct, frozen=True):
    """A poll with hidden counts."""

    id: Id
    version: int
    kind: Kind
    question: str
    explanation: str
    quota: int
    burst: int
    voters: Count
    removed: Count
    options: list[StaffOption]
    outcome: OutcomeAnswer | None
    days: list[Day]
    origins: list[Day]
    bursts: list[Burst]


class Listed(Struct, frozen=True):
    """A poll in a list."""

    id: Id
    kind: Kind
    question: str
    state: str
    voters: Count
    held: Count
    proposals: Count
    created_at: Time


class Polls(Struct, frozen=True):
    """Polls, newest first."""

    polls: list[Listed]


class Decided(Struct, frozen=True):
    """The position of a decision in the poll's channel."""

    position: PositionText


class DecidedBurst(Struct, frozen=True):
    """The number of votes that were decided on."""

    position: PositionText
    votes: Count
