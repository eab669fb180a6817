"""The rules of a site: what its owner may choose. A document as a whole, with defaults that hold nothing.

`Rules` is what is stored, sent and shown. `cackled.moderation.compiled` makes of it what texts are held against.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from cackled.domain.errors import BadField
from cackled.moderation.languages import LANGUAGES

# What happens to a text that a rule matches. The strongest of all that match wins, in this order.
Action = Literal["hold", "spam", "reject", "refuse"]
ACTIONS: tuple[Action, ...] = ("hold", "spam", "reject", "refuse")
Where = Literal["all", "text", "name", "links"]

MOST_BYTES = 64 * 1024
# What a secret is shown as; sent back, it stays what it was.
HIDDEN = "********"


class _Part(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of the document."""


class WordRule(_Part, frozen=True):
    """A word or phrase; ``*`` at its end or beginning stands for further letters."""

    text: Annotated[str, Meta(min_length=2, max_length=100)]
    action: Action = "hold"
    where: Where = "all"


class PatternRule(_Part, frozen=True):
    """A regular expression (RE2's syntax: no back references, no look-around), held against folded text."""

    pattern: Annotated[str, Meta(min_length=1, max_length=500)]
    action: Action = "hold"
    where: Where = "all"


class SpamRules(_Part, frozen=True):
    """The filter: scores are from 0 (certainly no spam) to 1."""

    enabled: Annotated[bool, Meta(description="whether the filter is asked")] = True
    hold_at: Annotated[float, Meta(ge=0.5, le=1, description="from this score on a text waits for a moderator")] = 0.7
    spam_at: Annotated[float, Meta(ge=0.5, le=1.01, description="from here on it is spam; over 1: never")] = 0.95
    doubtful_at: Annotated[
        float, Meta(ge=0, le=1, description="from here on a stranger's browser has to work for it")
    ] = 0.5
    proof: Annotated[
        Literal["never", "doubtful", "strangers"],
        Meta(description="whose browser has to do a proof of work: nobody's, that of strangers whose score is "
             "doubtful, that of all strangers"),
    ] = "doubtful"  # fmt: skip
    share: Annotated[
        bool,
        Meta(description="whether counts of this site's decisions go into what sites of this installation share, and "
             "come from there; never texts, and nothing that few sites know"),
    ] = False  # fmt: skip
    duplicates: Annotated[
        int, Meta(ge=0, le=100, description="so many others wrote nearly the same within an hour: it waits; 0: off")
    ] = 0
    burst: Annotated[
        int, Meta(ge=0, le=100_000, description="more comments a minute than this: those of strangers wait; 0: off")
    ] = 0
    least_seconds: Annotated[
        float,
        Meta(ge=0, le=60, description="a form sent sooner after it was opened was not filled in by a person; 0: off"),
    ] = 0.0


class Hook(_Part, frozen=True):
    """The site's own server is asked before a text is shown."""

    url: Annotated[str, Meta(max_length=2000)] = ""
    secret: Annotated[str, Meta(max_length=200, description="signs what is sent")] = ""
    deadline: Annotated[float, Meta(ge=0.1, le=4, description="seconds that the answer may take")] = 1.5
    late: Annotated[
        Literal["approve", "hold"], Meta(description="what happens when it is late, or can't be reached")
    ] = "approve"


class Akismet(_Part, frozen=True):
    """A service that speaks Akismet's protocol; it is sent text, name and address of what it is asked about."""

    url: Annotated[str, Meta(max_length=2000, description="as https://rest.akismet.com; empty: not asked")] = ""
    key: Annotated[str, Meta(max_length=200)] = ""
    blog: Annotated[str, Meta(max_length=2000, description="the site's address, as it is registered there")] = ""
    deadline: Annotated[float, Meta(ge=0.1, le=4)] = 1.5
    late: Literal["approve", "hold"] = "approve"


_Language = Annotated[str, Meta(pattern="^[a-z]{2}$")]


