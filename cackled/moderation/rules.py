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

    enabled: Annotated[bool, Meta(description="Use the spam filter.")] = True
    hold_at: Annotated[float, Meta(ge=0.5, le=1, description="Score from which a text is held for moderation.")] = 0.7
    spam_at: Annotated[float, Meta(ge=0.5, le=1.01, description=(
        "Score from which a text is spam. Over 1: never."
    ))] = 0.95
    doubtful_at: Annotated[
        float, Meta(ge=0, le=1, description="Score from which a stranger's browser has to do a proof of work.")
    ] = 0.5
    proof: Annotated[
        Literal["never", "doubtful", "strangers"],
        Meta(description=(
            "Whose browsers have to do a proof of work: nobody's, those of strangers with a doubtful score, or "
            "those of all strangers."
        )),
    ] = "doubtful"  # fmt: skip
    share: Annotated[
        bool,
        Meta(description=(
            "Share counts of this site's decisions with the sites of this installation, and use theirs. Texts are "
            "never shared, and nothing that only few sites know."
        )),
    ] = False  # fmt: skip
    duplicates: Annotated[
        int, Meta(ge=0, le=100, description=(
            "Hold a text when so many others wrote nearly the same within an hour. 0: off."
        ))
    ] = 0
    burst: Annotated[
        int, Meta(ge=0, le=100_000, description=(
            "Hold texts of strangers while the site gets more than this many a minute. 0: off."
        ))
    ] = 0
    least_seconds: Annotated[
        float,
        Meta(ge=0, le=60, description="Seconds below which a form was filled in too fast for a person. 0: off."),
    ] = 0.0


class Hook(_Part, frozen=True):
    """The site's own server is asked before a text is shown."""

    url: Annotated[str, Meta(max_length=2000)] = ""
    secret: Annotated[str, Meta(max_length=200, description="Secret that signs the request.")] = ""
    deadline: Annotated[float, Meta(ge=0.1, le=4, description="Seconds to wait for the answer.")] = 1.5
    late: Annotated[
        Literal["approve", "hold"], Meta(description="What happens when there is no answer in time.")
    ] = "approve"


class Akismet(_Part, frozen=True):
    """A service that speaks Akismet's protocol; it is sent text, name and address of what it is asked about."""

    url: Annotated[str, Meta(max_length=2000, description=(
        "Address of the service, such as https://rest.akismet.com. Empty: not used."
    ))] = ""
    key: Annotated[str, Meta(max_length=200)] = ""
    blog: Annotated[str, Meta(max_length=2000, description="The site's address as registered with the service.")] = ""
    deadline: Annotated[float, Meta(ge=0.1, le=4)] = 1.5
    late: Literal["approve", "hold"] = "approve"


_Language = Annotated[str, Meta(pattern="^[a-z]{2}$")]


class Rules(_Part, frozen=True):
    """The rules of a site."""

    moderation: Annotated[
        Literal["post", "pre"], Meta(description=(
            "post: new texts are shown at once; pre: everything is held for moderation."
        ))
    ] = "post"
    first: Annotated[
        int, Meta(ge=0, le=100, description="Hold an author's texts until so many of them were approved.")
    ] = 0
    trusted_after: Annotated[
        int, Meta(ge=0, le=10_000, description="Approved texts from which an author is trusted. 0: nobody is.")
    ] = 0
    trusted: Annotated[
        tuple[Annotated[str, Meta(pattern="^[0-9]{1,19}$")], ...],
        Meta(max_length=2_000, description="Trusted visitors: their texts are neither filtered nor held."),
    ] = ()
    links: Annotated[
        Annotated[int, Meta(ge=0, le=100)] | None, Meta(description="Links that a text may have. null: any number.")
    ] = None
    links_action: Action = "hold"
    link_domains: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=253)], ...],
        Meta(max_length=500, description="Domains whose links are not counted."),
    ] = ()
    words: Annotated[tuple[WordRule, ...], Meta(max_length=2_000)] = ()
    patterns: Annotated[tuple[PatternRule, ...], Meta(max_length=100)] = ()
    flags: Annotated[
        int, Meta(ge=0, le=1_000, description="Reports that hide a text until a moderator decides. 0: never.")
    ] = 0
    close_days: Annotated[
        int, Meta(ge=0, le=36_500, description="Days after which a conversation closes. 0: never.")
    ] = 0
    slow_seconds: Annotated[
        int, Meta(ge=0, le=86_400, description="Slow mode: seconds between two texts of one author. 0: off.")
    ] = 0
    languages: Annotated[
        tuple[_Language, ...], Meta(max_length=34, description="Hold texts that are certainly in another language.")
    ] = ()
    capitals: Annotated[
        int, Meta(ge=0, le=100, description="Hold texts with more than this percentage of capital letters. 0: off.")
    ] = 0
    repeats: Annotated[
        int, Meta(ge=0, le=1_000, description=(
            "Hold texts with more than this many equal characters or words in a row. 0: off."
        ))
    ] = 0
    names: Annotated[
        tuple[Annotated[str, Meta(min_length=2, max_length=60)], ...],
        Meta(max_length=500, description="Names that guests cannot imitate, such as those of staff or admin."),
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