class Rules(_Part, frozen=True):
    """The rules of a site."""

    moderation: Annotated[
        Literal["post", "pre"], Meta(description="post: shown at once; pre: everything waits for a moderator")
    ] = "post"
    first: Annotated[
        int, Meta(ge=0, le=100, description="an author waits until so many of their texts were approved")
    ] = 0
    trusted_after: Annotated[
        int, Meta(ge=0, le=10_000, description="from so many approved texts on an author is trusted; 0: nobody")
    ] = 0
    trusted: Annotated[
        tuple[Annotated[str, Meta(pattern="^[0-9]{1,19}$")], ...],
        Meta(max_length=2_000, description="visitors who are trusted; neither the filter nor waiting is for them"),
    ] = ()
    links: Annotated[
        Annotated[int, Meta(ge=0, le=100)] | None, Meta(description="links in a text that are all right; null: any")
    ] = None
    links_action: Action = "hold"
    link_domains: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=253)], ...],
        Meta(max_length=500, description="domains that links may lead to as often as one likes"),
    ] = ()
    words: Annotated[tuple[WordRule, ...], Meta(max_length=2_000)] = ()
    patterns: Annotated[tuple[PatternRule, ...], Meta(max_length=100)] = ()
    flags: Annotated[
        int, Meta(ge=0, le=1_000, description="so many reports hide a text until a moderator decides; 0: never")
    ] = 0
    close_days: Annotated[
        int, Meta(ge=0, le=36_500, description="a conversation closes so many days after it began; 0: never")
    ] = 0
    slow_seconds: Annotated[
        int, Meta(ge=0, le=86_400, description="seconds between two texts of an author; 0: any")
    ] = 0
    languages: Annotated[
        tuple[_Language, ...], Meta(max_length=34, description="what is certainly in another language waits")
    ] = ()
    capitals: Annotated[
        int, Meta(ge=0, le=100, description="a text with more than this share of capital letters (%) waits; 0: any")
    ] = 0
    repeats: Annotated[
        int, Meta(ge=0, le=1_000, description="more equal characters, or words, in a row: it waits; 0: any")
    ] = 0
    names: Annotated[
        tuple[Annotated[str, Meta(min_length=2, max_length=60)], ...],
        Meta(max_length=500, description="names of staff, and words like admin, that no guest may look like"),
    ] = ()
    names_action: Literal["hold", "refuse"] = "refuse"
    spam: SpamRules = SpamRules()
    webhook: Hook = Hook()
    akismet: Akismet = Akismet()

    def hidden(self) -> Rules:
        """The same with secrets that can't be read."""
        return replace(
            self,
            webhook=replace(self.webhook, secret=HIDDEN if self.webhook.secret else ""),
            akismet=replace(self.akismet, key=HIDDEN if self.akismet.key else ""),
        )

    def kept(self, before: Rules) -> Rules:
        """The same with the secrets of *before* where they were sent back hidden."""
        return replace(
            self,
            webhook=replace(self.webhook, secret=_kept(self.webhook.secret, before.webhook.secret)),
            akismet=replace(self.akismet, key=_kept(self.akismet.key, before.akismet.key)),
        )


def _kept(given: str, before: str) -> str:
    return before if given == HIDDEN else given


def parse(raw: bytes | str) -> Rules:
    """Rules from the JSON that is stored or sent.

    Raises:
        BadField: they can't be used; the message says what, and where.
    """
    if len(raw) > MOST_BYTES:
        raise BadField(f"Rules have at most {MOST_BYTES // 1024} KB.", field="rules")
    try:
        made = msgspec.json.decode(raw, type=Rules)
    except msgspec.ValidationError as error:
        raise BadField(str(error), field="rules") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadField("The rules are not JSON.", field="rules", slug="bad-json") from None
    return check(made)


def check(rules: Rules) -> Rules:
    """*rules*, seen to fit together.

    Raises:
        BadField: they do not.
    """
    for code in rules.languages:
        if code not in LANGUAGES:
            raise BadField(f"There is no language {code}; there are {', '.join(LANGUAGES)}.", field="languages")
    if rules.spam.hold_at > rules.spam.spam_at:
        raise BadField("hold_at is not above spam_at.", field="spam.hold_at")
    if rules.akismet.url and not rules.akismet.key:
        raise BadField("The service asks for a key.", field="akismet.key")
    if rules.webhook.url and len(rules.webhook.secret) < 16 and rules.webhook.secret != HIDDEN:
        raise BadField("A webhook needs a secret of at least 16 characters.", field="webhook.secret")
    return rules


def encode(rules: Rules) -> str:
    """*rules* as they are stored."""
    return msgspec.json.encode(rules).decode()


def builtins(rules: Rules) -> dict[str, Any]:
    """*rules* as they are sent, secrets hidden."""
    made: dict[str, Any] = msgspec.to_builtins(rules.hidden())
    return made


NO_RULES = Rules()
